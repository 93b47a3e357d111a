// The phone's position for the reviewer: only after the person chose it, about once a minute, and never in the way.

export const EVERY_MS = 60_000;
const RETRY_MS = 5_000;
const ASK = { enableHighAccuracy: true, maximumAge: 10_000, timeout: 20_000 };
const DENIED = 1;

/**
 * `state`: off, asking, on, denied, unavailable; `fix`: {lat, lon, accuracy_m, taken_at, permission} of the last answer, or null.
 * `send(message)` gives a promise that is rejected when the message did not arrive. Dispatches `change`.
 */
export class LocationShare extends EventTarget {
  #send;
  #geolocation;
  #permissions;
  #timer = null;
  #turn = 0;

  constructor({ send, geolocation = globalThis.navigator?.geolocation, permissions = globalThis.navigator?.permissions }) {
    super();
    this.#send = send;
    this.#geolocation = geolocation;
    this.#permissions = permissions;
    this.state = "off";
    this.fix = null;
  }

  get wanted() {
    return this.state !== "off" && this.state !== "denied";
  }

  /** Ask the phone, and go on telling. Resolves with the state reached. */
  async start() {
    if (this.wanted) return this.state;
    if (!this.#geolocation) return this.#set("unavailable");
    this.#set("asking");
    await this.#tell(++this.#turn);
    return this.state;
  }

  stop() {
    this.#turn += 1;
    clearTimeout(this.#timer);
    this.#set("off");
  }

  async #tell(turn) {
    const next = await this.#once(turn);
    if (turn === this.#turn && next) this.#timer = setTimeout(() => this.#tell(turn), next);
  }

  /** How long to wait for the next time; null when there is none. */
  async #once(turn) {
    try {
      const fix = await this.#locate();
      if (turn !== this.#turn) return null;
      this.fix = fix;
      this.#set("on");
      await this.#send({ type: "location", ...fix });
      return EVERY_MS;
    } catch (error) {
      if (turn !== this.#turn) return null;
      if (error?.code === DENIED) {
        this.#set("denied");
        return null;
      }
      const isOurs = typeof error?.code === "string";
      if (!isOurs) this.#set("unavailable");
      return isOurs ? RETRY_MS : EVERY_MS;
    }
  }

  async #locate() {
    const position = await new Promise((resolve, reject) => this.#geolocation.getCurrentPosition(resolve, reject, ASK));
    const { latitude: lat, longitude: lon, accuracy } = position.coords;
    const takenAt = new Date(position.timestamp).toISOString();
    return { lat, lon, accuracy_m: accuracy, taken_at: takenAt, permission: await this.#permission() };
  }

  async #permission() {
    try {
      return (await this.#permissions.query({ name: "geolocation" })).state;
    } catch {
      return "unknown";
    }
  }

  #set(state) {
    this.state = state;
    this.dispatchEvent(new CustomEvent("change"));
    return state;
  }
}

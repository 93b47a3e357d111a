import { ServerClock } from "./clock.js";
import { RecordingWatch, stageState } from "./console-state.js";
import { jsonRequest } from "./json-request.js";
import { MuteReport } from "./mute-report.js";
import { ReceiptMaker } from "./receipts.js";
import { Room } from "./room.js";
import { fold, initialState } from "./room-state.js";

/** Events arrive one by one, hundreds at a rejoin; what is drawn from them may wait this long. */
const SETTLE_MS = 40;
const PAUSING = new Set(["inspection.paused", "inspection.resumed"]);

/**
 * One seat at the console: joins, holds the room's connection, folds its events, and sends what the person does.
 *
 * Dispatches `change` (anything, gathered), `event` (detail: `{event, past}`, `past` when it happened before this connection), and `joined`.
 */
export class ConsoleSession extends EventTarget {
  #inspection;
  #join;
  #csrf;
  #settling = null;
  #pastSeq = 0;
  #watch = new RecordingWatch();
  #room = null;
  #receipts = null;
  #mutes = new MuteReport((message) => this.send(message));

  /**
   * @param {{inspection: {id: string, state: string}, join: {url?: string, storage?: string}, csrf: string}} options `join.url` for signed-in
   *   staff; for a guest `join.storage`, the key of the browser's storage where the invitation's page `join.page` left the answer to its join.
   */
  constructor({ inspection, join, csrf }) {
    super();
    this.#inspection = inspection.id;
    this.#join = join;
    this.#csrf = csrf;
    this.clock = new ServerClock();
    this.phase = "joining";
    this.bye = null;
    this.removal = {};
    this.lostSeconds = 0;
    this.refusal = null;
    this.me = null;
    this.room = { ...initialState(), state: inspection.state };
    this.events = [];
    this.presence = [];
    this.media = [];
    this.recording = { state: "idle", slots: [] };
  }

  /** Where a guest takes a seat anew: the kept answer of their join is void once it was replaced or ran out. Null for staff. */
  get entrance() {
    return this.#join.page ?? null;
  }

  get stage() {
    return stageState(this);
  }

  get over() {
    return ["ended", "concluded", "cancelled"].includes(this.stage.state);
  }

  /** Join, or join again (another window of the same person took over, or the token ran out). */
  async start() {
    if (this.over) return;
    this.phase = "joining";
    this.bye = null;
    this.#changed();
    try {
      this.me = await this.#answer();
    } catch (error) {
      // The page was opened before the end and joins after it.
      if (error.code === "inspection_not_live") this.bye = "ended";
      this.phase = "refused";
      this.refusal = error;
      this.#changed();
      return;
    }
    this.dispatchEvent(new CustomEvent("joined", { detail: this.me }));
    this.#connect();
  }

  async #answer() {
    if (this.#join.url) return jsonRequest(this.#join.url, { method: "POST", csrf: this.#csrf, body: {} });
    const key = this.#join.storage;
    const kept = sessionStorage.getItem(key) ?? localStorage.getItem(key);
    if (!kept) throw Object.assign(new Error("not_joined"), { code: "not_joined" });
    return JSON.parse(kept);
  }

  #connect() {
    this.#room?.close();
    const room = new Room({ base: this.me.base, token: this.me.token, after: this.room.lastSeq, lines: true, clock: this.clock });
    this.#receipts ??= new ReceiptMaker(this.me);
    this.#receipts.follow(room);
    this.#room = room;
    const current = (handler) => (event) => room === this.#room && handler(event.detail);
    room.addEventListener("hello", current(({ seq }) => { this.#pastSeq = seq; }));
    room.addEventListener("event", current((event) => this.#event(event)));
    room.addEventListener("line", current(({ seq }) => { this.room = { ...this.room, lastSeq: seq }; }));
    room.addEventListener("presence", current((people) => this.#changed({ presence: people })));
    room.addEventListener("media", current((slots) => this.#media(slots)));
    room.addEventListener("status", current((detail) => this.#status(detail)));
    room.addEventListener("bye", current((detail) => this.#bye(detail)));
    room.connect();
  }

  #event(event) {
    this.room = fold(this.room, event);
    if (PAUSING.has(event.type)) this.#watchRecording(this.media);
    this.events.push(event);
    this.dispatchEvent(new CustomEvent("event", { detail: { event, past: event.seq <= this.#pastSeq } }));
    this.#compareMutes();
    this.#changed();
  }

  #media(slots) {
    this.#watchRecording(slots);
    this.#compareMutes();
    this.#changed({ media: slots });
  }

  #watchRecording(slots) {
    this.recording = this.#watch.update(slots, performance.now(), this.room.pause !== null);
  }

  #status({ status, seconds }) {
    if (this.bye) return;
    if (status === "open") this.phase = "open";
    else if (status === "lost") this.phase = "lost";
    this.#changed({ lostSeconds: seconds });
  }

  #bye({ code, by, reason }) {
    if (code === "restarting") return;
    // A token runs out while the person stays: staff simply join again.
    if (code === "expired" && this.#join.url) this.start();
    else this.#changed({ bye: code, removal: { by, reason }, media: [], presence: [] });
  }

  #changed(change = {}) {
    Object.assign(this, change);
    this.#settling ??= setTimeout(() => {
      this.#settling = null;
      this.dispatchEvent(new CustomEvent("change"));
    }, SETTLE_MS);
  }

  /** Our own microphone or camera (`kind` "audio" or "video") is so: the log will say it, now or as soon as it can be told. */
  want(kind, muted) {
    this.#mutes.want(kind, muted);
    this.#compareMutes();
  }

  #compareMutes() {
    if (this.me && this.room.lastSeq >= this.#pastSeq) this.#mutes.compare(this.room, this.me.participant);
  }

  send(message) {
    if (!this.#room) return Promise.reject(Object.assign(new Error("not_connected"), { code: "not_connected" }));
    return this.#room.send(message);
  }

  /** @returns {Promise<{id: string, url: string, sha256: string, width: number, height: number, rtp_timestamp: number}>} */
  takeSnapshot({ slot, rtpTimestamp, item, request }) {
    const body = { slot, item, request };
    if (rtpTimestamp !== null) body.rtp_timestamp = rtpTimestamp;
    return jsonRequest(`${this.me.base}/snapshots`, { method: "POST", token: this.me.token, body });
  }

  pause(reason) {
    return this.#lead("pause", { reason });
  }

  resume() {
    return this.#lead("resume");
  }

  end() {
    return this.#lead("end");
  }

  /** What was received of every camera, what was not, and why: `slots` of `GET <base>/continuity`. */
  async continuity() {
    return (await jsonRequest(`${this.me.base}/continuity`, { token: this.me.token })).slots;
  }

  #lead(verb, body = {}) {
    const url = `/api/v1/inspections/${this.#inspection}/${verb}`;
    // An administrator sits in the room as an observer and leads it by the right of the office.
    const asStaff = this.#join.url !== undefined && this.me.role !== "reviewer";
    return jsonRequest(url, { method: "POST", ...(asStaff ? { csrf: this.#csrf } : { token: this.me.token }), body });
  }

  /** A picture behind the bearer token, as a Blob. */
  async picture(url) {
    const headers = this.me ? { Authorization: `Bearer ${this.me.token}` } : {};
    const response = await fetch(url, { headers });
    if (!response.ok) throw new Error(`http_${response.status}`);
    return response.blob();
  }

  close() {
    this.#room?.close();
  }
}

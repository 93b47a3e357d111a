// The photos of this phone: hashed before anything is sent, kept in the phone's own storage, announced at once, sent when
// there is room on the line, repeated without limit until the server has them or the time for it is over.

import { reconnectDelay } from "./backoff.js";
import { DAMAGED, DAMAGED_AT_MOST, OVER, OVER_FOR_ALL, PieceSender } from "./piece-sender.js";
import { randomId } from "./random-id.js";
import { OLDEST_MS } from "./recording-runs.js";

const PIECE = 1 << 18;
// What the server will never take: it has said so, and the log tells of it.
const USELESS = new Set([
  "photo_differs", "bad_photo", "announced_otherwise", "too_many_photos", "snapshot_unknown", "recording_of_a_pause", "invalid", "bad_body", "too_large",
]);

/**
 * `waiting`: how many photos are still to be sent. `state`: idle, sending, waiting (no network: tries again), done, over (too late). Dispatches
 * `change`, and `report` (detail {state, detail}) with what the log should say: why a photo will not come. `clock`: the server's time.
 */
export class PhotoQueue extends EventTarget {
  #inspection;
  #store;
  #clock;
  #sender;
  #working = null;
  #again = false;
  #wake = null;
  #damaged = new Map();

  constructor({ base, token, inspection, store, clock = Date, ...means }) {
    super();
    this.#inspection = inspection;
    this.#store = store;
    this.#clock = clock;
    this.#sender = new PieceSender({ base, token, store, ...means });
    this.state = "idle";
    this.waiting = 0;
  }

  set live(live) {
    this.#sender.live = live;
  }

  close() {
    this.#sender.close();
  }

  /** Keep a still ({blob, how, width, height}, with `snapshot` it belongs to or null) and send it. Resolves once it is kept. */
  async add({ blob, how, width, height, snapshot = null, takenAt = this.#clock.now() }) {
    const bytes = await blob.arrayBuffer();
    const sha256 = hex(await crypto.subtle.digest("SHA-256", bytes));
    const id = randomId();
    const about = {
      kind: "photo", inspection: this.#inspection, started_at: takenAt, wall: Date.now(), media_type: blob.type, how, width, height, snapshot,
      size_bytes: bytes.byteLength, sha256,
    };
    await this.#store.begin(id, about);
    try {
      for (let at = 0; at < bytes.byteLength; at += PIECE) await this.#store.append(id, bytes.slice(at, at + PIECE), {});
    } finally {
      await this.#store.finish(id, { finished: true });
    }
    this.check();
  }

  /** Send what is there; resolves when nothing more can be done now. */
  check() {
    this.#again = true;
    this.#wake?.();
    this.#working ??= this.#work().finally(() => { this.#working = null; });
    return this.#working;
  }

  async #work() {
    for (let attempt = 0; this.#again && !this.#sender.closed; ) {
      this.#again = false;
      try {
        await this.#round();
        attempt = 0;
      } catch (error) {
        if (this.#sender.closed) return;
        if (OVER.has(error.status)) {
          if (OVER_FOR_ALL.has(error.status)) await this.#forgetAll();
          this.#say("over");
          return;
        }
        this.#say("waiting");
        this.#again = true;
        await Promise.race([this.#sender.wait(reconnectDelay(attempt++)), new Promise((resolve) => { this.#wake = resolve; })]);
      }
    }
  }

  async #round() {
    const photos = await this.#photos();
    this.waiting = photos.length;
    if (photos.length > 0) this.#say("sending");
    const failures = [];
    const apart = (photo, act) => this.#unlessUseless(photo, act).catch((error) => {
      if (!isOfOnePhoto(error)) throw error;
      failures.push(error);
      return null;
    });
    // All digests first: the office is to know of a photo even if the phone is lost with it.
    for (const photo of photos) photo.announced = await apart(photo, () => this.#announce(photo));
    for (const photo of photos.filter(({ announced }) => announced)) await apart(photo, () => this.#send(photo));
    if (failures.length > 0) throw failures[0];
    if (!this.#again) this.#say(this.waiting > 0 ? "sending" : "done");
  }

  /** Whole ones of this inspection; what a full phone kept only in part, and what is older than anybody asks for, goes. */
  async #photos() {
    const found = [];
    for (const run of await this.#store.photos()) {
      if (run.open) continue;
      if (run.wall < Date.now() - OLDEST_MS || run.size !== run.size_bytes) await this.#store.remove(run.id);
      else if (run.inspection === this.#inspection) found.push(run);
    }
    return found;
  }

  async #forgetAll() {
    for (const photo of await this.#photos()) await this.#forget(photo);
  }

  #announce(photo) {
    const { id, snapshot, media_type, how, width, height, size, sha256 } = photo;
    const taken_at = new Date(photo.started_at).toISOString();
    return this.#sender.ask("POST", "/photos", { request: id, snapshot, media_type, taken_at, width, height, how, size_bytes: size, sha256 });
  }

  async #send(photo) {
    await this.#sender.send(photo, "/photos", photo.announced);
    await this.#forget(photo);
  }

  async #unlessUseless(photo, act) {
    try {
      return await act();
    } catch (error) {
      if (!USELESS.has(error.code) && !this.#isDamaged(photo, error)) throw error;
      await this.#forget(photo);
      return null;
    }
  }

  #isDamaged(photo, error) {
    if (!DAMAGED.has(error.code)) return false;
    const times = (this.#damaged.get(photo.id) ?? 0) + 1;
    this.#damaged.set(photo.id, times);
    if (times < DAMAGED_AT_MOST) return false;
    this.dispatchEvent(new CustomEvent("report", { detail: { state: "photo_failed", detail: error.code } }));
    return true;
  }

  async #forget(photo) {
    await this.#store.remove(photo.id);
    this.waiting = Math.max(0, this.waiting - 1);
    this.dispatchEvent(new CustomEvent("change"));
  }

  #say(state) {
    this.state = state;
    this.dispatchEvent(new CustomEvent("change"));
  }
}

/** Whether the others may still go: neither the network nor the service is the matter, nor who sends. */
function isOfOnePhoto({ code, status }) {
  return DAMAGED.has(code) || (status >= 400 && status < 500 && !OVER.has(status));
}

function hex(digest) {
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

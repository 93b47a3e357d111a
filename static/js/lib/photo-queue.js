// The photos of this phone: hashed before anything is sent, kept in the phone's own storage, announced at once, sent when
// there is room on the line, repeated without limit until the server has them or the time for it is over.

import { PieceSender } from "./piece-sender.js";
import { randomId } from "./random-id.js";
import { OLDEST_MS } from "./recording-runs.js";
import { FilesApart, UploadRounds } from "./upload-rounds.js";

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
  #rounds;
  #apart = new FilesApart(USELESS);

  constructor({ base, token, inspection, store, clock = Date, ...means }) {
    super();
    this.#inspection = inspection;
    this.#store = store;
    this.#clock = clock;
    this.#sender = new PieceSender({ base, token, store, ...means });
    this.#rounds = new UploadRounds(this.#sender, {
      round: () => this.#round(),
      over: (forAll) => this.#over(forAll),
      waiting: () => this.#say("waiting"),
    });
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
    return this.#rounds.go();
  }

  async #round() {
    const photos = await this.#photos();
    this.waiting = photos.length;
    if (photos.length > 0) this.#say("sending");
    const giveUp = (photo, damage) => this.#giveUp(photo, damage);
    const announced = new Map();
    // All digests first: the office is to know of a photo even if the phone is lost with it.
    const failures = await this.#apart.each(photos, async (photo) => announced.set(photo, await this.#announce(photo)), giveUp);
    failures.push(...await this.#apart.each([...announced.keys()], (photo) => this.#send(photo, announced.get(photo)), giveUp));
    if (failures.length > 0) throw failures[0];
    if (!this.#rounds.again) this.#say(this.waiting > 0 ? "sending" : "done");
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

  async #over(forAll) {
    if (forAll) for (const photo of await this.#photos()) await this.#forget(photo);
    this.#say("over");
  }

  #announce(photo) {
    const { id, snapshot, media_type, how, width, height, size, sha256 } = photo;
    const taken_at = new Date(photo.started_at).toISOString();
    return this.#sender.ask("POST", "/photos", { request: id, snapshot, media_type, taken_at, width, height, how, size_bytes: size, sha256 });
  }

  async #send(photo, announced) {
    await this.#sender.send(photo, "/photos", announced);
    await this.#forget(photo);
  }

  async #giveUp(photo, damage) {
    if (damage) this.dispatchEvent(new CustomEvent("report", { detail: { state: "photo_failed", detail: damage } }));
    await this.#forget(photo);
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

function hex(digest) {
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

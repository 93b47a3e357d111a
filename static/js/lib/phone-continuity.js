// What keeps the record of a phone whole: it records what it sends, and sends afterwards what did not arrive.

import { GapUpload } from "./gap-upload.js";
import { LocalRecorder } from "./local-recording.js";
import { PhotoQueue } from "./photo-queue.js";
import { openStore } from "./recording-store.js";
import { forgetUpload, keepUpload } from "./upload-seat.js";

const LOOK_EVERY_MS = 30_000;
// So long it must go well again before it is said: a full disk may take one piece and refuse the next.
const BACK_AFTER_MS = 15_000;

/**
 * `recording`: whether this phone keeps a recording of its own now. `upload`: a GapUpload, and `photos`: a PhotoQueue, once there is a store. Dispatches `change`, and `report`
 * (detail {state, detail?}) with what the log should say of the phone's own recording and photos: why a gap could not be filled, or a photo not be sent.
 */
export class PhoneContinuity extends EventTarget {
  #seat;
  #camera;
  #clock;
  #recorder = null;
  #ready;
  #timer = null;
  #over = false;
  #survives = false;
  #failedBecause = null;
  #back = null;
  #begun = false;
  #held;

  /** `seat`: the join's answer, with `paused` as it was when an earlier page heard last; `clock`: the server's time. */
  constructor({ seat, camera, clock, store = openStore() }) {
    super();
    this.#seat = seat;
    this.#held = Boolean(seat.paused);
    this.#camera = camera;
    this.#clock = clock;
    this.upload = null;
    this.photos = null;
    this.#ready = Promise.resolve(store).then((opened) => this.#prepare(opened));
  }

  get recording() {
    return this.#recorder?.state === "recording";
  }

  async #prepare(store) {
    const { inspection, base, token } = this.#seat;
    this.#recorder = new LocalRecorder({ store, inspection, stream: this.#camera.stream, clock: this.#clock });
    this.#recorder.addEventListener("change", () => {
      this.#judge();
      this.#changed();
    });
    this.#survives = store.survivesReload;
    this.upload = new GapUpload({ base, token, inspection, store, clock: this.#clock });
    this.upload.addEventListener("change", () => {
      this.#recorder.gaps = this.upload.gaps;
      this.#changed();
    });
    this.photos = new PhotoQueue({ base, token, inspection, store, clock: this.#clock });
    this.photos.addEventListener("change", () => this.#changed());
    this.photos.addEventListener("report", ({ detail }) => this.#report(detail.state, detail.detail));
    this.photos.check();
    // The page was loaded again in the middle: what it recorded before is still here, and it records on.
    if ((await store.list()).some((run) => run.inspection === inspection)) this.begin();
  }

  /** The camera is being sent: record from here on. */
  async begin() {
    await this.#ready;
    if (this.#over) return;
    keepUpload(this.#seat);
    if (!this.#survives && !this.#timer) this.#report("own_recording_memory");
    this.#begun = true;
    if (!this.#held) this.#recorder.start();
    this.#timer ??= setInterval(() => this.upload.check(), LOOK_EVERY_MS);
  }

  /** Keep a still of the camera (see PhotoQueue.add) and send it. */
  async addPhoto(still) {
    await this.#ready;
    await this.photos.add(still);
  }

  /** The room can be reached (again). */
  async connected() {
    await this.#ready;
    if (!this.#over) this.photos.check();
    if (this.#timer && !this.#over) this.upload.check();
  }

  /** A gap of our own slot is over: what was recorded meanwhile becomes a file, and goes out. */
  async gapEnded() {
    await this.#ready;
    if (this.#over) return;
    await this.#recorder.rotate();
    this.upload.check();
  }

  /** While somebody has paused the inspection nothing is recorded here either. May be said again and again. */
  async hold(isPaused) {
    if (this.#held === isPaused) return;
    this.#held = isPaused;
    await this.#ready;
    if (this.#over) return;
    if (this.#held) await this.#recorder.stop();
    else if (this.#begun) this.#recorder.start();
  }

  async tracksChanged() {
    await this.#ready;
    this.#recorder.tracksChanged();
  }

  /** The inspection is over: stop recording, send what is missing at full speed. Resolves when nothing is left. */
  async finish() {
    await this.#drain();
    const isOver = [this.upload, this.photos].every(({ state }) => ["done", "over"].includes(state));
    if (isOver && this.photos.waiting === 0) forgetUpload(this.#seat);
  }

  /** Gone for now: stop recording, send what is missing. It stays remembered: what the end will ask for is still here. */
  leave() {
    return this.#drain();
  }

  /** Come back on the same page: who came back sends what is left. */
  async handOver() {
    await this.#ready;
    this.upload.close();
    this.photos.close();
  }

  async #drain() {
    this.#over = true;
    await this.#ready;
    clearInterval(this.#timer);
    clearTimeout(this.#back);
    this.upload.live = false;
    this.photos.live = false;
    this.upload.expect();
    const photos = this.photos.check();
    await this.#recorder.stop();
    await Promise.all([this.upload.check(), photos]);
  }

  /** Not here any more, but the inspection goes on: what was recorded stays. */
  async close() {
    if (this.#over) return;
    this.#over = true;
    await this.#ready;
    clearInterval(this.#timer);
    clearTimeout(this.#back);
    this.upload.close();
    this.photos.close();
    await this.#recorder.stop();
  }

  /** A camera that is away is told as such; everything else that keeps this phone from recording is told here, once. */
  #judge() {
    const { state, reason } = this.#recorder;
    clearTimeout(this.#back);
    if (state === "failed" && reason !== "no_track" && reason !== this.#failedBecause) {
      this.#failedBecause = reason;
      this.#report("own_recording_failed", reason);
    }
    if (state !== "recording" || !this.#failedBecause) return;
    this.#back = setTimeout(() => {
      this.#failedBecause = null;
      this.#report("own_recording_back");
    }, BACK_AFTER_MS);
  }

  #report(state, detail) {
    this.dispatchEvent(new CustomEvent("report", { detail: { state, detail } }));
  }

  #changed() {
    this.dispatchEvent(new CustomEvent("change"));
  }
}

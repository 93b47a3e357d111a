// The phone's own low-rate recording of what it sends, kept until the server has it: so that a cut network loses nothing.
// A recorder is started anew every 20 s, the next one before the last one ends, so that every file plays by itself and no
// moment is missing between two of them.

import { randomId } from "./random-id.js";
import { runsToDrop } from "./recording-runs.js";

const RUN_MS = 20_000;
const OVERLAP_MS = 1000;
const CHUNK_MS = 1000;
const VIDEO_BPS = 300_000;
const AUDIO_BPS = 32_000;
const RUN_BYTES = ((VIDEO_BPS + AUDIO_BPS) / 8) * (RUN_MS / 1000) * 1.5;
const PICTURE = { width: { ideal: 640 }, height: { ideal: 360 }, frameRate: { ideal: 15, max: 15 } };
const AGAIN_MS = 5000;
// No run is longer while the page is awake: with more the page slept, and nothing was recorded meanwhile.
const LONGEST_MS = RUN_MS + OVERLAP_MS + 10_000;
// MP4 comes last but one: there a browser gives its pieces out later, so that a page that dies loses more.
const VIDEO_TYPES = ["video/webm;codecs=vp8,opus", "video/webm", "video/mp4;codecs=avc1.42E01E,mp4a.40.2", "video/mp4"];
const AUDIO_TYPES = ["audio/webm;codecs=opus", "audio/mp4"];

/** The first type of the kind ("video" or "audio") that this browser can record, or null. */
export function recordableType(kind, isSupported) {
  return (kind === "video" ? VIDEO_TYPES : AUDIO_TYPES).find(isSupported) ?? null;
}

/**
 * `state`: off, recording, failed (`reason`: unsupported, no_track, full, or the error's name). Dispatches `change`, also for another reason.
 * `gaps`: what the server is known to lack ([{from, to}] in milliseconds): dropped last when room is short.
 */
export class LocalRecorder extends EventTarget {
  #store;
  #inspection;
  #stream;
  #clock;
  #most;
  #Recorder;
  #scaled = null;
  #run = null;
  #timer = null;
  #turn = Promise.resolve();

  /** `stream`: the camera's; `clock`: now() of the server in milliseconds, `synchronised`; `most`: bytes to keep at most. */
  constructor({ store, inspection, stream, clock, most = store.mostBytes, Recorder = globalThis.MediaRecorder }) {
    super();
    this.#store = store;
    this.#inspection = inspection;
    this.#stream = stream;
    this.#clock = clock;
    this.#most = most;
    this.#Recorder = Recorder;
    this.state = "off";
    this.reason = null;
    this.gaps = [];
  }

  start() {
    if (this.state !== "off") return;
    this.#set("recording");
    this.#next();
  }

  /** What was recorded until now becomes a file of its own; resolves when it is closed. Recording goes on in the next. */
  rotate() {
    return this.#next();
  }

  /** A track was replaced: the recorder of the old one would end with it. */
  tracksChanged() {
    if (this.state !== "off") this.#next();
  }

  /** Resolves when the last file is closed. */
  stop() {
    this.#set("off");
    clearTimeout(this.#timer);
    // At once and not in turn: a clone that runs keeps the camera's lamp on.
    this.#darken();
    return this.#inTurn(async () => {
      const last = this.#run;
      this.#run = null;
      this.#darken();
      await this.#end(last);
    });
  }

  #darken() {
    this.#scaled?.stop();
    this.#scaled = null;
  }

  #inTurn(work) {
    this.#turn = this.#turn.then(work, work);
    return this.#turn;
  }

  #next() {
    return this.#inTurn(async () => {
      if (this.state === "off") return;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#next(), RUN_MS);
      const last = this.#run;
      this.#run = await this.#begin().catch((error) => this.#fail(error));
      if (this.state === "off") this.#darken();
      // Both run for a moment: the new one has its first picture before the old one has its last.
      if (this.#run && this.state !== "off" && last?.recorder.state === "recording") await new Promise((resolve) => setTimeout(resolve, OVERLAP_MS));
      await this.#end(last);
    });
  }

  async #begin() {
    const tracks = await this.#tracks();
    const kind = tracks.some((track) => track.kind === "video") ? "video" : "audio";
    const mimeType = recordableType(kind, (type) => this.#Recorder?.isTypeSupported(type));
    if (!mimeType) throw Object.assign(new Error("unsupported"), { name: "unsupported" });
    if (tracks.length === 0) throw Object.assign(new Error("no track"), { name: "no_track" });
    const recorder = new this.#Recorder(new MediaStream(tracks), { mimeType, videoBitsPerSecond: VIDEO_BPS, audioBitsPerSecond: AUDIO_BPS });
    const run = {
      id: randomId(), recorder, about: null, at: 0, reached: null, begun: false, failed: false, work: Promise.resolve(),
    };
    run.stopped = new Promise((resolve) => recorder.addEventListener("stop", resolve));
    recorder.addEventListener("start", () => { run.about = this.#about(recorder); });
    recorder.addEventListener("dataavailable", ({ data }) => this.#piece(run, data));
    recorder.addEventListener("error", ({ error }) => this.#fail(error));
    // The browser ends it by itself when a track goes away: the next one begins with what is there then.
    run.stopped.then(() => run === this.#run && setTimeout(() => run === this.#run && this.#next(), CHUNK_MS));
    recorder.start(CHUNK_MS);
    return run;
  }

  #about(recorder) {
    return {
      inspection: this.#inspection,
      media_type: recorder.mimeType.split(";")[0],
      started_at: this.#clock.now(),
      wall: Date.now(),
      synchronised: this.#clock.synchronised,
    };
  }

  async #tracks() {
    const live = (track) => track?.readyState === "live";
    const [video] = this.#stream.getVideoTracks();
    const [audio] = this.#stream.getAudioTracks();
    // The microphone's own track: muted there, it is silent here.
    return [...(live(video) ? [await this.#small(video)] : []), ...(live(audio) ? [audio] : [])];
  }

  /** A smaller picture of the same camera. Where a clone cannot have a size of its own the full one is recorded. */
  async #small(video) {
    if (this.#scaled?.of === video && this.#scaled.track.readyState === "live") return this.#scaled.track;
    this.#darken();
    const { width } = video.getSettings();
    const wishes = video.getConstraints();
    const track = video.clone();
    this.#scaled = { of: video, track, stop: () => track.stop() };
    await track.applyConstraints(PICTURE).catch(() => {});
    if (video.getSettings().width !== width) await video.applyConstraints(wishes).catch(() => {});
    return track;
  }

  #piece(run, data) {
    run.about ??= this.#about(run.recorder);
    const end = this.#reach(run, this.#clock.now());
    if (data.size === 0) return;
    run.work = run.work.then(() => this.#write(run, data, end)).catch((error) => {
      run.failed = true;
      this.#fail(error);
    });
  }

  /** Seconds into the run that a piece reaches which comes at `now`. A run ends where the page fell asleep: the timer that was due begins another one. */
  #reach(run, now) {
    const age = now - run.about.started_at;
    if (age <= LONGEST_MS) run.reached = Math.max(run.reached ?? 0, age / 1000);
    return run.reached ?? RUN_MS / 1000;
  }

  async #write(run, data, end) {
    if (run.failed) return;
    if (!run.begun) {
      await this.#makeRoom(RUN_BYTES);
      await this.#store.begin(run.id, run.about);
      run.begun = true;
    }
    const piece = { start: run.at, end };
    try {
      await this.#store.append(run.id, await data.arrayBuffer(), piece);
    } catch (error) {
      if (error.name !== "QuotaExceededError") throw error;
      // The browser has less than it said: what is least needed goes, then once more.
      await this.#makeRoom(RUN_BYTES, 0);
      await this.#store.append(run.id, await data.arrayBuffer(), piece);
    }
    run.at = piece.end;
    if (this.state === "failed") this.#set("recording");
  }

  async #makeRoom(incoming, free = undefined) {
    const room = await this.#store.room();
    const runs = await this.#store.list();
    for (const run of runsToDrop(runs, this.gaps, { ...room, free: free ?? room.free }, incoming, this.#most)) await this.#store.remove(run.id);
  }

  async #end(run) {
    if (!run) return;
    if (run.recorder.state !== "inactive") run.recorder.stop();
    await run.stopped;
    await run.work;
    if (run.begun) await this.#store.finish(run.id, { finished: true }).catch(() => {});
  }

  #fail(error) {
    if (this.state === "off") return null;
    const before = this.reason;
    this.reason = error?.name === "QuotaExceededError" ? "full" : error?.name ?? "unknown";
    if (this.state === "failed" && this.reason !== before) this.dispatchEvent(new CustomEvent("change"));
    this.#set("failed");
    clearTimeout(this.#timer);
    if (this.reason !== "unsupported") this.#timer = setTimeout(() => this.#next(), AGAIN_MS);
    return null;
  }

  #set(state) {
    if (this.state === state) return;
    this.state = state;
    this.dispatchEvent(new CustomEvent("change"));
  }
}

// The phone's camera and microphone: opened looser and looser until one opens, switched, lit, and opened again
// when the system took them away. Facts in MEDIA.md, "Phones".

const AUDIO = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
const SIZE = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
// A camera app or a call that ends gives the camera back a moment later.
const SETTLE_MS = 1500;

/** The reasons why there is no camera, as codes: `denied`, `busy`, `none`, `unknown`, and `closed`: it is not wanted any more. */
export function problemOf(error) {
  switch (error?.name) {
    case "Closed":
      return "closed";
    case "NotAllowedError":
    case "SecurityError":
    case "PermissionDeniedError":
      return "denied";
    case "NotReadableError":
    case "TrackStartError":
    case "AbortError":
      return "busy";
    case "NotFoundError":
    case "DevicesNotFoundError":
    case "OverconstrainedError":
      return "none";
    default:
      return "unknown";
  }
}

/** What this browser lacks before anything is asked: `insecure`, `no_api` or null. Probed, never guessed from its name. */
export function missingAbility(scope = globalThis) {
  if (scope.isSecureContext === false) return "insecure";
  if (!scope.navigator?.mediaDevices?.getUserMedia || !scope.RTCPeerConnection || !scope.WebSocket) return "no_api";
  return null;
}

/** What to try, in order; the next only when the one before found nothing or was refused for its wishes. `lens`: a device's id, or null. */
export function attempts(facing, lens = null) {
  return [
    ...(lens ? [{ video: { ...SIZE, deviceId: { exact: lens } }, audio: AUDIO }] : []),
    { video: { ...SIZE, facingMode: { ideal: facing } }, audio: AUDIO },
    { video: true, audio: true },
    { video: { ...SIZE, facingMode: { ideal: facing } } },
    { video: true },
  ];
}

/**
 * `stream` is one MediaStream for good. `state`: closed, opening, open, interrupted. Dispatches `change`, `track`
 * (detail {kind, track}: a new track stands in the stream, publish it) and `interrupted` (detail {cause}).
 */
export class Camera extends EventTarget {
  #devices;
  #queue = Promise.resolve();
  #muteTimer = null;
  #photographing = 0;
  #lenses = [];
  // What was asked for before a close() may be given after it: it belongs to an earlier life and goes back at once.
  #life = 0;

  constructor({ devices = globalThis.navigator?.mediaDevices, stream = new MediaStream() } = {}) {
    super();
    this.#devices = devices;
    this.stream = stream;
    this.state = "closed";
    this.facing = "environment";
    this.lens = null;
    this.muted = false;
    this.torch = false;
  }

  get video() {
    return this.stream.getVideoTracks()[0] ?? null;
  }

  get audio() {
    return this.stream.getAudioTracks()[0] ?? null;
  }

  /** Only the track itself knows; the browser's list of constraints says nothing about this lens. */
  get hasTorch() {
    return Boolean(this.video?.getCapabilities?.().torch);
  }

  get hasOtherLenses() {
    return this.#lenses.length > 2;
  }

  /** Ask for camera and microphone. Rejects with an Error that has `problem` (see problemOf). */
  open() {
    return this.#serialised((life) => this.#open(life));
  }

  /** From the rear camera to the front one and back. */
  switchFacing() {
    return this.#serialised(async (life) => {
      this.facing = this.facing === "environment" ? "user" : "environment";
      this.lens = null;
      await this.#replaceVideo(life);
    });
  }

  /** The next lens by device: a wide or a tele lens has the same facing, so it needs its own way. */
  nextLens() {
    return this.#serialised(async (life) => {
      const ids = this.#lenses.map(({ deviceId }) => deviceId);
      const current = this.video?.getSettings?.().deviceId;
      this.lens = ids[(ids.indexOf(current) + 1) % ids.length] ?? null;
      await this.#replaceVideo(life);
    });
  }

  /** Light on or off; resolves with the state reached. */
  async setTorch(on) {
    if (!this.hasTorch) return false;
    await this.video.applyConstraints({ advanced: [{ torch: on }] });
    this.torch = on;
    this.#changed();
    return on;
  }

  /** What the person chose, to be kept over a reload: {facing, lens, muted}. */
  get choice() {
    const { facing, lens, muted } = this;
    return { facing, lens, muted };
  }

  /** To be called before open(). */
  set choice({ facing, lens, muted }) {
    Object.assign(this, { facing, lens, muted });
  }

  setMuted(muted) {
    this.muted = muted;
    if (this.audio) this.audio.enabled = !muted;
    this.#changed();
  }

  /** Take the camera (and a microphone that died) back after the system took it. Does nothing when both run. */
  recover({ force = false } = {}) {
    return this.#serialised(async (life) => {
      if (this.state === "closed") return;
      if (force || this.#isLost()) await this.#replaceVideo(life);
      if (this.audio && !runs(this.audio)) await this.#replaceAudio(life);
      this.#set("open");
    });
  }

  /** What `work()` resolves with, which takes a photo: a camera that goes dark for it is judged only when it is over. */
  async photograph(work) {
    this.#photographing += 1;
    try {
      return await work();
    } finally {
      this.#photographing -= 1;
      if (this.video?.muted && this.state === "open") this.#watchMute(this.video);
    }
  }

  /** At once, whatever is still being opened: that is given back when it comes, and its promise rejects with `closed`. */
  close() {
    this.#life += 1;
    this.#set("closed");
    clearTimeout(this.#muteTimer);
    for (const track of this.stream.getTracks()) {
      track.stop();
      this.stream.removeTrack(track);
    }
  }

  /** One after another: two getUserMedia at once end each other on iOS. */
  #serialised(work) {
    const life = this.#life;
    const done = this.#queue.then(() => {
      this.#requireLife(life);
      return work(life);
    });
    this.#queue = done.catch(() => {});
    return done;
  }

  #requireLife(life) {
    if (life !== this.#life) throw named("Closed");
  }

  /** getUserMedia() for `life`: what comes when that is over is stopped before anybody sees it. */
  async #take(constraints, life) {
    this.#requireLife(life);
    const stream = await this.#devices.getUserMedia(constraints).catch((error) => {
      this.#requireLife(life);
      throw error;
    });
    if (life === this.#life) return stream;
    for (const track of stream.getTracks()) track.stop();
    throw named("Closed");
  }

  async #open(life) {
    if (runs(this.video)) return;
    this.#set("opening");
    let firstError = null;
    for (const constraints of attempts(this.facing, this.lens)) {
      try {
        const stream = await this.#take(constraints, life);
        for (const track of stream.getTracks()) this.#adopt(track);
        await this.#listLenses(life);
        this.#set("open");
        return;
      } catch (error) {
        if (problemOf(error) === "closed") throw error;
        firstError ??= error;
        if (problemOf(error) !== "none") break;
      }
    }
    this.#set("closed");
    throw named(firstError.name, firstError);
  }

  async #replaceVideo(life) {
    const old = this.video;
    this.#set("opening");
    // Many phones open one camera at a time: the old one must go first.
    old?.stop();
    const wish = this.lens ? { ...SIZE, deviceId: { exact: this.lens } } : { ...SIZE, facingMode: { ideal: this.facing } };
    this.torch = false;
    const stream = await this.#getVideo(wish, life);
    if (old) this.stream.removeTrack(old);
    this.#adopt(stream.getVideoTracks()[0]);
    this.#set("open");
  }

  async #getVideo(wish, life) {
    try {
      return await this.#take({ video: wish }, life);
    } catch (error) {
      const problem = problemOf(error);
      if (problem === "closed") throw error;
      this.lens = null;
      if (problem === "busy") await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
      else if (problem !== "none") return this.#failed(error);
      return this.#take({ video: problem === "busy" ? wish : true }, life).catch((again) => this.#failed(again));
    }
  }

  #failed(error) {
    if (problemOf(error) === "closed") throw error;
    this.#interrupted(problemOf(error));
    throw named(error.name, error);
  }

  async #replaceAudio(life) {
    const old = this.audio;
    old?.stop();
    const stream = await this.#take({ audio: AUDIO }, life).catch((error) => {
      if (problemOf(error) === "closed") throw error;
    });
    if (!stream) return;
    this.stream.removeTrack(old);
    this.#adopt(stream.getAudioTracks()[0]);
  }

  #adopt(track) {
    this.stream.addTrack(track);
    if (track.kind === "audio") track.enabled = !this.muted;
    const current = () => this.stream.getTracks().includes(track);
    track.addEventListener("ended", () => current() && this.#interrupted("ended"));
    if (track.kind === "video") {
      track.addEventListener("mute", () => this.#watchMute(track));
      track.addEventListener("unmute", () => current() && this.state === "interrupted" && this.#set("open"));
    }
    this.dispatchEvent(new CustomEvent("track", { detail: { kind: track.kind, track } }));
  }

  /** A rotation mutes for an instant, a photo for as long as it takes; an incoming call for as long as it lasts. */
  #watchMute(track) {
    clearTimeout(this.#muteTimer);
    this.#muteTimer = setTimeout(() => {
      const isCurrent = this.stream.getTracks().includes(track);
      if (isCurrent && track.muted && this.#photographing === 0) this.#interrupted("muted");
    }, SETTLE_MS);
  }

  #isLost() {
    return this.#photographing > 0 ? this.video?.readyState !== "live" : !runs(this.video);
  }

  async #listLenses(life) {
    const all = await this.#devices.enumerateDevices().catch(() => []);
    this.#requireLife(life);
    this.#lenses = all.filter(({ kind, deviceId }) => kind === "videoinput" && deviceId);
  }

  #interrupted(cause) {
    if (this.state === "closed") return;
    this.#set("interrupted");
    this.dispatchEvent(new CustomEvent("interrupted", { detail: { cause } }));
  }

  #set(state) {
    this.state = state;
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new CustomEvent("change"));
  }
}

function named(name, cause) {
  const error = Object.assign(new Error(cause?.message ?? name, { cause }), { name });
  return Object.assign(error, { problem: problemOf(error) });
}

function runs(track) {
  return Boolean(track) && track.readyState === "live" && !track.muted;
}

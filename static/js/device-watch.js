import { isBlack } from "./lib/picture.js";

const LOW_BATTERY = 0.2;
const LOOK_EVERY_MS = 2000;
const BLACK_LOOKS = 3;

/**
 * What the system does to this page and phone: dispatches `hidden`, `visible`, `online`, `battery-low`, `wake-lock-lost`, and
 * `black` / `not-black` for the picture of `video`. Keeps the screen awake until `stop()`.
 */
export class DeviceWatch extends EventTarget {
  #abort = new AbortController();
  #wakeLock = null;
  #dark = 0;
  #video;
  #thumbnail;

  constructor(video) {
    super();
    this.#video = video;
    const canvas = Object.assign(document.createElement("canvas"), { width: 16, height: 16 });
    this.#thumbnail = canvas.getContext("2d", { willReadFrequently: true });
  }

  start() {
    const { signal } = this.#abort;
    document.addEventListener("visibilitychange", () => this.#visibility(), { signal });
    // iOS wakes a page without visibilitychange after a call, and from its page cache with pageshow.
    globalThis.addEventListener("pageshow", () => this.#visibility(), { signal });
    // Some leave a page without hiding it first: into another app, or into the page cache.
    globalThis.addEventListener("pagehide", () => this.#tell("hidden"), { signal });
    globalThis.addEventListener("focus", () => this.#visibility(), { signal });
    globalThis.addEventListener("online", () => this.#tell("online"), { signal });
    const timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
    signal.addEventListener("abort", () => clearInterval(timer));
    this.#stayAwake();
    this.#watchBattery(signal);
  }

  stop() {
    this.#abort.abort();
    this.#wakeLock?.release().catch(() => {});
    this.#wakeLock = null;
  }

  #visibility() {
    if (document.visibilityState === "hidden") {
      this.#tell("hidden");
      return;
    }
    this.#stayAwake();
    this.#tell("visible");
  }

  /** Another camera: what was black before says nothing about it. */
  lookAgain() {
    this.#dark = 0;
  }

  async #stayAwake() {
    if (!navigator.wakeLock || (this.#wakeLock && !this.#wakeLock.released)) return;
    try {
      const lock = await navigator.wakeLock.request("screen");
      if (this.#abort.signal.aborted) {
        await lock.release();
        return;
      }
      this.#wakeLock = lock;
      // The system takes it whenever the page is hidden; only otherwise it is worth a word.
      lock.addEventListener("release", () => this.#awakeLost(lock));
    } catch {
      // Power saving refuses: the screen may go dark, the inspection goes on.
    }
  }

  #awakeLost(lock) {
    if (lock !== this.#wakeLock || document.visibilityState === "hidden" || this.#abort.signal.aborted) return;
    this.#tell("wake-lock-lost");
    this.#stayAwake();
  }

  async #watchBattery(signal) {
    const battery = await navigator.getBattery?.().catch(() => null);
    if (!battery) return;
    let told = false;
    const judge = () => {
      const low = !battery.charging && battery.level <= LOW_BATTERY;
      if (low && !told) this.#tell("battery-low");
      told = low;
    };
    battery.addEventListener("levelchange", judge, { signal });
    battery.addEventListener("chargingchange", judge, { signal });
    judge();
  }

  #look() {
    const video = this.#video;
    const track = video.srcObject?.getVideoTracks()[0];
    if (document.visibilityState === "hidden" || video.readyState < 2) return;
    if (!track || track.readyState !== "live" || track.muted) {
      // No camera is another trouble than a covered one.
      this.#dark = 0;
      return;
    }
    this.#thumbnail.drawImage(video, 0, 0, 16, 16);
    const black = isBlack(this.#thumbnail.getImageData(0, 0, 16, 16).data);
    const before = this.#dark;
    this.#dark = black ? before + 1 : 0;
    if (this.#dark === BLACK_LOOKS) this.#tell("black");
    if (!black && before >= BLACK_LOOKS) this.#tell("not-black");
  }

  #tell(type) {
    this.dispatchEvent(new CustomEvent(type));
  }
}

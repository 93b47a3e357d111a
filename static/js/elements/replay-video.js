import { h } from "../dom.js";
import { t } from "../lib/i18n.js";
import { causeWords } from "../lib/continuity-words.js";
import { correction } from "../lib/replay-follow.js";
import { partAfter, partAt } from "../lib/replay-schedule.js";

const FOLLOW_EVERY_MS = 100;
/** The next part is opened this long before it begins, so that the change is not heard. */
const PRELOAD_BEFORE_MS = 8000;
/** A seek is not repeated while the last one may still be under way. */
const SEEK_PATIENCE_MS = 1500;
const HAVE_FUTURE_DATA = 3;
/** While playing, a shortage this short is caught up by the nudge; holding the clock for it would only stutter. */
const SHORTAGE_BEFORE_HOLD_MS = 400;

/**
 * One slot of a replay: plays the part that the clock asks for, stays in step with it, and holds it while data is missing.
 *
 * In: `follow(clock, slot)` with a slot of lib/replay-schedule.js, `volume`, `data-slot`, `data-name`. `data-state`: loading, playing, paused, buffering, gap, missing.
 * Out: `replay-video:state` `{slot, state}` and `replay-video:promote` `{slot}`. Two `<video>` take turns: one plays, the other opens the next part.
 */
class ReplayVideo extends HTMLElement {
  #clock = null;
  #slot = null;
  #players = [];
  #active = 0;
  /** Parts whose file cannot be had; they no longer hold the clock. */
  #missing = new Set();
  #navigation = -1;
  #seekingUntil = 0;
  /** Since when data has been missing (ms), null while there is enough. */
  #shortSince = null;
  #abort;

  connectedCallback() {
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    if (this.#players.length === 0) this.#build();
    for (const video of this.#players) {
      for (const type of ["canplay", "playing", "seeked", "waiting", "stalled", "error", "loadeddata"]) {
        video.addEventListener(type, () => this.#media(video, type), { signal });
      }
    }
    this.addEventListener("click", (event) => this.#click(event), { signal });
    const timer = setInterval(() => this.#follow(), FOLLOW_EVERY_MS);
    signal.addEventListener("abort", () => clearInterval(timer));
  }

  disconnectedCallback() {
    this.#abort.abort();
  }

  follow(clock, slot) {
    this.#clock = clock;
    this.#slot = slot;
    clock.addEventListener("change", () => this.#follow(), { signal: this.#abort.signal });
    this.#follow();
  }

  set volume(volume) {
    for (const video of this.#players) {
      video.volume = volume;
      video.muted = volume === 0;
    }
  }

  get video() {
    return this.#players[this.#active];
  }

  get state() {
    return this.dataset.state;
  }

  #build() {
    this.#players = [0, 1].map(() => {
      const video = h("video", { playsinline: true, preload: "auto", disablepictureinpicture: true });
      video.preservesPitch = true;
      return video;
    });
    const words = h("p", { class: "replay-video__words" });
    const name = h("p", { class: "replay-video__name" }, this.dataset.name);
    const promote = h("button", { type: "button", class: "replay-video__promote", "aria-label": t("Show {name} large", { name: this.dataset.name }) });
    this.replaceChildren(...this.#players, name, words, promote);
    this.#show();
  }

  // -- following the clock

  #follow() {
    if (!this.#clock) return;
    const now = this.#clock.now();
    const part = partAt(this.#slot.parts, now);
    this.#mark(part);
    if (part && !this.#missing.has(part.id)) {
      this.#play(part);
      this.#keepStep(part, now);
    } else {
      this.video.pause();
      this.#release();
      this.#say(part ? "missing" : "gap");
    }
    this.#preload(now);
  }

  /** The player that has `part` becomes the visible one. */
  #play(part) {
    const holder = this.#players.findIndex((video) => video.dataset.part === part.id);
    if (holder === this.#active) return;
    this.video.pause();
    if (holder >= 0) this.#active = holder;
    else this.#open(this.video, part);
    this.#seekingUntil = 0;
    this.#show();
  }

  #open(video, part) {
    video.dataset.part = part.id;
    video.src = part.url;
  }

  #preload(now) {
    const next = partAfter(this.#slot.parts, now);
    const spare = this.#players[1 - this.#active];
    if (!next || this.#missing.has(next.id) || spare.dataset.part === next.id) return;
    // While the clock skips gaps the next part may be near although its time is far.
    if (this.#clock.distance(now, next.start) < PRELOAD_BEFORE_MS) this.#open(spare, next);
  }

  #keepStep(part, now) {
    const { video } = this;
    const clock = this.#clock;
    const isNew = this.#navigation !== clock.navigation;
    this.#navigation = clock.navigation;
    // The recorded duration may be a little longer than the file's: there is nothing to seek to behind its end.
    const target = Math.min((now - (part.zero ?? part.start)) / 1000, (video.duration || Infinity) - 0.01);
    const { seek, playbackRate } = correction(target - video.currentTime, clock.rate);
    // A paused picture must be the very one of its moment, not only near it.
    const jump = isNew || seek || (!clock.playing && Math.abs(target - video.currentTime) > 0.001 && !video.seeking);
    if (jump && video.readyState >= 1 && (isNew || performance.now() > this.#seekingUntil)) {
      this.#seekingUntil = performance.now() + SEEK_PATIENCE_MS;
      if (Math.abs(video.currentTime - target) > 0.001) video.currentTime = target;
    }
    if (video.playbackRate !== playbackRate) video.playbackRate = playbackRate;
    this.#judge();
  }

  #judge() {
    const { video } = this;
    const ready = !video.seeking && video.readyState >= HAVE_FUTURE_DATA;
    // At its very end a file has no future data and needs none.
    const atEnd = video.ended || (video.readyState >= 2 && !video.seeking && video.duration - video.currentTime < 0.25);
    if (ready || atEnd) {
      this.#shortSince = null;
      this.#release();
    } else {
      this.#shortSince ??= performance.now();
      const isStarting = video.seeking || video.readyState < 2 || !this.#clock.playing;
      if (isStarting || performance.now() - this.#shortSince > SHORTAGE_BEFORE_HOLD_MS) this.#clock.hold(this.dataset.slot, this.#clock.navigation);
    }
    if (this.#clock.running && !video.ended) {
      if (video.paused) video.play().catch((error) => this.#refused(error));
    } else if (!video.paused) video.pause();
    if (this.#clock.waitingFor.includes(this.dataset.slot)) this.#say(video.readyState === 0 ? "loading" : "buffering");
    else this.#say(this.#clock.playing ? "playing" : "paused");
  }

  #release() {
    this.#clock.release(this.dataset.slot, this.#clock.navigation);
  }

  #refused(error) {
    // Without a gesture a browser refuses sound: the person has to press play. An AbortError is a pause that came in between.
    if (error.name === "NotAllowedError") this.#clock.pause();
  }

  #media(video, type) {
    if (!this.#clock) return;
    if (type === "error" && video.error) {
      this.#missing.add(video.dataset.part);
      delete video.dataset.part;
      if (video === this.video) this.#release();
    }
    if (type === "seeked") this.#seekingUntil = 0;
    if (video === this.video) this.#follow();
  }

  // -- what is seen

  #show() {
    this.#players.forEach((video, index) => { video.hidden = index !== this.#active; });
  }

  #say(state) {
    if (this.dataset.state === state) return;
    this.dataset.state = state;
    this.querySelector(".replay-video__words").textContent = this.#words(state);
    this.dispatchEvent(new CustomEvent("replay-video:state", { bubbles: true, detail: { slot: this.dataset.slot, state } }));
  }

  /** Where a picture comes from is said on it. */
  #mark(part) {
    const source = part?.source === "phone" ? "phone" : "";
    if (this.dataset.source === source) return;
    this.dataset.source = source;
    this.querySelector(".replay-video__words").textContent = this.#words(this.dataset.state);
  }

  #words(state) {
    if (state === "gap") return this.#gapWords();
    if (state === "missing") return t("The recording of {name} at this moment cannot be opened", { name: this.dataset.name });
    if (this.dataset.source === "phone") return t("Recorded on the phone, uploaded later");
    return "";
  }

  #gapWords() {
    const now = this.#clock.now();
    const gap = this.#slot.gaps.find(({ start, end }) => start <= now && now < end);
    const words = t("No recording of {name} at this moment", { name: this.dataset.name });
    const why = causeWords(t, gap?.cause, gap?.by, gap?.reason);
    return why ? t("{words}: {why}", { words, why }) : words;
  }

  #click(event) {
    if (!event.target.closest(".replay-video__promote")) return;
    this.dispatchEvent(new CustomEvent("replay-video:promote", { bubbles: true, detail: { slot: this.dataset.slot } }));
  }
}

customElements.define("replay-video", ReplayVideo);

import { h, icon } from "../dom.js";
import { t } from "../lib/i18n.js";

const FROZEN_AFTER_MS = 3000;
const WATCH_EVERY_MS = 500;

/**
 * <live-video data-muted data-mirror data-fit="cover|contain" data-label="…">: a picture that says when it is not live.
 *
 * `stream = MediaStream | null`, or `attach(viewer)` for a WHEP viewer or publisher whose `status` it follows.
 * `data-state`: empty, loading, live (a voice without a picture too), frozen (no new frame for 3 s), lost (the connection is). Dispatches `live-video-state` with
 * {state, age_s} at each change. `video` is the <video>. Where the browser refuses to start sound without a tap, a button asks for it.
 */
class LiveVideo extends HTMLElement {
  #video;
  #label;
  #play;
  #abort = null;
  #lastFrame = 0;
  #connection = "live";

  connectedCallback() {
    this.#build();
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    this.#video.addEventListener("loadedmetadata", () => this.#start(), { signal });
    // Without frame callbacks the running time is the next best sign, though it also runs for sound alone.
    if (!this.#video.requestVideoFrameCallback) this.#video.addEventListener("timeupdate", () => this.#frame(), { signal });
    const timer = setInterval(() => this.#judge(), WATCH_EVERY_MS);
    signal.addEventListener("abort", () => clearInterval(timer));
    this.#awaitFrame(signal);
    this.#judge();
  }

  disconnectedCallback() {
    this.#abort?.abort();
  }

  get video() {
    this.#build();
    return this.#video;
  }

  get stream() {
    return this.video.srcObject;
  }

  set stream(stream) {
    if (this.video.srcObject === stream) return;
    this.#lastFrame = 0;
    this.#play.hidden = true;
    this.video.srcObject = stream;
    if (stream) this.#start();
    this.#judge();
  }

  /** Seconds since the last new frame; null before the first. */
  get ageSeconds() {
    return this.#lastFrame ? (performance.now() - this.#lastFrame) / 1000 : null;
  }

  /** Show a viewer's stream and follow its connection, until the element leaves the page or `attach(null)`. */
  attach(viewer) {
    this.stream = viewer?.stream ?? null;
    this.#connection = viewer?.status === "live" ? "live" : "connecting";
    viewer?.addEventListener("status", ({ detail }) => {
      if (this.stream !== viewer.stream) return;
      this.#connection = detail.status;
      this.#judge();
    });
    viewer?.addEventListener("track", () => this.stream === viewer.stream && this.#tracksCame());
    this.#judge();
  }

  /** A stream gets its tracks after it was attached. Chromium never loads one that was empty and got only a voice. */
  #tracksCame() {
    if (this.#video.readyState === HTMLMediaElement.HAVE_NOTHING) this.#video.srcObject = this.stream;
    this.#start();
  }

  #build() {
    if (this.#video) return;
    this.#video = h("video", { autoplay: true, playsinline: true, disablepictureinpicture: true });
    this.#video.muted = "muted" in this.dataset;
    if (this.dataset.label) this.#video.setAttribute("aria-label", this.dataset.label);
    this.#label = h("p", { class: "live-video__label" });
    this.#play = h("button", { class: "button live-video__play", type: "button", hidden: true, onclick: () => this.#start() });
    this.#play.append(icon("speaker"), t("Tap for sound"));
    this.replaceChildren(this.#video, this.#label, this.#play);
  }

  async #start() {
    try {
      await this.#video.play();
      this.#play.hidden = true;
    } catch (error) {
      if (error.name === "NotAllowedError") this.#play.hidden = false;
    }
  }

  #awaitFrame(signal) {
    if (!this.#video.requestVideoFrameCallback) return;
    const seen = () => {
      if (signal.aborted) return;
      this.#frame();
      this.#video.requestVideoFrameCallback(seen);
    };
    this.#video.requestVideoFrameCallback(seen);
  }

  #frame() {
    this.#lastFrame = performance.now();
    if (this.dataset.state !== "live") this.#judge();
  }

  #judge() {
    const age = this.ageSeconds;
    const state = this.#state(age);
    this.#label.textContent = this.#words(state, age);
    if (state === this.dataset.state) return;
    this.dataset.state = state;
    this.dispatchEvent(new CustomEvent("live-video-state", { bubbles: true, detail: { state, age_s: age } }));
  }

  #state(age) {
    if (!this.stream) return "empty";
    if (this.#connection === "lost" || this.#connection === "closed") return "lost";
    if (this.stream.getVideoTracks().length === 0) {
      return this.stream.getAudioTracks().length > 0 ? "live" : "loading";
    }
    if (age === null) return "loading";
    return age * 1000 > FROZEN_AFTER_MS ? "frozen" : "live";
  }

  #words(state, age) {
    if (state === "frozen") return t("Picture of {seconds} s ago", { seconds: Math.floor(age) });
    if (state !== "lost") return "";
    const lost = t("Connection lost, reconnecting");
    return age === null ? lost : t("{words}: picture of {seconds} s ago", { words: lost, seconds: Math.floor(age) });
  }
}

customElements.define("live-video", LiveVideo);

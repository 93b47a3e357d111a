import { icon } from "../dom.js";
import { ShownFrames } from "../lib/shown-frames.js";
import "./live-video.js";

const THUMBNAIL_WIDTH = 240;

/**
 * The large picture of the console and what lies over it.
 *
 * In: `show(viewer)`, `say(state, words)` with words of lib/console-words.js, `frameAt(time)`, `thumbnail()`, `askForSound`.
 * Out: `console-stage:snapshot` `{time}` (S or space while the picture has the focus; nowhere else, single letters break voice input),
 * `console-stage:action` `{action}` for the buttons of its cover.
 */
class ConsoleStage extends HTMLElement {
  #frames = new ShownFrames();
  #viewer = null;
  #abort;

  connectedCallback() {
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    this.#part("view").addEventListener("keydown", (event) => this.#key(event), { signal });
    this.addEventListener("click", (event) => this.#click(event), { signal });
    this.#announceFrames(signal);
  }

  disconnectedCallback() {
    this.#abort.abort();
  }

  get video() {
    return this.querySelector("live-video").video;
  }

  get viewer() {
    return this.#viewer;
  }

  show(viewer) {
    if (viewer === this.#viewer) return;
    this.#viewer = viewer;
    this.#frames.clear();
    this.querySelector("live-video").attach(viewer);
  }

  /** The frame on screen at `time` (see lib/shown-frames.js), or null. */
  frameAt(time) {
    return this.#frames.at(time);
  }

  get size() {
    const { videoWidth, videoHeight } = this.video;
    return videoWidth ? `${videoWidth}×${videoHeight}` : "";
  }

  /** The picture now, small, to be held until the server's arrives. */
  thumbnail() {
    const { videoWidth, videoHeight } = this.video;
    const canvas = document.createElement("canvas");
    canvas.width = THUMBNAIL_WIDTH;
    canvas.height = Math.round((THUMBNAIL_WIDTH * (videoHeight || 9)) / (videoWidth || 16));
    canvas.getContext("2d").drawImage(this.video, 0, 0, canvas.width, canvas.height);
    return canvas;
  }

  /** The press was taken: a short blink, as of a shutter (none under reduced motion). */
  blink() {
    this.#part("view").animate?.([{ opacity: 0.35 }, { opacity: 1 }], { duration: this.#still() ? 0 : 160 });
  }

  #still() {
    return matchMedia("(prefers-reduced-motion: reduce)").matches;
  }

  say(state, { cover, tone, icon: drawing, title, body, rejoin, links, resume }) {
    this.dataset.state = state;
    const box = this.#part("cover");
    box.hidden = cover === null;
    box.dataset.kind = cover ?? "";
    box.dataset.tone = tone;
    this.#write("cover-title", title);
    this.#write("cover-body", body ?? "");
    const sign = this.#part("cover-icon");
    if (sign.dataset.icon !== drawing) sign.replaceChildren(icon(drawing));
    sign.dataset.icon = drawing;
    const again = this.querySelector('[data-action="rejoin"]');
    again.hidden = !rejoin;
    again.querySelector("[data-label]").textContent = rejoin ?? "";
    this.querySelector('[data-action="resume"]').hidden = !resume;
    for (const link of this.querySelectorAll('[data-action="case"], [data-action="replay"]')) link.hidden = !links;
  }

  /** How long what the cover says lasts already; empty for what has no length. */
  set lasts(words) {
    const timer = this.#part("cover-lasts");
    timer.textContent = words;
    timer.hidden = !words;
  }

  set askForSound(ask) {
    this.querySelector('[data-action="sound"]').hidden = !ask;
  }

  /** Only what changed is written: the cover is announced by screen readers. */
  #write(part, text) {
    const place = this.#part(part);
    if (place.textContent !== text) place.textContent = text;
  }

  #part(name) {
    return this.querySelector(`[data-${name}]`);
  }

  #announceFrames(signal) {
    const { video } = this;
    if (!video.requestVideoFrameCallback) return;
    const ask = () => {
      const asked = this.#viewer;
      video.requestVideoFrameCallback((_now, metadata) => {
        if (signal.aborted) return;
        if (asked === this.#viewer) this.#frames.note(metadata);
        ask();
      });
    };
    ask();
  }

  #key(event) {
    if (event.target !== this.#part("view") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key !== " " && event.key.toLowerCase() !== "s") return;
    event.preventDefault();
    if (!event.repeat) this.#tell("snapshot", { time: event.timeStamp });
  }

  #click(event) {
    const action = event.target.closest("button[data-action]")?.dataset.action;
    if (action) this.#tell("action", { action });
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(`console-stage:${name}`, { bubbles: true, detail }));
  }
}

customElements.define("console-stage", ConsoleStage);

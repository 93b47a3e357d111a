import { h } from "../dom.js";
import { formatMinute, formatTime, t } from "../lib/i18n.js";

const STEPS_MS = { ArrowLeft: -5000, ArrowRight: 5000, ArrowDown: -5000, ArrowUp: 5000, PageDown: -60_000, PageUp: 60_000 };
const TICKS_MS = [5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200].map((second) => second * 1000);
/** A tick and its time of day need about this much. */
const TICK_PX = 84;

/**
 * The whole inspection on one line: a ruler, and under it lanes of stretches and of moments.
 *
 * In: `draw(clock, lanes)` with the lanes of lib/replay-lanes.js, `show(now)`. Goes by `clock.seek`.
 * The ruler is a slider for the keyboard (arrows 5 s, page keys a minute, home, end); a lane of points is one tab stop, arrows walk in it.
 */
class EventTimeline extends HTMLElement {
  #clock = null;
  #slider;
  #head;
  #ghost;
  #area;
  #abort;

  connectedCallback() {
    this.#abort = new AbortController();
  }

  disconnectedCallback() {
    this.#abort.abort();
  }

  draw(clock, lanes) {
    this.#clock = clock;
    this.#abort.abort();
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    this.#slider = h("div", { class: "timeline__slider", role: "slider", tabindex: "0", "aria-label": t("Moment of the inspection"), "aria-valuemin": "0" });
    this.#slider.setAttribute("aria-valuemax", Math.round((clock.end - clock.start) / 1000));
    this.#head = h("div", { class: "timeline__head", "aria-hidden": "true" });
    this.#ghost = h("div", { class: "timeline__ghost numeral", "aria-hidden": "true", hidden: true });
    const ruler = h("div", { class: "timeline__lane timeline__ruler" }, h("span", { class: "timeline__label" }), this.#slider);
    this.#area = h("div", { class: "timeline__area" }, this.#head, this.#ghost);
    this.replaceChildren(ruler, ...lanes.map((lane) => this.#lane(lane)), this.#area);
    const resized = new ResizeObserver(() => this.#slider.replaceChildren(...this.#ticks()));
    resized.observe(this.#slider);
    signal.addEventListener("abort", () => resized.disconnect());
    this.#slider.addEventListener("keydown", (event) => this.#slide(event), { signal });
    this.addEventListener("keydown", (event) => this.#walk(event), { signal });
    this.addEventListener("click", (event) => this.#point(event), { signal });
    this.#drags(signal);
    this.show(clock.now());
  }

  show(now) {
    if (!this.#slider) return;
    this.#head.style.left = this.#percent(now);
    const second = Math.round((now - this.#clock.start) / 1000);
    if (this.#slider.getAttribute("aria-valuenow") === String(second)) return;
    this.#slider.setAttribute("aria-valuenow", second);
    this.#slider.setAttribute("aria-valuetext", formatTime(now));
  }

  #percent(at) {
    const { start, end } = this.#clock;
    return `${((at - start) / Math.max(end - start, 1)) * 100}%`;
  }

  #ticks() {
    const { start, end } = this.#clock;
    const msPerPx = (end - start) / Math.max(this.#slider.clientWidth, 1);
    const step = TICKS_MS.find((candidate) => candidate / msPerPx >= TICK_PX) ?? TICKS_MS.at(-1);
    const ticks = [];
    // The last one stands where its words still fit.
    for (let at = Math.ceil(start / step) * step; at <= end - TICK_PX * 0.75 * msPerPx; at += step) {
      const tick = h("span", { class: "timeline__tick numeral" }, step < 60_000 ? formatTime(at) : formatMinute(at));
      tick.style.left = this.#percent(at);
      ticks.push(tick);
    }
    return ticks;
  }

  #lane({ kind, name, title = name, role, spans, points }) {
    const track = h("div", { class: "timeline__track" }, ...spans.map((span) => this.#span(span)), ...points.map((point, index) => this.#moment(point, index)));
    if (points.length) {
      track.setAttribute("role", "group");
      track.setAttribute("aria-label", name);
    }
    const label = h("span", { class: "timeline__label truncate", title }, name);
    return h("div", { class: "timeline__lane", data: { kind, role: role ?? "" } }, label, track);
  }

  #span({ kind, start, end, words, short, data = {} }) {
    const bar = h("div", { class: `timeline__${kind}`, title: words, data }, short && h("span", { class: "timeline__why" }, short));
    bar.style.left = this.#percent(start);
    bar.style.width = `calc(${this.#percent(end)} - ${this.#percent(start)})`;
    return bar;
  }

  #moment({ at, words, tone }, index) {
    const label = t("{time} {words}", { time: formatTime(at), words });
    const dot = h("button", { type: "button", class: "timeline__point", "data-at": at, "data-tone": tone, tabindex: index === 0 ? "0" : "-1", "aria-label": label, title: label });
    dot.style.left = this.#percent(at);
    return dot;
  }

  #slide(event) {
    const { start, end } = this.#clock;
    const ends = { Home: start, End: end };
    const to = event.key in ends ? ends[event.key] : this.#clock.now() + (STEPS_MS[event.key] ?? NaN);
    if (Number.isNaN(to)) return;
    event.preventDefault();
    this.#clock.seek(to);
  }

  #walk(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || !event.target.matches(".timeline__point")) return;
    event.preventDefault();
    const next = step > 0 ? event.target.nextElementSibling : event.target.previousElementSibling;
    if (!next) return;
    event.target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }

  #point(event) {
    const point = event.target.closest(".timeline__point");
    if (point) this.#clock.seek(Number(point.dataset.at));
  }

  /** Press or drag on the ruler or a slot's lane; the film jumps when the pointer is let go, not at every pixel. */
  #drags(signal) {
    const at = (event) => {
      const { left, width } = this.#area.getBoundingClientRect();
      const share = Math.min(Math.max((event.clientX - left) / width, 0), 1);
      return this.#clock.start + share * (this.#clock.end - this.#clock.start);
    };
    const ghost = (event) => {
      const moment = at(event);
      this.#ghost.hidden = false;
      this.#ghost.textContent = formatTime(moment);
      this.#ghost.style.left = this.#percent(moment);
    };
    const surface = (event) => event.target.closest(".timeline__slider, .timeline__track") && !event.target.closest(".timeline__point");
    this.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !surface(event)) return;
      this.setPointerCapture(event.pointerId);
      ghost(event);
    }, { signal });
    this.addEventListener("pointermove", (event) => {
      if (this.hasPointerCapture(event.pointerId) || (event.pointerType === "mouse" && surface(event))) ghost(event);
      else this.#ghost.hidden = true;
    }, { signal });
    this.addEventListener("pointerup", (event) => {
      if (!this.hasPointerCapture(event.pointerId)) return;
      this.#ghost.hidden = event.pointerType !== "mouse";
      this.#clock.seek(at(event));
    }, { signal });
    for (const type of ["pointerleave", "pointercancel"]) this.addEventListener(type, () => { this.#ghost.hidden = true; }, { signal });
  }
}

customElements.define("event-timeline", EventTimeline);

/**
 * Carries the one clock of a replay (or of a live room) to everything inside it: `clock`, and `clockOf(element)` to find it.
 *
 * Dispatches `clock-scope:frame` `{now}` about thirty times a second while the page is visible and at every change, so that elements need no
 * timer of their own.
 */
class ClockScope extends HTMLElement {
  #clock = null;
  #abort;
  #last = 0;

  connectedCallback() {
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    const frame = (time) => {
      if (signal.aborted) return;
      // Half of a 60 Hz screen's frames are enough for a moving line.
      if (time - this.#last > 30) {
        this.#last = time;
        this.#tell();
      }
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    // In a hidden page no frames come; sound goes on and its clock must still notice the end.
    const timer = setInterval(() => this.#clock?.tick?.(), 250);
    signal.addEventListener("abort", () => clearInterval(timer));
  }

  disconnectedCallback() {
    this.#abort.abort();
  }

  get clock() {
    return this.#clock;
  }

  set clock(clock) {
    this.#clock = clock;
    clock.addEventListener("change", () => this.#tell(), { signal: this.#abort.signal });
    this.dispatchEvent(new CustomEvent("clock-scope:clock", { detail: clock }));
    this.#tell();
  }

  #tell() {
    if (this.#clock) this.dispatchEvent(new CustomEvent("clock-scope:frame", { detail: { now: this.#clock.now() } }));
  }
}

customElements.define("clock-scope", ClockScope);

// One clock of a running inspection: the server's time, carried by the monotonic clock of this device,
// so that a wrong or adjusted wall clock here never shows.

/** The live counterpart of the replay's clock: same `now()`, `rate`, `seek()` and `change`. */
export class ServerClock extends EventTarget {
  #monotonic;
  #origin;

  /** `monotonic` gives milliseconds that never go back; `wall` the first guess at the server's time. */
  constructor(monotonic = () => performance.now(), wall = Date.now()) {
    super();
    this.#monotonic = monotonic;
    this.#origin = wall - monotonic();
    this.synchronised = false;
  }

  /** The server said that its time is `now` (ISO string, Date or milliseconds UTC). */
  synchronise(now) {
    const time = new Date(now).getTime();
    if (Number.isNaN(time)) return;
    this.#origin = time - this.#monotonic();
    this.synchronised = true;
    this.dispatchEvent(new CustomEvent("change"));
  }

  /** Milliseconds since 1970 UTC by the server's clock. */
  now() {
    return this.#origin + this.#monotonic();
  }

  get rate() {
    return 1;
  }

  /** Live time cannot be moved. */
  seek() {}
}

// One clock of a running inspection: the server's time, carried by the monotonic clock of this device,
// so that a wrong or adjusted wall clock here never shows.

// A message can be late by so much, not by more: the server's own clock was set back.
const SET_BACK_MS = 30_000;

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

  /**
   * The server said that its time is `now` (ISO string, Date or milliseconds UTC). What the network held up says too little, never too much: the
   * largest of all is the nearest.
   */
  synchronise(now) {
    const origin = new Date(now).getTime() - this.#monotonic();
    if (Number.isNaN(origin)) return;
    const isLate = origin < this.#origin && origin > this.#origin - SET_BACK_MS;
    if (!this.synchronised || !isLate) this.#set(origin);
  }

  /** The server's time was `when` at some moment before now: it cannot be earlier. */
  isAfter(when) {
    const origin = new Date(when).getTime() - this.#monotonic();
    if (this.synchronised && origin > this.#origin) this.#set(origin);
  }

  #set(origin) {
    this.#origin = origin;
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

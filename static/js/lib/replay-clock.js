/**
 * The master of a replay: a virtual clock that the videos follow. Not a video, because any one of them may have a gap.
 *
 * `now()` is the moment of the inspection shown, in epoch milliseconds. The live console's clock has the same face (`now()`, `rate`,
 * `seek()`, `change`), so elements serve both.
 *
 * Every seek is one navigation and bears a number. Whoever holds the clock (a video that has no data yet) says for which navigation;
 * a late media event of an earlier one is thereby recognised and cannot undo the jump.
 */
export class ReplayClock extends EventTarget {
  #monotonic;
  #skips;
  #skipping = true;
  #rate = 1;
  #playing = false;
  #navigation = 0;
  #waitingFor = new Set();
  #anchorAt;
  #anchorTime;

  /**
   * @param {{start: number, end: number, skips?: {start: number, end: number}[], monotonic?: () => number}} options
   *   `skips`: sorted stretches without any recording, jumped over while playing; `monotonic`: milliseconds that only grow.
   */
  constructor({ start, end, skips = [], monotonic = () => performance.now() }) {
    super();
    this.start = start;
    this.end = end;
    this.#skips = skips;
    this.#monotonic = monotonic;
    this.#anchorAt = start;
    this.#anchorTime = monotonic();
  }

  now() {
    if (!this.running) return this.#anchorAt;
    return this.#advance(this.#anchorAt, (this.#monotonic() - this.#anchorTime) * this.#rate);
  }

  get rate() {
    return this.#rate;
  }

  set rate(rate) {
    if (!(rate > 0)) throw new RangeError("The rate of a replay is positive.");
    this.#settle();
    this.#rate = rate;
    this.#changed("rate");
  }

  /** Asked to play. It still stands while somebody holds it. */
  get playing() {
    return this.#playing;
  }

  /** Time passes: playing and held by nobody. */
  get running() {
    return this.#playing && this.#waitingFor.size === 0;
  }

  get navigation() {
    return this.#navigation;
  }

  get waitingFor() {
    return [...this.#waitingFor];
  }

  get ended() {
    return this.now() >= this.end;
  }

  get skipping() {
    return this.#skipping;
  }

  set skipping(skipping) {
    this.#settle();
    this.#skipping = skipping;
    this.#changed("skipping");
  }

  play() {
    if (this.#playing) return;
    if (this.ended) this.seek(this.start);
    this.#settle();
    this.#playing = true;
    this.#changed("play");
  }

  pause() {
    if (!this.#playing) return;
    this.#settle();
    this.#playing = false;
    this.#changed("pause");
  }

  /** Go to a moment; the nearest one inside the inspection. Returns the number of this navigation. */
  seek(at) {
    this.#anchorAt = Math.min(Math.max(at, this.start), this.end);
    this.#anchorTime = this.#monotonic();
    this.#navigation += 1;
    this.#waitingFor.clear();
    this.#changed("seek");
    return this.#navigation;
  }

  /** `who` has no data yet: time stands. Ignored when `navigation` is over. */
  hold(who, navigation) {
    if (navigation !== this.#navigation || this.#waitingFor.has(who)) return;
    this.#settle();
    this.#waitingFor.add(who);
    this.#changed("hold");
  }

  release(who, navigation) {
    if (navigation !== this.#navigation || !this.#waitingFor.has(who)) return;
    this.#settle();
    this.#waitingFor.delete(who);
    this.#changed("release");
  }

  /** Milliseconds of playing (at rate 1) between two moments: stretches that would be skipped do not count. */
  distance(from, to) {
    const skipped = (this.#skipping ? this.#skips : []).map((skip) => Math.min(skip.end, to) - Math.max(skip.start, from));
    return to - from - skipped.filter((ms) => ms > 0).reduce((sum, ms) => sum + ms, 0);
  }

  /** To be called a few times a second: notices the end. */
  tick() {
    if (!this.running || !this.ended) return;
    this.#settle();
    this.#playing = false;
    this.#changed("end");
  }

  #settle() {
    this.#anchorAt = this.now();
    this.#anchorTime = this.#monotonic();
  }

  #advance(from, elapsed) {
    let at = from;
    let left = elapsed;
    for (const skip of this.#skipping ? this.#skips : []) {
      if (skip.end <= at) continue;
      if (at + left < skip.start) break;
      left -= Math.max(skip.start - at, 0);
      at = skip.end;
    }
    return Math.min(at + left, this.end);
  }

  #changed(reason) {
    this.dispatchEvent(new CustomEvent("change", { detail: { reason } }));
  }
}

// How large and how smooth a picture is worth sending over a thin way. Pure.

// A nameplate must stay readable: frames go first, the size only when even few frames would be blurred at full size.
// (And each other size begins another file of the recording.)
const STEPS = [
  { above_bps: 700_000, scaleResolutionDownBy: 1, maxFramerate: 30 },
  { above_bps: 350_000, scaleResolutionDownBy: 1, maxFramerate: 15 },
  { above_bps: 180_000, scaleResolutionDownBy: 1.5, maxFramerate: 12 },
  { above_bps: 0, scaleResolutionDownBy: 2, maxFramerate: 8 },
];
const DOWN_AFTER_MS = 1_500;
const UP_AFTER_MS = 4_000;
// To go up the way must carry clearly more than the step needs, or we would be down again at once.
const UP_MARGIN = 1.25;

export class PictureLadder {
  #step = 0;
  #wanted = 0;
  #since = 0;

  /** {scaleResolutionDownBy, maxFramerate} of the step we are on. */
  get encoding() {
    const { scaleResolutionDownBy, maxFramerate } = STEPS[this.#step];
    return { scaleResolutionDownBy, maxFramerate };
  }

  /** Whether the way, and not the camera, decides what is sent. */
  get isReduced() {
    return this.#step > 0;
  }

  /** Whether the step is another one, after the sender's estimate of the way at `now` (milliseconds of any clock). */
  update(estimate_bps, now) {
    const wanted = this.#judge(estimate_bps);
    if (wanted !== this.#wanted) {
      // A doubt about how far down is no reason to begin to wait anew.
      if (Math.sign(wanted - this.#step) !== Math.sign(this.#wanted - this.#step)) this.#since = now;
      this.#wanted = wanted;
    }
    if (wanted === this.#step) return false;
    if (now - this.#since < (wanted > this.#step ? DOWN_AFTER_MS : UP_AFTER_MS)) return false;
    this.#step = wanted;
    this.#since = now;
    return true;
  }

  #judge(estimate_bps) {
    const carried = STEPS.findIndex(({ above_bps }) => estimate_bps >= above_bps);
    if (carried >= this.#step) return carried;
    const clearly = STEPS.findIndex(({ above_bps }) => estimate_bps >= above_bps * UP_MARGIN);
    return Math.min(clearly, this.#step);
  }
}

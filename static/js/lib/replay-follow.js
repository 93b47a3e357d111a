/** How a video follows the replay's clock. Pure. */

export const SEEK_ABOVE_S = 0.5;
export const NUDGE_ABOVE_S = 0.04;
export const LARGEST_NUDGE = 0.08;

/** A nudge should close the distance in about this long, so that it neither hunts nor dawdles. */
const CLOSE_WITHIN_S = 1;

/**
 * @param {number} error_s clock minus video, in seconds of the recording
 * @param {number} rate of the clock
 * @returns {{seek: boolean, playbackRate: number}}
 */
export function correction(error_s, rate) {
  if (Math.abs(error_s) > SEEK_ABOVE_S) return { seek: true, playbackRate: rate };
  if (Math.abs(error_s) <= NUDGE_ABOVE_S) return { seek: false, playbackRate: rate };
  const nudge = Math.max(-LARGEST_NUDGE, Math.min(LARGEST_NUDGE, error_s / CLOSE_WITHIN_S));
  return { seek: false, playbackRate: rate * (1 + nudge) };
}

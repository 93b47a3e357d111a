/**
 * Milliseconds to wait before attempt number `attempt` (0 is the first after a loss). Doubles from `base` up to `max`;
 * `random` in [0, 1) spreads it over the upper half, so that a hundred phones do not come back at the same instant.
 */
export function reconnectDelay(attempt, random = Math.random(), { base = 500, max = 5000 } = {}) {
  const ceiling = Math.min(max, base * 2 ** Math.min(attempt, 30));
  return Math.round(ceiling / 2 + (ceiling / 2) * random);
}

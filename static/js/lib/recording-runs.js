// Which of the phone's own recordings to send and which to forget. Pure: times in milliseconds UTC by the server's clock.

export const MOST_BYTES = 200 * 2 ** 20;
export const MOST_BYTES_IN_MEMORY = 40 * 2 ** 20;
/** After the end of an inspection its files are taken for a day. */
export const OLDEST_MS = 48 * 3600_000;
// What the browser has left is not all ours: leave half of it to the person.
const SHARE_OF_FREE = 0.5;

export function endOf(run) {
  return run.started_at + run.duration_s * 1000;
}

// The server lets a recording reach so far into a pause: the two clocks are not exact.
const INTO_A_PAUSE_MS = 2000;

/** What of a run may be sent: its pieces up to the first pause ({from, to|null}) in it, and nothing of one that began in a pause. */
export function outsidePauses(run, pauses) {
  const begins = pauses
    .filter(({ from, to }) => from < endOf(run) && run.started_at < (to ?? Infinity) - INTO_A_PAUSE_MS)
    .map(({ from }) => from);
  if (begins.length === 0) return run;
  const until = Math.min(...begins);
  const chunks = run.chunks.filter(({ end }) => run.started_at + end * 1000 <= until);
  return { ...run, chunks, size: chunks.reduce((sum, { size }) => sum + size, 0), duration_s: chunks.at(-1)?.end ?? 0 };
}

/** The runs of `inspection` that show something of the gaps ([{from, to}], milliseconds), oldest first. */
export function neededRuns(runs, gaps) {
  return runs.filter((run) => run.size > 0 && gaps.some(({ from, to }) => run.started_at < to && from < endOf(run)));
}

/** What the server certainly has: closed runs that end before `settled` and touch no gap. */
export function settledRuns(runs, gaps, settled) {
  const needed = new Set(neededRuns(runs, gaps));
  return runs.filter((run) => !run.open && !needed.has(run) && endOf(run) <= settled);
}

/**
 * What must go so that `incoming` bytes find room: first, oldest first, what touches no known gap; then the oldest of the rest.
 * `room`: {used, free} of the store.
 */
export function runsToDrop(runs, gaps, room, incoming, most = MOST_BYTES) {
  const limit = Math.min(most, room.used + room.free * SHARE_OF_FREE);
  const needed = new Set(neededRuns(runs, gaps));
  const oldest = [...runs].filter((run) => !run.open).sort((a, b) => a.started_at - b.started_at);
  const dropped = [];
  let used = room.used;
  for (const run of [...oldest.filter((one) => !needed.has(one)), ...oldest.filter((one) => needed.has(one))]) {
    if (used + incoming <= limit) break;
    dropped.push(run);
    used -= run.size;
  }
  return dropped;
}

/** Seconds of the gaps that the runs can fill, each moment once. */
export function fillableSeconds(runs, gaps) {
  const needed = [...neededRuns(runs, gaps)].sort((a, b) => a.started_at - b.started_at);
  let seconds = 0;
  for (const { from, to } of gaps) {
    let at = from;
    for (const run of needed) {
      const start = Math.max(at, run.started_at);
      const end = Math.min(to, endOf(run));
      if (end > start) {
        seconds += (end - start) / 1000;
        at = end;
      }
    }
  }
  return seconds;
}

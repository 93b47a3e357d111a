/**
 * Which part of which slot plays at which moment, and where nothing was recorded. Pure; all times are epoch milliseconds.
 */

/** A hole shorter than this is not worth a jump: it is heard as a breath, not as a pause. */
export const SHORTEST_SKIP_MS = 1000;

/** Merge intervals that touch or overlap. Takes and returns `[{start, end}]`, the result sorted. */
export function union(intervals) {
  const merged = [];
  for (const { start, end } of [...intervals].sort((a, b) => a.start - b.start)) {
    const last = merged.at(-1);
    if (last && start <= last.end) last.end = Math.max(last.end, end);
    else merged.push({ start, end });
  }
  return merged;
}

/** What of `[start, end]` no interval of the sorted, disjoint `covered` covers. */
export function complement(covered, start, end) {
  const holes = [];
  let at = start;
  for (const interval of covered) {
    if (interval.start > at) holes.push({ start: at, end: Math.min(interval.start, end) });
    at = Math.max(at, interval.end);
  }
  if (at < end) holes.push({ start: at, end });
  return holes.filter((hole) => hole.end > hole.start);
}

function timed(part) {
  const start = Date.parse(part.started_at);
  return { ...part, start, end: start + (part.duration_s ?? 0) * 1000 };
}

/** What of the sorted, disjoint `covered` none of `holes` takes away. */
function without(covered, holes) {
  return covered.flatMap(({ start, end }) => complement(union(holes), start, end));
}

const spanOf = ({ from, to }) => ({ start: Date.parse(from), end: Date.parse(to) });

/** Received, though a file is there: in a gap of the picture only its sound is. */
function receivedOf(own, gaps) {
  return without(union(own.filter(({ source }) => source !== "phone")), gaps.map(spanOf));
}

/**
 * What is shown of one slot: the received parts, and of those recorded on the phone only what nothing else covers. A piece keeps
 * its part's own beginning as `zero`: media time 0.
 */
function shown(own, gaps) {
  const received = own.filter(({ source }) => source !== "phone");
  let covered = receivedOf(own, gaps);
  const pieces = [];
  for (const part of own.filter(({ source }) => source === "phone")) {
    for (const hole of complement(covered, part.start, part.end)) pieces.push({ ...part, ...hole, zero: part.start });
    covered = union([...covered, part]);
  }
  return [...received, ...pieces].sort((a, b) => a.start - b.start);
}

/** The causes of the ledger's gaps ({from, to, cause, by, reason}) given to what is left of them; without a ledger the holes between parts. */
function gapsOf(own, ledger) {
  if (!ledger) {
    const covered = union(own);
    return own.length ? complement(covered, covered[0].start, covered.at(-1).end) : [];
  }
  const covered = union([...receivedOf(own, ledger.gaps), ...own.filter(({ source }) => source === "phone")]);
  return ledger.gaps.flatMap(({ from, to, cause, by, reason }) =>
    complement(covered, Date.parse(from), Date.parse(to)).map((hole) => ({ ...hole, cause, by, ...(reason ? { reason } : {}) })));
}

/**
 * @param {{slots: object[], parts: object[], continuity?: {slot: string, gaps: object[]}[], startedAt: string|null, endedAt: string|null}} recording as in the page data
 * @returns {{start: number, end: number, slots: object[], covered: object[], skips: object[]}} slots carry `parts` (with `start`, `end`)
 *   and `gaps` between their own first and last picture; `skips` are the stretches in which no slot has anything.
 */
export function buildSchedule({ slots, parts, continuity = [], startedAt, endedAt }) {
  const all = parts.map(timed).filter((part) => Number.isFinite(part.start));
  const covered = union(all.filter((part) => part.end > part.start));
  const starts = [startedAt ? Date.parse(startedAt) : NaN, covered[0]?.start ?? NaN].filter(Number.isFinite);
  const ends = [endedAt ? Date.parse(endedAt) : NaN, covered.at(-1)?.end ?? NaN].filter(Number.isFinite);
  const start = starts.length ? Math.min(...starts) : 0;
  const end = ends.length ? Math.max(...ends, start) : start;
  return {
    start,
    end,
    slots: slots.map((slot) => {
      const ledger = continuity.find((one) => one.slot === slot.id);
      const own = shown(all.filter((part) => part.slot === slot.id).sort((a, b) => a.start - b.start), ledger?.gaps ?? []);
      const why = (piece) => ledger?.gaps.find(({ from, to }) => Date.parse(from) < piece.end && piece.start < Date.parse(to));
      const parts = own.map((part) => (part.source === "phone" ? { ...part, cause: why(part)?.cause, by: why(part)?.by } : part));
      return { ...slot, parts, gaps: gapsOf(own, ledger) };
    }),
    covered,
    skips: complement(covered, start, end).filter((hole) => hole.end - hole.start >= SHORTEST_SKIP_MS),
  };
}

/**
 * When a snapshot's frame is on the screen of a replay, to the very frame; where no part has it, when it arrived.
 * @param {{slots: {parts: object[]}[]}} schedule
 * @param {{moment: {part: string, at_s: number}|null, captured_at: string}} snapshot as in the page data
 */
export function momentOf({ slots }, { moment, captured_at }) {
  const part = moment && slots.flatMap(({ parts }) => parts).find(({ id }) => id === moment.part);
  return part ? part.start + moment.at_s * 1000 : Date.parse(captured_at);
}

/** The part of one slot (its sorted `parts`) that plays at `at`, or null. Where two overlap, the later one: it replaced the earlier. */
export function partAt(parts, at) {
  for (let i = parts.length - 1; i >= 0; i -= 1) {
    if (parts[i].start <= at && at < parts[i].end) return parts[i];
  }
  return null;
}

/** The first part that begins after `at`, or null. */
export function partAfter(parts, at) {
  return parts.find((part) => part.start > at) ?? null;
}

/** How many leading entries of a list sorted by `at` (epoch ms) have happened at `now`. */
export function countUntil(entries, now) {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (entries[middle].at <= now) low = middle + 1;
    else high = middle;
  }
  return low;
}

const DAY_MS = 86_400_000;

/**
 * The moment (epoch ms) inside an inspection at which the clocks on the wall showed `text`, or null.
 *
 * @param {string} text "10:32" or "10:32:05"
 * @param {{start: number, end: number}} frame of the inspection, at most a day long
 * @param {(at: number) => string} formatTime "HH:MM:SS" of a moment in the office's time zone
 */
export function momentOf(text, { start, end }, formatTime) {
  const found = /^\s*(\d{1,2})[:：](\d{2})(?:[:：](\d{2}))?\s*$/.exec(text);
  if (!found) return null;
  const wanted = seconds(found.slice(1));
  const begun = seconds(formatTime(start).split(":"));
  const at = Math.floor(start / 1000) * 1000 + (((wanted - begun) * 1000 + DAY_MS) % DAY_MS);
  // The second in which the inspection began, began before it did.
  return at <= end ? Math.max(at, start) : null;
}

function seconds([hour, minute, second = "0"]) {
  return Number(hour) * 3600 + Number(minute) * 60 + Number(second);
}

// Messages and formats in the language of the page. Source strings are English; `{name}` marks a parameter.

const root = globalThis.document?.documentElement;
const lang = root?.lang || "zh-CN";
const timeZone = root?.dataset.timeZone || undefined;

async function loadCatalogue() {
  if (!root) return {};
  try {
    const response = await fetch(`/i18n/${lang}.json`);
    return response.ok ? await response.json() : {};
  } catch {
    // Without its catalogue the page still works, in English.
    return {};
  }
}

const catalogue = await loadCatalogue();

/** The message `msgid` in the language of the page, with `{name}` replaced from `params`. */
export function t(msgid, params = {}) {
  const text = catalogue[msgid] || msgid;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in params ? String(params[name]) : whole));
}

const clockFormat = new Intl.DateTimeFormat(lang, {
  hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZone,
});
const minuteFormat = new Intl.DateTimeFormat(lang, {
  hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone,
});
const dateTimeFormat = new Intl.DateTimeFormat(lang, {
  month: "long", day: "numeric", weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone,
});

/** "10:32:05" of an ISO string, a Date or milliseconds, in the office's time zone. */
export function formatTime(when) {
  return clockFormat.format(new Date(when));
}

/** "10:32". */
export function formatMinute(when) {
  return minuteFormat.format(new Date(when));
}

/** Day, weekday, hour and minute. */
export function formatDateTime(when) {
  return dateTimeFormat.format(new Date(when));
}

/** Seconds as "2:05" or "1:02:05". */
export function formatDuration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n) => String(n).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

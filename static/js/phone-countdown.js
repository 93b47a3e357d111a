// The page of an invitation that is too early: counts by the server's time and opens itself.

import { formatDuration, t } from "./lib/i18n.js";
import { ServerClock } from "./lib/clock.js";

// Not an instant before the server's own idea of the time: its answer would be the same page again.
const RELOAD_SLACK_MS = 1500;

const box = document.querySelector("[data-starts-at]");
const clock = new ServerClock();
clock.synchronise(box.dataset.now);
const opensAt = Date.parse(box.dataset.startsAt);

const timer = setInterval(() => {
  const left = opensAt - clock.now();
  if (left <= -RELOAD_SLACK_MS) {
    clearInterval(timer);
    location.reload();
    return;
  }
  box.querySelector("[data-left]").textContent = t("{duration} to go", { duration: formatDuration(Math.ceil(left / 1000)) });
}, 1000);

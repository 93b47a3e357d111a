// The page of an invitation that is too early: counts by the server's time, and opens itself as soon as the server
// lets people in, which may be some minutes before the appointment or after it was moved.

import { formatDuration, t } from "./lib/i18n.js";
import { ServerClock } from "./lib/clock.js";

const ASK_EVERY_MS = 20_000;
const TOO_EARLY = 425;

const box = document.querySelector("[data-starts-at]");
const clock = new ServerClock();
clock.synchronise(box.dataset.now);
const opensAt = Date.parse(box.dataset.startsAt);

function draw() {
  const left = Math.max(0, opensAt - clock.now());
  box.querySelector("[data-left]").textContent = t("{duration} to go", { duration: formatDuration(Math.ceil(left / 1000)) });
}

async function ask() {
  const response = await fetch(location.href, { method: "HEAD" }).catch(() => null);
  if (response && response.status !== TOO_EARLY) location.reload();
}

draw();
setInterval(draw, 1000);
setInterval(ask, ASK_EVERY_MS);

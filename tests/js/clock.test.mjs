import assert from "node:assert/strict";
import { test } from "node:test";

import { ServerClock } from "../../static/js/lib/clock.js";
import { formatDuration } from "../../static/js/lib/i18n.js";

test("the server's time goes on with the monotonic clock of the device", () => {
  let monotonic = 1000;
  const clock = new ServerClock(() => monotonic, 0);
  clock.synchronise("2025-04-17T02:30:00Z");
  monotonic += 2500;
  assert.equal(clock.now(), Date.parse("2025-04-17T02:30:02.500Z"));
});

test("a time that cannot be read changes nothing", () => {
  const clock = new ServerClock(() => 0, 42);
  clock.synchronise("soon");
  assert.deepEqual([clock.now(), clock.synchronised], [42, false]);
});

test("durations below an hour have minutes and seconds, others hours too", () => {
  assert.deepEqual([formatDuration(5), formatDuration(125.9), formatDuration(3725)], ["0:05", "2:05", "1:02:05"]);
});

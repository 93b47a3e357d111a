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

test("what a bad network held up does not put the clock back, what came sooner puts it right", () => {
  let monotonic = 1000;
  const clock = new ServerClock(() => monotonic, 0);
  const server = () => 5_000_000 + monotonic;
  const said = server();
  monotonic += 3000;
  clock.synchronise(said);
  assert.equal(server() - clock.now(), 3000);
  monotonic += 1000;
  clock.synchronise(server() - 40);
  assert.equal(server() - clock.now(), 40);
  clock.synchronise(server() - 8000);
  clock.isAfter(server() - 600_000);
  assert.equal(server() - clock.now(), 40);
  clock.isAfter(server() - 10);
  assert.equal(server() - clock.now(), 10);
});

test("a device that slept and a server whose clock was set back are believed", () => {
  let monotonic = 1000;
  const clock = new ServerClock(() => monotonic, 0);
  clock.synchronise(1_000_000);
  clock.synchronise(1_600_000);
  assert.equal(clock.now(), 1_600_000);
  clock.synchronise(1_300_000);
  assert.equal(clock.now(), 1_300_000);
});

test("a time that cannot be read changes nothing", () => {
  const clock = new ServerClock(() => 0, 42);
  clock.synchronise("soon");
  clock.isAfter("soon");
  clock.isAfter(undefined);
  assert.deepEqual([clock.now(), clock.synchronised], [42, false]);
});

test("durations below an hour have minutes and seconds, others hours too", () => {
  assert.deepEqual([formatDuration(5), formatDuration(125.9), formatDuration(3725)], ["0:05", "2:05", "1:02:05"]);
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { ReplayClock } from "../../static/js/lib/replay-clock.js";

const START = Date.UTC(2026, 2, 1, 2, 0, 0);
const MINUTE = 60_000;

function clockWith({ skips = [], end = START + 10 * MINUTE } = {}) {
  const watch = { ms: 0 };
  const clock = new ReplayClock({ start: START, end, skips, monotonic: () => watch.ms });
  const reasons = [];
  clock.addEventListener("change", (event) => reasons.push(event.detail.reason));
  return { clock, watch, reasons };
}

test("time stands until play, runs while playing and stands again after pause", () => {
  const { clock, watch, reasons } = clockWith();
  watch.ms = 5000;
  assert.equal(clock.now(), START);
  clock.play();
  watch.ms = 8000;
  assert.equal(clock.now(), START + 3000);
  clock.pause();
  watch.ms = 60_000;
  assert.equal(clock.now(), START + 3000);
  assert.deepEqual(reasons, ["play", "pause"]);
});

test("a change of rate counts from its own moment on", () => {
  const { clock, watch } = clockWith();
  clock.play();
  watch.ms = 1000;
  clock.rate = 2;
  watch.ms = 2000;
  assert.equal(clock.now(), START + 3000);
  assert.throws(() => {
    clock.rate = 0;
  }, RangeError);
});

test("a seek lands inside the inspection and keeps playing", () => {
  const { clock, watch } = clockWith();
  clock.play();
  clock.seek(START + MINUTE);
  watch.ms = 500;
  assert.equal(clock.now(), START + MINUTE + 500);
  clock.seek(START - MINUTE);
  assert.equal(clock.now(), START);
  clock.seek(START + 99 * MINUTE);
  assert.equal(clock.now(), START + 10 * MINUTE);
});

test("stretches without a recording are jumped over while playing", () => {
  const skips = [
    { start: START + 10_000, end: START + 70_000 },
    { start: START + 80_000, end: START + 90_000 },
  ];
  const { clock, watch } = clockWith({ skips });
  clock.play();
  watch.ms = 9_999;
  assert.equal(clock.now(), START + 9_999);
  watch.ms = 10_500;
  assert.equal(clock.now(), START + 70_500);
  watch.ms = 21_000;
  assert.equal(clock.now(), START + 91_000, "ten seconds to the first, ten to the second, one after it");
});

test("skipping can be turned off, and a paused clock may stand in a stretch without a recording", () => {
  const skips = [{ start: START + 10_000, end: START + 70_000 }];
  const { clock, watch } = clockWith({ skips });
  clock.skipping = false;
  clock.play();
  watch.ms = 20_000;
  assert.equal(clock.now(), START + 20_000);
  clock.pause();
  clock.skipping = true;
  assert.equal(clock.now(), START + 20_000);
  clock.play();
  assert.equal(clock.now(), START + 70_000);
});

test("a stretch without a recording at the end ends the replay", () => {
  const { clock, watch, reasons } = clockWith({ skips: [{ start: START + MINUTE, end: START + 10 * MINUTE }] });
  clock.play();
  watch.ms = MINUTE;
  clock.tick();
  assert.equal(clock.playing, false);
  assert.equal(clock.now(), clock.end);
  assert.deepEqual(reasons, ["play", "end"]);
});

test("play after the end begins again", () => {
  const { clock, watch } = clockWith();
  clock.seek(clock.end);
  clock.play();
  assert.equal(clock.now(), START);
  watch.ms = 100;
  assert.equal(clock.now(), START + 100);
});

test("a video without data holds the clock and is named, the last one to release lets it go", () => {
  const { clock, watch, reasons } = clockWith();
  clock.play();
  watch.ms = 1000;
  clock.hold("phone", clock.navigation);
  clock.hold("phone", clock.navigation);
  clock.hold("desk", clock.navigation);
  watch.ms = 5000;
  assert.equal(clock.now(), START + 1000);
  assert.deepEqual(clock.waitingFor, ["phone", "desk"]);
  clock.release("phone", clock.navigation);
  assert.equal(clock.running, false);
  clock.release("desk", clock.navigation);
  watch.ms = 6000;
  assert.equal(clock.now(), START + 2000);
  assert.deepEqual(reasons, ["play", "hold", "hold", "release", "release"]);
});

test("a late media event of an earlier navigation neither holds nor releases", () => {
  const { clock, watch } = clockWith();
  clock.play();
  const before = clock.navigation;
  clock.seek(START + MINUTE);
  clock.hold("phone", before);
  assert.equal(clock.running, true);
  clock.hold("phone", clock.navigation);
  clock.release("phone", before);
  assert.deepEqual(clock.waitingFor, ["phone"]);
  watch.ms = 9000;
  assert.equal(clock.now(), START + MINUTE);
});

test("a seek forgets who held the clock before it", () => {
  const { clock } = clockWith();
  clock.play();
  clock.hold("phone", clock.navigation);
  const navigation = clock.seek(START + 5000);
  assert.equal(navigation, clock.navigation);
  assert.deepEqual(clock.waitingFor, []);
});

test("the distance to a moment does not count what is skipped on the way", () => {
  const { clock } = clockWith({ skips: [{ start: START + 10_000, end: START + 70_000 }] });
  assert.equal(clock.distance(START + 5000, START + 71_000), 6000);
  assert.equal(clock.distance(START + 20_000, START + 71_000), 1000);
  clock.skipping = false;
  assert.equal(clock.distance(START + 5000, START + 71_000), 66_000);
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { endOf, fillableSeconds, neededRuns, outsidePauses, runsToDrop, settledRuns } from "../../static/js/lib/recording-runs.js";

const run = (id, from, to, more = {}) => ({ id, started_at: from * 1000, duration_s: to - from, size: 100, open: false, ...more });
const gap = (from, to) => ({ from: from * 1000, to: to * 1000 });
const ids = (runs) => runs.map(({ id }) => id).join("");
const RUNS = [run("a", 0, 20), run("b", 19, 40), run("c", 39, 60), run("d", 59, 70, { open: true })];

test("only runs that show something of a gap are needed", () => {
  assert.equal(ids(neededRuns(RUNS, [gap(25, 30)])), "b");
  assert.equal(ids(neededRuns(RUNS, [gap(39.5, 65)])), "bcd");
  assert.equal(ids(neededRuns(RUNS, [])), "");
  assert.equal(ids(neededRuns([run("e", 0, 20, { size: 0 })], [gap(0, 20)])), "");
  assert.equal(endOf(RUNS[1]), 40_000);
});

test("what the server certainly has is forgotten; what is open, needed or too young is kept", () => {
  assert.equal(ids(settledRuns(RUNS, [gap(25, 30)], 50_000)), "a");
  assert.equal(ids(settledRuns(RUNS, [], 60_000)), "abc");
});

test("room is made by the oldest that nobody needs, then by the oldest", () => {
  const room = { used: 300, free: 1e9 };
  assert.equal(ids(runsToDrop(RUNS, [gap(0, 10)], room, 100, 300)), "b");
  assert.equal(ids(runsToDrop(RUNS, [gap(0, 10)], room, 200, 300)), "bc");
  assert.equal(ids(runsToDrop(RUNS, [gap(0, 10)], room, 300, 300)), "bca");
  assert.equal(ids(runsToDrop(RUNS, [], room, 100, 1000)), "");
});

test("half of what the browser has left is not ours", () => {
  assert.equal(ids(runsToDrop(RUNS, [], { used: 300, free: 100 }, 100)), "a");
});

test("the seconds that can be filled count each moment once", () => {
  assert.equal(fillableSeconds(RUNS, [gap(10, 30)]), 20);
  assert.equal(fillableSeconds(RUNS, [gap(65, 100)]), 5);
  assert.equal(fillableSeconds([], [gap(0, 5)]), 0);
});

test("nothing of a pause is sent: a run ends where it begins, and one that began in it is nobody's", () => {
  const chunks = Array.from({ length: 20 }, (_, second) => ({ end: second + 1, size: 5 }));
  const cut = (from, pauses) => outsidePauses(run("r", from, from + 20, { chunks }), pauses);
  const pause = gap(50, 100);
  assert.deepEqual([cut(40, [pause]).duration_s, cut(40, [pause]).size], [10, 50]);
  assert.deepEqual([cut(60, [pause]).duration_s, cut(60, [pause]).size], [0, 0]);
  assert.equal(cut(90, [pause]).size, 0);
  assert.equal(cut(99, [pause]).duration_s, 20); // it heard that the inspection goes on: the clocks differ
  assert.equal(cut(20, [pause]).duration_s, 20);
  assert.equal(cut(40, [{ from: 45_000, to: null }]).duration_s, 5);
  assert.equal(cut(40, [pause, gap(43, 46)]).duration_s, 3);
});

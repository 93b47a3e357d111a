import assert from "node:assert/strict";
import { test } from "node:test";

import { correction } from "../../static/js/lib/replay-follow.js";
import { buildSchedule, complement, countUntil, momentOf, partAfter, partAt, union } from "../../static/js/lib/replay-schedule.js";

const at = (second) => new Date(Date.UTC(2026, 2, 1, 2, 0, 0) + second * 1000).toISOString();
const ms = (second) => Date.parse(at(second));
const part = (id, slot, from, to) => ({ id, slot, url: `/p/${id}`, started_at: at(from), duration_s: to - from });
const SLOTS = [{ id: "phone" }, { id: "desk" }];

function schedule(parts, startedAt = at(0), endedAt = at(100)) {
  return buildSchedule({ slots: SLOTS, parts, startedAt, endedAt });
}

test("each slot plays the part that covers the moment, and nothing in its gaps", () => {
  const { slots } = schedule([part("b", "phone", 40, 90), part("a", "phone", 0, 30), part("c", "desk", 5, 95)]);
  const [phone, desk] = slots;
  assert.deepEqual(phone.parts.map(({ id }) => id), ["a", "b"]);
  assert.equal(partAt(phone.parts, ms(0)).id, "a");
  assert.equal(partAt(phone.parts, ms(29.999)).id, "a");
  assert.equal(partAt(phone.parts, ms(30)), null);
  assert.equal(partAt(phone.parts, ms(40)).id, "b");
  assert.equal(partAt(desk.parts, ms(35)).id, "c");
  assert.deepEqual(phone.gaps, [{ start: ms(30), end: ms(40) }]);
});

test("where two parts of a slot overlap, the later one plays", () => {
  const { slots } = schedule([part("a", "phone", 0, 31), part("b", "phone", 30, 60)]);
  assert.equal(partAt(slots[0].parts, ms(30.5)).id, "b");
  assert.deepEqual(slots[0].gaps, []);
});

test("only what no slot has is skipped, the edges included", () => {
  const { skips } = schedule([part("a", "phone", 10, 30), part("b", "phone", 50, 60), part("c", "desk", 20, 40)]);
  assert.deepEqual(skips, [
    { start: ms(0), end: ms(10) },
    { start: ms(40), end: ms(50) },
    { start: ms(60), end: ms(100) },
  ]);
});

test("a hole shorter than a second is played, not jumped", () => {
  const { skips, slots } = schedule([part("a", "phone", 0, 50), part("b", "phone", 50.4, 100)]);
  assert.deepEqual(skips, []);
  assert.equal(slots[0].gaps.length, 1);
});

test("the timeline holds every part even when the inspection's own times are narrower or missing", () => {
  const parts = [part("a", "phone", 10, 120)];
  assert.equal(schedule(parts, at(20), at(100)).start, ms(10));
  assert.equal(schedule(parts, at(20), at(100)).end, ms(120));
  const bare = schedule(parts, null, null);
  assert.deepEqual([bare.start, bare.end], [ms(10), ms(120)]);
});

test("an inspection without any recording is one stretch to skip", () => {
  const { covered, skips, slots } = schedule([]);
  assert.deepEqual(covered, []);
  assert.deepEqual(skips, [{ start: ms(0), end: ms(100) }]);
  assert.equal(partAt(slots[0].parts, ms(50)), null);
});

test("the next part is known before it begins, so that it can be loaded", () => {
  const { slots } = schedule([part("a", "phone", 0, 30), part("b", "phone", 40, 60)]);
  assert.equal(partAfter(slots[0].parts, ms(10)).id, "b");
  assert.equal(partAfter(slots[0].parts, ms(40)), null);
});

test("intervals merge where they touch, and the complement stays inside its frame", () => {
  const merged = union([
    { start: 5, end: 7 },
    { start: 0, end: 3 },
    { start: 3, end: 4 },
    { start: 1, end: 2 },
  ]);
  assert.deepEqual(merged, [
    { start: 0, end: 4 },
    { start: 5, end: 7 },
  ]);
  assert.deepEqual(complement(merged, 2, 6), [{ start: 4, end: 5 }]);
  assert.deepEqual(complement(merged, 0, 4), []);
});

test("events up to now are those that happened, those of this very moment included", () => {
  const entries = [1, 2, 2, 5].map((value) => ({ at: value }));
  assert.deepEqual([0, 1, 2, 4, 9].map((now) => countUntil(entries, now)), [0, 1, 3, 3, 4]);
});

test("a video far off seeks, one a little off is nudged by at most eight percent, one in step is left alone", () => {
  assert.deepEqual(correction(0.51, 1), { seek: true, playbackRate: 1 });
  assert.deepEqual(correction(-0.6, 2), { seek: true, playbackRate: 2 });
  assert.deepEqual(correction(0.04, 1.5), { seek: false, playbackRate: 1.5 });
  assert.deepEqual(correction(0.05, 1), { seek: false, playbackRate: 1.05 });
  assert.deepEqual(correction(0.4, 1), { seek: false, playbackRate: 1.08 });
  assert.deepEqual(correction(-0.4, 2), { seek: false, playbackRate: 1.84 });
});

test("a snapshot stands where its frame is in the part, whenever it arrived; without a part at its arrival", () => {
  const plan = schedule([part("a", "phone", 10, 30), part("b", "phone", 50, 60)]);
  const snapshot = { captured_at: at(20), moment: { part: "b", at_s: 1.255 } };
  assert.equal(momentOf(plan, snapshot), ms(51.255));
  assert.equal(momentOf(plan, { ...snapshot, moment: null }), ms(20));
  assert.equal(momentOf(plan, { ...snapshot, moment: { part: "gone", at_s: 1 } }), ms(20));
});

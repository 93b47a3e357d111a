import assert from "node:assert/strict";
import { test } from "node:test";

import { causeWords, shortCause } from "../../static/js/lib/continuity-words.js";
import { describe } from "../../static/js/lib/event-words.js";
import { t } from "../../static/js/lib/i18n.js";
import { buildSchedule, partAfter, partAt } from "../../static/js/lib/replay-schedule.js";

const CAUSES = [
  "network_lost", "page_hidden", "camera_ended", "camera_black", "muted", "closed", "left", "replaced", "worker_restarted",
  "recording_failed", "paused", "picture_stopped", "sound_stopped",
];
const names = { person: (id) => id, slot: () => "Tian", item: (key) => key };

test("every cause of a gap has words of its own", () => {
  const words = CAUSES.map((cause) => causeWords(t, cause, "Tian"));
  assert.ok(words.every((text) => text.length > 5 && !text.includes("{")));
  assert.equal(new Set(words).size, CAUSES.length);
  assert.match(causeWords(t, "left", "Tian"), /Tian/);
  assert.equal(causeWords(t, "a cause of tomorrow"), "");
  assert.equal(causeWords(t, "paused", "Zhou", "lunch"), "Zhou had paused the inspection (lunch)");
  assert.ok(CAUSES.every((cause) => shortCause(t, cause).length > 0));
});

test("a gap, and what was uploaded for it, are lines of the timeline", () => {
  const event = (type, body) => describe(t, { type, actor: {}, body }, names);
  const gap = event("slot.gap", { slot: "s", from: "2026-11-21T08:00:10.000Z", to: "2026-11-21T08:00:30.400Z", cause: "network_lost", by: null });
  assert.deepEqual(gap, { kind: "recording", text: "Tian: 20 s were not received", tone: "warn", detail: "The network was lost" });
  const part = event("part.closed", { slot: "s", index: 0, source: "phone", duration_s: 20.4 });
  assert.equal(part.text, "20 s of Tian, recorded on the phone, were uploaded");
});

const at = (second) => new Date(Date.UTC(2026, 2, 1, 2, 0, 0) + second * 1000).toISOString();
const ms = (second) => Date.parse(at(second));
const part = (id, from, to, source = "received") => ({ id, slot: "s", source, started_at: at(from), duration_s: to - from });

function slotOf(parts, gaps) {
  const continuity = gaps && [{ slot: "s", gaps: gaps.map(([from, to, cause]) => ({ from: at(from), to: at(to), cause, by: null })) }];
  const [slot] = buildSchedule({ slots: [{ id: "s" }], parts, continuity, startedAt: at(0), endedAt: at(100) }).slots;
  return slot;
}

const PARTS = [part("a", 0, 30), part("b", 50, 90), part("x", 20, 41, "phone"), part("y", 40, 60, "phone")];

test("what was received plays wherever it exists, and the phone's recording only in the gap", () => {
  const { parts } = slotOf(PARTS, [[30, 50, "network_lost"]]);
  for (const [second, id] of [[25, "a"], [30, "x"], [40.5, "x"], [41, "y"], [49.9, "y"], [50, "b"], [55, "b"]]) {
    assert.equal(partAt(parts, ms(second)).id, id, `at ${second}`);
  }
  assert.deepEqual(parts.filter(({ source }) => source === "phone").map(({ zero, cause }) => [zero, cause]), [
    [ms(20), "network_lost"], [ms(40), "network_lost"],
  ]);
});

test("in a gap of the picture the phone's recording plays over the file that has only the sound", () => {
  const { parts, gaps } = slotOf([part("a", 0, 90), part("x", 25, 40, "phone")], [[30, 60, "picture_stopped"]]);
  for (const [second, id] of [[29, "a"], [30, "x"], [39.9, "x"], [45, "a"], [61, "a"]]) assert.equal(partAt(parts, ms(second)).id, id, `at ${second}`);
  assert.deepEqual(gaps, [{ start: ms(40), end: ms(60), cause: "picture_stopped", by: null }]);
});

test("the phone's recording is known before its turn", () => {
  const { parts } = slotOf(PARTS, [[30, 50, "network_lost"]]);
  assert.equal(partAfter(parts, ms(25)).id, "x");
  assert.equal(partAfter(parts, ms(35)).id, "y");
});

test("what is left of a gap keeps its cause, also at the end", () => {
  const { gaps } = slotOf([part("a", 0, 30), part("x", 25, 40, "phone")], [[30, 80, "worker_restarted"]]);
  assert.deepEqual(gaps, [{ start: ms(40), end: ms(80), cause: "worker_restarted", by: null }]);
});

test("why somebody paused stays with the gap", () => {
  const gap = { from: at(30), to: at(50), cause: "paused", by: "Zhou", reason: "lunch" };
  const schedule = buildSchedule({
    slots: [{ id: "s" }], parts: [part("a", 0, 30), part("b", 50, 90)], continuity: [{ slot: "s", gaps: [gap] }], startedAt: at(0), endedAt: at(90),
  });
  assert.deepEqual(schedule.slots[0].gaps, [{ start: ms(30), end: ms(50), cause: "paused", by: "Zhou", reason: "lunch" }]);
});

test("without a ledger the holes between the parts are the gaps", () => {
  assert.deepEqual(slotOf([part("a", 0, 30), part("b", 50, 90)]).gaps, [{ start: ms(30), end: ms(50) }]);
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { t } from "../../static/js/lib/i18n.js";
import { lanesOf } from "../../static/js/lib/replay-lanes.js";
import { buildSchedule } from "../../static/js/lib/replay-schedule.js";

const at = (second) => new Date(Date.UTC(2026, 2, 1, 2, 0, 0) + second * 1000).toISOString();
const ms = (second) => Date.parse(at(second));
const actor = { name: "Zhou" };
const event = (second, type, body) => ({ type, at: at(second), actor, body });
const names = { person: (id) => ({ p: "Tian", q: "Zhou" })[id], slot: () => "Tian", item: (key) => `item ${key}` };

function lanes(events, parts = [{ id: "a", slot: "s", started_at: at(0), duration_s: 60 }]) {
  const schedule = buildSchedule({ slots: [{ id: "s", name: "Tian", role: "enterprise" }, { id: "u", name: "Zhou" }], parts, startedAt: at(0), endedAt: at(100) });
  return lanesOf({ t, clockTime: (when) => String((when - ms(0)) / 1000), schedule, events, names, momentOf: (one) => Date.parse(one.at) });
}

const PUBLISHED = [event(0, "slot.opened", { slot: "s", participant: "p" }), event(1, "slot.live", { slot: "s" })];
const graded = (from, grade, reasons = []) => event(from + 4, "network.graded", { participant: "p", grade, reasons, from: at(from) });
const stretches = ({ spans }) => spans.map(({ start, end, data }) => [(start - ms(0)) / 1000, (end - ms(0)) / 1000, data.grade]);

test("a lane in which nothing stands is left out", () => {
  assert.deepEqual(lanes([]).map(({ kind, name }) => [kind, name]), [["slot", "Tian"]]);
  assert.deepEqual(lanes([], []), []);
});

test("each fix of the position is a moment in the lane of locations, toned by its grade", () => {
  const fix = (second, grade) => event(second, "location.fixed", { participant: "p", accuracy_m: 12, distance_m: 40, grade });
  const [, lane] = lanes([fix(5, "near"), fix(65, "far")]);
  assert.equal(lane.kind, "location");
  assert.deepEqual(lane.points.map(({ at: when, tone }) => [when, tone]), [[ms(5), "ok"], [ms(65), "bad"]]);
  assert.match(lane.points[1].words, /Tian.*Somewhere else/);
});

test("the network of a person is one lane of stretches, each until the next one", () => {
  const [slot, lane] = lanes([...PUBLISHED, graded(2, "good"), graded(30, "poor", ["loss", "delay"]), graded(50, "good")]);
  assert.deepEqual([slot.name, lane.name, lane.title], ["Tian", "Connection", "Network: Tian"]);
  assert.deepEqual(stretches(lane), [[2, 30, "good"], [30, 50, "poor"], [50, 100, "good"]]);
  assert.equal(lane.spans[1].words, "Network weak, 30 to 50\npackets are lost, long delay");
});

test("from the moment when nothing arrives a network is lost, until something does; then it is not known until it is graded", () => {
  const cut = [event(20, "slot.interrupted", { slot: "s", cause: "no_media" }), event(40, "slot.live", { slot: "s" })];
  const [, lane] = lanes([...PUBLISHED, graded(2, "good"), ...cut, graded(41, "fair", ["loss"])]);
  assert.deepEqual(stretches(lane), [[2, 20, "good"], [20, 40, "lost"], [41, 100, "fair"]]);
});

test("who stops sending, a pause and the end leave nothing to grade", () => {
  for (const stop of [event(20, "slot.interrupted", { slot: "s", cause: "closed" }), event(20, "inspection.paused", {}), event(20, "inspection.ended", {})]) {
    const [, lane] = lanes([...PUBLISHED, graded(2, "good"), stop]);
    assert.deepEqual(stretches(lane), [[2, 20, "good"]]);
  }
});

test("another one's interruption changes nothing", () => {
  const other = [event(0, "slot.opened", { slot: "u", participant: "q" }), event(20, "slot.interrupted", { slot: "u", cause: "no_media" })];
  assert.deepEqual(stretches(lanes([...PUBLISHED, ...other, graded(2, "good")])[1]), [[2, 100, "good"]]);
});

test("a gap's cause stands in it in a word, and in whole with who and why", () => {
  const gap = { from: at(60), to: at(80), cause: "paused", by: "Zhou", reason: "lunch" };
  const parts = [{ id: "a", slot: "s", started_at: at(0), duration_s: 60 }, { id: "b", slot: "s", started_at: at(80), duration_s: 20 }];
  const schedule = buildSchedule({ slots: [{ id: "s", name: "Tian" }], parts, continuity: [{ slot: "s", gaps: [gap] }], startedAt: at(0), endedAt: at(100) });
  const [lane] = lanesOf({ t, clockTime: (when) => String((when - ms(0)) / 1000), schedule, events: [], names, momentOf: Number });
  const { short, words, data } = lane.spans.find(({ kind }) => kind === "gap");
  assert.deepEqual([short, words, data.cause], ["Paused", "Not recorded 60 to 80\nZhou had paused the inspection (lunch)", "paused"]);
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { momentOf } from "../../static/js/lib/time-of-day.js";

const formatTime = (at) => new Date(at).toISOString().slice(11, 19);
const frame = (from, to) => ({ start: Date.parse(from), end: Date.parse(to) });
const MORNING = frame("2026-03-01T10:00:00.400Z", "2026-03-01T10:20:00Z");

const found = (text, inspection = MORNING) => {
  const at = momentOf(text, inspection, formatTime);
  return at === null ? null : new Date(at).toISOString();
};

test("a time of day names its moment, with or without seconds, with either colon", () => {
  assert.equal(found("10:05:30"), "2026-03-01T10:05:30.000Z");
  assert.equal(found(" 10:05 "), "2026-03-01T10:05:00.000Z");
  assert.equal(found("10：05：01"), "2026-03-01T10:05:01.000Z");
});

test("the second of the beginning is the beginning", () => {
  assert.equal(found("10:00:00"), "2026-03-01T10:00:00.400Z");
});

test("a time outside the inspection, or no time, is none", () => {
  assert.equal(found("09:59:59"), null);
  assert.equal(found("10:20:01"), null);
  assert.equal(found("soon"), null);
});

test("an inspection over midnight knows the times of both days", () => {
  const night = frame("2026-03-01T23:50:00Z", "2026-03-02T00:10:00Z");
  assert.equal(found("23:55", night), "2026-03-01T23:55:00.000Z");
  assert.equal(found("0:05", night), "2026-03-02T00:05:00.000Z");
});

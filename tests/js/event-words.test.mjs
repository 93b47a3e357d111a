import assert from "node:assert/strict";
import { test } from "node:test";

import { describe, deviceName } from "../../static/js/lib/event-words.js";
import { t } from "../../static/js/lib/i18n.js";

const names = { person: (id) => `person ${id}`, slot: (id) => `slot ${id}`, item: (key) => `item ${key}` };
const actor = { kind: "participant", id: "p", name: "Zhou", role: "reviewer" };
const words = (type, body = {}) => describe(t, { seq: 1, type, at: "2026-03-01T02:00:00Z", actor, body }, names);

const BODIES = {
  "inspection.created": {},
  "inspection.rescheduled": {},
  "inspection.cancelled": { reason: "flood" },
  "inspection.started": {},
  "inspection.ended": { reason: "completed" },
  "inspection.concluded": { result: "rectify", note: "fix the sign" },
  "evidence.closed": { counts: { events: 40, snapshots: 3, photos: 0, gaps: 0, slots: {} } },
  "invitation.created": { name: "Tian", role: "enterprise" },
  "invitation.cancelled": { invitation: "i" },
  "consent.given": { participant: "p", kind: "recording" },
  "participant.joined": { participant: "p", name: "Tian", role: "enterprise", device: "" },
  "participant.replaced": { participant: "p", device: "" },
  "participant.left": { participant: "p", cause: "lost" },
  "participant.returned": { participant: "p" },
  "participant.key": { participant: "p", public: "30" },
  "gaps.done": { participant: "p", replaced: false },
  "slot.live": { slot: "s" },
  "slot.interrupted": { slot: "s", cause: "no_media" },
  "slot.muted": { slot: "s", kind: "audio", muted: true },
  "part.opened": { slot: "s", index: 1 },
  "part.closed": { slot: "s", index: 1 },
  "recording.failed": { slot: "s", reason: "disk_full" },
  "snapshot.taken": { slot: "s", item: "gate" },
  "photo.announced": { photo: "f", how: "frame", width: 1280, height: 720 },
  "photo.added": { photo: "f", how: "photo", width: 4032, height: 3024 },
  "photo.refused": { photo: "f", reason: "digest" },
  "chat.sent": { text: "hello" },
  "checklist.answered": { item: "gate", result: "fail", note: "no sign" },
  "device.reported": { participant: "p", state: "hidden" },
  "location.fixed": { participant: "p", accuracy_m: 11.6, distance_m: 40, grade: "near", reasons: ["within", "claimed"] },
  "network.graded": { participant: "p", grade: "poor", reasons: ["loss", "delay"], from: "2026-03-01T01:59:56Z" },
  "office.warned": { code: "disk_low", detail: {} },
};

test("every event that people should know of is a whole sentence without a hole", () => {
  for (const [type, body] of Object.entries(BODIES)) {
    const sentence = words(type, body);
    assert.ok(sentence, type);
    assert.doesNotMatch(sentence.text, /[{}]|undefined|null/, type);
    assert.equal(typeof sentence.detail, "string", type);
  }
});

test("an act bears the name of who did it, also when somebody else has taken the place since", () => {
  assert.match(words("consent.given", { participant: "p", kind: "recording" }).text, /^Zhou agreed/);
  assert.match(words("participant.left", { participant: "another", cause: "left" }).text, /^person another/);
});

test("another person on another device is told apart from the same person on one", () => {
  const same = { participant: "p", device: "", name: "Zhou", was: "Zhou" };
  assert.match(words("participant.replaced", same).text, /^Zhou continues on another device/);
  assert.equal(words("participant.replaced", { ...same, was: "Tian" }).text, "Zhou goes on in the place of Tian");
});

test("events without meaning for people, and unknown ones, are left out", () => {
  assert.equal(words("slot.opened"), null);
  assert.equal(words("something.new"), null);
  assert.equal(words("device.reported", { participant: "p", state: "unheard_of" }), null);
});

test("a full disk is said in words, without codes and bare numbers of bytes", () => {
  const refused = words("office.warned", { code: "storage_full", detail: "123456789" });
  assert.match(refused.text, /could not start/);
  assert.equal(refused.detail, "123 MB left on the server's disk.");
  assert.equal(words("office.warned", { code: "disk_low", detail: "2400000000" }).detail, "2.4 GB left on the server's disk.");
  for (const reason of ["disk_full", "queue_overflow", "muxer_error"]) {
    assert.doesNotMatch(words("recording.failed", { slot: "s", reason }).detail, /_|^$/, reason);
  }
});

test("an answer bears its item, its result and its note, and a failure its tone", () => {
  assert.deepEqual(words("checklist.answered", BODIES["checklist.answered"]), {
    kind: "checklist",
    text: "item gate: Fail",
    tone: "bad",
    detail: "no sign",
  });
  assert.equal(words("recording.failed", BODIES["recording.failed"]).kind, "alarm");
  assert.equal(words("recording.failed", BODIES["recording.failed"]).tone, "bad");
});

test("who left is told apart from who was lost", () => {
  assert.match(words("participant.left", { participant: "p", cause: "left" }).text, /left/);
  assert.match(words("participant.left", { participant: "p", cause: "lost" }).text, /lost/);
});

test("a snapshot names its item when it has one", () => {
  assert.match(words("snapshot.taken", { item: "gate" }).text, /item gate/);
  assert.doesNotMatch(words("snapshot.taken", { item: null }).text, /item/);
});

test("a browser's long name becomes browser and system, another device's stays", () => {
  assert.equal(deviceName("Mozilla/5.0 (Linux; Android 14; Pixel 7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Mobile Safari/537.36"), "Chrome, Android");
  assert.equal(deviceName("Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 Version/17.4 Mobile/15E148 Safari/604.1"), "Safari, iOS");
  assert.equal(deviceName("Mozilla/5.0 (Linux; Android 13) AppleWebKit/537.36 Chrome/116 Mobile Safari/537.36 MicroMessenger/8.0"), "WeChat, Android");
  assert.equal(deviceName("yunkan demo"), "yunkan demo");
  assert.equal(deviceName(null), "");
});

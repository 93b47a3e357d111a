import assert from "node:assert/strict";
import { test } from "node:test";

import { mainSlot, RecordingWatch, sites, stageState } from "../../static/js/lib/console-state.js";
import { foldAll } from "../../static/js/lib/room-state.js";

const SITE = "p-site";
const DESK = "p-desk";

let seq = 0;
const event = (type, body) => ({ seq: (seq += 1), type, at: "2026-03-01T02:00:00Z", actor: { kind: "system" }, body });
const joined = (participant, role) => event("participant.joined", { participant, role, name: participant, device: "" });
const live = () => [
  event("slot.opened", { slot: "s", participant: SITE, source: "camera" }),
  event("slot.live", { slot: "s" }),
];
const reported = (state) => event("device.reported", { participant: SITE, state });
const online = (id, role) => ({ id, name: id, role, online: true, network: { grade: "good", reasons: [] } });
const slot = (change = {}) => ({ id: "s", participant: SITE, live: true, kinds: ["audio", "video"], last_packet_age_s: 0.1, recorded_bytes: 1, ...change });

function stage({ events = [], presence = [], media = [], phase = "open", bye = null } = {}) {
  return stageState({ phase, bye, room: foldAll(events), presence, media }).state;
}

const here = [online(SITE, "enterprise"), online(DESK, "reviewer")];

test("before anybody of the enterprise came, nobody is there; reviewers do not count", () => {
  assert.equal(stage({ events: [joined(DESK, "reviewer")], presence: [online(DESK, "reviewer")] }), "nobody");
});

test("the enterprise is there and has not sent a picture yet", () => {
  assert.equal(stage({ events: [joined(SITE, "enterprise")], presence: here }), "waiting");
});

test("a fresh picture is live, an old one is frozen, and so is one that stopped", () => {
  const events = [joined(SITE, "enterprise"), ...live()];
  assert.equal(stage({ events, presence: here, media: [slot()] }), "live");
  assert.equal(stage({ events, presence: here, media: [slot({ last_packet_age_s: 3 })] }), "frozen");
  assert.equal(stage({ events, presence: here, media: [slot({ live: false })] }), "frozen");
});

test("a picture that stops while the sound goes on is frozen, unless it was switched off, until it is back", () => {
  const events = [joined(SITE, "enterprise"), ...live(), event("slot.lacking", { slot: "s", kind: "video", from: "2026-03-01T02:00:00Z" })];
  const now = (...more) => stage({ events: [...events, ...more], presence: here, media: [slot()] });
  assert.equal(now(), "frozen");
  assert.equal(now(event("slot.muted", { slot: "s", kind: "video", muted: true })), "live");
  assert.equal(now(event("slot.complete", { slot: "s", kind: "video", to: "2026-03-01T02:00:09Z" })), "live");
  assert.equal(now(event("slot.interrupted", { slot: "s", cause: "no_media" }), event("slot.live", { slot: "s" })), "live");
});

test("a phone that shows something else is hidden until it says that it is back", () => {
  const events = [joined(SITE, "enterprise"), ...live(), reported("hidden"), reported("battery_low")];
  assert.equal(stage({ events, presence: here, media: [slot()] }), "hidden");
  assert.equal(stage({ events: [...events, reported("visible")], presence: here, media: [slot()] }), "live");
});

test("a browser that cannot send video is said until it does", () => {
  const events = [joined(SITE, "enterprise"), reported("camera_unsupported")];
  assert.equal(stage({ events, presence: here }), "unsupported");
  assert.equal(stage({ events: [...events, ...live()], presence: here, media: [slot()] }), "live");
});

test("a stopped or black camera is said until it is back", () => {
  const events = [joined(SITE, "enterprise"), ...live(), reported("camera_black")];
  assert.equal(stage({ events, presence: here, media: [slot()] }), "camera");
  assert.equal(stage({ events: [...events, reported("camera_back")], presence: here, media: [slot()] }), "live");
});

test("who left is told apart from who was lost", () => {
  const gone = (cause) => [joined(SITE, "enterprise"), ...live(), event("participant.left", { participant: SITE, cause })];
  assert.equal(stage({ events: gone("left"), presence: [online(DESK, "reviewer")] }), "left");
  assert.equal(stage({ events: gone("lost"), presence: [online(DESK, "reviewer")] }), "lost");
});

test("our own lost connection, a taken-over seat and an end outrank what the room said last", () => {
  const events = [joined(SITE, "enterprise"), ...live()];
  assert.equal(stage({ events, presence: here, media: [slot()], phase: "lost" }), "offline");
  assert.equal(stage({ events, presence: here, media: [slot()], bye: "replaced" }), "replaced");
  assert.equal(stage({ bye: "removed" }), "removed");
  assert.equal(stage({ bye: "ended" }), "ended");
  assert.equal(stage({ events: [...events, event("inspection.ended", { reason: "completed" })], phase: "lost" }), "ended");
  const concluded = [event("inspection.ended", {}), event("inspection.concluded", { result: "pass", note: "" })];
  assert.equal(stage({ events: concluded, bye: "ended" }), "concluded");
});

test("joining and being refused are said before there is a room", () => {
  assert.equal(stage({ phase: "joining" }), "loading");
  assert.equal(stage({ phase: "refused" }), "refused");
});

test("of two phones of the enterprise the one that is here comes first", () => {
  const room = foldAll([joined("p-old", "enterprise"), joined(SITE, "enterprise")]);
  assert.deepEqual(sites(room, [online(SITE, "enterprise")]).map(({ id }) => id), [SITE, "p-old"]);
});

test("the site's camera fills the stage, else a live picture of somebody else, never one's own", () => {
  const expert = { id: "e", participant: "p-expert", live: true, kinds: ["video"] };
  const own = { id: "o", participant: DESK, live: true, kinds: ["video", "audio"] };
  const presence = [...here, online("p-expert", "expert")];
  assert.equal(mainSlot([expert, own, slot()], presence, DESK), "s");
  assert.equal(mainSlot([expert, own, slot({ live: false })], presence, DESK), "s", "its last picture stays");
  assert.equal(mainSlot([expert, own], presence, DESK), "e");
  assert.equal(mainSlot([own], presence, DESK), null);
});

test("recording is what grows at the server, whatever it is called", () => {
  const watch = new RecordingWatch();
  assert.equal(watch.update([], 0).state, "idle");
  assert.equal(watch.update([slot({ recorded_bytes: 0 })], 0).state, "starting");
  assert.equal(watch.update([slot({ recorded_bytes: 5000 })], 2000).state, "recording");
  assert.equal(watch.update([slot({ recorded_bytes: 5000, recording: true })], 7900).state, "recording");
  assert.deepEqual(watch.update([slot({ recorded_bytes: 5000, recording: true })], 8100), { state: "failed", slots: ["s"] });
  assert.equal(watch.update([slot({ recorded_bytes: 6000 })], 9000).state, "recording");
});

test("a recording that never begins fails after the same time, and one slot that fails is enough", () => {
  const watch = new RecordingWatch();
  const other = (bytes) => slot({ id: "o", participant: DESK, recorded_bytes: bytes });
  watch.update([slot({ recorded_bytes: 0 }), other(1)], 0);
  watch.update([slot({ recorded_bytes: 0 }), other(2)], 4000);
  assert.deepEqual(watch.update([slot({ recorded_bytes: 0 }), other(3)], 6100), { state: "failed", slots: ["s"] });
});

test("a slot that went and came back begins anew, and so does a new part with fewer bytes", () => {
  const watch = new RecordingWatch();
  watch.update([slot({ recorded_bytes: 9000 })], 0);
  assert.equal(watch.update([slot({ live: false })], 1000).state, "idle");
  assert.equal(watch.update([slot({ recorded_bytes: 9000 })], 60_000).state, "starting");
  assert.equal(watch.update([slot({ recorded_bytes: 10 })], 65_000).state, "starting");
  assert.equal(watch.update([slot({ recorded_bytes: 20 })], 70_000).state, "recording");
});

test("before the picture the desk knows whether the phone is being asked for the camera or was refused it", () => {
  const before = [joined(SITE, "enterprise")];
  assert.equal(stage({ events: [...before, reported("camera_asking")], presence: here }), "asking");
  assert.equal(stage({ events: [...before, reported("camera_asking"), reported("camera_denied")], presence: here }), "denied");
  assert.equal(stage({ events: [...before, reported("camera_denied"), reported("camera_back")], presence: here }), "waiting");
});

test("a phone that was reloaded and is asked again is not called frozen, and a picture that arrives outranks the question", () => {
  const events = [joined(SITE, "enterprise"), ...live(), reported("camera_asking")];
  assert.equal(stage({ events, presence: here, media: [slot({ live: false })] }), "asking");
  assert.equal(stage({ events, presence: here, media: [slot()] }), "live");
});

test("a pause covers the picture until it is resumed, whatever becomes of the phone meanwhile", () => {
  const events = [joined(SITE, "enterprise"), ...live(), event("inspection.paused", { reason: "lunch" })];
  assert.equal(stage({ events, presence: here, media: [slot()] }), "paused");
  assert.equal(stage({ events, presence: [], media: [] }), "paused");
  assert.equal(stage({ events, presence: here, media: [slot()], phase: "lost" }), "offline");
  assert.equal(stage({ events: [...events, event("inspection.resumed", {})], presence: here, media: [slot()] }), "live");
  assert.equal(stage({ events: [...events, event("inspection.ended", {})], presence: here, media: [slot()] }), "ended");
});

test("a recording that is paused has not failed, and has its time to begin again", () => {
  const watch = new RecordingWatch();
  watch.update([slot({ recorded_bytes: 5 })], 0);
  assert.equal(watch.update([slot({ recorded_bytes: 5 })], 60_000, true).state, "paused");
  assert.equal(watch.update([slot({ recorded_bytes: 5 })], 61_000).state, "starting");
  assert.equal(watch.update([slot({ recorded_bytes: 9 })], 63_000).state, "recording");
});

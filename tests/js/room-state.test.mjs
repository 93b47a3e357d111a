import assert from "node:assert/strict";
import { test } from "node:test";

import { fold, foldAll, initialState } from "../../static/js/lib/room-state.js";

let seq = 0;
const at = (second) => `2025-04-17T02:30:${String(second).padStart(2, "0")}Z`;
const event = (type, body = {}, second = 0, actor = { id: "R1", name: "Li Jing", role: "reviewer" }) => ({
  seq: ++seq, type, body, at: at(second), actor,
});
const after = (...events) => foldAll(events);

test("a participant who joined is present until it leaves and again when it returns", () => {
  const joined = event("participant.joined", { participant: "P1", role: "enterprise", name: "Wang Haiyan" }, 1);
  const left = event("participant.left", { participant: "P1", cause: "lost" }, 5);
  const returned = event("participant.returned", { participant: "P1" }, 9);
  assert.equal(after(joined).participants.get("P1").present, true);
  const gone = after(joined, left).participants.get("P1");
  assert.deepEqual([gone.present, gone.leftAt, gone.leftBecause], [false, at(5), "lost"]);
  const back = after(joined, left, returned).participants.get("P1");
  assert.deepEqual([back.present, back.leftAt, back.joinedAt, back.name], [true, null, at(1), "Wang Haiyan"]);
});

test("a replaced participant shows the new device and bears the name of who holds it", () => {
  const joined = event("participant.joined", { participant: "P1", role: "enterprise", name: "Wang Haiyan", device: "old" });
  const shown = (...events) => {
    const { name, device } = after(joined, ...events).participants.get("P1");
    return [name, device];
  };
  assert.deepEqual(shown(event("participant.replaced", { participant: "P1", device: "new" })), ["Wang Haiyan", "new"]);
  const other = event("participant.replaced", { participant: "P1", device: "new", name: "Li Mei", was: "Wang Haiyan" });
  assert.deepEqual(shown(other), ["Li Mei", "new"]);
});

test("a slot's intervals and interruptions alternate without a hole", () => {
  const slot = after(
    event("slot.opened", { slot: "S1", participant: "P1", source: "camera" }),
    event("slot.live", { slot: "S1" }, 2),
    event("slot.interrupted", { slot: "S1", cause: "no_media" }, 10),
    event("slot.live", { slot: "S1" }, 14),
  ).slots.get("S1");
  assert.equal(slot.live, true);
  assert.deepEqual(slot.intervals, [{ from: at(2), to: at(10) }, { from: at(14), to: null }]);
  assert.deepEqual(slot.interruptions, [{ from: at(10), to: at(14), cause: "no_media" }]);
});

test("a second interruption while interrupted keeps the first one's beginning", () => {
  const slot = after(
    event("slot.live", { slot: "S1" }, 2),
    event("slot.interrupted", { slot: "S1", cause: "no_media" }, 10),
    event("slot.interrupted", { slot: "S1", cause: "worker_restarted" }, 12),
  ).slots.get("S1");
  assert.deepEqual(slot.interruptions, [{ from: at(10), to: null, cause: "no_media" }]);
});

test("the end closes every open interval and interruption", () => {
  const state = after(
    event("inspection.started", { epoch: 1 }, 1),
    event("slot.live", { slot: "S1" }, 2),
    event("slot.live", { slot: "S2" }, 2),
    event("slot.interrupted", { slot: "S2", cause: "closed" }, 4),
    event("inspection.ended", { reason: "completed" }, 30),
  );
  assert.deepEqual([state.state, state.startedAt, state.endedAt, state.endReason], ["ended", at(1), at(30), "completed"]);
  assert.deepEqual(state.slots.get("S1").intervals, [{ from: at(2), to: at(30) }]);
  assert.deepEqual(state.slots.get("S2").interruptions, [{ from: at(4), to: at(30), cause: "closed" }]);
  assert.equal(state.slots.get("S1").live, false);
});

test("a restarted worker does not move the beginning of the inspection", () => {
  assert.equal(after(event("inspection.started", {}, 1), event("inspection.started", {}, 40)).startedAt, at(1));
});

test("muting audio leaves the video's mark as it was", () => {
  const slot = after(
    event("slot.muted", { slot: "S1", kind: "video", muted: true }),
    event("slot.muted", { slot: "S1", kind: "audio", muted: true }),
    event("slot.muted", { slot: "S1", kind: "video", muted: false }),
  ).slots.get("S1");
  assert.deepEqual(slot.muted, { video: false, audio: true });
});

test("what is entered as lacking during a pause is expected again after it", () => {
  const during = after(
    event("slot.live", { slot: "S1" }, 1),
    event("inspection.paused", { reason: "lunch" }, 10),
    event("slot.lacking", { slot: "S1", kind: "video", from: at(8) }, 10),
  );
  assert.equal(during.slots.get("S1").lacking.video, at(8));
  const { pause, slots } = fold(during, event("inspection.resumed", {}, 30));
  assert.deepEqual([pause, slots.get("S1").lacking], [null, {}]);
});

test("a part keeps what its opening said when it closes", () => {
  const part = after(
    event("part.opened", { part: "A", slot: "S1", index: 1, media_type: "video/mp4" }),
    event("part.closed", { part: "A", slot: "S1", sha256: "ab", duration_s: 8.5 }),
  ).parts.get("A");
  assert.deepEqual([part.index, part.sha256, part.duration_s, part.closed, part.media_type], [1, "ab", 8.5, true, "video/mp4"]);
});

test("the last answer of a checklist item counts and names who gave it", () => {
  const state = after(
    event("checklist.answered", { item: "door", result: "fail", note: "no plate" }, 3),
    event("checklist.answered", { item: "door", result: "pass", note: "" }, 7),
  );
  assert.deepEqual(state.answers, { door: { result: "pass", note: "", by: "Li Jing", at: at(7), seq: state.lastSeq } });
});

test("chat and snapshots keep their order and their author", () => {
  const state = after(
    event("chat.sent", { text: "Show the doorplate" }, 1),
    event("snapshot.taken", { snapshot: "N1", slot: "S1", item: "door", sha256: "cd" }, 2),
    event("chat.sent", { text: "Thank you" }, 3),
  );
  assert.deepEqual(state.chat.map((line) => [line.text, line.name]), [["Show the doorplate", "Li Jing"], ["Thank you", "Li Jing"]]);
  assert.deepEqual([state.snapshots[0].id, state.snapshots[0].item, state.snapshots[0].by], ["N1", "door", "Li Jing"]);
});

test("the result of the conclusion is kept with who gave it", () => {
  const state = after(event("inspection.concluded", { result: "rectify", note: "label" }, 50));
  assert.deepEqual(state.result, { result: "rectify", note: "label", by: "Li Jing", at: at(50) });
});

test("an event heard twice is folded once", () => {
  const line = event("chat.sent", { text: "once" });
  const state = foldAll([line, line]);
  assert.equal(state.chat.length, 1);
  assert.equal(state.lastSeq, line.seq);
});

test("an event of an unknown type only moves lastSeq", () => {
  const unknown = event("weather.changed", { sky: "thunder" });
  assert.deepEqual(fold(initialState(), unknown), { ...initialState(), lastSeq: unknown.seq });
});

test("folding changes no earlier state", () => {
  const before = after(event("slot.live", { slot: "S1" }, 1));
  const snapshot = structuredClone(before);
  fold(before, event("slot.interrupted", { slot: "S1", cause: "closed" }, 2));
  fold(before, event("chat.sent", { text: "x" }, 3));
  assert.deepEqual(before, snapshot);
});

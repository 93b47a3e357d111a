import assert from "node:assert/strict";
import { test } from "node:test";

import { MuteReport } from "../../static/js/lib/mute-report.js";

const flush = () => new Promise((resolve) => { setImmediate(resolve); });

/** The log and the way to it: `way` is whether messages pass; an event comes only when `arrive()` lets it. */
function scene({ open = true } = {}) {
  const sent = [];
  const room = { lastSeq: 7, slots: new Map() };
  const scene = {
    sent,
    room,
    way: true,
    slot: (muted = {}) => room.slots.set("s", { id: "s", participant: "me", source: "camera", muted }),
    arrive: ({ kind, muted }) => {
      room.lastSeq += 1;
      room.slots.get("s").muted = { ...room.slots.get("s").muted, [kind]: muted };
    },
  };
  scene.report = new MuteReport(async (message) => {
    sent.push(message);
    if (!scene.way) throw new Error("not_connected");
    return { seq: room.lastSeq + 1 };
  });
  if (open) scene.slot();
  return scene;
}

test("what is muted before there is a slot is said when there is one", async () => {
  const { report, room, sent, slot } = scene({ open: false });
  report.want("audio", true);
  report.compare(room, "me");
  assert.equal(sent.length, 0);
  room.slots.set("other", { id: "other", participant: "else", source: "camera", muted: {} });
  slot();
  report.compare(room, "me");
  await flush();
  assert.deepEqual(sent, [{ type: "mute", slot: "s", kind: "audio", muted: true }]);
});

test("what could not be said is said again when the network is back", async () => {
  const one = scene();
  one.slot({ audio: true });
  one.way = false;
  one.report.want("audio", false);
  one.report.compare(one.room, "me");
  await flush();
  one.way = true;
  one.report.compare(one.room, "me");
  await flush();
  assert.deepEqual(one.sent.map(({ muted }) => muted), [false, false]);
});

test("what the log is about to say is not said twice", async () => {
  const { report, room, sent, arrive } = scene();
  report.want("audio", true);
  report.compare(room, "me");
  report.compare(room, "me");
  await flush();
  report.compare(room, "me");
  await flush();
  assert.equal(sent.length, 1);
  arrive(sent[0]);
  report.compare(room, "me");
  await flush();
  assert.equal(sent.length, 1);
  report.want("audio", false);
  report.compare(room, "me");
  await flush();
  assert.deepEqual(sent.map(({ muted }) => muted), [true, false]);
});

test("a log that says it already is left alone", async () => {
  const { report, room, sent, slot } = scene();
  slot({ audio: true });
  report.want("audio", true);
  report.want("video", false);
  report.compare(room, "me");
  await flush();
  assert.equal(sent.length, 0);
});

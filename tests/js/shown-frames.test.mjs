import assert from "node:assert/strict";
import { test } from "node:test";

import { ShownFrames } from "../../static/js/lib/shown-frames.js";

const frame = (rtpTimestamp, expectedDisplayTime) => ({ rtpTimestamp, expectedDisplayTime, presentationTime: 0 });

test("the frame on screen is the newest whose display time has come", () => {
  const frames = new ShownFrames();
  frames.note(frame(3000, 100));
  frames.note(frame(6000, 133));
  frames.note(frame(9000, 166));
  assert.equal(frames.at(140).rtpTimestamp, 6000, "the third is announced and not yet visible");
  assert.equal(frames.at(166).rtpTimestamp, 9000);
  assert.equal(frames.at(9999).rtpTimestamp, 9000, "a frozen picture stays its last frame");
});

test("a click that waited names the frame of its own moment", () => {
  const frames = new ShownFrames();
  for (let i = 0; i < 30; i += 1) frames.note(frame(i * 3000, i * 33));
  assert.equal(frames.at(10 * 33 + 1).rtpTimestamp, 30_000);
});

test("an only frame is the answer even before it is visible, and no frame is no answer", () => {
  const frames = new ShownFrames();
  assert.equal(frames.at(0), null);
  frames.note(frame(3000, 100));
  assert.equal(frames.at(90).rtpTimestamp, 3000);
});

test("frames of another picture are forgotten, and so are frames without an RTP timestamp", () => {
  const frames = new ShownFrames();
  frames.note(frame(3000, 100));
  frames.clear();
  frames.note({ presentationTime: 1, expectedDisplayTime: 1 });
  assert.equal(frames.at(500), null);
});

test("only the last frames are kept", () => {
  const frames = new ShownFrames({ keep: 2 });
  frames.note(frame(1, 1));
  frames.note(frame(2, 2));
  frames.note(frame(3, 3));
  assert.equal(frames.at(1).rtpTimestamp, 2);
  assert.equal(frames.newest.rtpTimestamp, 3);
});

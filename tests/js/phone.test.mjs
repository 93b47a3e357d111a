import assert from "node:assert/strict";
import { test } from "node:test";

import { attempts, Camera, missingAbility, problemOf } from "../../static/js/lib/camera.js";
import { Seat } from "../../static/js/lib/join.js";
import { cardFor } from "../../static/js/lib/phone-card.js";
import { isBlack } from "../../static/js/lib/picture.js";
import { deviceKind, deviceName, permissionSteps } from "../../static/js/lib/phone-device.js";

const WECHAT_ANDROID = "Mozilla/5.0 (Linux; Android 12; ALN-AL00 Build/HUAWEIALN-AL00; wv) AppleWebKit/537.36 Chrome/107.0 Mobile Safari/537.36 MicroMessenger/8.0.38";
const WECHAT_IOS = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 MicroMessenger/8.0.48";
const SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 Version/17.4 Mobile/15E148 Safari/604.1";
const CHROME_ANDROID = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/124.0.0.0 Mobile Safari/537.36";

const named = (name) => Object.assign(new Error(name), { name });
const calm = {
  camera: "open", connection: "open", publishing: "live", reviewer: true, wasLive: true, network: "good",
  black: false, muted: false, restarting: false, message: null, seen: true, refusal: undefined,
};

class FakeTrack extends EventTarget {
  readyState = "live";
  muted = false;
  enabled = true;

  constructor(kind) {
    super();
    this.kind = kind;
  }

  stop() {
    this.readyState = "ended";
  }
}

class FakeStream {
  constructor(tracks = []) {
    this.tracks = tracks;
  }

  getTracks() {
    return [...this.tracks];
  }

  getVideoTracks() {
    return this.tracks.filter(({ kind }) => kind === "video");
  }

  getAudioTracks() {
    return this.tracks.filter(({ kind }) => kind === "audio");
  }

  addTrack(track) {
    this.tracks.push(track);
  }

  removeTrack(track) {
    this.tracks = this.tracks.filter((other) => other !== track);
  }
}

function phone(answer) {
  const asked = [];
  const devices = {
    async getUserMedia(constraints) {
      asked.push(constraints);
      const error = answer(constraints, asked.length);
      if (error) throw error;
      return new FakeStream(Object.keys(constraints).map((kind) => new FakeTrack(kind)));
    },
    enumerateDevices: async () => [],
  };
  return { asked, camera: new Camera({ devices, stream: new FakeStream() }) };
}

test("the rear camera is asked for first", async () => {
  const { asked, camera } = phone(() => null);
  await camera.open();
  assert.deepEqual(asked[0].video.facingMode, { ideal: "environment" });
  assert.equal(asked.length, 1);
  assert.equal(camera.state, "open");
});

test("facing and device are never wished for together", () => {
  for (const { video } of attempts("environment", "wide")) assert.ok(!(video.facingMode && video.deviceId));
});

test("a phone without a microphone still shows its picture", async () => {
  const { camera } = phone(({ audio }) => (audio ? named("NotFoundError") : null));
  await camera.open();
  assert.deepEqual([camera.video?.kind, camera.audio], ["video", null]);
});

test("a refusal is not asked again behind the person's back", async () => {
  const { asked, camera } = phone(() => named("NotAllowedError"));
  await assert.rejects(camera.open(), { problem: "denied" });
  assert.equal(asked.length, 1);
  assert.equal(camera.state, "closed");
});

test("errors have reasons, whatever the browser calls them", () => {
  const reasons = ["NotAllowedError", "NotReadableError", "NotFoundError", "OverconstrainedError", "TypeError"].map((name) => problemOf(named(name)));
  assert.deepEqual(reasons, ["denied", "busy", "none", "none", "unknown"]);
});

test("what a browser lacks is probed", () => {
  const able = { isSecureContext: true, navigator: { mediaDevices: { getUserMedia() {} } }, RTCPeerConnection() {}, WebSocket() {} };
  assert.equal(missingAbility(able), null);
  assert.equal(missingAbility({ ...able, isSecureContext: false }), "insecure");
  assert.equal(missingAbility({ ...able, navigator: {} }), "no_api");
  assert.equal(missingAbility({ ...able, RTCPeerConnection: undefined }), "no_api");
});

test("switching stops the old camera before it asks for the other one", async () => {
  const { asked, camera } = phone(() => null);
  await camera.open();
  const rear = camera.video;
  await camera.switchFacing();
  assert.equal(rear.readyState, "ended");
  assert.deepEqual(asked[1], { video: { ...asked[1].video, facingMode: { ideal: "user" } } });
  assert.equal(camera.stream.getVideoTracks().length, 1);
});

test("a camera that the system ended is interrupted and comes back on demand, with a new track to publish", async () => {
  const { camera } = phone(() => null);
  await camera.open();
  const tracks = [];
  camera.addEventListener("track", ({ detail }) => tracks.push(detail.kind));
  camera.video.stop();
  camera.video.dispatchEvent(new Event("ended"));
  assert.equal(camera.state, "interrupted");
  await camera.recover();
  assert.equal(camera.state, "open");
  assert.deepEqual(tracks, ["video"]);
});

test("recovering a camera that runs asks for nothing", async () => {
  const { asked, camera } = phone(() => null);
  await camera.open();
  await camera.recover();
  assert.equal(asked.length, 1);
});

/** A phone whose system answers only when it is told to: `given` are the tracks it has given out. */
function slowPhone() {
  const given = [];
  const waiting = [];
  const devices = {
    getUserMedia: (constraints) => new Promise((resolve, reject) => {
      const give = () => {
        const tracks = Object.keys(constraints).map((kind) => new FakeTrack(kind));
        given.push(...tracks);
        resolve(new FakeStream(tracks));
      };
      waiting.push({ give, reject });
    }),
    enumerateDevices: async () => [],
  };
  const asked = async () => {
    while (waiting.length === 0) await new Promise((resolve) => { setImmediate(resolve); });
    return waiting.shift();
  };
  return { given, waiting, asked, camera: new Camera({ devices, stream: new FakeStream() }) };
}

const isDark = ({ given, camera }) =>
  given.every(({ readyState }) => readyState === "ended") && camera.state === "closed" && camera.stream.getTracks().length === 0;

test("a camera that is given after the page turned it off goes dark at once", async () => {
  const phone = slowPhone();
  const opening = phone.camera.open();
  const question = await phone.asked();
  phone.camera.close();
  question.give();
  await assert.rejects(opening, { problem: "closed" });
  assert.equal(phone.given.length, 2);
  assert.ok(isDark(phone));
});

for (const [what, act] of [
  ["switched", (camera) => camera.switchFacing()],
  ["taken back", (camera) => camera.recover({ force: true })],
]) {
  test(`a camera that is being ${what} while the page turns it off stays off`, async () => {
    const phone = slowPhone();
    const opening = phone.camera.open();
    (await phone.asked()).give();
    await opening;
    const acting = act(phone.camera);
    const question = await phone.asked();
    phone.camera.close();
    question.give();
    await assert.rejects(acting, { problem: "closed" });
    assert.ok(isDark(phone));
  });
}

test("a microphone that is given after the page turned it off goes dark at once", async () => {
  const phone = slowPhone();
  const opening = phone.camera.open();
  (await phone.asked()).give();
  await opening;
  phone.camera.audio.stop();
  const recovering = phone.camera.recover();
  const question = await phone.asked();
  phone.camera.close();
  question.give();
  await assert.rejects(recovering, { problem: "closed" });
  assert.ok(isDark(phone));
});

test("what was wanted before the camera was turned off is not asked for after it", async () => {
  const phone = slowPhone();
  const opening = phone.camera.open();
  const switching = phone.camera.switchFacing();
  const question = await phone.asked();
  phone.camera.close();
  question.give();
  await assert.rejects(opening, { problem: "closed" });
  await assert.rejects(switching, { problem: "closed" });
  assert.equal(phone.waiting.length, 0);
});

test("a refusal after the camera was turned off is no trouble, and it opens again", async () => {
  const phone = slowPhone();
  const opening = phone.camera.open();
  const question = await phone.asked();
  phone.camera.close();
  const again = phone.camera.open();
  question.reject(named("NotAllowedError"));
  await assert.rejects(opening, { problem: "closed" });
  (await phone.asked()).give();
  await again;
  assert.equal(phone.camera.state, "open");
});

test("a microphone that comes back stays muted if it was", async () => {
  const { camera } = phone(() => null);
  await camera.open();
  camera.setMuted(true);
  camera.audio.stop();
  camera.audio.dispatchEvent(new Event("ended"));
  await camera.recover();
  assert.deepEqual([camera.audio.readyState, camera.audio.enabled], ["live", false]);
});

test("the card says the most urgent thing", () => {
  const all = { ...calm, camera: "interrupted", connection: "lost", publishing: "lost", network: "poor", message: "x" };
  assert.equal(cardFor(all), "interrupted");
  assert.equal(cardFor({ ...all, camera: "open" }), "lost");
  assert.equal(cardFor({ ...all, camera: "open", restarting: true }), "restarting");
  assert.equal(cardFor({ ...all, camera: "open", connection: "open" }), "media-lost");
  assert.equal(cardFor({ ...all, camera: "open", connection: "open", publishing: "restoring" }), "restoring");
});

test("a pause is said before anything but that the room cannot be heard", () => {
  assert.equal(cardFor({ ...calm, paused: true, camera: "interrupted", reviewer: false, message: "x" }), "paused");
  assert.equal(cardFor({ ...calm, paused: true, connection: "lost" }), "lost");
});

test("before the first reviewer the phone waits, afterwards the reviewer is away", () => {
  assert.equal(cardFor({ ...calm, reviewer: false, wasLive: false, publishing: "closed" }), "waiting");
  assert.equal(cardFor({ ...calm, reviewer: false }), "away");
});

test("a live connection without a picture at the server is not live", () => {
  assert.equal(cardFor({ ...calm, seen: false }), "connecting");
});

test("no room at the office is said before anything about the network", () => {
  const full = { ...calm, publishing: "connecting", refusal: "storage_full", seen: false };
  assert.equal(cardFor(full), "no-room");
  assert.equal(cardFor({ ...full, publishing: "lost" }), "no-room");
  assert.equal(cardFor({ ...full, connection: "lost" }), "lost");
});

test("another lens is asked for first, alone, and the camera opens without it", async () => {
  const { asked, camera } = phone(({ video }) => (video.deviceId ? named("OverconstrainedError") : null));
  camera.choice = { facing: "user", lens: "wide", muted: true };
  await camera.open();
  assert.deepEqual(asked[0].video.deviceId, { exact: "wide" });
  assert.deepEqual(asked[1].video.facingMode, { ideal: "user" });
  assert.equal(camera.audio.enabled, false);
  assert.deepEqual(camera.choice, { facing: "user", lens: "wide", muted: true });
});

test("a calm room shows the newest message, and without one that it is live", () => {
  assert.equal(cardFor({ ...calm, message: "Show the doorplate" }), "message");
  assert.equal(cardFor(calm), "live");
});

test("an app's browser is named, and its steps fit the phone", () => {
  assert.deepEqual(deviceKind(WECHAT_ANDROID), { system: "android", app: "wechat" });
  assert.deepEqual([WECHAT_ANDROID, WECHAT_IOS, SAFARI, CHROME_ANDROID].map(permissionSteps), ["app-android", "app-ios", "safari", "android"]);
});

test("the device has a short name", () => {
  assert.equal(deviceName(WECHAT_ANDROID), "ALN-AL00 · Android 12 · WeChat");
  assert.equal(deviceName(SAFARI), "iPhone · iOS 17 · Safari");
  assert.equal(deviceName(CHROME_ANDROID, "Pixel 7"), "Pixel 7 · Android 10 · Chrome");
});

function storage() {
  const kept = new Map();
  return { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value), removeItem: (key) => kept.delete(key), kept };
}

test("a seat is kept under a key that does not contain the invitation and is gone when it expired", async () => {
  const place = storage();
  const seat = await Seat.of("very-secret", place);
  seat.keep({ token: "t", expires_at: "2025-04-17T04:00:00Z" });
  assert.ok(![...place.kept.keys()].join().includes("very-secret"));
  assert.equal((await Seat.of("very-secret", place)).find(Date.parse("2025-04-17T03:59:00Z")).token, "t");
  assert.equal(seat.find(Date.parse("2025-04-17T04:00:00Z")), null);
  seat.forget();
  assert.equal(seat.find(0), null);
});

test("a browser that refuses its storage has no seat and no error", async () => {
  const closed = { getItem() { throw new Error("closed"); }, setItem() { throw new Error("closed"); }, removeItem() { throw new Error("closed"); } };
  const seat = await Seat.of("x", closed);
  seat.keep({ token: "t" });
  assert.equal(seat.find(), null);
  seat.forget();
});

const picture = (paint) => Uint8ClampedArray.from({ length: 16 * 16 * 4 }, (_, i) => (i % 4 === 3 ? 255 : paint(Math.floor(i / 4))));

test("a covered lens is black, a dark room with a lamp in it is not", () => {
  assert.equal(isBlack(picture(() => 3)), true);
  assert.equal(isBlack(picture((pixel) => (pixel === 40 ? 90 : 3))), false);
  assert.equal(isBlack(picture(() => 120)), false);
});

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { Camera } from "../../static/js/lib/camera.js";
import { PhoneSession } from "../../static/js/lib/phone-session.js";
import { openStore } from "../../static/js/lib/recording-store.js";
import { takeStill } from "../../static/js/lib/still.js";

const JPEG = new Blob([new Uint8Array(1000)], { type: "image/jpeg" });
const measure = async () => ({ width: 1280, height: 720 });

class Track extends EventTarget {
  kind = "video";
  readyState = "live";
  muted = false;

  stop() {
    this.readyState = "ended";
  }

  mute(muted) {
    this.muted = muted;
    this.dispatchEvent(new Event(muted ? "mute" : "unmute"));
  }
}

class Stream {
  tracks = [];

  getTracks() {
    return [...this.tracks];
  }

  getVideoTracks() {
    return this.getTracks();
  }

  getAudioTracks() {
    return [];
  }

  addTrack(track) {
    this.tracks.push(track);
  }

  removeTrack(track) {
    this.tracks = this.tracks.filter((other) => other !== track);
  }
}

const flush = async () => {
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => { setImmediate(resolve); });
};

function timed(name, run) {
  test(name, async () => {
    mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
    try {
      await run();
    } finally {
      mock.timers.reset();
    }
  });
}

/** Whatever it waits for, it is over after `ms`. */
async function over(promise, ms) {
  const settled = promise.then((value) => ({ value }), ({ name }) => ({ name }));
  for (let passed = 0; passed < ms; passed += 1000) {
    await flush();
    mock.timers.tick(1000);
  }
  return Promise.race([settled, flush().then(() => "still waiting")]);
}

test("of a track that has ended no still is taken, and nothing is asked of it", async () => {
  const video = new Track();
  video.stop();
  const never = () => assert.fail("asked");
  await assert.rejects(takeStill({ video }, { Capture: undefined, frame: never, measure }), { name: "InvalidStateError" });
  await assert.rejects(takeStill({ video }, { Capture: class { takePhoto = never; }, frame: never, measure }), { name: "InvalidStateError" });
  await assert.rejects(takeStill({ video: null }, { Capture: undefined, frame: never, measure }), { name: "InvalidStateError" });
});

timed("a frame that never comes, and a picture that is never decoded, end the waiting", async () => {
  const video = new Track();
  let aborted = false;
  const frame = (track, { signal }) => new Promise(() => { signal.addEventListener("abort", () => { aborted = true; }); });
  assert.deepEqual(await over(takeStill({ video }, { Capture: undefined, frame, measure }), 5000), { name: "TimeoutError" });
  assert.ok(aborted, "the track is let go");
  const drawn = async () => ({ blob: JPEG, takenAt: 1 });
  const undecoded = () => new Promise(() => {});
  assert.deepEqual(await over(takeStill({ video }, { Capture: undefined, frame: drawn, measure: undecoded }), 5000), { name: "TimeoutError" });
});

test("a browser without photos of its own gives a frame, called one", async () => {
  let clock = 1000;
  const now = () => clock;
  const frame = async () => ({ blob: JPEG, takenAt: now() });
  const camera = { video: new Track() };
  assert.equal((await takeStill(camera, { Capture: undefined, frame, measure })).how, "frame");
  class Capture {
    async takePhoto() {
      clock += 2000;
      return JPEG;
    }
  }
  const photo = await takeStill(camera, { Capture, frame, measure, now });
  assert.deepEqual([photo.how, photo.takenAt], ["photo", 1000], "when the camera was asked");
  class Odd {
    async takePhoto() {
      clock += 2000;
      return new Blob([JPEG], { type: "image/x-raw" });
    }
  }
  const odd = await takeStill(camera, { Capture: Odd, frame, measure, now });
  assert.deepEqual([odd.how, odd.takenAt], ["frame", 5000], "when it was drawn, not when the photo was asked for");
});

test("a camera that was opened again while it took its photo gives the frame", async () => {
  const camera = { video: new Track() };
  const next = new Track();
  class Gone {
    async takePhoto() {
      camera.video.stop();
      camera.video = next;
      throw new DOMException("gone", "InvalidStateError");
    }
  }
  const asked = [];
  const frame = async (track) => {
    asked.push(track);
    return { blob: JPEG, takenAt: 1 };
  };
  await takeStill(camera, { Capture: Gone, frame, measure });
  assert.deepEqual(asked, [next]);
});

timed("a camera that goes dark for a photo is not lost; one that stays dark after it is", async () => {
  const devices = {
    getUserMedia: async () => Object.assign(new Stream(), { tracks: [new Track()] }),
    enumerateDevices: async () => [],
  };
  const camera = new Camera({ devices, stream: new Stream() });
  await camera.open();
  const { video } = camera;
  const causes = [];
  camera.addEventListener("interrupted", ({ detail }) => causes.push(detail.cause));
  let taken;
  const photo = camera.photograph(() => new Promise((resolve) => { taken = resolve; }));
  video.mute(true);
  mock.timers.tick(5000);
  await camera.recover();
  assert.deepEqual([causes, camera.state, camera.video === video], [[], "open", true]);
  taken("still");
  assert.equal(await photo, "still");
  mock.timers.tick(2000);
  assert.deepEqual([causes, camera.state], [["muted"], "interrupted"]);
});

/** The phone's page in its room; `say` is the server, `taken` the camera's answer to the photo it was asked for. */
async function session() {
  let socket;
  let taken;
  globalThis.WebSocket = class extends EventTarget {
    constructor() {
      super();
      socket = this;
    }

    send(text) {
      said.push(JSON.parse(text));
    }

    close() {}
  };
  globalThis.ImageCapture = class {
    takePhoto() {
      return new Promise((resolve) => { taken = () => resolve(JPEG); });
    }
  };
  globalThis.createImageBitmap = async () => ({ width: 1280, height: 720, close() {} });
  globalThis.fetch = () => new Promise(() => {});
  const said = [];
  const camera = Object.assign(new EventTarget(), { video: new Track(), stream: new Stream(), photograph: (work) => work() });
  const phone = new PhoneSession({ seat: { inspection: "i", participant: "p", base: "https://office.example/live/0/i", token: "t" }, camera });
  phone.start();
  let seq = 0;
  const say = (message) => socket.dispatchEvent(Object.assign(new Event("message"), { data: JSON.stringify(message) }));
  const at = () => new Date().toISOString();
  const event = (type, body) => say({ type: "event", event: { seq: (seq += 1), at: at(), type, body, actor: { id: "z", name: "Zhou" } } });
  say({ type: "hello", now: at(), seq: 0 });
  say({ type: "media", slots: [{ id: "s", participant: "p", source: "camera", kinds: ["video"] }] });
  event("inspection.started", {});
  event("snapshot.taken", { snapshot: "n", slot: "s", photo_asked: true });
  await flush();
  assert.equal(phone.photographing, 1);
  return { phone, event, taken: () => taken(), reports: () => said.filter(({ type }) => type === "device").map(({ state, detail }) => `${state} ${detail}`) };
}

const keptPhotos = async () => {
  const store = await openStore();
  const photos = await store.photos();
  for (const { id } of photos) await store.remove(id);
  return photos.map(({ snapshot }) => snapshot);
};

timed("a still is kept with its snapshot", async () => {
  const { phone, taken, reports } = await session();
  let told = 0;
  phone.addEventListener("photographed", () => { told += 1; });
  taken();
  const kept = new Promise((resolve) => { phone.addEventListener("change", () => phone.continuity.photos.waiting === 1 && resolve()); });
  await kept;
  assert.deepEqual([await keptPhotos(), phone.photographing, told, reports()], [["n"], 0, 1, []]);
  phone.close();
});

for (const isOver of [false, true]) {
  timed(`a still that may lie inside a pause is dropped and told (${isOver ? "over again" : "lasting"})`, async () => {
    const { phone, event, taken, reports } = await session();
    event("inspection.paused", { reason: "a break" });
    if (isOver) event("inspection.resumed", {});
    taken();
    await flush();
    assert.deepEqual([await keptPhotos(), phone.photographing, reports()], [[], 0, ["photo_failed paused"]]);
    phone.close();
  });
}

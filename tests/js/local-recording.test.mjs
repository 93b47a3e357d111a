import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mock, test } from "node:test";

import { LocalRecorder, recordableType } from "../../static/js/lib/local-recording.js";
import { MemoryStore, runFrom } from "../../static/js/lib/recording-store.js";

class Track extends EventTarget {
  constructor(kind, settings = { width: 1280 }) {
    super();
    Object.assign(this, { kind, readyState: "live", settings, clones: [] });
  }

  getSettings() {
    return this.settings;
  }

  getConstraints() {
    return { width: { ideal: 1280 } };
  }

  async applyConstraints(wishes) {
    this.wishes = wishes;
  }

  clone() {
    const one = new Track(this.kind, this.settings);
    this.clones.push(one);
    return one;
  }

  stop() {
    this.readyState = "ended";
  }
}

globalThis.MediaStream = class {
  constructor(tracks = []) {
    this.tracks = tracks;
  }

  getVideoTracks() {
    return this.tracks.filter(({ kind }) => kind === "video");
  }

  getAudioTracks() {
    return this.tracks.filter(({ kind }) => kind === "audio");
  }
};

/** A Blob that is there at once: the real one takes a thread's time, which our timers do not know of. */
function piece(text) {
  const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  return { size: bytes.length, arrayBuffer: async () => bytes.buffer };
}

/** A MediaRecorder that gives a piece each time it is asked to (`beat`), and its last one when it stops. */
function recorders() {
  return class Recorder extends EventTarget {
    static all = [];

    static isTypeSupported(type) {
      return type.includes("webm");
    }

    constructor(stream, options) {
      super();
      Object.assign(this, { stream, options, mimeType: options.mimeType, state: "inactive" });
      Recorder.all.push(this);
    }

    start() {
      this.state = "recording";
      queueMicrotask(() => this.dispatchEvent(new Event("start")));
    }

    beat(text = "piece") {
      this.dispatchEvent(Object.assign(new Event("dataavailable"), { data: piece(text) }));
    }

    stop() {
      this.state = "inactive";
      queueMicrotask(() => {
        this.beat("last");
        this.dispatchEvent(new Event("stop"));
      });
    }
  };
}

async function settle(ms = 0) {
  // Timers are ours, promises are not: let both go on in small steps.
  for (let left = ms; left >= 0; left -= 100) {
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    mock.timers.tick(left === 0 ? 0 : Math.min(100, left));
  }
}

/** A turn of the files that is under way ends first: it needs our timers. */
async function stopped(recorder) {
  const done = recorder.stop();
  await settle(1500);
  await done;
}

function scene({ tracks = [new Track("video"), new Track("audio")], store = new MemoryStore(), most } = {}) {
  const Recorder = recorders();
  const clock = { synchronised: true, at: 1_000_000, now: () => clock.at + performanceNow() };
  const performanceNow = () => Date.now();
  const stream = new MediaStream(tracks);
  const recorder = new LocalRecorder({ store, inspection: "i", stream, clock, most, Recorder });
  return { recorder, store, stream, clock, all: Recorder.all };
}

function timed(name, run) {
  test(name, async () => {
    mock.timers.enable({ apis: ["setTimeout", "Date"], now: 0 });
    mock.method(crypto.subtle, "digest", async (_, bytes) => createHash("sha256").update(Buffer.from(bytes)).digest());
    try {
      await run();
    } finally {
      mock.timers.reset();
      mock.restoreAll();
    }
  });
}

test("WebM is recorded where it can be, else MP4, else nothing", () => {
  assert.equal(recordableType("video", (type) => /webm/.test(type)), "video/webm;codecs=vp8,opus");
  assert.match(recordableType("video", (type) => /mp4/.test(type)), /^video\/mp4/);
  assert.match(recordableType("audio", () => true), /^audio/);
  assert.equal(recordableType("video", () => false), null);
});

timed("a file every twenty seconds, the next one begun before the last one ends", async () => {
  const { recorder, store, all } = scene();
  recorder.start();
  await settle(500);
  all[0].beat("one");
  await settle(19_600);
  assert.equal(all.length, 2);
  assert.deepEqual(all.map(({ state }) => state), ["recording", "recording"]);
  await settle(1100);
  assert.deepEqual(all.map(({ state }) => state), ["inactive", "recording"]);
  const [run] = await store.list();
  assert.equal(run.open, false);
  assert.equal(run.media_type, "video/webm");
  assert.equal(run.inspection, "i");
  assert.deepEqual(run.chunks.map(({ size, offset }) => [size, offset]), [[3, 0], [4, 3]]);
  assert.equal(run.chunks[0].sha256, createHash("sha256").update("one").digest("hex"));
  await stopped(recorder);
});

timed("the picture is a smaller clone; the sound is the camera's own track, muted with it", async () => {
  const video = new Track("video");
  const audio = new Track("audio");
  const { recorder, all } = scene({ tracks: [video, audio] });
  recorder.start();
  await settle(100);
  assert.deepEqual(all[0].stream.tracks, [video.clones[0], audio]);
  assert.equal(video.clones[0].wishes.width.ideal, 640);
  assert.equal(video.wishes, undefined);
  assert.equal(all[0].options.videoBitsPerSecond, 300_000);
  await stopped(recorder);
  assert.equal(video.clones[0].readyState, "ended");
  assert.equal(video.readyState, "live");
});

timed("the small picture goes dark the moment recording stops, also one that is just being made", async () => {
  const video = new Track("video");
  const { recorder, all } = scene({ tracks: [video] });
  recorder.start();
  await settle(100);
  all[0].beat();
  const done = recorder.stop();
  assert.equal(video.clones[0].readyState, "ended");
  await settle(100);
  await done;

  let sized;
  const slow = new Track("video");
  slow.clone = () => {
    const one = new Track("video");
    one.applyConstraints = () => new Promise((resolve) => { sized = resolve; });
    slow.clones.push(one);
    return one;
  };
  const other = scene({ tracks: [slow] });
  other.recorder.start();
  await settle();
  const off = other.recorder.stop();
  sized();
  await settle();
  await off;
  assert.ok(slow.clones.length > 0 && slow.clones.every(({ readyState }) => readyState === "ended"));
});

timed("a page that slept claims no more than it recorded, and goes on in another file", async () => {
  const { recorder, store, all, clock } = scene();
  recorder.start();
  await settle(1000);
  all[0].beat();
  await settle(1000);
  clock.at += 600_000;
  all[0].beat();
  await settle(20_000);
  const [slept] = await store.list();
  assert.ok(slept.duration_s >= 1 && slept.duration_s < 3, `${slept.duration_s} s`);
  assert.equal(slept.chunks.length, 3);
  all[1].beat();
  await settle(100);
  const after = (await store.list())[1];
  assert.ok(after.started_at - slept.started_at >= 600_000);
  await stopped(recorder);
});

timed("a phone whose clones share one size keeps its full picture for the reviewer", async () => {
  const video = new Track("video");
  video.clone = () => {
    const one = new Track("video");
    one.applyConstraints = async () => { video.settings = { width: 640 }; };
    return one;
  };
  const { recorder } = scene({ tracks: [video] });
  recorder.start();
  await settle(100);
  assert.deepEqual(video.wishes, { width: { ideal: 1280 } });
  await stopped(recorder);
});

timed("another camera is another file", async () => {
  const { recorder, stream, all } = scene();
  recorder.start();
  await settle(100);
  stream.tracks = [new Track("video"), stream.tracks[1]];
  recorder.tracksChanged();
  await settle(1300);
  assert.deepEqual(all.map(({ state }) => state), ["inactive", "recording"]);
  assert.equal(all[1].stream.tracks[0], stream.tracks[0].clones[0]);
  await stopped(recorder);
});

timed("a recorder that the browser ended begins anew", async () => {
  const { recorder, all } = scene();
  recorder.start();
  await settle(100);
  all[0].stop();
  await settle(1500);
  assert.equal(all.length, 2);
  assert.equal(all[1].state, "recording");
  await stopped(recorder);
});

timed("rotating closes the file in hand without an end of recording", async () => {
  const { recorder, store, all } = scene();
  recorder.start();
  await settle(100);
  all[0].beat();
  const rotated = recorder.rotate();
  await settle(1200);
  await rotated;
  assert.deepEqual((await store.list()).map(({ open }) => open), [false]);
  assert.equal(all[1].state, "recording");
  await stopped(recorder);
});

timed("a browser that cannot record says so and does not try again", async () => {
  const { recorder } = scene();
  const none = new LocalRecorder({ store: new MemoryStore(), inspection: "i", stream: new MediaStream([new Track("video")]), clock: { now: () => 0 }, Recorder: null });
  none.start();
  await settle(20_000);
  assert.deepEqual([none.state, none.reason], ["failed", "unsupported"]);
});

timed("without a camera it waits for one", async () => {
  const { recorder, stream, all } = scene({ tracks: [] });
  recorder.start();
  await settle(100);
  assert.deepEqual([recorder.state, recorder.reason], ["failed", "no_track"]);
  stream.tracks = [new Track("video")];
  recorder.tracksChanged();
  await settle(200);
  all[0].beat();
  await settle(100);
  assert.equal(recorder.state, "recording");
  await stopped(recorder);
});

timed("when room is short the oldest that nobody needs goes first", async () => {
  const store = new MemoryStore();
  for (const [id, at] of [["old", 0], ["gap", 100_000]]) {
    await store.begin(id, { inspection: "i", media_type: "video/webm", started_at: at });
    await store.append(id, new Uint8Array(600_000).buffer, { start: 0, end: 20 });
    await store.finish(id, {});
  }
  const { recorder, all } = scene({ store, most: 2_000_000 });
  recorder.gaps = [{ from: 100_000, to: 110_000 }];
  recorder.start();
  await settle(100);
  all[0].beat();
  await settle(100);
  assert.deepEqual((await store.list()).map(({ id }) => id).slice(0, 1), ["gap"]);
  await stopped(recorder);
});

timed("no more is kept than the store can hold", async () => {
  class Small extends MemoryStore {
    get mostBytes() {
      return 2_000_000;
    }
  }
  const store = new Small();
  for (const [id, at] of [["older", 0], ["newer", 100_000]]) {
    await store.begin(id, { inspection: "i", media_type: "video/webm", started_at: at });
    await store.append(id, new Uint8Array(600_000).buffer, { start: 0, end: 20 });
    await store.finish(id, {});
  }
  const { recorder, all } = scene({ store });
  recorder.start();
  await settle(100);
  all[0].beat();
  await settle(100);
  assert.deepEqual((await store.list()).map(({ id }) => id).slice(0, 1), ["newer"]);
  await stopped(recorder);
});

timed("a disk that is suddenly full costs old files, not the recording", async () => {
  const store = new MemoryStore();
  await store.begin("old", { inspection: "i", media_type: "video/webm", started_at: 0 });
  await store.append("old", new Uint8Array(9).buffer, { start: 0, end: 20 });
  await store.finish("old", {});
  let full = true;
  const append = store.append.bind(store);
  store.append = async (...args) => {
    if (!full) return append(...args);
    full = false;
    throw Object.assign(new Error("full"), { name: "QuotaExceededError" });
  };
  const { recorder, all } = scene({ store });
  recorder.start();
  await settle(100);
  all[0].beat();
  await settle(200);
  assert.equal(recorder.state, "recording");
  assert.deepEqual((await store.list()).map(({ id, chunks }) => [id === "old", chunks.length]), [[false, 1]]);
  await stopped(recorder);
});

test("what the index does not name was not finished and does not count", () => {
  const lines = [{ inspection: "i", started_at: 5 }, { chunk: { size: 3, end: 1 } }, { chunk: { size: 4, end: 2 } }];
  const run = runFrom({ id: "r", open: false, lines });
  assert.deepEqual([run.size, run.duration_s, run.chunks[1].offset], [7, 2, 3]);
  assert.equal(runFrom({ id: "r", open: false, lines: [] }), null);
});

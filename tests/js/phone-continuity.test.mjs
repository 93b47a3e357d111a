import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { PhoneContinuity } from "../../static/js/lib/phone-continuity.js";
import { MemoryStore } from "../../static/js/lib/recording-store.js";
import { uploadState } from "../../static/js/lib/upload-state.js";

globalThis.MediaStream ??= class {};

class Track extends EventTarget {
  readyState = "live";

  constructor(kind) {
    super();
    this.kind = kind;
  }

  getSettings() {
    return {};
  }

  getConstraints() {
    return {};
  }

  async applyConstraints() {}

  clone() {
    return new Track(this.kind);
  }

  stop() {}
}

// Digests are made in threads, which a busy machine keeps waiting: turns count only while none is under way.
let digesting = 0;
const digest = crypto.subtle.digest.bind(crypto.subtle);
crypto.subtle.digest = async (...what) => {
  digesting += 1;
  try {
    return await digest(...what);
  } finally {
    digesting -= 1;
  }
};

const flush = async () => {
  for (let turn = 0; turn < 50; turn = digesting > 0 ? 0 : turn + 1) await new Promise((resolve) => { setImmediate(resolve); });
};

async function scene({ Recorder = undefined, store = new MemoryStore(), paused = false } = {}) {
  globalThis.MediaRecorder = Recorder;
  const video = new Track("video");
  const camera = { stream: { getVideoTracks: () => [video], getAudioTracks: () => [] } };
  const clock = { now: () => 1000, isAfter() {}, synchronised: true };
  const reports = [];
  const one = new PhoneContinuity({ seat: { inspection: "i", base: "/live/0/i", token: "t", paused }, camera, clock, store });
  one.addEventListener("report", ({ detail }) => reports.push([detail.state, detail.detail]));
  await one.begin();
  await flush();
  return { one, reports };
}

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

timed("the log hears that a phone keeps its recording in memory only, and that its browser cannot record", async () => {
  const { one, reports } = await scene();
  assert.deepEqual(reports, [["own_recording_memory", undefined], ["own_recording_failed", "unsupported"]]);
  await one.close();
});

timed("the log hears once that there is no room, and when recording goes well again", async () => {
  let full = true;
  const all = [];
  class Recorder extends EventTarget {
    state = "recording";
    mimeType = "video/webm";

    static isTypeSupported() {
      return true;
    }

    start() {
      all.push(this);
    }

    beat() {
      this.dispatchEvent(Object.assign(new Event("dataavailable"), { data: { size: 1, arrayBuffer: async () => new ArrayBuffer(1) } }));
    }

    stop() {
      this.state = "inactive";
      queueMicrotask(() => this.dispatchEvent(new Event("stop")));
    }
  }
  class Store extends MemoryStore {
    get survivesReload() {
      return true;
    }

    async append(...how) {
      if (full) throw new DOMException("full", "QuotaExceededError");
      return super.append(...how);
    }
  }
  const { one, reports } = await scene({ Recorder, store: new Store() });
  const beat = async (ms) => {
    all.at(-1).beat();
    await flush();
    mock.timers.tick(ms);
    await flush();
    mock.timers.tick(1000);
    await flush();
  };
  await beat(5000);
  await beat(5000);
  assert.deepEqual(reports, [["own_recording_failed", "full"]]);
  full = false;
  await beat(5000);
  await beat(15_000);
  await beat(1000);
  assert.deepEqual(reports, [["own_recording_failed", "full"], ["own_recording_back", undefined]]);
  const closed = one.close();
  await flush();
  mock.timers.tick(2000);
  await closed;
});

timed("while the inspection is paused the phone keeps no recording of its own, also after a reload", async () => {
  const begun = [];
  class Recorder extends EventTarget {
    state = "recording";
    mimeType = "video/webm";

    static isTypeSupported() {
      return true;
    }

    start() {
      begun.push(this);
    }

    stop() {
      this.state = "inactive";
      queueMicrotask(() => this.dispatchEvent(new Event("stop")));
    }
  }
  const { one } = await scene({ Recorder });
  const running = () => begun.filter(({ state }) => state === "recording").length;
  assert.deepEqual([one.recording, running()], [true, 1]);
  await one.hold(true);
  await one.hold(true);
  assert.deepEqual([one.recording, running()], [false, 0]);
  await one.gapEnded();
  await one.tracksChanged();
  await flush();
  assert.deepEqual([one.recording, running()], [false, 0]);
  await one.hold(false);
  await flush();
  assert.deepEqual([one.recording, running()], [true, 1]);
  await one.close();

  const { one: reloaded } = await scene({ Recorder, paused: true });
  assert.deepEqual([reloaded.recording, running()], [false, 0]);
  await reloaded.hold(false);
  await flush();
  assert.deepEqual([reloaded.recording, running()], [true, 1]);
  await reloaded.close();
});

/** What the browser keeps: keys are properties of their own, as a real one has them. */
class Storage {
  setItem(key, value) {
    this[key] = value;
  }

  getItem(key) {
    return this[key] ?? null;
  }

  removeItem(key) {
    delete this[key];
  }
}

/** A phone with a photo, and a server that answers /photos as `answers` say, in turn, and lacks nothing else. */
async function withPhoto(answers) {
  globalThis.localStorage = new Storage();
  const asked = [];
  const reply = (status, body) => ({ ok: status < 300, status, json: async () => body });
  globalThis.fetch = async (url, { method }) => {
    asked.push(`${method} ${url.replace(/^.*\/i\//, "").replace(/\/.*$/, "")}`);
    if (url.endsWith("/gaps")) return reply(200, { now: new Date().toISOString(), deadline: null, gaps: [] });
    const next = answers.shift();
    if (!next) throw new TypeError("network");
    return reply(...next);
  };
  const { one } = await scene({});
  await one.addPhoto({ blob: new Blob([new Uint8Array(10)], { type: "image/jpeg" }), how: "photo", width: 4, height: 3, snapshot: "s" });
  for (; one.photos.state !== "waiting";) await flush();
  return { one, asked };
}

const remembered = () => Object.keys(globalThis.localStorage).length;

timed("who leaves sends the photos that waited for the network, and may be asked for more later", async () => {
  const answers = [];
  const { one, asked } = await withPhoto(answers);
  assert.equal(one.photos.waiting, 1);
  answers.push([201, { id: "a", state: "receiving", offset: 0 }], [200, { state: "accepted", offset: 10 }]);
  await one.leave();
  await one.close();
  assert.deepEqual([one.photos.state, one.photos.waiting, one.upload.state], ["done", 0, "done"]);
  assert.ok(asked.includes("GET gaps") && asked.includes("PUT photos"));
  assert.equal(remembered(), 1);
});

timed("who comes back on the same page leaves what is left to the one that goes on", async () => {
  const answers = [];
  const { one, asked } = await withPhoto(answers);
  one.leave();
  await flush();
  await one.handOver();
  const before = asked.length;
  mock.timers.tick(600_000);
  await flush();
  assert.equal(asked.length, before);
});

for (const [status, kept] of [[401, 1], [410, 0]]) {
  timed(`as whom to send is forgotten only when no photo waits (${status})`, async () => {
    const answers = [];
    const { one } = await withPhoto(answers);
    answers.push([status, { error: { code: "no" } }]);
    await one.finish();
    assert.deepEqual([one.photos.state, one.photos.waiting, remembered()], ["over", kept, kept]);
  });
}

test("a photo that the server refused is never told as sent", () => {
  const said = (upload, photos, had = true) => uploadState({ upload: { state: upload }, photos, had });
  assert.equal(said("done", { state: "over", waiting: 1 }), "over");
  assert.equal(said("done", { state: "over", waiting: 0 }), "over");
  assert.equal(said("over", { state: "over", waiting: 1 }), "over");
  assert.equal(said("done", { state: "waiting", waiting: 1 }), "waiting");
  assert.equal(said("over", { state: "sending", waiting: 1 }), "sending");
  assert.equal(said("done", { state: "done", waiting: 0 }), "done");
  assert.equal(said("asking", { state: "over", waiting: 1 }), "asking");
  assert.deepEqual([said("over", { state: "done", waiting: 0 }, false), said("idle", null), said("done", null)], ["hidden", "hidden", "done"]);
});

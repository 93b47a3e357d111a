import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { PhoneContinuity } from "../../static/js/lib/phone-continuity.js";
import { MemoryStore } from "../../static/js/lib/recording-store.js";

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

const flush = async () => {
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => { setImmediate(resolve); });
};

async function scene({ Recorder = undefined, store = new MemoryStore(), paused = false } = {}) {
  globalThis.MediaRecorder = Recorder;
  const video = new Track("video");
  const camera = { stream: { getVideoTracks: () => [video], getAudioTracks: () => [] } };
  const clock = { now: () => 1000, synchronised: true };
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

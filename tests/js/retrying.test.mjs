import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { Publisher } from "../../static/js/lib/whip.js";

class Connection extends EventTarget {
  static all = [];

  constructor() {
    super();
    Object.assign(this, { iceGatheringState: "complete", connectionState: "new", senders: [] });
    Connection.all.push(this);
  }

  addTransceiver(track) {
    this.senders.push({ track, getParameters: () => ({}), setParameters: async () => {}, replaceTrack: async () => {} });
    return { sender: this.senders.at(-1) };
  }

  async setLocalDescription() {
    this.localDescription = { sdp: "v=0" };
  }

  async setRemoteDescription() {
    this.become("connected");
  }

  become(state) {
    this.connectionState = state;
    this.dispatchEvent(new Event("connectionstatechange"));
  }

  close() {
    this.connectionState = "closed";
  }
}

Object.assign(globalThis, {
  RTCPeerConnection: Connection,
  RTCRtpSender: { getCapabilities: () => null },
  location: new URL("http://phone.test/"),
});

const flush = async () => {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

test("a lost connection is made anew without limit, with growing and spread pauses, from the same tracks", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    let answers = true;
    let offers = 0;
    globalThis.fetch = async (_, { method }) => {
      if (method !== "POST") return { ok: true };
      offers += 1;
      if (!answers) throw new TypeError("network");
      return { ok: true, text: async () => "v=0", headers: new Headers({ Location: "/live/0/i/sessions/1", ETag: "1" }) };
    };
    const tracks = { video: { kind: "video" }, audio: { kind: "audio", enabled: false } };
    const publisher = new Publisher({ base: "/live/0/i", token: "t" , iceServers: [] });
    const said = [];
    publisher.addEventListener("status", ({ detail }) => said.push(detail.status));
    await publisher.publish({ getVideoTracks: () => [tracks.video], getAudioTracks: () => [tracks.audio] });
    await flush();
    assert.equal(publisher.status, "live");

    answers = false;
    Connection.all.at(-1).become("failed");
    const pauses = [];
    let pause = 0;
    for (let elapsed = 0, before = offers; pauses.length < 60; elapsed += 50) {
      assert.ok(elapsed < 600_000, "it gave up");
      mock.timers.tick(50);
      await flush();
      pause += 50;
      if (offers > before) {
        before = offers;
        pauses.push(pause);
        pause = 0;
      }
    }
    assert.ok(pauses[0] <= 550 && pauses.slice(5).every((ms) => ms >= 2500 && ms <= 5100), pauses.join());
    assert.ok(new Set(pauses.slice(5)).size > 3, "all alike: a hundred phones would come back at once");
    assert.equal(publisher.status, "lost");

    answers = true;
    for (let waited = 0; publisher.status !== "live" && waited < 6000; waited += 50) {
      mock.timers.tick(50);
      await flush();
    }
    assert.equal(publisher.status, "live");
    assert.deepEqual(Connection.all.at(-1).senders.map(({ track }) => track), [tracks.video, tracks.audio]);
    publisher.close();
  } finally {
    mock.timers.reset();
  }
});

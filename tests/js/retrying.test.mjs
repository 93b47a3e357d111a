import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { restartedAnswer } from "../../static/js/lib/ice-fragment.js";
import { Publisher } from "../../static/js/lib/whip.js";

const ANSWER = "v=0\r\na=ice-lite\r\nm=audio 9 X 0\r\na=ice-ufrag:old\r\na=ice-pwd:oldpass\r\na=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\na=sendonly\r\n";
const FRESH = "a=ice-lite\r\nm=audio 9 X 0\r\na=ice-ufrag:new\r\na=ice-pwd:newpass\r\na=candidate:1 1 udp 1 192.0.2.2 2 typ host\r\na=end-of-candidates\r\n";

class Connection extends EventTarget {
  static all = [];

  constructor() {
    super();
    Object.assign(this, { iceGatheringState: "complete", connectionState: "new", senders: [], bytes: 0, restarts: 0 });
    Connection.all.push(this);
  }

  addTransceiver(track) {
    this.senders.push({ track, getParameters: () => ({}), setParameters: async () => {}, replaceTrack: async () => {} });
    return { sender: this.senders.at(-1) };
  }

  async createOffer({ iceRestart }) {
    if (iceRestart) this.restarts += 1;
    return { type: "offer" };
  }

  async setLocalDescription() {
    this.localDescription = { sdp: `v=0\r\na=ice-ufrag:mine${this.restarts}\r\na=ice-pwd:secret\r\n` };
  }

  async setRemoteDescription(description) {
    this.remoteDescription = description;
    if (this.connectionState === "new") this.become("connected");
  }

  async getStats() {
    return new Map([["T", { id: "T", type: "transport", bytesReceived: this.bytes }]]);
  }

  become(state) {
    this.connectionState = state;
    this.dispatchEvent(new Event("connectionstatechange"));
  }

  close() {
    this.connectionState = "closed";
  }
}

const window = new EventTarget();
Object.assign(globalThis, {
  RTCPeerConnection: Connection,
  RTCRtpSender: { getCapabilities: () => null },
  location: new URL("http://phone.test/"),
  addEventListener: window.addEventListener.bind(window),
});

const flush = async () => {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

/** The way to the server: `http` and `media` say whether requests and datagrams pass. */
const way = { http: true, media: true, patch: 200, offers: 0, patches: [], refusal: null };
let clock = 0;
let publisher;
let said;
let told;

globalThis.fetch = async (_, { method, body, headers }) => {
  if (method === "DELETE") return { ok: true };
  if (method === "POST") way.offers += 1;
  if (!way.http) throw new TypeError("network");
  if (method === "POST" && way.refusal) {
    const { status, ...error } = way.refusal;
    return { ok: false, status, json: async () => ({ error }) };
  }
  if (method === "POST") {
    return { ok: true, text: async () => ANSWER, headers: new Headers({ Location: "/live/0/i/sessions/1", ETag: "1" }) };
  }
  way.patches.push({ body, etag: headers["If-Match"] });
  return { ok: way.patch === 200, status: way.patch, text: async () => FRESH, headers: new Headers({ ETag: "2" }) };
};

async function pass(ms) {
  for (let elapsed = 0; elapsed < ms; elapsed += 50) {
    clock += 50;
    if (way.media && Connection.all.length) Connection.all.at(-1).bytes += 100;
    mock.timers.tick(50);
    await flush();
  }
}

const tracks = { video: { kind: "video" }, audio: { kind: "audio", enabled: false } };

beforeEach(async () => {
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  Object.assign(way, { http: true, media: true, patch: 200, offers: 0, patches: [], refusal: null });
  Connection.all.length = 0;
  publisher = new Publisher({ base: "/live/0/i", token: "t", monotonic: () => clock });
  said = [];
  told = [];
  publisher.addEventListener("status", ({ detail }) => {
    said.push(detail.status);
    told.push(detail);
  });
  await publisher.publish({ getVideoTracks: () => [tracks.video], getAudioTracks: () => [tracks.audio] });
  await flush();
  assert.equal(publisher.status, "live");
});

afterEach(() => {
  publisher.close();
  mock.timers.reset();
});

test("a lost connection is made anew without limit, with growing and spread pauses, from the same tracks", async () => {
  Object.assign(way, { http: false, media: false });
  Connection.all.at(-1).become("failed");
  const pauses = [];
  let pause = 0;
  for (let before = way.offers; pauses.length < 60; ) {
    assert.ok(clock < 900_000, "it gave up");
    await pass(50);
    pause += 50;
    if (way.offers > before) {
      before = way.offers;
      pauses.push(pause);
      pause = 0;
    }
  }
  assert.ok(pauses.slice(6).every((ms) => ms >= 2500 && ms <= 5100), pauses.join());
  assert.ok(new Set(pauses.slice(6)).size > 3, "all alike: a hundred phones would come back at once");
  assert.equal(publisher.status, "lost");

  Object.assign(way, { http: true, media: true });
  for (let waited = 0; publisher.status !== "live" && waited < 6000; waited += 50) await pass(50);
  assert.equal(publisher.status, "live");
  assert.deepEqual(Connection.all.at(-1).senders.map(({ track }) => track), [tracks.video, tracks.audio]);
});

test("another network restarts ICE at once on the same connection, unnoticed when it goes well", async () => {
  window.dispatchEvent(new Event("online"));
  await pass(50);
  assert.equal(way.patches.length, 1);
  assert.deepEqual(way.patches[0], { body: "a=ice-ufrag:mine1\r\na=ice-pwd:secret\r\n", etag: "*" });
  assert.match(Connection.all[0].remoteDescription.sdp, /a=ice-ufrag:new\r\n/);
  await pass(1000);
  assert.deepEqual([publisher.status, Connection.all.length, way.offers], ["live", 1, 1]);
  assert.ok(!said.includes("restoring"));
});

test("silence from the server is noticed within two seconds and a new way is sought until one is found", async () => {
  await pass(3000);
  Object.assign(way, { http: false, media: false });
  await pass(2500);
  assert.ok(Connection.all[0].restarts >= 1);
  await pass(2000);
  assert.equal(publisher.status, "restoring");
  Object.assign(way, { http: true, media: true });
  await pass(2000);
  assert.deepEqual([publisher.status, Connection.all.length], ["live", 1]);
});

test("a connection that cannot be restored is replaced", async () => {
  Object.assign(way, { media: false });
  Connection.all[0].become("disconnected");
  await pass(1000);
  assert.equal(publisher.status, "restoring");
  way.media = true;
  Connection.all[0].become("disconnected");
  await pass(11_000);
  assert.deepEqual([publisher.status, Connection.all.length], ["live", 2]);
  assert.ok(said.includes("lost"));
});

test("a browser without AbortSignal.timeout restarts all the same", async () => {
  const { timeout } = AbortSignal;
  delete AbortSignal.timeout;
  try {
    window.dispatchEvent(new Event("online"));
    await pass(1000);
  } finally {
    AbortSignal.timeout = timeout;
  }
  assert.deepEqual([publisher.status, Connection.all.length, way.patches.length], ["live", 1, 1]);
});

test("a connection that the server no longer knows is replaced at once", async () => {
  way.patch = 404;
  window.dispatchEvent(new Event("online"));
  await pass(600);
  assert.deepEqual([publisher.status, Connection.all.length], ["live", 2]);
});

test("a network that comes back does not wait for the timer", async () => {
  Object.assign(way, { http: false, media: false });
  Connection.all[0].become("closed");
  await pass(20_000);
  assert.equal(publisher.status, "lost");
  way.media = way.http = true;
  window.dispatchEvent(new Event("online"));
  await flush();
  assert.equal(publisher.status, "live");
});

test("a disk that is full is said in the server's words and asked again slowly, until there is room", async () => {
  way.refusal = { status: 507, code: "storage_full", message: "No room." };
  Connection.all[0].become("failed");
  Connection.all[0].become("closed");
  await pass(10_000);
  assert.ok(way.offers <= 2, `${way.offers} offers`);
  const last = told.at(-1);
  assert.deepEqual([last.status, last.code, last.message], ["lost", "storage_full", "No room."]);
  await pass(60_000);
  assert.ok(way.offers >= 3 && way.offers <= 6, `${way.offers} offers`);
  way.refusal = null;
  await pass(31_000);
  assert.deepEqual([publisher.status, told.at(-1).code], ["live", undefined]);
});

for (const status of [400, 415, 422]) {
  test(`an offer that the server refuses with ${status} is not made again, and the code is told`, async () => {
    way.refusal = { status, code: "bad_offer", message: "No." };
    Connection.all[0].become("failed");
    Connection.all[0].become("closed");
    await pass(60_000);
    assert.equal(way.offers, 2);
    assert.deepEqual([told.at(-1).status, told.at(-1).code], ["closed", "bad_offer"]);
  });
}

test("a browser that fails by itself again and again is told apart from a network", async () => {
  mock.method(Connection.prototype, "setRemoteDescription", async () => { throw new DOMException("no codec", "OperationError"); });
  Connection.all[0].become("failed");
  Connection.all[0].become("closed");
  await pass(60_000);
  mock.restoreAll();
  assert.equal(way.offers, 4);
  assert.deepEqual([told.at(-1).status, told.at(-1).code], ["closed", "browser"]);
});

test("the answer in force takes the credentials and candidates of the restart", () => {
  const restarted = restartedAnswer(ANSWER, FRESH);
  assert.equal(restarted, ANSWER.replace("old", "new").replace("oldpass", "newpass").replace("192.0.2.1 1 typ", "192.0.2.2 2 typ"));
  assert.equal(restartedAnswer(ANSWER, ""), null);
});

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { GapUpload } from "../../static/js/lib/gap-upload.js";
import { MemoryStore } from "../../static/js/lib/recording-store.js";

const NOW = Date.parse("2026-11-21T08:10:00Z");
const at = (second) => NOW - 600_000 + second * 1000;
const iso = (second) => new Date(at(second)).toISOString();

/** A server that lacks `gaps`, takes pieces in order, and fails as `faults` say (each a function of the request, or null). */
class Server {
  constructor({ gaps = [[10, 20]], settled = 590, faults = [], deadline = null, pauses = undefined, replaced = null } = {}) {
    Object.assign(this, { gaps, settled, faults, deadline, pauses, replaced, recordings: new Map(), asked: [] });
  }

  fetch = async (url, { method, headers, body }) => {
    const { pathname, searchParams } = new URL(url, "http://server");
    this.asked.push(`${method} ${pathname}`);
    const fault = this.faults.shift();
    const refused = fault?.({ method, pathname });
    if (refused === "broken") throw new TypeError("network");
    if (refused) return answer(refused[0], { error: { code: refused[1], ...refused[2] } });
    if (method === "GET") {
      const gaps = this.gaps.map(([from, to]) => ({ from: iso(from), to: iso(to) }));
      return answer(200, { now: new Date(Date.now()).toISOString(), slot: "s", gaps, settled: iso(this.settled), deadline: this.deadline, pauses: this.pauses, replaced_at: this.replaced });
    }
    if (pathname.endsWith("/gaps/done")) return { ok: true, status: 204, json: async () => JSON.parse("") };
    if (method === "POST") {
      const said = JSON.parse(body);
      const known = this.recordings.get(said.run) ?? { ...said, bytes: Buffer.alloc(0), state: "receiving" };
      this.recordings.set(said.run, known);
      return answer(201, { id: said.run, state: known.state, offset: known.bytes.length });
    }
    const recording = this.recordings.get(pathname.split("/").at(-1));
    const offset = Number(searchParams.get("offset"));
    if (offset !== recording.bytes.length) return answer(409, { error: { code: "wrong_offset", offset: recording.bytes.length } });
    const digest = createHash("sha256").update(Buffer.from(body)).digest("base64");
    assert.equal(headers["Content-Digest"], `sha-256=:${digest}:`);
    recording.bytes = Buffer.concat([recording.bytes, Buffer.from(body)]);
    if (recording.bytes.length === recording.chunks.reduce((sum, { size }) => sum + size, 0)) {
      recording.state = "accepted";
      this.gaps = [];
    }
    return answer(200, { id: recording.run, state: recording.state, offset: recording.bytes.length });
  };
}

const answer = (status, body) => ({ ok: status < 300, status, json: async () => body });

async function storeWith(...runs) {
  const store = new MemoryStore();
  for (const { id, from, inspection = "i", open = false, about = {} } of runs) {
    await store.begin(id, { inspection, media_type: "video/webm", started_at: at(from), wall: at(from), synchronised: true, ...about });
    for (let second = 0; second < 3; second += 1) {
      await store.append(id, Uint8Array.from([from, second, 7]).buffer, { start: second * 5, end: second * 5 + 5 });
    }
    if (!open) await store.finish(id, { finished: true });
  }
  return store;
}

function upload(store, server) {
  const waits = [];
  const one = new GapUpload({ base: "/live/0/i/", token: "yp_1", inspection: "i", store, fetch: server.fetch, wait: async (ms) => { waits.push(ms); } });
  one.waits = waits;
  return one;
}

function atNow(run) {
  const real = Date.now;
  Date.now = () => NOW;
  return run().finally(() => { Date.now = real; });
}

test("only what is missing goes out, and everything the server has is forgotten", () => atNow(async () => {
  const store = await storeWith({ id: "before", from: 0 - 30 }, { id: "needed", from: 8 }, { id: "after", from: 40 }, { id: "other", from: 8, inspection: "j" });
  const server = new Server();
  const one = upload(store, server);
  await one.check();
  assert.equal(one.state, "done");
  assert.deepEqual([...server.recordings.keys()], ["needed"]);
  assert.deepEqual([...server.recordings.get("needed").bytes], [8, 0, 7, 8, 1, 7, 8, 2, 7]);
  assert.deepEqual((await store.list()).map(({ id }) => id), ["other"]);
  assert.deepEqual(one.left, { seconds: 0, bytes: 0 });
}));

test("a run that is still being recorded waits", () => atNow(async () => {
  const store = await storeWith({ id: "open", from: 8, open: true });
  const server = new Server();
  await upload(store, server).check();
  assert.equal(server.recordings.size, 0);
  assert.equal((await store.list()).length, 1);
}));

test("what is left to send is told, in seconds and bytes", () => atNow(async () => {
  const store = await storeWith({ id: "needed", from: 8 });
  const one = upload(store, new Server());
  const told = [];
  one.addEventListener("change", () => told.push([one.state, one.left.seconds, one.left.bytes]));
  await one.check();
  assert.deepEqual(told, [
    ["asking", 0, 0], ["asking", 10, 9], ["sending", 10, 9], ["sending", 10, 6], ["sending", 10, 3], ["sending", 10, 0], ["done", 0, 0],
  ]);
}));

test("a lost network is waited for without limit, with growing and spread pauses, and the upload goes on where it was", () => atNow(async () => {
  const store = await storeWith({ id: "needed", from: 8 });
  const pass = () => null;
  const broken = () => "broken";
  const server = new Server({ faults: [pass, pass, pass, ...Array.from({ length: 12 }, () => broken)] });
  const one = upload(store, server);
  one.live = false;
  const states = new Set();
  one.addEventListener("change", () => states.add(one.state));
  await one.check();
  assert.ok(states.has("waiting"));
  assert.equal(one.state, "done");
  assert.equal(one.waits.length, 12);
  assert.ok(one.waits[0] <= 500 && one.waits.at(-1) > 2000 && one.waits.at(-1) <= 5000);
  assert.equal(new Set(one.waits.slice(5)).size > 1, true);
  assert.equal(server.recordings.get("needed").bytes.length, 9);
}));

test("an answer that was lost on the way is no second sending", () => atNow(async () => {
  const store = await storeWith({ id: "needed", from: 8 });
  const server = new Server();
  const real = server.fetch;
  let lost = false;
  server.fetch = async (url, options) => {
    const response = await real(url, options);
    if (options.method === "PUT" && !lost) {
      lost = true;
      throw new TypeError("network");
    }
    return response;
  };
  const one = upload(store, server);
  await one.check();
  assert.equal(one.state, "done");
  assert.equal(server.recordings.get("needed").bytes.length, 9);
}));

test("a server that is further than we thought says where to go on", () => atNow(async () => {
  const store = await storeWith({ id: "needed", from: 8 });
  const server = new Server({ faults: [() => null, () => null, () => [409, "wrong_offset", { offset: 0 }]] });
  const one = upload(store, server);
  await one.check();
  assert.equal(server.recordings.get("needed").bytes.length, 9);
}));

for (const code of ["recording_not_needed", "bad_recording"]) {
  test(`a run that the server never takes is forgotten (${code})`, () => atNow(async () => {
    const store = await storeWith({ id: "needed", from: 8 });
    const one = upload(store, new Server({ faults: [() => null, () => [409, code]] }));
    await one.check();
    assert.equal(one.state, "done");
    assert.equal((await store.list()).length, 0);
  }));
}

test("a piece that arrived damaged is sent again", () => atNow(async () => {
  const store = await storeWith({ id: "needed", from: 8 });
  const one = upload(store, new Server({ faults: [() => null, () => null, () => [422, "wrong_digest"]] }));
  await one.check();
  assert.equal(one.state, "done");
}));

test("a file that comes out damaged every time is given up", () => atNow(async () => {
  const store = await storeWith({ id: "needed", from: 8 });
  const damaged = ({ method }) => (method === "PUT" ? [422, "wrong_digest"] : null);
  const one = upload(store, new Server({ faults: Array.from({ length: 40 }, () => damaged) }));
  await one.check();
  assert.equal(one.state, "done");
  assert.equal((await store.list()).length, 0);
  assert.equal(one.waits.length, 4);
}));

for (const [code, read] of Object.entries({
  wrong_digest: async (size) => new ArrayBuffer(size),
  unreadable: async () => {
    throw new DOMException("gone", "NotReadableError");
  },
})) {
  test(`a file that is damaged where it lies holds up no other, and is given up (${code})`, () => atNow(async () => {
    const store = await storeWith({ id: "damaged", from: 8 }, { id: "whole", from: 40 });
    const kept = store.read.bind(store);
    store.read = (run, offset, size) => (run === "damaged" ? read(size) : kept(run, offset, size));
    const server = new Server({ gaps: [[10, 20], [42, 50]] });
    const answered = server.fetch;
    server.fetch = async (url, asked) => {
      if (asked.method === "PUT" && url.includes("/damaged?")) return answer(422, { error: { code } });
      const given = await answered(url, asked);
      // The gap that the damaged file would fill stays.
      if (asked.method === "PUT") server.gaps = [[10, 20]];
      return given;
    };
    const one = upload(store, server);
    one.live = false;
    const states = new Set();
    one.addEventListener("change", () => states.add(`${one.state} ${server.recordings.get("whole")?.state}`));
    await one.check();
    assert.ok(states.has("waiting accepted"), "it is tried again, when the other is there");
    assert.deepEqual([one.state, one.left.bytes, (await store.list()).length], ["done", 0, 0]);
    assert.equal(one.waits.length, 4);
  }));
}

test("being called while it waits for the network makes it try at once", () => atNow(async () => {
  const store = await storeWith({ id: "needed", from: 8 });
  let waits = 0;
  const one = new GapUpload({
    base: "/live/0/i/", token: "yp_1", inspection: "i", store, fetch: new Server({ faults: [() => "broken"] }).fetch,
    wait: () => { waits += 1; return waits === 1 ? new Promise(() => {}) : Promise.resolve(); },
  });
  const done = one.check();
  for (let tries = 0; one.state !== "waiting" && tries < 2000; tries += 1) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.equal(one.state, "waiting");
  one.check();
  await done;
  assert.deepEqual([one.state, (await store.list()).length], ["done", 0]);
}));

test("after the deadline, or when the seat is not ours any more, it is over", () => atNow(async () => {
  for (const status of [401, 403, 410]) {
    const store = await storeWith({ id: "needed", from: 8 });
    const one = upload(store, new Server({ faults: [() => [status, "no"]] }));
    await one.check();
    assert.equal(one.state, "over");
    assert.equal(one.waits.length, 0);
  }
}));

test("what was recorded by a clock that nobody had set is put in its place", () => atNow(async () => {
  const store = await storeWith({ id: "needed", from: 900, about: { wall: at(8), synchronised: false } });
  const server = new Server();
  await upload(store, server).check();
  assert.equal(Date.parse(server.recordings.get("needed").started_at), at(8));
}));

test("recordings of days ago that nobody asked for are forgotten", () => atNow(async () => {
  const store = await storeWith({ id: "ancient", from: -3 * 24 * 3600, inspection: "j" });
  await upload(store, new Server({ gaps: [] })).check();
  assert.equal((await store.list()).length, 0);
}));

test("while the camera is being sent the upload leaves it room; afterwards it does not wait", () => atNow(async () => {
  for (const [live, waits] of [[true, 3], [false, 0]]) {
    const one = upload(await storeWith({ id: "needed", from: 8 }), new Server());
    one.live = live;
    await one.check();
    assert.equal(one.waits.length, waits);
  }
}));

test("what another page of this phone still writes is waited for, and all is sent only then", () => atNow(async () => {
  const store = await storeWith({ id: "needed", from: 8, open: true });
  const lines = store.lines.bind(store);
  let looks = 0;
  store.lines = async () => {
    looks += 1;
    if (looks === 3) await store.finish("needed", { finished: true });
    return (await lines()).map((run) => (run.open ? { ...run, elsewhere: true } : run));
  };
  const server = new Server();
  const one = upload(store, server);
  const said = [];
  one.addEventListener("change", () => said.push(one.state));
  await one.check();
  assert.deepEqual([...server.recordings.keys()], ["needed"]);
  assert.equal(said.indexOf("done"), said.length - 1);
}));

for (const [status, left] of [[404, 0], [410, 0], [401, 1], [403, 1]]) {
  test(`after a refusal with ${status} ${left ? "the files wait for another seat" : "no file is left on the phone"}`, () => atNow(async () => {
    const store = await storeWith({ id: "needed", from: 8 }, { id: "other", from: 8, inspection: "j" });
    const one = upload(store, new Server({ faults: [() => [status, "over"]] }));
    await one.check();
    assert.equal(one.state, "over");
    assert.equal((await store.list()).filter(({ inspection }) => inspection === "i").length, left);
    assert.equal((await store.list()).filter(({ inspection }) => inspection === "j").length, 1);
  }));
}

test("a file claims no more than the server takes", () => atNow(async () => {
  const store = await storeWith({ id: "long", from: 8 });
  await store.begin("slept", { inspection: "i", media_type: "video/webm", started_at: at(12), wall: at(12), synchronised: true });
  await store.append("slept", Uint8Array.from([1]).buffer, { start: 0, end: 900 });
  await store.finish("slept", { finished: true });
  const server = new Server({ gaps: [[15, 18]] });
  await upload(store, server).check();
  for (const { duration_s } of server.recordings.values()) assert.ok(duration_s <= 120);
  assert.ok(server.recordings.has("slept"));
}));

test("a browser without AbortSignal.timeout sends all the same", () => atNow(async () => {
  const { timeout } = AbortSignal;
  delete AbortSignal.timeout;
  try {
    const server = new Server();
    const one = upload(await storeWith({ id: "needed", from: 8 }), server);
    await one.check();
    assert.equal(one.state, "done");
  } finally {
    AbortSignal.timeout = timeout;
  }
}));

test("after the end files are kept until what the server received of their time is on its disk", () => atNow(async () => {
  const store = await storeWith({ id: "backlog", from: 100 });
  const server = new Server({ gaps: [], settled: 105, deadline: iso(9000) });
  server.faults = [null, () => { server.settled = 590; return null; }];
  const one = upload(store, server);
  await one.check();
  assert.equal(one.waits.length, 1);
  assert.equal(one.state, "done");
  assert.equal((await store.list()).length, 0);
}));

test("of a file that reaches into a pause only what lies before it goes out, and what began in it is forgotten", () => atNow(async () => {
  const store = await storeWith({ id: "reaches", from: 8 }, { id: "inside", from: 20 });
  const server = new Server({ gaps: [[10, 18]], pauses: [{ from: iso(18), to: null }] });
  await upload(store, server).check();
  const { chunks, duration_s: seconds, bytes } = server.recordings.get("reaches");
  assert.deepEqual([chunks.length, seconds, [...bytes]], [2, 10, [8, 0, 7, 8, 1, 7]]);
  assert.deepEqual([...server.recordings.keys()], ["reaches"]);
  assert.deepEqual(await store.list(), []);
}));

const settlings = (server) => server.asked.filter((asked) => asked === "POST /live/0/i/gaps/done").length;

test("after the end it is said once that all has been sent, and not while there is more", () => atNow(async () => {
  const store = await storeWith({ id: "needed", from: 8 });
  const server = new Server();
  const one = upload(store, server);
  await one.check();
  assert.equal(settlings(server), 0);
  server.deadline = iso(90_000);
  await one.check();
  await one.check();
  assert.equal(one.state, "done");
  assert.equal(settlings(server), 1);
}));

test("that all has been sent is said again until it is heard", () => atNow(async () => {
  const server = new Server({ deadline: iso(90_000), gaps: [], faults: [() => null, () => "broken", () => null, () => [503, "unavailable"]] });
  const one = upload(await storeWith(), server);
  await one.check();
  assert.equal(one.state, "done");
  assert.equal(settlings(server), 3);
}));

test("whose place another phone took sends what it recorded before, keeps the rest, and says so in the middle of the inspection", () => atNow(async () => {
  const store = await storeWith({ id: "before", from: 8 }, { id: "after", from: 40 });
  const server = new Server({ gaps: [[10, 20], [40, 60]], replaced: iso(30) });
  await upload(store, server).check();
  assert.deepEqual([...server.recordings.keys()], ["before"]);
  assert.deepEqual((await store.list()).map(({ id }) => id), ["after"]);
  assert.equal(settlings(server), 1);
}));

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { PhotoQueue } from "../../static/js/lib/photo-queue.js";
import { MemoryStore } from "../../static/js/lib/recording-store.js";

const PICTURE = Uint8Array.from({ length: 600_000 }, (_, index) => (index * 7) % 251);
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const digest = (body) => createHash("sha256").update(Buffer.from(body)).digest("base64");
const still = (snapshot) => ({ blob: new Blob([PICTURE], { type: "image/jpeg" }), how: "photo", width: 4032, height: 3024, snapshot });

/** Takes photos in order of their pieces and fails as `faults` say, one for each request: a code, "broken", or null. */
class Server {
  constructor(faults = []) {
    Object.assign(this, { faults, photos: new Map(), asked: [] });
  }

  fetch = async (url, { method, body, headers }) => {
    const { pathname, searchParams } = new URL(url, "http://server");
    this.asked.push(method);
    const fault = this.faults.shift();
    if (fault === "broken") throw new TypeError("network");
    if (fault) return answer(fault[0], { error: { code: fault[1] } });
    if (method === "POST") {
      const said = JSON.parse(body);
      const known = this.photos.get(said.request) ?? { ...said, bytes: Buffer.alloc(0), state: "receiving" };
      this.photos.set(said.request, known);
      return answer(201, { id: said.request, state: known.state, offset: known.bytes.length });
    }
    const photo = this.photos.get(pathname.split("/").at(-1));
    assert.equal(Number(searchParams.get("offset")), photo.bytes.length);
    if (!headers["Content-Digest"].includes(digest(body))) return answer(422, { error: { code: "wrong_digest" } });
    photo.bytes = Buffer.concat([photo.bytes, Buffer.from(body)]);
    if (photo.bytes.length === photo.size_bytes) photo.state = "accepted";
    return answer(200, { state: photo.state, offset: photo.bytes.length });
  };
}

const answer = (status, body) => ({ ok: status < 300, status, json: async () => body });

function queue(server, store = new MemoryStore(), inspection = "i") {
  return new PhotoQueue({ base: "/live/0/i/", token: "yp_1", inspection, store, fetch: server.fetch, wait: async () => {} });
}

test("a photo is announced with the digest that the phone computed, and then sent whole", async () => {
  const server = new Server();
  const store = new MemoryStore();
  const photos = queue(server, store);
  await photos.add(still("s1"));
  assert.equal((await store.list()).length, 0, "a photo is no recording");
  await photos.check();
  const [photo] = server.photos.values();
  assert.deepEqual([photo.sha256, photo.size_bytes, photo.snapshot, photo.how], [sha256(PICTURE), PICTURE.length, "s1", "photo"]);
  assert.equal(sha256(photo.bytes), photo.sha256);
  assert.deepEqual([photos.state, photos.waiting, (await store.photos()).length], ["done", 0, 0]);
});

test("all digests are told before any photo is sent", async () => {
  const store = new MemoryStore();
  const away = queue(new Server(), store);
  away.close();
  for (const snapshot of ["s1", "s2"]) await away.add(still(snapshot));
  const server = new Server();
  await queue(server, store).check();
  assert.equal(server.asked.join(" "), "POST POST PUT PUT PUT PUT PUT PUT");
});

test("a lost network is waited for, the photo counted meanwhile, and it goes on where it was", async () => {
  const server = new Server([null, null, "broken", "broken"]);
  const photos = queue(server);
  const told = [];
  photos.addEventListener("change", () => told.push([photos.state, photos.waiting]));
  await photos.add(still("s1"));
  await photos.check();
  assert.ok(told.some(([state, waiting]) => state === "waiting" && waiting === 1));
  assert.deepEqual(told.at(-1), ["done", 0]);
  assert.equal([...server.photos.values()][0].state, "accepted");
});

test("another page of this phone sends what this one kept, and leaves other inspections' photos alone", async () => {
  const store = new MemoryStore();
  const away = queue(new Server(), store);
  away.close();
  await away.add(still("s1"));
  const server = new Server();
  await queue(server, store, "another").check();
  assert.equal(server.photos.size, 0);
  await queue(server, store).check();
  assert.equal(server.photos.size, 1);
});

for (const [status, code] of [[422, "photo_differs"], [409, "recording_of_a_pause"], [404, "snapshot_unknown"]]) {
  test(`a photo that the server never takes is forgotten (${code})`, async () => {
    const store = new MemoryStore();
    const photos = queue(new Server([[status, code]]), store);
    await photos.add(still("s1"));
    await photos.check();
    assert.deepEqual([photos.state, (await store.photos()).length], ["done", 0]);
  });
}

/** Two photos are kept; the bytes of the first cannot be read, or are others than were written. */
async function withDamaged(read) {
  const store = new MemoryStore();
  const away = queue(new Server(), store);
  away.close();
  for (const [takenAt, snapshot] of ["s1", "s2"].entries()) await away.add({ ...still(snapshot), takenAt });
  const [{ id }] = await store.photos();
  const whole = store.read.bind(store);
  store.read = (run, offset, size) => (run === id ? read(offset, size) : whole(run, offset, size));
  return store;
}

const DAMAGES = {
  wrong_digest: async (offset, size) => new ArrayBuffer(size),
  unreadable: async () => {
    throw new DOMException("gone", "NotReadableError");
  },
};

for (const [code, read] of Object.entries(DAMAGES)) {
  test(`a photo that is damaged where it lies holds up no other, and is given up and told (${code})`, async () => {
    const store = await withDamaged(read);
    const server = new Server();
    const photos = queue(server, store);
    const reports = [];
    const states = new Set();
    photos.addEventListener("report", ({ detail }) => reports.push(detail));
    photos.addEventListener("change", () => states.add(`${photos.state} ${photos.waiting}`));
    await photos.check();
    const sent = [...server.photos.values()].map(({ snapshot, state }) => [snapshot, state]);
    assert.deepEqual(sent, [["s1", "receiving"], ["s2", "accepted"]]);
    assert.ok(states.has("waiting 1"), "it is tried again, when the other is there");
    assert.deepEqual([photos.state, photos.waiting, (await store.photos()).length], ["done", 0, 0]);
    assert.deepEqual(reports, [{ state: "photo_failed", detail: code }]);
  });
}

test("a photo that comes out whole when it is read again is sent", async () => {
  let reads = 0;
  const store = await withDamaged(async (offset, size) => {
    reads += 1;
    return reads < 5 ? new ArrayBuffer(size) : PICTURE.slice(offset, offset + size).buffer;
  });
  const server = new Server();
  await queue(server, store).check();
  assert.deepEqual([...server.photos.values()].map(({ state }) => state), ["accepted", "accepted"]);
});

test("a lost network is no reason to try the others", async () => {
  const store = new MemoryStore();
  const away = queue(new Server(), store);
  away.close();
  for (const snapshot of ["s1", "s2"]) await away.add(still(snapshot));
  const server = new Server(["broken"]);
  await queue(server, store).check();
  assert.equal(server.asked.join(" "), "POST POST POST PUT PUT PUT PUT PUT PUT");
});

test("when the time for sending is over nothing is kept", async () => {
  const store = new MemoryStore();
  const photos = queue(new Server([[410, "upload_over"]]), store);
  await photos.add(still("s1"));
  await photos.check();
  assert.deepEqual([photos.state, (await store.photos()).length], ["over", 0]);
});

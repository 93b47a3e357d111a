import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { Room } from "../../static/js/lib/room.js";

class FakeSocket extends EventTarget {
  static all = [];
  sent = [];
  closed = false;

  constructor(url, protocols) {
    super();
    Object.assign(this, { url: new URL(url), protocols });
    FakeSocket.all.push(this);
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.closed = true;
  }

  says(message) {
    this.dispatchEvent(Object.assign(new Event("message"), { data: JSON.stringify(message) }));
  }

  breaks() {
    this.dispatchEvent(new Event("close"));
  }
}

let now = 0;
const sockets = FakeSocket.all;
const hello = { type: "hello", now: "2025-04-17T02:30:00Z", seq: 0 };

function pass(ms) {
  for (let left = ms; left > 0; left -= 100) {
    now += 100;
    mock.timers.tick(100);
  }
}

function openRoom(options = {}) {
  const room = new Room({
    base: "/live/0/01K", token: "secret", origin: "https://office.example/i/x",
    WebSocketClass: FakeSocket, monotonic: () => now, probe: async () => null, ...options,
  });
  const heard = [];
  for (const type of ["hello", "event", "presence", "media", "bye", "status"]) {
    room.addEventListener(type, ({ detail }) => heard.push([type, detail]));
  }
  room.connect();
  return { room, heard, statuses: () => heard.filter(([type]) => type === "status").map(([, detail]) => detail.status) };
}

beforeEach(() => {
  now = 0;
  sockets.length = 0;
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
});

test("the token goes as a subprotocol and never in the address", () => {
  openRoom({ after: 7 });
  assert.equal(sockets[0].url.href, "wss://office.example/live/0/01K/room?after=7");
  assert.deepEqual(sockets[0].protocols, ["yunkan.v1", "bearer.secret"]);
});

test("hello opens the room and sets the server's clock", () => {
  const { room, statuses } = openRoom();
  sockets[0].says(hello);
  assert.deepEqual(statuses(), ["connecting", "open"]);
  const first = room.serverNow();
  assert.ok(Math.abs(first - Date.parse(hello.now)) < 1000);
});

test("an event is told once and in order, also when the server repeats it", () => {
  const { room, heard } = openRoom();
  sockets[0].says(hello);
  for (const seq of [1, 2, 2, 1, 3]) sockets[0].says({ type: "event", event: { seq, type: "chat.sent" } });
  assert.deepEqual(heard.filter(([type]) => type === "event").map(([, event]) => event.seq), [1, 2, 3]);
  assert.equal(room.lastSeq, 3);
});

test("after a loss the room comes back by itself and asks for the rest", () => {
  const { room, statuses } = openRoom();
  sockets[0].says(hello);
  sockets[0].says({ type: "event", event: { seq: 5, type: "chat.sent" } });
  sockets[0].breaks();
  assert.equal(room.status, "lost");
  pass(600);
  assert.equal(sockets.length, 2);
  assert.equal(sockets[1].url.searchParams.get("after"), "5");
  sockets[1].says(hello);
  assert.equal(statuses().at(-1), "open");
});

test("while lost the seconds waited are told", () => {
  const { heard, room } = openRoom();
  sockets[0].says(hello);
  sockets[0].breaks();
  for (let second = 0; second < 6; second++) {
    pass(1000);
    sockets.at(-1).breaks();
  }
  assert.equal(room.lostSeconds, 6);
  assert.equal(heard.at(-1)[1].status, "lost");
  assert.ok(heard.at(-1)[1].seconds >= 5);
});

test("attempts go on without limit, never more than five seconds apart", () => {
  openRoom();
  sockets[0].breaks();
  for (let attempt = 1; attempt <= 30; attempt++) {
    pass(5100);
    assert.equal(sockets.length, attempt + 1);
    sockets.at(-1).breaks();
  }
});

test("a silent connection is pinged and then given up", () => {
  const { room } = openRoom();
  sockets[0].says(hello);
  pass(6000);
  assert.deepEqual(sockets[0].sent.map((message) => message.type)[0], "ping");
  pass(5000);
  assert.equal(sockets[0].closed, true);
  assert.equal(room.status, "lost");
});

test("a connection that hears something is kept", () => {
  const { room } = openRoom();
  sockets[0].says(hello);
  for (let i = 0; i < 10; i++) {
    pass(2000);
    sockets[0].says({ type: "media", slots: [] });
  }
  assert.equal(sockets.length, 1);
  assert.equal(room.status, "open");
});

test("retryNow does not wait for the timer", () => {
  const { room } = openRoom();
  sockets[0].says(hello);
  sockets[0].breaks();
  room.retryNow();
  assert.equal(sockets.length, 2);
  pass(6000);
  assert.equal(sockets.length, 2);
});

for (const code of ["ended", "replaced", "removed", "expired"]) {
  test(`after bye ${code} the room stays closed`, () => {
    const { room, heard } = openRoom();
    sockets[0].says(hello);
    sockets[0].says({ type: "bye", code });
    sockets[0].breaks();
    pass(20_000);
    assert.equal(sockets.length, 1);
    assert.equal(room.status, "closed");
    assert.deepEqual(heard.find(([type]) => type === "bye")[1].code, code);
  });
}

test("after bye restarting the room comes back", () => {
  openRoom();
  sockets[0].says(hello);
  sockets[0].says({ type: "bye", code: "restarting" });
  sockets[0].breaks();
  pass(1000);
  assert.equal(sockets.length, 2);
});

test("an ack answers the message with its id", async () => {
  const { room } = openRoom();
  sockets[0].says(hello);
  const first = room.send({ type: "chat", text: "a" });
  const second = room.send({ type: "chat", text: "b" });
  const [a, b] = sockets[0].sent;
  assert.notEqual(a.id, b.id);
  sockets[0].says({ type: "ack", re: b.id, seq: 9 });
  sockets[0].says({ type: "error", re: a.id, code: "forbidden", message: "No" });
  assert.equal((await second).seq, 9);
  await assert.rejects(first, { code: "forbidden", message: "No" });
});

test("a message that cannot be sent or was cut off is refused, never swallowed", async () => {
  const { room } = openRoom();
  await assert.rejects(room.send({ type: "ping" }), { code: "not_connected" });
  sockets[0].says(hello);
  const cut = room.send({ type: "chat", text: "a" });
  sockets[0].breaks();
  await assert.rejects(cut, { code: "lost" });
});

test("words that are not JSON or of an unknown type do no harm", () => {
  const { room } = openRoom();
  sockets[0].says(hello);
  sockets[0].dispatchEvent(Object.assign(new Event("message"), { data: "{" }));
  sockets[0].says({ type: "fanfare" });
  assert.equal(room.status, "open");
});

test("a handshake refused for good ends the trying and says why", async () => {
  const { room, heard } = openRoom({ probe: async () => ({ code: "expired", reason: "token_expired" }) });
  sockets[0].breaks();
  await new Promise(setImmediate);
  assert.equal(room.status, "closed");
  assert.equal(heard.find(([type]) => type === "bye")[1].code, "expired");
  pass(20_000);
  assert.equal(sockets.length, 1);
});

test("a handshake that failed for want of a network is tried again", async () => {
  const { room } = openRoom();
  sockets[0].breaks();
  await new Promise(setImmediate);
  pass(1000);
  assert.equal(sockets.length, 2);
  assert.equal(room.status, "lost");
});

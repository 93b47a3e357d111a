import assert from "node:assert/strict";
import { createHash, webcrypto } from "node:crypto";
import { test } from "node:test";

import { canonical, lineOf } from "../../static/js/lib/canonical.js";
import { ReceiptMaker } from "../../static/js/lib/receipts.js";
import { hex, sessionKey } from "../../static/js/lib/session-key.js";

const INSPECTION = "01KAF0000000000000000000AA";
const sha256 = (text) => createHash("sha256").update(text).digest("hex");
const pair = await webcrypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
const publicHex = hex(await webcrypto.subtle.exportKey("spki", pair.publicKey));

class FakeRoom extends EventTarget {
  sent = [];
  prev = "0".repeat(64);
  seq = 0;

  send(message) {
    this.sent.push(message);
    return Promise.resolve({});
  }

  said(type) {
    return this.sent.filter((message) => message.type === type);
  }

  tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  open() {
    this.tell("status", { status: "open", seconds: 0 });
  }

  next(type, body) {
    this.seq += 1;
    const event = { seq: this.seq, type, actor: { id: "x" }, at: "2026-11-21T08:00:00.000Z", t_mono: 12.5, t_client: null, body, prev: this.prev };
    this.prev = sha256(lineOf(INSPECTION, event));
    return { ...event, link: this.prev };
  }

  event(type, body = {}, change = {}) {
    this.tell("event", { ...this.next(type, body), ...change });
  }

  line(type, body = {}) {
    const event = this.next(type, body);
    this.tell("line", { type: "line", seq: event.seq, line: lineOf(INSPECTION, event) });
  }

  head(change = {}) {
    const receipt = { v: 1, kind: "receipt", inspection: INSPECTION, seq: this.seq, head: this.prev, at: "2026-11-21T08:00:10.000Z", key: "ab".repeat(32), ...change };
    this.tell("head", { type: "head", receipt, signature: sha256(canonical(receipt)).repeat(2) });
    return receipt;
  }
}

const keys = async () => ({ key: pair.privateKey, publicHex });

function begin(options = {}) {
  const room = new FakeRoom();
  const maker = new ReceiptMaker({ participant: "p1", inspection: INSPECTION, role: "enterprise", crypto: webcrypto, keys, ...options });
  maker.follow(room);
  room.open();
  room.event("inspection.created", { 地址: "建设路 18 号", a: 1.5, "😀": "\u2028\"" });
  return { room, maker };
}

async function ready(options) {
  const begun = begin(options);
  begun.room.event("participant.key", { participant: "p1", public: publicHex });
  await begun.maker.settled;
  return begun;
}

test("canonical form sorts keys by code unit and writes numbers as JavaScript does", () => {
  assert.equal(canonical({ b: [1, 0.1, 1e21, 1e-7], "é": null, a: { "😀": "\n", "ｚ": true } }), '{"a":{"😀":"\\n","ｚ":true},"b":[1,0.1,1e+21,1e-7],"é":null}');
});

test("a head that the received events lead to is countersigned, and the signature holds", async () => {
  const { room, maker } = await ready();
  assert.deepEqual(room.said("key"), [{ type: "key", public: publicHex }]);
  room.line("part.segment", { index: 0 });
  const receipt = room.head();
  await maker.settled;
  const [{ signature, countersignature }] = room.said("countersign");
  const data = new TextEncoder().encode(canonical({ receipt, signature }));
  const bytes = Buffer.from(countersignature, "hex");
  assert.ok(await webcrypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, pair.publicKey, bytes, data));
  assert.equal(maker.count, 1);
});

test("a head that runs ahead of the events waits for them, and each head is signed once", async () => {
  const { room, maker } = await ready();
  const late = room.next("chat.sent", { text: "1" });
  const receipt = room.head();
  await maker.settled;
  assert.equal(room.said("countersign").length, 0);
  room.tell("event", late);
  room.tell("head", { receipt, signature: sha256(canonical(receipt)).repeat(2) });
  await maker.settled;
  assert.equal(room.said("countersign").length, 1);
});

test("nothing is signed before the own key is in the log, nor a head from before it", async () => {
  const { room, maker } = begin();
  room.event("participant.key", { participant: "p2", public: publicHex });
  const early = room.head();
  await maker.settled;
  room.event("participant.key", { participant: "p1", public: publicHex });
  await maker.settled;
  assert.equal(maker.state, "ready");
  assert.equal(room.said("countersign").length, 0);
  assert.ok(early.seq < room.seq);
});

for (const [name, act] of [
  ["a head of another chain", (room) => room.head({ head: "cd".repeat(32) })],
  ["a head of another inspection", (room) => room.head({ inspection: "other" })],
  ["a head with fields of unknown meaning", (room) => room.head({ more: 1 })],
  ["an event whose link is not its hash", (room) => room.event("chat.sent", { text: "a" }, { body: { text: "b" } })],
  ["an event that does not continue the chain", (room) => room.event("chat.sent", {}, { prev: "ef".repeat(32) })],
  ["a missing event", (room) => { room.next("chat.sent", {}); room.event("chat.sent"); }],
]) {
  test(`${name} ends all signing and is reported`, async () => {
    const { room, maker } = await ready();
    act(room);
    room.head();
    await maker.settled;
    assert.equal(maker.state, "mismatch");
    assert.equal(room.said("countersign").length, 0);
    assert.deepEqual(room.said("device").map(({ state }) => state), ["receipt_mismatch"]);
  });
}

test("a browser without WebCrypto says so once and goes on without", async () => {
  const { room, maker } = begin({ crypto: {}, keys: sessionKey });
  room.open();
  room.head();
  await maker.settled;
  assert.equal(maker.state, "unavailable");
  assert.deepEqual(room.sent, [{ type: "device", state: "receipts_unavailable", detail: "" }]);
});

test("observers take no part", async () => {
  const { room, maker } = begin({ role: "observer" });
  await maker.settled;
  assert.deepEqual(room.sent, []);
});

test("the session key cannot be taken out of the browser, and the same one is found again", async () => {
  const kept = new Map();
  const store = { find: async (id) => kept.get(id) ?? null, keep: async (id, made) => kept.set(id, made) };
  const first = await sessionKey("p1", { crypto: webcrypto, store });
  assert.equal(first.key.extractable, false);
  assert.equal((await sessionKey("p1", { crypto: webcrypto, store })).publicHex, first.publicHex);
  assert.notEqual((await sessionKey("p2", { crypto: webcrypto, store })).publicHex, first.publicHex);
});

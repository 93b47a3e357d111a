// Receipts: this browser checks that the events it got lead to the head that the office signed, and countersigns it.
// Protocol: docs/PROTOCOL.md, "Receipts". The office's own signature is not checked here: its key would come from the same server.

import { canonical, lineOf } from "./canonical.js";
import { hex, sessionKey } from "./session-key.js";

const GENESIS = "0".repeat(64);
const ROLES = new Set(["enterprise", "reviewer", "expert"]);
const FIELDS = ["v", "kind", "inspection", "seq", "head", "at", "key"];

/**
 * One participant's receipts. `state`: `idle`, `ready`, `unavailable` (this browser cannot sign), `mismatch` (what the office signed is not
 * what was received: nothing is signed any more). Dispatches `change`.
 */
export class ReceiptMaker extends EventTarget {
  #me;
  #inspection;
  #crypto;
  #keys;
  #send = () => Promise.reject(new Error("not_connected"));
  #key = null;
  #keySeq = Infinity;
  #brought = false;
  #links = [];
  #head = null;
  #signed = "";
  #work = Promise.resolve();

  /** `keys`: how to get the session key, for tests. */
  constructor({ participant, inspection, role, crypto = globalThis.crypto, keys = sessionKey }) {
    super();
    this.#me = participant;
    this.#inspection = inspection;
    this.#crypto = crypto;
    this.#keys = keys;
    this.takesPart = ROLES.has(role);
    this.state = "idle";
    this.count = 0;
  }

  /** Listen to a connection of the room, the first or one that follows it. Its `lines` must be asked for. */
  follow(room) {
    if (!this.takesPart) return;
    const listen = (type, act) => room.addEventListener(type, ({ detail }) => this.#later(() => act(detail)));
    this.#send = (message) => room.send(message);
    listen("event", (event) => this.#event(event));
    listen("line", ({ seq, line }) => this.#line(seq, line));
    listen("head", (message) => this.#headGiven(message));
    room.addEventListener("status", ({ detail }) => detail.status === "open" && this.#later(() => this.#bring()));
  }

  /** One thing after the other: hashing and signing take turns with what arrives. */
  #later(act) {
    this.#work = this.#work.then(act).catch(() => {});
    return this.#work;
  }

  /** Resolves when everything that has arrived is dealt with. */
  get settled() {
    return this.#work;
  }

  /** The key goes into the log once; after a lost connection it is said again, which changes nothing. */
  async #bring() {
    if (this.state === "unavailable") return;
    try {
      this.#key ??= await this.#keys(this.#me, { crypto: this.#crypto });
    } catch {
      this.#become("unavailable");
      this.#report("receipts_unavailable");
      return;
    }
    if (this.#brought) return;
    // Not awaited: the answer may be long in coming, and events must not wait for it.
    this.#send({ type: "key", public: this.#key.publicHex }).then(() => { this.#brought = true; }, () => {});
  }

  async #event(event) {
    await this.#link(event.seq, event.prev, lineOf(this.#inspection, event), event.link);
    const { body } = event;
    if (event.type === "participant.key" && body.participant === this.#me) {
      this.#keySeq = body.public === this.#key?.publicHex ? event.seq : Infinity;
      if (this.state === "idle" && this.#keySeq !== Infinity) this.#become("ready");
    }
    await this.#sign();
  }

  async #line(seq, line) {
    const { prev, seq: own, inspection } = JSON.parse(line);
    const whole = own === seq && inspection === this.#inspection;
    await this.#link(seq, whole ? prev : "", line, null);
    await this.#sign();
  }

  /** The next link of the chain, or the end of all signing. `told`: what the server says the link is. */
  async #link(seq, prev, line, told) {
    if (this.state === "mismatch" || this.state === "unavailable" || !this.#crypto?.subtle) return;
    if (seq <= this.#links.length) return;
    const link = hex(await this.#crypto.subtle.digest("SHA-256", new TextEncoder().encode(line)));
    const continues = seq === this.#links.length + 1 && prev === (this.#links.at(-1) ?? GENESIS);
    if (!continues || (told !== null && told !== link)) this.#mismatch(seq);
    else this.#links.push(link);
  }

  async #headGiven({ receipt, signature }) {
    this.#head = { receipt, signature };
    await this.#sign();
  }

  async #sign() {
    if (this.state !== "ready" || !this.#head || this.#head.signature === this.#signed) return;
    const { receipt, signature } = this.#head;
    if (!this.#isFormed(receipt, signature)) return this.#mismatch(receipt?.seq ?? 0);
    if (receipt.seq < this.#keySeq || receipt.seq > this.#links.length) return;
    if (this.#links[receipt.seq - 1] !== receipt.head) return this.#mismatch(receipt.seq);
    this.#signed = signature;
    const data = new TextEncoder().encode(canonical({ receipt, signature }));
    const own = await this.#crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, this.#key.key, data);
    this.#send({ type: "countersign", signature, countersignature: hex(own) }).then(() => this.#kept(), () => {});
  }

  #isFormed(receipt, signature) {
    return (
      FIELDS.every((name) => name in receipt) && Object.keys(receipt).length === FIELDS.length &&
      receipt.v === 1 && receipt.kind === "receipt" && receipt.inspection === this.#inspection &&
      Number.isSafeInteger(receipt.seq) && /^[0-9a-f]{64}$/.test(receipt.head) && /^[0-9a-f]{128}$/.test(signature)
    );
  }

  #kept() {
    this.count += 1;
    this.dispatchEvent(new CustomEvent("change"));
  }

  #mismatch(seq) {
    this.#become("mismatch");
    this.#report("receipt_mismatch", String(seq));
  }

  #report(state, detail = "") {
    this.#send({ type: "device", state, detail }).catch(() => {});
  }

  #become(state) {
    this.state = state;
    this.dispatchEvent(new CustomEvent("change"));
  }
}

// The WebSocket of a room: events in order and without doubles, acknowledged messages, and a connection that
// comes back by itself. Protocol: docs/PROTOCOL.md, "Room".

import { reconnectDelay } from "./backoff.js";
import { ServerClock } from "./clock.js";

const ACK_TIMEOUT_MS = 10_000;
const PING_AFTER_MS = 4_000;
// A phone that changes networks keeps a dead socket "open" for minutes: silence this long means lost.
const SILENCE_MS = 9_000;
const HANDSHAKE_TIMEOUT_MS = 8_000;

/**
 * Dispatches CustomEvents whose detail is the message: `hello`, `event` (detail = the event), `presence`
 * (detail = participants), `media` (detail = slots), `line` and `head` (detail = the message), `bye` (detail = {code}), and `status` with detail
 * {status: "connecting" | "open" | "lost" | "closed", seconds}; `lost` repeats every second with the seconds waited.
 */
export class Room extends EventTarget {
  #url;
  #token;
  #WebSocket;
  #socket = null;
  #pending = new Map();
  #nextId = 1;
  #attempt = 0;
  #retryTimer = null;
  #tick = null;
  #lostAt = null;
  #heardAt = 0;
  #finished = false;
  #welcomed = false;
  #probe;
  #monotonic;

  /** `base` as the join answered; `after`: the last seq already known; `lines`: also the lines that nobody shows, to check the chain. */
  constructor({
    base,
    token,
    after = 0,
    lines = false,
    origin = globalThis.location?.href,
    clock = new ServerClock(),
    WebSocketClass = globalThis.WebSocket,
    monotonic = () => performance.now(),
    probe = askWhy,
  }) {
    super();
    this.#url = new URL(`${base.replace(/\/$/, "")}/room`, origin);
    this.#url.protocol = this.#url.protocol.replace("http", "ws");
    if (lines) this.#url.searchParams.set("lines", "1");
    this.#token = token;
    this.#WebSocket = WebSocketClass;
    this.#monotonic = monotonic;
    this.#probe = probe;
    this.lastSeq = after;
    this.clock = clock;
    this.status = "closed";
  }

  /** Milliseconds since 1970 UTC by the server's clock. */
  serverNow() {
    return this.clock.now();
  }

  /** Seconds since the connection was lost; 0 while it is open. */
  get lostSeconds() {
    return this.#lostAt === null ? 0 : Math.floor((this.#monotonic() - this.#lostAt) / 1000);
  }

  connect() {
    if (this.#socket || this.#finished) return;
    clearTimeout(this.#retryTimer);
    if (this.#lostAt === null) this.#say("connecting");
    this.#url.searchParams.set("after", this.lastSeq);
    const socket = new this.#WebSocket(this.#url.href, ["yunkan.v1", `bearer.${this.#token}`]);
    this.#socket = socket;
    this.#welcomed = false;
    this.#heardAt = this.#monotonic();
    this.#tick ??= setInterval(() => this.#watch(), 1000);
    socket.addEventListener("message", ({ data }) => socket === this.#socket && this.#receive(data));
    socket.addEventListener("close", () => socket === this.#socket && this.#lose());
  }

  /** Network is back or the page is visible again: do not wait for the timer. */
  retryNow() {
    if (this.#socket || this.#finished || this.#lostAt === null) return;
    this.#attempt = 0;
    this.connect();
  }

  /** Resolves with the ack; rejects with an Error that has `code` (`not_connected`, `lost`, or the server's) and `message`. */
  send(message) {
    if (this.status !== "open") return Promise.reject(failure("not_connected"));
    const id = `c${this.#nextId++}`;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#settle(id, "reject", failure("timeout")), ACK_TIMEOUT_MS);
      this.#pending.set(id, { resolve, reject, timer });
      this.#socket.send(JSON.stringify({ ...message, id }));
    });
  }

  close() {
    this.#finished = true;
    clearTimeout(this.#retryTimer);
    clearInterval(this.#tick);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.#rejectPending();
    this.#lostAt = null;
    this.#say("closed");
  }

  #receive(data) {
    this.#heardAt = this.#monotonic();
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return;
    }
    const handler = {
      hello: () => this.#welcome(message),
      event: () => this.#event("event", message.event),
      line: () => this.#event("line", message),
      head: () => this.#head(message),
      presence: () => this.#tell("presence", message.participants),
      media: () => this.#tell("media", message.slots),
      ack: () => this.#settle(message.re, "resolve", message),
      error: () => this.#settle(message.re, "reject", failure(message.code, message.message, message)),
      bye: () => this.#bye(message),
    }[message.type];
    handler?.();
  }

  #welcome(message) {
    this.#welcomed = true;
    this.clock.synchronise(message.now);
    this.#attempt = 0;
    this.#lostAt = null;
    this.#tell("hello", message);
    this.#say("open");
  }

  #event(type, told) {
    if (told.seq <= this.lastSeq) return;
    this.lastSeq = told.seq;
    if (told.at) this.clock.isAfter(told.at);
    this.#tell(type, told);
  }

  /** Signed a moment ago, every ten seconds: the clock's best witness. */
  #head(message) {
    this.clock.isAfter(message.receipt?.at);
    this.#tell("head", message);
  }

  #bye(message) {
    this.#tell("bye", message);
    // A restarting server closes the socket itself; we come back as after any loss.
    if (message.code !== "restarting") this.close();
  }

  #lose() {
    this.#socket?.close();
    this.#socket = null;
    this.#rejectPending();
    if (this.#finished) return;
    if (!this.#welcomed) this.#askWhy();
    this.#lostAt ??= this.#monotonic();
    this.#say("lost");
    this.#retryTimer = setTimeout(() => this.connect(), reconnectDelay(this.#attempt++));
  }

  /** A browser hides why a handshake failed; a plain request tells, and a refusal for good ends the trying. */
  async #askWhy() {
    const address = new URL(this.#url);
    address.protocol = address.protocol.replace("ws", "http");
    const refusal = await this.#probe(address.href, this.#token);
    if (refusal && !this.#welcomed && !this.#finished) this.#bye({ type: "bye", ...refusal });
  }

  #watch() {
    const silent = this.#monotonic() - this.#heardAt;
    const limit = this.status === "open" ? SILENCE_MS : HANDSHAKE_TIMEOUT_MS;
    if (this.#socket && silent > limit) this.#lose();
    else if (this.status === "open" && silent > PING_AFTER_MS) this.send({ type: "ping" }).catch(() => {});
    if (this.#lostAt !== null) this.#say("lost");
  }

  #settle(id, verdict, value) {
    const waiting = this.#pending.get(id);
    if (!waiting) return;
    this.#pending.delete(id);
    clearTimeout(waiting.timer);
    waiting[verdict](value);
  }

  #rejectPending() {
    for (const id of [...this.#pending.keys()]) this.#settle(id, "reject", failure("lost"));
  }

  #say(status) {
    this.status = status;
    this.#tell("status", { status, seconds: this.lostSeconds });
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

const REFUSALS = { 401: "expired", 403: "removed", 404: "expired", 410: "ended" };

async function askWhy(address, token) {
  const response = await fetch(address, { headers: { Authorization: `Bearer ${token}` } }).catch(() => null);
  const code = REFUSALS[response?.status];
  if (!code) return null;
  const body = await response.json().catch(() => null);
  return { code, reason: body?.error?.code ?? null };
}

function failure(code, message = code, details = {}) {
  return Object.assign(new Error(message), details, { code });
}

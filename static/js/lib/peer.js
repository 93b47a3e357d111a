// What publishing (WHIP, RFC 9725) and playing (WHEP) have in common: one peer connection at a time, offered over
// HTTP, candidates trickled by PATCH, replaced by a new one after a loss, until closed.

import { reconnectDelay } from "./backoff.js";

// Most networks name their host candidates at once: a short wait saves a round trip, TURN candidates trickle after.
const GATHER_MS = 250;
const CONNECT_TIMEOUT_MS = 15_000;
// "disconnected" often heals by itself within a second or two (a cell change); longer means a new connection.
const DISCONNECTED_GRACE_MS = 2_000;
// Answers that no repetition changes: not ours, not any more.
const FINAL_STATUS = new Set([400, 401, 403, 410, 415, 422]);

/**
 * Dispatches `status` with detail {status: "connecting" | "live" | "lost" | "closed", seconds, code?}: `lost` when a
 * connection that was live (or could not be made) is being replaced, `code` when the server refused for good.
 */
export class Peer extends EventTarget {
  #endpoint;
  #iceServers;
  #pc = null;
  #resource = null;
  #etag = null;
  #attempt = 0;
  #generation = 0;
  #timers = new Set();
  #lostAt = null;
  #closed = false;
  #wasLive = false;

  constructor({ endpoint, token, iceServers = [] }) {
    super();
    this.#endpoint = endpoint;
    this.token = token;
    this.#iceServers = iceServers.map((server) => (typeof server === "string" ? { urls: server } : server));
    this.status = "closed";
  }

  /** The current RTCPeerConnection, or null between two of them. */
  get connection() {
    return this.#pc;
  }

  get closed() {
    return this.#closed;
  }

  /** Subclasses add their transceivers here; called anew for every connection. */
  prepare(_pc) {
    throw new Error("not implemented");
  }

  /** Subclasses tune senders here once the answer is known. */
  async negotiated(_pc) {}

  async start() {
    this.#say("connecting");
    await this.#connect();
  }

  /** Give up the present connection and make a new one now. */
  async restart() {
    if (this.#closed) return;
    this.#attempt = 0;
    this.#drop();
    this.#lostAt ??= performance.now();
    this.#say(this.#wasLive ? "lost" : "connecting");
    await this.#connect();
  }

  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.#drop();
    this.#say("closed");
  }

  async #connect() {
    const generation = ++this.#generation;
    const current = () => !this.#closed && generation === this.#generation;
    const pc = new RTCPeerConnection({ iceServers: this.#iceServers, bundlePolicy: "max-bundle" });
    this.#pc = pc;
    const queue = [];
    pc.addEventListener("icecandidate", ({ candidate }) => {
      if (!current()) return;
      if (queue.sent) this.#trickle(pc, [candidate]);
      else queue.push(candidate);
    });
    pc.addEventListener("connectionstatechange", () => current() && this.#connectionState(pc, generation));
    this.#after(CONNECT_TIMEOUT_MS, () => current() && pc.connectionState !== "connected" && this.#lose());
    try {
      this.prepare(pc);
      await pc.setLocalDescription();
      await gathered(pc, GATHER_MS);
      if (!current()) return;
      const rest = queue.length;
      const { answer, resource, etag } = await this.#offer(pc.localDescription.sdp);
      if (!current()) {
        this.#delete(resource);
        return;
      }
      this.#resource = resource;
      this.#etag = etag;
      await pc.setRemoteDescription({ type: "answer", sdp: answer });
      await this.negotiated(pc);
      queue.sent = true;
      if (queue.length > rest && current()) this.#trickle(pc, queue.slice(rest));
    } catch (error) {
      if (!current()) return;
      if (error.final) this.#refuse(error);
      else this.#lose();
    }
  }

  async #offer(sdp) {
    const response = await fetch(this.#endpoint, {
      method: "POST",
      headers: { "Content-Type": "application/sdp", Authorization: `Bearer ${this.token}` },
      body: sdp,
    });
    if (!response.ok) throw await refusal(response);
    return {
      answer: await response.text(),
      resource: new URL(response.headers.get("Location") ?? "", new URL(this.#endpoint, location.href)).href,
      etag: response.headers.get("ETag"),
    };
  }

  #connectionState(pc, generation) {
    const state = pc.connectionState;
    if (state === "connected") {
      this.#attempt = 0;
      this.#lostAt = null;
      this.#wasLive = true;
      this.#say("live");
    } else if (state === "failed" || state === "closed") {
      this.#lose();
    } else if (state === "disconnected") {
      this.#after(DISCONNECTED_GRACE_MS, () => {
        if (generation === this.#generation && pc.connectionState === "disconnected") this.#lose();
      });
    }
  }

  #lose() {
    if (this.#closed) return;
    this.#drop();
    this.#lostAt ??= performance.now();
    this.#say(this.#wasLive ? "lost" : "connecting");
    this.#after(reconnectDelay(this.#attempt++), () => this.#connect());
  }

  #refuse(error) {
    this.#closed = true;
    this.#drop();
    this.#say("closed", error.code);
  }

  #drop() {
    this.#generation++;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#pc?.close();
    this.#pc = null;
    if (this.#resource) this.#delete(this.#resource);
    this.#resource = null;
  }

  #delete(resource) {
    const headers = { Authorization: `Bearer ${this.token}` };
    fetch(resource, { method: "DELETE", headers, keepalive: true }).catch(() => {});
  }

  async #trickle(pc, candidates) {
    if (!this.#resource || !pc.localDescription) return;
    const headers = { "Content-Type": "application/trickle-ice-sdpfrag", Authorization: `Bearer ${this.token}` };
    if (this.#etag) headers["If-Match"] = this.#etag;
    const body = sdpFragment(pc.localDescription.sdp, candidates);
    await fetch(this.#resource, { method: "PATCH", headers, body }).catch(() => {});
  }

  #after(ms, action) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, ms);
    this.#timers.add(timer);
  }

  #say(status, code) {
    this.status = status;
    const seconds = this.#lostAt === null ? 0 : Math.floor((performance.now() - this.#lostAt) / 1000);
    this.dispatchEvent(new CustomEvent("status", { detail: { status, seconds, code } }));
  }
}

function gathered(pc, limitMs) {
  if (pc.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, limitMs);
    pc.addEventListener("icegatheringstatechange", () => {
      if (pc.iceGatheringState !== "complete") return;
      clearTimeout(timer);
      resolve();
    });
  });
}

async function refusal(response) {
  const body = await response.json().catch(() => null);
  const code = body?.error?.code ?? `http_${response.status}`;
  return Object.assign(new Error(body?.error?.message ?? code), { code, final: FINAL_STATUS.has(response.status) });
}

/** RFC 8840 section 9: the candidates of the first m-line; null in `candidates` ends them. */
export function sdpFragment(sdp, candidates) {
  const line = (prefix) => sdp.split(/\r?\n/).find((text) => text.startsWith(prefix));
  const media = [];
  for (const candidate of candidates) {
    if (candidate === null || candidate.candidate === "") media.push("a=end-of-candidates");
    else media.push(`a=${candidate.candidate}`);
  }
  return `${[line("a=ice-ufrag:"), line("a=ice-pwd:"), line("m="), line("a=mid:"), ...media].filter(Boolean).join("\r\n")}\r\n`;
}

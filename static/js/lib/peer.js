// What publishing (WHIP, RFC 9725) and playing (WHEP) have in common: one peer connection at a time, offered over
// HTTP, candidates trickled by PATCH. When the way to the server changes, ICE is restarted on the same connection;
// when that does not help, a new connection replaces it, again and again, until closed.

import { reconnectDelay } from "./backoff.js";
import { restartedAnswer, sdpFragment } from "./ice-fragment.js";
import { iceServersOf } from "./ice-servers.js";
import { Hearing, PathWatch } from "./path-watch.js";
import { within } from "./time-limit.js";

// Most networks name their host candidates at once: a short wait saves a round trip, TURN candidates trickle after.
const GATHER_MS = 250;
const CONNECT_TIMEOUT_MS = 15_000;
// A restart whose request or checks were lost on the way is made again after this.
const RESTART_AGAIN_MS = 1_500;
// The same connection is worth so much patience; then a new one.
const RESTORE_TIMEOUT_MS = 9_000;
// An ICE restart that brings nothing within this time is told: until then nobody has missed anything.
const TELL_AFTER_MS = 700;
const LISTEN_EVERY_MS = 100;
const PATCH_TIMEOUT_MS = 4_000;
// Answers that no repetition changes: not ours, not any more.
const FINAL_STATUS = new Set([400, 401, 403, 410, 415, 422]);
// What the office has to put right first: asked for again, but not every few seconds.
const SLOW_CODES = new Set(["storage_full"]);
const SLOWLY = { base: 30_000, max: 30_000 };
// A browser that fails by itself, without the network, has so many attempts: what it cannot do it will not learn.
const FAULTS_AT_MOST = 3;

/** The server's answer to an offer when it is no; without `code` when there was no answer. `final`: repeating it changes nothing. */
class Refusal extends Error {
  constructor(code = null, message = "", final = false) {
    super(message);
    Object.assign(this, { code, final });
  }
}

/**
 * Dispatches `status` with detail {status: "connecting" | "live" | "restoring" | "lost" | "closed", seconds, code?, message?}: `restoring`
 * while a new way is sought for a connection that was live, `lost` when it is being replaced by another one. `code` and `message` are
 * the server's when it refused (`message` in the person's language); with `closed` it refused for good, or the browser cannot do it (`browser`).
 */
export class Peer extends EventTarget {
  #endpoint;
  #iceServers;
  #pc = null;
  #resource = null;
  #etag = null;
  #attempt = 0;
  #faults = 0;
  #refusal = null;
  #generation = 0;
  #timers = new Set();
  #lostAt = null;
  #closed = false;
  #wasLive = false;
  #monotonic;
  #watch;
  #restoring = null;
  #restarts = 0;

  constructor({ endpoint, token, iceServers = [], monotonic = () => performance.now() }) {
    super();
    this.#monotonic = monotonic;
    this.#watch = new PathWatch(() => this.#pc, monotonic);
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

  /** Subclasses see here, twice a second, what getStats() reports of the connection. */
  measured(_reports) {}

  async start() {
    this.#watch.addEventListener("change", () => this.renewPath());
    this.#watch.addEventListener("silence", () => this.status === "live" && this.#restore());
    this.#watch.addEventListener("look", ({ detail }) => this.measured(detail));
    this.#watch.start();
    this.#say("connecting");
    await this.#connect();
  }

  /** Give up the present connection and make a new one now. */
  async restart() {
    if (this.#closed) return;
    this.#attempt = 0;
    this.#drop();
    this.#lostAt ??= this.#monotonic();
    this.#say(this.#wasLive ? "lost" : "connecting");
    await this.#connect();
  }

  /**
   * The way to the server may be another one or gone: seek a new one for the same connection, and make a new connection
   * only if that fails. Where there is no connection, try to make one at once.
   */
  renewPath() {
    if (this.#closed || this.status === "closed") return;
    if (this.status === "live" || this.status === "restoring") this.#restore();
    else if (!this.#pc || this.status === "lost") this.restart();
  }

  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.#watch.stop();
    this.#drop();
    this.#say("closed");
  }

  async #connect() {
    const generation = ++this.#generation;
    const current = () => !this.#closed && generation === this.#generation;
    this.#restarts = 0;
    const pc = new RTCPeerConnection({ iceServers: this.#iceServers, bundlePolicy: "max-bundle" });
    this.#pc = pc;
    const queue = [];
    pc.addEventListener("icecandidate", ({ candidate }) => {
      if (!current()) return;
      if (queue.sent) this.#trickle(pc, [candidate]);
      else queue.push(candidate);
    });
    pc.addEventListener("connectionstatechange", () => current() && this.#connectionState(pc));
    this.#after(CONNECT_TIMEOUT_MS, () => current() && pc.connectionState !== "connected" && this.#lose());
    try {
      this.prepare(pc);
      await pc.setLocalDescription();
      await gathered(pc, GATHER_MS);
      if (!current()) return;
      const rest = queue.length;
      const { answer, resource, etag, iceServers } = await this.#offer(pc.localDescription.sdp);
      if (!current()) {
        this.#delete(resource);
        return;
      }
      this.#resource = resource;
      this.#etag = etag;
      if (iceServers.length > 0) this.#refresh(pc, iceServers);
      await pc.setRemoteDescription({ type: "answer", sdp: answer });
      await this.negotiated(pc);
      queue.sent = true;
      if (queue.length > rest && current()) this.#trickle(pc, queue.slice(rest));
    } catch (error) {
      if (current()) this.#failed(error);
    }
  }

  #failed(error) {
    if (!(error instanceof Refusal)) {
      this.#faults += 1;
      if (this.#faults >= FAULTS_AT_MOST) this.#refuse(new Refusal("browser", error.message));
      else this.#lose();
    } else if (error.final) {
      this.#refuse(error);
    } else {
      this.#lose(error.code ? error : null);
    }
  }

  async #offer(sdp) {
    const response = await fetch(this.#endpoint, {
      method: "POST",
      headers: { "Content-Type": "application/sdp", Authorization: `Bearer ${this.token}` },
      body: sdp,
    }).catch(() => { throw new Refusal(); });
    if (!response.ok) throw await refusal(response);
    return {
      answer: await response.text().catch(() => { throw new Refusal(); }),
      resource: new URL(response.headers.get("Location") ?? "", new URL(this.#endpoint, location.href)).href,
      etag: response.headers.get("ETag"),
      iceServers: iceServersOf(response.headers.get("Link")),
    };
  }

  /** Credentials of TURN servers run out: these are for what comes later, an ICE restart or another connection. */
  #refresh(pc, iceServers) {
    this.#iceServers = iceServers;
    pc.setConfiguration({ ...pc.getConfiguration(), iceServers });
  }

  #connectionState(pc) {
    const state = pc.connectionState;
    if (state === "connected") {
      this.#attempt = 0;
      this.#wasLive = true;
      if (!this.#restoring) this.#live();
    } else if (state === "disconnected" || (state === "failed" && this.status === "live")) {
      this.#restore();
    } else if (state === "failed" || state === "closed") {
      this.#lose();
    }
  }

  #live() {
    this.#lostAt = null;
    this.#refusal = null;
    this.#faults = 0;
    this.#say("live");
  }

  // -- another way for the same connection

  /** Restart ICE until something is heard from the server; what still comes in by the old way is as good. */
  async #restore() {
    const begun = this.#monotonic();
    if (this.#restoring) {
      // The network that the restart in hand was made for is gone as well.
      this.#restoring.restartAt = begun;
      return;
    }
    const effort = { restartAt: begun, answered: false };
    this.#restoring = effort;
    const pc = this.#pc;
    const current = () => this.#restoring === effort;
    const hearing = new Hearing();
    hearing.heard(await statsOf(pc));
    while (current()) {
      if (this.#monotonic() >= effort.restartAt) {
        effort.restartAt = this.#monotonic() + RESTART_AGAIN_MS;
        effort.answered = false;
        this.#restartIce(pc, effort);
      }
      await pause(LISTEN_EVERY_MS);
      const heard = hearing.heard(await statsOf(pc));
      if (!current()) return;
      if (effort.answered && heard && pc.connectionState === "connected") {
        this.#restoring = null;
        this.#live();
        return;
      }
      this.#judgeEffort(this.#monotonic() - begun);
    }
  }

  #judgeEffort(waited) {
    if (waited > RESTORE_TIMEOUT_MS) this.#lose();
    else if (waited > TELL_AFTER_MS && this.status === "live") {
      this.#lostAt ??= this.#monotonic() - waited;
      this.#say("restoring");
    }
  }

  /** New credentials on both sides (RFC 9725 section 4.3.3). A failure is left to the next attempt. */
  async #restartIce(pc, effort) {
    const serial = ++this.#restarts;
    const current = () => this.#restoring === effort && serial === this.#restarts;
    try {
      // The server learns our addresses from our checks: no need to wait for candidates, nor to send them.
      await pc.setLocalDescription(await pc.createOffer({ iceRestart: true }));
      if (!current() || !this.#resource) return;
      const response = await this.#patch(sdpFragment(pc.localDescription.sdp, []), "*");
      if (!current()) return;
      if (!response.ok) {
        // The server holds the connection for ended.
        this.#lose();
        return;
      }
      const answer = restartedAnswer(pc.remoteDescription.sdp, await response.text());
      if (!answer || !current()) return;
      this.#etag = response.headers.get("ETag");
      await pc.setRemoteDescription({ type: "answer", sdp: answer });
      effort.answered = true;
    } catch {
      // No way to the server at all, for now.
    }
  }

  #lose(refusal = null) {
    if (this.#closed) return;
    this.#drop();
    this.#refusal = refusal;
    this.#lostAt ??= this.#monotonic();
    this.#say(this.#wasLive ? "lost" : "connecting");
    const pace = SLOW_CODES.has(refusal?.code) ? SLOWLY : undefined;
    this.#after(reconnectDelay(this.#attempt++, Math.random(), pace), () => this.#connect());
  }

  #refuse(refusal) {
    this.#closed = true;
    this.#watch.stop();
    this.#drop();
    this.#refusal = refusal;
    this.#say("closed");
  }

  #drop() {
    this.#generation++;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#restoring = null;
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
    if (!this.#resource || !pc.localDescription || this.#restarts > 0) return;
    await this.#patch(sdpFragment(pc.localDescription.sdp, candidates), this.#etag).catch(() => {});
  }

  #patch(body, etag) {
    const headers = { "Content-Type": "application/trickle-ice-sdpfrag", Authorization: `Bearer ${this.token}` };
    if (etag) headers["If-Match"] = etag;
    return within(PATCH_TIMEOUT_MS, (signal) => fetch(this.#resource, { method: "PATCH", headers, body, signal }));
  }

  #after(ms, action) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, ms);
    this.#timers.add(timer);
  }

  #say(status) {
    this.status = status;
    const seconds = this.#lostAt === null ? 0 : Math.floor((this.#monotonic() - this.#lostAt) / 1000);
    const { code, message } = this.#refusal ?? {};
    this.dispatchEvent(new CustomEvent("status", { detail: { status, seconds, code, message } }));
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
  const { code = `http_${response.status}`, message = "" } = body?.error ?? {};
  return new Refusal(code, message, FINAL_STATUS.has(response.status));
}

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

async function statsOf(pc) {
  const stats = await pc.getStats?.().catch(() => null);
  return stats ? [...stats.values()] : [];
}

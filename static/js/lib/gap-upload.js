// Sending what the server lacks from the phone's own recordings: only the files that show something of a gap, piece by
// piece, resumed where the server says, repeated without limit, until nothing is left or the time for it is over.

import { reconnectDelay } from "./backoff.js";
import { OLDEST_MS, fillableSeconds, neededRuns, outsidePauses, settledRuns } from "./recording-runs.js";
import { within } from "./time-limit.js";

// Refusals that no repetition changes.
const OVER = new Set([401, 403, 404, 410]);
// Nobody will ask for these files any more, whoever comes back with which token.
const OVER_FOR_ALL = new Set([404, 410]);
// What the server will never take of a run: it is forgotten.
const USELESS = new Set(["recording_not_needed", "recording_of_a_pause", "bad_recording", "invalid", "bad_body", "too_large"]);
// A file that comes out damaged every time is damaged where it lies.
const DAMAGED_AT_MOST = 5;
const ANSWER_WITHIN_MS = 30_000;
// The server takes no longer file; one of a page that slept may claim to be.
const LONGEST_S = 120;
// A file that another page of this phone still writes is looked at again after this.
const ELSEWHERE_MS = 3000;
const LIVE_BYTES_PER_S = 125_000;

/**
 * `state`: idle, asking (what is missing), sending, waiting (no network, tries again), done, over (too late, or the seat is not ours any more).
 * `left`: {seconds, bytes} that the server lacks and we have. Dispatches `change`.
 */
export class GapUpload extends EventTarget {
  #base;
  #token;
  #inspection;
  #store;
  #fetch;
  #wait;
  #working = null;
  #again = false;
  #closed = false;
  #pending = [];
  #sent = 0;
  #damaged = new Map();
  #hasSettled = false;
  #clock;

  /**
   * `store`: a recording store; `clock`: a ServerClock that profits from the server's answers; `live`: whether the camera is being sent at the
   * same time, which goes first.
   */
  constructor({ base, token, inspection, store, clock = null, fetch = globalThis.fetch.bind(globalThis), wait = pause }) {
    super();
    this.#base = base.replace(/\/$/, "");
    this.#token = token;
    this.#inspection = inspection;
    this.#store = store;
    this.#clock = clock;
    this.#fetch = fetch;
    this.#wait = wait;
    this.state = "idle";
    this.live = true;
    this.gaps = [];
    this.left = { seconds: 0, bytes: 0 };
    this.deadline = null;
  }

  /** Ask what is missing and send it; resolves when there is nothing more to do now. A call in between makes it look again. */
  check() {
    this.expect();
    this.#again = true;
    this.#working ??= this.#work().finally(() => { this.#working = null; });
    return this.#working;
  }

  /** What was known is not true any more; `check()` follows. */
  expect() {
    if (this.state === "idle" || this.state === "done") this.#say("asking");
  }

  close() {
    this.#closed = true;
  }

  /** Whether what is still to be sent would outlive this page. */
  get survivesReload() {
    return this.#store.survivesReload;
  }

  async #work() {
    for (let attempt = 0; this.#again && !this.#closed; ) {
      this.#again = false;
      try {
        await this.#round();
        attempt = 0;
        if (this.#again && this.state === "asking") await this.#wait(ELSEWHERE_MS);
      } catch (error) {
        if (this.#closed) return;
        if (OVER.has(error.status)) {
          if (OVER_FOR_ALL.has(error.status)) await this.#forgetAll();
          this.#say("over");
          return;
        }
        this.#say("waiting");
        this.#again = true;
        await this.#wait(reconnectDelay(attempt++));
      }
    }
  }

  async #round() {
    const answer = await this.#ask("GET", "/gaps");
    const now = Date.parse(answer.now);
    this.#clock?.isAfter(answer.now);
    this.deadline = answer.deadline;
    this.gaps = answer.gaps.map(({ from, to }) => ({ from: Date.parse(from), to: Date.parse(to) }));
    const pauses = (answer.pauses ?? []).map(({ from, to }) => ({ from: Date.parse(from), to: to && Date.parse(to) }));
    const replaced = answer.replaced_at ? Date.parse(answer.replaced_at) : null;
    const mine = async () => (await this.#runs(now)).filter(({ started_at: began }) => replaced === null || began < replaced);
    const runs = (await mine()).map((run) => outsidePauses(run, pauses));
    if (answer.settled) {
      for (const run of settledRuns(runs, this.gaps, Date.parse(answer.settled))) await this.#store.remove(run.id);
    }
    const needed = neededRuns(runs, this.gaps).filter(({ open }) => !open);
    for (this.#pending = needed; this.#pending.length > 0; this.#pending = this.#pending.slice(1)) {
      const [run] = this.#pending;
      this.#sent = 0;
      this.#tell();
      await this.#send(run);
      await this.#store.remove(run.id);
    }
    this.left = { seconds: 0, bytes: 0 };
    // Another page of this phone has something that is needed and still writes it: not all has been sent.
    this.#again ||= neededRuns(runs, this.gaps).some(({ elsewhere }) => elsewhere);
    // After the end the server may still be writing what it received: our files go when that is certain.
    const isWriting = answer.deadline && answer.settled && now - Date.parse(answer.settled) > 1000;
    if (isWriting) this.#again ||= (await mine()).some(({ open }) => !open);
    if (!this.#again && (answer.deadline || replaced !== null)) await this.#settle();
    this.#say(this.#again ? "asking" : "done");
  }

  /** Nothing more will come from this device: nobody need wait for it. */
  async #settle() {
    if (this.#hasSettled) return;
    await this.#ask("POST", "/gaps/done");
    this.#hasSettled = true;
  }

  async #forgetAll() {
    const runs = await this.#store.list().catch(() => []);
    for (const { id } of runs.filter((run) => run.inspection === this.#inspection)) await this.#store.remove(id).catch(() => {});
  }

  /** Our runs on the server's clock; those that nobody will ask for any more are forgotten. */
  async #runs(now) {
    const behind = now - Date.now();
    const runs = [];
    for (const run of await this.#store.list()) {
      if (run.started_at < now - OLDEST_MS && !run.open) await this.#store.remove(run.id);
      // Recorded before the server had told its time: by this device's clock, as far off as it is now.
      else if (run.inspection === this.#inspection) runs.push(run.synchronised === false ? { ...run, started_at: run.wall + behind } : run);
    }
    return runs;
  }

  async #send(run) {
    this.#say("sending");
    try {
      const announced = await this.#ask("POST", "/recordings", {
        run: run.id,
        media_type: run.media_type,
        started_at: new Date(run.started_at).toISOString(),
        duration_s: Math.min(Math.max(run.duration_s, 0.001), LONGEST_S),
        chunks: run.chunks.map(({ size, sha256 }) => ({ size, sha256 })),
      });
      await this.#pieces(run, announced);
    } catch (error) {
      if (!USELESS.has(error.code) && !this.#isDamaged(run, error)) throw error;
    }
  }

  #isDamaged(run, error) {
    if (error.code !== "wrong_digest") return false;
    const times = (this.#damaged.get(run.id) ?? 0) + 1;
    this.#damaged.set(run.id, times);
    return times >= DAMAGED_AT_MOST;
  }

  async #pieces(run, announced) {
    let { state, offset } = announced;
    while (state === "receiving" && !this.#closed) {
      const chunk = run.chunks.find((one) => one.offset === offset);
      const bytes = chunk ? await this.#store.read(run.id, chunk.offset, chunk.size) : new ArrayBuffer(0);
      ({ state, offset } = await this.#put(announced.id, offset, bytes, chunk?.sha256));
      this.#sent = offset;
      this.#tell();
      // The live picture goes first.
      if (this.live && chunk) await this.#wait((chunk.size / LIVE_BYTES_PER_S) * 1000);
    }
    if (this.#closed) throw new Error("closed");
  }

  async #put(id, offset, bytes, sha256) {
    const headers = sha256 ? { "Content-Digest": `sha-256=:${base64(sha256)}:` } : {};
    try {
      return await this.#ask("PUT", `/recordings/${id}?offset=${offset}`, bytes, headers);
    } catch (error) {
      // Somebody was quicker (an answer that was lost, another tab): go on where the server is.
      if (error.code === "wrong_offset") return { state: "receiving", offset: error.offset };
      throw error;
    }
  }

  async #ask(method, path, body, headers = {}) {
    const isBytes = body instanceof ArrayBuffer;
    const response = await within(ANSWER_WITHIN_MS, (signal) => this.#fetch(this.#base + path, {
      method,
      headers: {
        Authorization: `Bearer ${this.#token}`,
        ...(body === undefined ? {} : { "Content-Type": isBytes ? "application/octet-stream" : "application/json" }),
        ...headers,
      },
      body: body === undefined || isBytes ? body : JSON.stringify(body),
      signal,
    }));
    const answer = await response.json().catch(() => null);
    if (response.ok) return answer;
    const error = answer?.error ?? {};
    throw Object.assign(new Error(error.code ?? `http_${response.status}`), { ...error, status: response.status });
  }

  #tell() {
    const bytes = this.#pending.reduce((sum, { size }) => sum + size, -this.#sent);
    this.left = { seconds: fillableSeconds(this.#pending, this.gaps), bytes };
    this.dispatchEvent(new CustomEvent("change"));
  }

  #say(state) {
    this.state = state;
    this.dispatchEvent(new CustomEvent("change"));
  }
}

function base64(hex) {
  return btoa(String.fromCharCode(...hex.match(/../g).map((pair) => Number.parseInt(pair, 16))));
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

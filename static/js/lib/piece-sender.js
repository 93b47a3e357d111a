// How a phone sends what it keeps: announced first, then piece by piece where the server says, with the digest of each.

import { within } from "./time-limit.js";

const ANSWER_WITHIN_MS = 30_000;
const LIVE_BYTES_PER_S = 125_000;

/** `live`: the camera is being sent at the same time, and goes first. */
export class PieceSender {
  #base;
  #token;
  #store;
  #fetch;
  #wait;
  #closed = false;

  constructor({ base, token, store, fetch = globalThis.fetch.bind(globalThis), wait = pause }) {
    this.#base = base.replace(/\/$/, "");
    this.#token = token;
    this.#store = store;
    this.#fetch = fetch;
    this.#wait = wait;
    this.live = true;
  }

  close() {
    this.#closed = true;
  }

  get closed() {
    return this.#closed;
  }

  wait(ms) {
    return this.#wait(ms);
  }

  /** All pieces of `run` from where `announced` ({id, state, offset}) says, below `path`; `told(offset)` after each. */
  async send(run, path, announced, told = () => {}) {
    let { state, offset } = announced;
    while (state === "receiving" && !this.#closed) {
      const chunk = run.chunks.find((one) => one.offset === offset);
      const bytes = chunk ? await this.#read(run, chunk) : new ArrayBuffer(0);
      ({ state, offset } = await this.#put(`${path}/${announced.id}?offset=${offset}`, bytes, chunk?.sha256));
      told(offset);
      if (this.live && chunk) await this.#wait((chunk.size / LIVE_BYTES_PER_S) * 1000);
    }
    if (this.#closed) throw new Error("closed");
  }

  async #read(run, { offset, size }) {
    try {
      return await this.#store.read(run.id, offset, size);
    } catch (cause) {
      throw Object.assign(new Error("unreadable", { cause }), { code: "unreadable" });
    }
  }

  async #put(address, bytes, sha256) {
    const headers = sha256 ? { "Content-Digest": `sha-256=:${base64(sha256)}:` } : {};
    try {
      return await this.ask("PUT", address, bytes, headers);
    } catch (error) {
      // Somebody was quicker (an answer that was lost, another tab): go on where the server is.
      if (error.code === "wrong_offset") return { state: "receiving", offset: error.offset };
      throw error;
    }
  }

  /** The answer's JSON. Rejects with the server's error: `code`, `status`, and what belongs to it. */
  async ask(method, path, body, headers = {}) {
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
}

function base64(hex) {
  return btoa(String.fromCharCode(...hex.match(/../g).map((pair) => Number.parseInt(pair, 16))));
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

// Where the phone's own recordings are kept: in the origin-private file system, or in memory where a browser has none
// (private browsing). Both have the same face; what is in memory does not survive a reload.

import { randomId } from "./random-id.js";
import { MOST_BYTES, MOST_BYTES_IN_MEMORY, OLDEST_MS } from "./recording-runs.js";

/**
 * A run as its lines tell it: {id, open, elsewhere, ...about, chunks: [{start, end, size, sha256, offset}], duration_s}. `open`: it is still being
 * written; `elsewhere`: by another page.
 */
export function runFrom({ id, open, elsewhere = false, lines }) {
  const about = lines.find((line) => line.started_at !== undefined);
  if (!about) return null;
  let offset = 0;
  const chunks = lines.filter((line) => line.chunk).map(({ chunk }) => {
    const placed = { ...chunk, offset };
    offset += chunk.size;
    return placed;
  });
  return { id, open, elsewhere, ...about, chunks, size: offset, duration_s: chunks.at(-1)?.end ?? 0 };
}

class Store {
  /** All recordings that can be read now, oldest first; one without a whole chunk is none. */
  async list() {
    return (await this.#all()).filter(({ kind }) => kind !== "photo");
  }

  /** The photos, likewise: they are never dropped to make room for a recording. */
  async photos() {
    return (await this.#all()).filter(({ kind }) => kind === "photo");
  }

  async #all() {
    const runs = (await this.lines()).map(runFrom).filter(Boolean);
    return runs.sort((a, b) => a.started_at - b.started_at);
  }
}

export class MemoryStore extends Store {
  #runs = new Map();

  get survivesReload() {
    return false;
  }

  get mostBytes() {
    return MOST_BYTES_IN_MEMORY;
  }

  async begin(id, about) {
    this.#runs.set(id, { open: true, bytes: [], lines: [about] });
  }

  async append(id, bytes, about) {
    const run = this.#runs.get(id);
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    const sha256 = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    const chunk = { ...about, size: bytes.byteLength, sha256 };
    run.bytes.push(new Uint8Array(bytes));
    run.lines.push({ chunk });
    return chunk;
  }

  async finish(id, about) {
    const run = this.#runs.get(id);
    if (!run) return;
    run.open = false;
    run.lines.push(about);
  }

  async lines() {
    return [...this.#runs].map(([id, { open, lines }]) => ({ id, open, lines }));
  }

  async read(id, offset, size) {
    const blob = new Blob(this.#runs.get(id).bytes);
    return blob.slice(offset, offset + size).arrayBuffer();
  }

  async remove(id) {
    if (!this.#runs.get(id)?.open) this.#runs.delete(id);
  }

  async room() {
    return { used: (await this.list()).reduce((sum, { size }) => sum + size, 0), free: Infinity };
  }
}

export class FileStore extends Store {
  #worker;
  #waiting = new Map();
  #number = 0;

  constructor(worker) {
    super();
    this.#worker = worker;
    worker.addEventListener("message", ({ data: { number, value, error } }) => {
      const { resolve, reject } = this.#waiting.get(number) ?? {};
      this.#waiting.delete(number);
      if (error) reject?.(Object.assign(new Error(error.message), { name: error.name }));
      else resolve?.(value);
    });
    worker.addEventListener("error", () => {
      for (const { reject } of this.#waiting.values()) reject(new Error("worker"));
      this.#waiting.clear();
    });
  }

  get survivesReload() {
    return true;
  }

  get mostBytes() {
    return MOST_BYTES;
  }

  #ask(act, args, transfer = []) {
    this.#number += 1;
    const number = this.#number;
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject });
      this.#worker.postMessage({ number, act, ...args }, transfer);
    });
  }

  begin(id, about) {
    return this.#ask("begin", { id, about });
  }

  append(id, bytes, about) {
    return this.#ask("append", { id, bytes, about }, [bytes]);
  }

  finish(id, about) {
    return this.#ask("finish", { id, about });
  }

  lines() {
    return this.#ask("list", {});
  }

  read(id, offset, size) {
    return this.#ask("read", { id, offset, size });
  }

  remove(id) {
    return this.#ask("remove", { id });
  }

  /** Bytes that our runs take, and that the browser still gives. */
  async room() {
    const used = (await this.list()).reduce((sum, { size }) => sum + size, 0);
    const { quota = Infinity, usage = 0 } = (await navigator.storage.estimate?.()) ?? {};
    return { used, free: Math.max(0, quota - usage) };
  }
}

let shared = null;

/** The store of this page; the same one for everybody who asks. */
export function openStore() {
  shared ??= openAny();
  return shared;
}

async function openAny() {
  const store = await openWorking(() => new FileStore(new Worker(new URL("../workers/recording-store.js", import.meta.url), { type: "module" })));
  if (store.survivesReload) {
    // Asked for, not needed: without it the browser may clear what is not sent yet when the phone runs short of room.
    navigator.storage.persist?.().catch(() => {});
    await forgetOld(store).catch(() => {});
  }
  return store;
}

/** The store that `make` gives, if bytes that are written there can be read again; else one in memory. */
export async function openWorking(make) {
  try {
    const store = make();
    if (await canKeep(store)) return store;
  } catch {
    // No such file system here, or an older form of it.
  }
  return new MemoryStore();
}

async function canKeep(store) {
  const id = `probe-${randomId()}`;
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  await store.begin(id, {});
  await store.append(id, bytes.slice().buffer, {});
  await store.finish(id, {});
  const read = new Uint8Array(await store.read(id, 0, bytes.length));
  await store.remove(id);
  await store.list();
  return read.join() === bytes.join();
}

/** What nobody came back for: by this device's clock, as the server may not be asked. */
async function forgetOld(store) {
  const oldest = Date.now() - OLDEST_MS;
  for (const { id, open, wall } of await store.list()) if (!open && wall < oldest) await store.remove(id);
}

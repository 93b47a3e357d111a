import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { MOST_BYTES, MOST_BYTES_IN_MEMORY } from "../../static/js/lib/recording-runs.js";
import { FileStore, MemoryStore, openWorking } from "../../static/js/lib/recording-store.js";

/** A phone's private file system: one handle for each file at a time. `older`: its handles answer with promises; `forgets`: writes are lost. */
class Disk {
  files = new Map();
  locked = new Set();
  older = false;
  forgets = false;

  folder() {
    return {
      getDirectoryHandle: async () => this.folder(),
      getFileHandle: async (name, { create = false } = {}) => {
        if (!this.files.has(name) && !create) throw new DOMException("none", "NotFoundError");
        if (!this.files.has(name)) this.files.set(name, new Uint8Array(0));
        return this.entry(name);
      },
      removeEntry: async (name) => {
        if (this.locked.has(name)) throw new DOMException("locked", "NoModificationAllowedError");
        this.files.delete(name);
      },
      keys: () => this.files.keys(),
    };
  }

  entry(name) {
    return {
      createSyncAccessHandle: async () => {
        if (this.locked.has(name)) throw new DOMException("locked", "NoModificationAllowedError");
        this.locked.add(name);
        return this.handle(name);
      },
      getFile: async () => new Blob([this.files.get(name)]),
    };
  }

  handle(name) {
    const answer = (value) => (this.older ? Promise.resolve(value) : value);
    const bytes = () => this.files.get(name);
    return {
      getSize: () => answer(bytes().length),
      flush: () => answer(),
      close: () => answer(this.locked.delete(name)),
      truncate: (size) => answer(this.files.set(name, bytes().slice(0, size))),
      read: (into, { at }) => {
        const part = bytes().subarray(at, at + into.length);
        into.set(part);
        return part.length;
      },
      write: (data, { at }) => {
        if (Number.isNaN(Number(at))) throw new TypeError("at");
        if (this.forgets) return data.length;
        const grown = new Uint8Array(Math.max(bytes().length, at + data.length));
        grown.set(bytes());
        grown.set(data, at);
        this.files.set(name, grown);
        return data.length;
      },
    };
  }
}

const WORKER = readFileSync(new URL("../../static/js/workers/recording-store.js", import.meta.url), "utf8");

/** The store of a page of its own on `disk`: the real worker, without a thread. */
function pageOn(disk) {
  const worker = new EventTarget();
  const listen = (_, heard) => { worker.postMessage = (data) => heard({ data }); };
  const answer = (data) => worker.dispatchEvent(Object.assign(new Event("message"), { data }));
  const navigator = { storage: { getDirectory: async () => disk.folder() } };
  new Function("addEventListener", "postMessage", "navigator", WORKER)(listen, answer, navigator);
  return new FileStore(worker);
}

const about = { inspection: "i", media_type: "video/webm", started_at: 1000, wall: 1000 };
const bytes = (...values) => Uint8Array.from(values).buffer;

for (const older of [false, true]) {
  test(`what is written comes back whole from a file system of the ${older ? "older" : "present"} form`, async () => {
    const disk = Object.assign(new Disk(), { older });
    const store = pageOn(disk);
    await store.begin("r", about);
    await store.append("r", bytes(1, 2, 3), { start: 0, end: 1 });
    await store.append("r", bytes(4, 5), { start: 1, end: 2 });
    await store.finish("r", { finished: true });
    const [run] = await store.list();
    assert.deepEqual([run.size, run.duration_s, run.open, run.chunks[1].offset], [5, 2, false, 3]);
    assert.deepEqual([...new Uint8Array(await store.read("r", 3, 2))], [4, 5]);
    assert.equal(disk.locked.size, 0);
  });

  test(`a file system of the ${older ? "older" : "present"} form is tried and left as it was`, async () => {
    const disk = Object.assign(new Disk(), { older });
    const page = pageOn(disk);
    const store = await openWorking(() => page);
    assert.equal(store, page);
    assert.deepEqual([disk.files.size, disk.locked.size], [0, 0]);
  });
}

test("a file system that does not keep what is written is not used", async () => {
  const page = pageOn(Object.assign(new Disk(), { forgets: true }));
  const store = await openWorking(() => page);
  assert.ok(store instanceof MemoryStore);
  assert.equal((await openWorking(() => { throw new Error("no worker"); })).survivesReload, false);
});

test("a file that another page of this phone still writes is seen and left alone", async () => {
  const disk = new Disk();
  const first = pageOn(disk);
  const second = pageOn(disk);
  await first.begin("r", about);
  await first.append("r", bytes(1, 2, 3), { start: 0, end: 1 });
  const [seen] = await second.list();
  assert.deepEqual([seen.id, seen.open, seen.elsewhere, seen.size], ["r", true, true, 3]);
  await second.remove("r");
  await first.finish("r", { finished: true });
  const [closed] = await second.list();
  assert.deepEqual([closed.open, closed.elsewhere, closed.size], [false, false, 3]);
});

test("memory holds less than a disk", () => {
  assert.equal(new MemoryStore().mostBytes, MOST_BYTES_IN_MEMORY);
  assert.equal(MOST_BYTES_IN_MEMORY, 40 * 2 ** 20);
  assert.ok(MOST_BYTES > MOST_BYTES_IN_MEMORY);
});

// Writes recordings to the origin-private file system: only a worker gets the handles whose writes stay when the page dies.
// In older browsers the methods of such a handle, read() and write() apart, answer with promises: all are awaited.
// Each run is two files: <id>.media grows by chunks, <id>.index has one JSON line per chunk, written after it. What the
// index does not name was not finished and does not count.

const FOLDER = "yunkan-recordings";
const open = new Map();
let folder = null;

async function directory() {
  folder ??= await (await navigator.storage.getDirectory()).getDirectoryHandle(FOLDER, { create: true });
  return folder;
}

async function handle(name, { create = false } = {}) {
  const file = await (await directory()).getFileHandle(name, { create });
  return file.createSyncAccessHandle();
}

async function sha256(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function appendLine(file, value) {
  file.write(new TextEncoder().encode(`${JSON.stringify(value)}\n`), { at: await file.getSize() });
  await file.flush();
}

const ACTS = {
  async begin({ id, about }) {
    const media = await handle(`${id}.media`, { create: true });
    const index = await handle(`${id}.index`, { create: true });
    await appendLine(index, about);
    open.set(id, { media, index });
  },

  async append({ id, bytes, about }) {
    const files = open.get(id);
    if (!files) throw new Error("not open");
    const digest = await sha256(bytes);
    const offset = await files.media.getSize();
    const written = files.media.write(new Uint8Array(bytes), { at: offset });
    await files.media.flush();
    if (written !== bytes.byteLength) {
      // A full disk may take a piece of it: that piece is not named by the index and is cut off again.
      await files.media.truncate(offset);
      throw Object.assign(new Error("full"), { name: "QuotaExceededError" });
    }
    const chunk = { ...about, size: bytes.byteLength, sha256: digest };
    await appendLine(files.index, { chunk });
    return chunk;
  },

  async finish({ id, about }) {
    const files = open.get(id);
    if (!files) return;
    await appendLine(files.index, about);
    open.delete(id);
    await files.media.close();
    await files.index.close();
  },

  async list() {
    const found = [];
    for await (const name of (await directory()).keys()) {
      if (!name.endsWith(".index")) continue;
      const id = name.slice(0, -".index".length);
      if (open.has(id)) found.push({ id, open: true, lines: await readLines(open.get(id).index) });
      else found.push({ id, ...(await readClosed(name)) });
    }
    return found;
  },

  async read({ id, offset, size }) {
    const bytes = new Uint8Array(size);
    const file = open.get(id)?.media ?? (await handle(`${id}.media`));
    const read = file.read(bytes, { at: offset });
    if (!open.has(id)) await file.close();
    return bytes.slice(0, read).buffer;
  },

  async remove({ id }) {
    if (open.has(id)) return;
    for (const name of [`${id}.media`, `${id}.index`]) {
      await (await directory()).removeEntry(name).catch(() => {});
    }
  },
};

async function readLines(file) {
  const bytes = new Uint8Array(await file.getSize());
  file.read(bytes, { at: 0 });
  return linesOf(new TextDecoder().decode(bytes));
}

function linesOf(text) {
  const lines = [];
  for (const line of text.split("\n")) {
    try {
      lines.push(JSON.parse(line));
    } catch {
      // The last line of a page that died while writing it.
    }
  }
  return lines;
}

async function readClosed(name) {
  let file;
  try {
    file = await handle(name);
  } catch {
    return readElsewhere(name);
  }
  const lines = await readLines(file);
  await file.close();
  return { open: false, lines };
}

/** Another page writes it, so it is that page's to send; what it has so far can be looked at without a handle. */
async function readElsewhere(name) {
  const text = await (await directory()).getFileHandle(name).then((file) => file.getFile()).then((file) => file.text()).catch(() => "");
  return { open: true, elsewhere: true, lines: linesOf(text) };
}

// One after another: two acts on one file would refuse each other.
let queue = Promise.resolve();

addEventListener("message", ({ data: { number, act, ...args } }) => {
  queue = queue.then(async () => {
    try {
      const value = await ACTS[act](args);
      postMessage({ number, value }, value instanceof ArrayBuffer ? [value] : []);
    } catch (error) {
      postMessage({ number, error: { name: error.name, message: error.message } });
    }
  });
});

// The browser's own key for receipts: ECDSA on P-256, which cannot be taken out of it, kept so that a reload goes on with it.

const DATABASE = "yunkan-receipts";
const STORE = "keys";
const KEPT_DAYS = 7;

/**
 * The key of a participant in this browser, made if there is none. Without storage (private browsing) it lasts as long as the page.
 *
 * @returns {Promise<{key: CryptoKey, publicHex: string}>} rejects where the browser has no WebCrypto (no https, an old browser)
 */
export async function sessionKey(participant, { crypto = globalThis.crypto, store = new KeyStore() } = {}) {
  if (!crypto?.subtle) throw Object.assign(new Error("no_webcrypto"), { code: "no_webcrypto" });
  const pair = (await store.find(participant)) ?? (await made(participant, crypto, store));
  const spki = await crypto.subtle.exportKey("spki", pair.publicKey);
  return { key: pair.privateKey, publicHex: hex(spki) };
}

async function made(participant, crypto, store) {
  const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
  await store.keep(participant, pair);
  return pair;
}

export function hex(buffer) {
  return Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Key pairs by participant, in IndexedDB. A store that is closed to us holds nothing. */
export class KeyStore {
  #indexedDB;

  constructor(indexedDB = globalThis.indexedDB) {
    this.#indexedDB = indexedDB;
  }

  async find(participant) {
    const found = await this.#act("readonly", (store) => store.get(participant));
    return found?.pair ?? null;
  }

  async keep(participant, pair, now = Date.now()) {
    await this.#act("readwrite", (store) => store.put({ participant, pair, at: now }));
    await this.#act("readwrite", (store) => forgetOld(store, now - KEPT_DAYS * 86_400_000));
  }

  async #act(mode, work) {
    try {
      const database = await answer(this.#open());
      try {
        return await answer(work(database.transaction(STORE, mode).objectStore(STORE)));
      } finally {
        database.close();
      }
    } catch {
      return null;
    }
  }

  #open() {
    const request = this.#indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "participant" });
    return request;
  }
}

/** Keys of inspections that are long over. */
function forgetOld(store, before) {
  const request = store.openCursor();
  request.addEventListener("success", () => {
    const cursor = request.result;
    if (!cursor) return;
    if (cursor.value.at < before) cursor.delete();
    cursor.continue();
  });
  return request;
}

function answer(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("blocked"));
  });
}

// Joining by an invitation, and remembering the answer so that a reload goes on in the same place.

import { t } from "./i18n.js";

/** POST /api/v1/join. Resolves with the answer; rejects with an Error that has `code`, `message` for people and the error's further fields. */
export async function joinInspection({ invitation, name, consent, device, takeover }) {
  const response = await fetch("/api/v1/join", {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      "Accept-Language": globalThis.document?.documentElement.lang ?? "zh-CN",
    },
    body: JSON.stringify({ invitation, name, consent, device, takeover }),
  }).catch(() => {
    throw Object.assign(new Error(t("No connection to the service. Check the network and try again.")), { code: "network" });
  });
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  // What stands between us and the service answers for it when it is away, and knows no sentence of ours.
  const { code = `http_${response.status}`, message, ...more } = answer.error ?? {};
  const words = message || t("The service does not answer at the moment (code {code}). Please try again in a minute.", { code: response.status });
  throw Object.assign(new Error(words), { ...more, code });
}

/** Tell the office what keeps this page from joining: `insecure`, `no_api` or `disagreed`. Nothing depends on its arriving. */
export async function reportTrouble({ invitation, code, csrf }) {
  await fetch(`/i/${encodeURIComponent(invitation)}/trouble`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf ?? "" },
    body: JSON.stringify({ code }),
    keepalive: true,
  }).catch(() => {});
}

/** Which words a page showed, notice and recording apart: {notice: {version, sha256, language}, recording: …}. */
export function consentTo(texts) {
  return Object.fromEntries(texts.map(({ kind, version, sha256, language }) => [kind, { version, sha256, language }]));
}

/** The kept answer of a join, under a key that does not give the invitation's token away. */
export class Seat {
  #key;
  #storage;

  constructor(key, storage = globalThis.localStorage) {
    this.#key = key;
    this.#storage = storage;
  }

  /** The seat of an invitation in this browser. */
  static async of(invitation, storage) {
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(invitation));
    const hex = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
    return new Seat(`yunkan.phone.${hex.slice(0, 32)}`, storage);
  }

  get key() {
    return this.#key;
  }

  /** The answer that is still good at `now` (milliseconds), or null. A storage that is closed to us holds nothing. */
  find(now = Date.now()) {
    try {
      const kept = JSON.parse(this.#storage.getItem(this.#key));
      return kept?.token && !(Date.parse(kept.expires_at) <= now) ? kept : null;
    } catch {
      return null;
    }
  }

  keep(answer) {
    try {
      this.#storage.setItem(this.#key, JSON.stringify(answer));
    } catch {
      // Private browsing may refuse: then a reload asks again.
    }
  }

  forget() {
    try {
      this.#storage.removeItem(this.#key);
    } catch {
      // See keep().
    }
  }
}

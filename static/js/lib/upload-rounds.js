// What all that a phone sends from its own storage has in common: rounds that are repeated without limit until nothing is
// left or the time for it is over, in which one file that cannot be sent holds up no other.

import { reconnectDelay } from "./backoff.js";

/** Refusals that no repetition changes. */
const OVER = new Set([401, 403, 404, 410]);
/** Nobody will ask for these files any more, whoever comes back with which token. */
const OVER_FOR_ALL = new Set([404, 410]);
/** How a file shows that it is damaged where it lies: the server hears other bytes than were written, or they cannot be read. */
const DAMAGED = new Set(["wrong_digest", "unreadable"]);
/** What is damaged so often is damaged for good. */
const DAMAGED_AT_MOST = 5;

/**
 * `round()` sends what there is and resolves; what it rejects with makes another round after a while. `over(forAll)`: it
 * is too late, or the seat is not ours any more; `waiting()`: the next round comes later. `wait(ms)` of `sender`.
 */
export class UploadRounds {
  #sender;
  #acts;
  #working = null;
  #wake = null;

  constructor(sender, acts) {
    this.#sender = sender;
    this.#acts = acts;
    this.again = false;
  }

  /** A round, now; resolves when nothing more can be done now. A call in between makes another one, at once. */
  go() {
    this.again = true;
    this.#wake?.();
    this.#working ??= this.#work().finally(() => { this.#working = null; });
    return this.#working;
  }

  /** Another round after `ms`, or when it is called for. */
  later(ms) {
    this.again = true;
    return Promise.race([this.#sender.wait(ms), new Promise((resolve) => { this.#wake = resolve; })]);
  }

  async #work() {
    for (let attempt = 0; this.again && !this.#sender.closed; ) {
      this.again = false;
      try {
        await this.#acts.round();
        attempt = 0;
      } catch (error) {
        if (this.#sender.closed) return;
        if (OVER.has(error.status)) {
          await this.#acts.over(OVER_FOR_ALL.has(error.status));
          return;
        }
        this.#acts.waiting();
        await this.later(reconnectDelay(attempt++));
      }
    }
  }
}

/** The files of one sender, each for itself. `useless`: codes of what the server will never take of a file. */
export class FilesApart {
  #useless;
  #damaged = new Map();

  constructor(useless) {
    this.#useless = useless;
  }

  /**
   * `act(file)` for each; `giveUp(file, damage)` for one that can never be sent, with the code of its damage or null when
   * the server does not want it. Resolves to the failures of single files, to be tried again; rejects with one of all.
   */
  async each(files, act, giveUp) {
    const failures = [];
    for (const file of files) {
      try {
        await act(file);
      } catch (error) {
        if (this.#useless.has(error.code)) await giveUp(file, null);
        else if (this.#isLost(file, error)) await giveUp(file, error.code);
        else if (isOfOneFile(error)) failures.push(error);
        else throw error;
      }
    }
    return failures;
  }

  #isLost({ id }, { code }) {
    if (!DAMAGED.has(code)) return false;
    const times = (this.#damaged.get(id) ?? 0) + 1;
    this.#damaged.set(id, times);
    return times >= DAMAGED_AT_MOST;
  }
}

/** Whether the others may still go: neither the network nor the service is the matter, nor who sends. */
function isOfOneFile({ code, status }) {
  return DAMAGED.has(code) || (status >= 400 && status < 500 && !OVER.has(status));
}

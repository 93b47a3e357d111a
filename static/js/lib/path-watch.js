// Signs that the way from this device to the server has changed or is gone.

const LOOK_EVERY_MS = 500;
// The server says something at least every second, to publishers and to viewers (docs/PROTOCOL.md, "Media").
const SILENT_MS = 1_800;
const ASLEEP_MS = 2_500;

/** What arrived between one look at a connection and the next. */
export class Hearing {
  #bytes = new Map();

  /** Whether anything came in since the last call. Some browsers count by transport, all by candidate pair. */
  heard(reports) {
    let heard = false;
    for (const { id, type, bytesReceived } of reports) {
      if ((type !== "transport" && type !== "candidate-pair") || !bytesReceived) continue;
      if (bytesReceived > (this.#bytes.get(id) ?? 0)) heard = true;
      this.#bytes.set(id, bytesReceived);
    }
    return heard;
  }
}

/**
 * Dispatches `look` (detail: the reports of getStats) twice a second, `change` when the system says that the network is another one (or is back), and `silence` when nothing
 * has come from the server for a while, at every look until something comes.
 */
export class PathWatch extends EventTarget {
  #abort = new AbortController();
  #connection;
  #monotonic;
  #network;
  #pc = null;
  #hearing = null;
  #heardAt = 0;
  #lookedAt = 0;

  /** `connection()`: the RTCPeerConnection of the moment, or null; `monotonic()`: milliseconds. */
  constructor(connection, monotonic) {
    super();
    this.#monotonic = monotonic;
    this.#connection = connection;
  }

  start() {
    const { signal } = this.#abort;
    const { connection } = globalThis.navigator ?? {};
    this.#network = connection?.type;
    globalThis.addEventListener?.("online", () => this.#tell("change"), { signal });
    connection?.addEventListener?.("change", () => this.#networkChanged(connection), { signal });
    const timer = setInterval(() => this.#look(signal), LOOK_EVERY_MS);
    signal.addEventListener("abort", () => clearInterval(timer));
  }

  stop() {
    this.#abort.abort();
  }

  /** Also told when only the estimated speed differs: that is no other network. (Desktop browsers tell no type at all.) */
  #networkChanged({ type }) {
    if (type === this.#network) return;
    this.#network = type;
    if (type !== "none") this.#tell("change");
  }

  async #look(signal) {
    const asked = this.#monotonic();
    const pc = this.#connection();
    const stats = await pc?.getStats?.().catch(() => null);
    if (!stats || signal.aborted) return;
    this.dispatchEvent(new CustomEvent("look", { detail: [...stats.values()] }));
    if (pc !== this.#pc) {
      this.#pc = pc;
      this.#hearing = new Hearing();
      this.#heardAt = asked;
    }
    const now = this.#monotonic();
    // A page that was put to sleep heard nothing either: that says nothing about the way.
    const asleep = asked - this.#lookedAt > ASLEEP_MS;
    this.#lookedAt = now;
    if (this.#hearing.heard(stats.values()) || asleep) this.#heardAt = now;
    if (now - this.#heardAt > SILENT_MS) this.#tell("silence");
  }

  #tell(type) {
    if (!this.#abort.signal.aborted) this.dispatchEvent(new Event(type));
  }
}

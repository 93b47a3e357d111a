// Keeps what the log says of our own microphone and camera true: said again until the log has it, whatever was lost between.

/** `want()` what is so here, `compare()` with what the log says; what differs is sent by `send(message)`, which resolves with the ack. */
export class MuteReport {
  #send;
  #wanted = new Map();
  #busy = new Set();
  #told = new Map();

  constructor(send) {
    this.#send = send;
  }

  /** Whether anything was wanted of this kind ("audio" or "video") yet. */
  knows(kind) {
    return this.#wanted.has(kind);
  }

  want(kind, muted) {
    this.#wanted.set(kind, muted);
  }

  /** `room`: the fold of the log so far; `participant`: whose slot. To be called whenever either may have changed and the log is read to its end. */
  compare(room, participant) {
    const slot = [...room.slots.values()].find((one) => one.participant === participant && one.source === "camera");
    if (!slot) return;
    for (const [kind, muted] of this.#wanted) {
      const isSo = slot.muted[kind] === true;
      if (isSo !== muted && !this.#busy.has(kind) && (this.#told.get(kind) ?? 0) <= room.lastSeq) this.#tell(slot.id, kind, muted);
    }
  }

  async #tell(slot, kind, muted) {
    this.#busy.add(kind);
    try {
      // The event that it made comes on its own: until then the log is behind, not wrong.
      const { seq } = await this.#send({ type: "mute", slot, kind, muted });
      this.#told.set(kind, seq ?? 0);
    } catch {
      // No way to the server: the next compare() says it again.
    } finally {
      this.#busy.delete(kind);
    }
  }
}

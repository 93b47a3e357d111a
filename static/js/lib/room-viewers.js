import { Viewer } from "./whep.js";

/** A slot that was refused for good is not asked for again before this, lest we ask at every message of the room. */
const ASK_AGAIN_MS = 5000;

/** The WHEP viewers of a room: one for each live slot of the others, made when its slot comes alive and kept over interruptions. */
export class RoomViewers {
  #viewers = new Map();
  #askAgainAt = new Map();

  /** @param {object[]} media slots of the room's `media` message; `seat` the answer of the join. */
  keep(media, seat) {
    for (const slot of media) {
      if (slot.participant === seat.participant || !slot.live) continue;
      if (this.#viewers.get(slot.id)?.closed === false) continue;
      if (performance.now() < (this.#askAgainAt.get(slot.id) ?? 0)) continue;
      this.#askAgainAt.set(slot.id, performance.now() + ASK_AGAIN_MS);
      const viewer = new Viewer({ base: seat.base, token: seat.token, iceServers: seat.ice_servers, slot: slot.id });
      this.#viewers.set(slot.id, viewer);
      viewer.play();
    }
  }

  get(slot) {
    return this.#viewers.get(slot) ?? null;
  }

  get size() {
    return this.#viewers.size;
  }

  close() {
    for (const viewer of this.#viewers.values()) viewer.close();
    this.#viewers.clear();
    this.#askAgainAt.clear();
  }
}

import { h, icon } from "../dom.js";
import "./live-video.js";

/** The reviewers' pictures and voices, small, in `box`: one tile for each viewer of the session. */
export class PhoneOthers {
  #box;
  #session;
  #tiles = new Map();

  constructor(box, session, signal) {
    this.#box = box;
    this.#session = session;
    this.clear();
    session.addEventListener("viewer", ({ detail }) => this.#viewer(detail), { signal });
    session.addEventListener("change", () => this.#draw(), { signal });
  }

  clear() {
    this.#tiles.clear();
    this.#box.replaceChildren();
  }

  #viewer({ slot, viewer }) {
    if (!viewer) {
      this.#tiles.get(slot.id)?.tile.remove();
      this.#tiles.delete(slot.id);
      return;
    }
    const known = this.#tiles.get(slot.id);
    const entry = known ?? this.#add(slot, viewer);
    entry.kinds = slot.kinds ?? [];
    this.#draw();
  }

  #add(slot, viewer) {
    const name = h("span", { class: "truncate" });
    const picture = h("live-video", { data: { fit: "cover" } });
    const tile = h("div", { class: "phone-other", data: { slot: slot.id } }, picture, h("p", { class: "phone-other__name" }, icon("speaker"), name));
    this.#box.append(tile);
    picture.attach(viewer);
    const entry = { tile, name, participant: slot.participant, kinds: [] };
    this.#tiles.set(slot.id, entry);
    return entry;
  }

  #draw() {
    const { presence, state } = this.#session;
    for (const [id, { tile, name, participant, kinds }] of this.#tiles) {
      // A camera that was turned off keeps its place in the connection, but there is nothing to see.
      const seen = kinds.includes("video") && !state.slots.get(id)?.muted.video;
      tile.dataset.kind = seen ? "video" : "audio";
      const text = presence.find((person) => person.id === participant)?.name ?? "";
      if (name.textContent !== text) name.textContent = text;
    }
  }
}

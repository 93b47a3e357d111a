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
    session.addEventListener("change", () => this.#names(), { signal });
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
    const { tile } = known ?? this.#add(slot, viewer);
    tile.dataset.kind = slot.kinds?.includes("video") ? "video" : "audio";
  }

  #add(slot, viewer) {
    const name = h("span", { class: "truncate" });
    const picture = h("live-video", { data: { fit: "cover" } });
    const tile = h("div", { class: "phone-other", data: { slot: slot.id } }, picture, h("p", { class: "phone-other__name" }, icon("speaker"), name));
    this.#box.append(tile);
    picture.attach(viewer);
    const entry = { tile, name, participant: slot.participant };
    this.#tiles.set(slot.id, entry);
    this.#names();
    return entry;
  }

  #names() {
    for (const { name, participant } of this.#tiles.values()) {
      const person = this.#session.presence.find(({ id }) => id === participant);
      const text = person?.name ?? "";
      if (name.textContent !== text) name.textContent = text;
    }
  }
}

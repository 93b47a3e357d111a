import { h, icon } from "../dom.js";
import { roleWord } from "../lib/event-words.js";
import { t } from "../lib/i18n.js";
import "./live-video.js";
import "./network-meter.js";

/**
 * Who is present, each with a small picture (when it is not the large one), the microphone's state and the network.
 *
 * In: `update({people, media, room, me, main, viewers, own, sound})`. Every picture that is not on the stage plays its sound here, so a
 * person without a picture has a player too, without size. Out: `participant-list:promote` `{slot}`.
 */
class ParticipantList extends HTMLElement {
  #lines = new Map();
  #abort;

  connectedCallback() {
    this.#abort = new AbortController();
    this.addEventListener("click", (event) => this.#click(event), { signal: this.#abort.signal });
  }

  disconnectedCallback() {
    this.#abort.abort();
  }

  update(view) {
    const people = [...view.people].sort((a, b) => Number(b.online) - Number(a.online));
    for (const [id, line] of this.#lines) {
      if (people.some((person) => person.id === id)) continue;
      line.remove();
      this.#lines.delete(id);
    }
    people.forEach((person, index) => {
      const line = this.#lines.get(person.id) ?? this.#make(person);
      this.#lines.set(person.id, line);
      if (this.children[index] !== line) this.insertBefore(line, this.children[index] ?? null);
      this.#draw(line, person, view);
    });
  }

  #make(person) {
    const words = h("div", { class: "participant__words" });
    words.append(
      h("p", { class: "participant__name" }, h("strong", { class: "truncate" }, person.name), h("span", { "data-microphone": "" })),
      h("p", { class: "participant__role" }, h("span", {}, roleWord(t, person.role)), h("network-meter", { "data-brief": "" }), h("span", { "data-away": "" })),
    );
    const tile = h("live-video", { "data-muted": "", "data-fit": "cover", "aria-hidden": "true" });
    const promote = h("button", { type: "button", class: "participant__tile", hidden: true, "aria-label": t("Show {name} large", { name: person.name }) }, tile);
    return h("div", { class: "participant", role: "listitem" }, promote, words);
  }

  #draw(line, person, { media, room, me, main, viewers, own, sound }) {
    const mine = person.id === me;
    const slot = media.find((candidate) => candidate.participant === person.id && candidate.live) ?? null;
    const onStage = slot !== null && slot.id === main;
    line.dataset.state = person.online ? "present" : "away";
    line.toggleAttribute("data-mine", mine);
    const tile = line.querySelector("live-video");
    const viewer = slot && !onStage && !mine ? viewers.get(slot.id) : null;
    if (mine) {
      tile.toggleAttribute("data-mirror", true);
      tile.stream = own.camera === "on" ? own.stream : null;
    } else if (tile.stream !== (viewer?.stream ?? null)) tile.attach(viewer);
    tile.video.muted = mine || !sound;
    const promote = line.querySelector(".participant__tile");
    const pictured = mine ? own.camera === "on" : viewer !== null && slot.kinds.includes("video");
    promote.hidden = !pictured;
    promote.disabled = mine;
    promote.dataset.slot = slot?.id ?? "";
    line.querySelector("network-meter").network = person.network ?? { grade: "unknown" };
    line.querySelector("[data-away]").textContent = person.online ? "" : t("not here");
    this.#microphone(line.querySelector("[data-microphone]"), slot, room);
  }

  #microphone(place, slot, room) {
    const silent = !slot?.kinds.includes("audio") || room.slots.get(slot.id)?.muted.audio === true;
    const state = silent ? "off" : "on";
    if (place.dataset.state === state) return;
    place.dataset.state = state;
    const words = silent ? t("Microphone off") : t("Microphone on");
    place.replaceChildren(icon(silent ? "microphone-off" : "microphone"), h("span", { class: "visually-hidden" }, words));
  }

  #click(event) {
    const { slot } = event.target.closest(".participant__tile")?.dataset ?? {};
    if (slot) this.dispatchEvent(new CustomEvent("participant-list:promote", { bubbles: true, detail: { slot } }));
  }
}

customElements.define("participant-list", ParticipantList);

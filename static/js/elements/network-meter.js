import { h } from "../dom.js";
import { t } from "../lib/i18n.js";
import { gradeWord, reasonWords } from "../lib/network-words.js";

/**
 * <network-meter data-grade="good|fair|poor|lost|unknown" data-reasons="loss delay">: three bars and a word; the
 * reasons are its title. `data-brief` leaves the word to screen readers.
 */
class NetworkMeter extends HTMLElement {
  static observedAttributes = ["data-grade", "data-reasons", "data-brief"];

  connectedCallback() {
    this.setAttribute("role", "status");
    this.#draw();
  }

  attributeChangedCallback(name, before, after) {
    if (before !== after && this.isConnected) this.#draw();
  }

  /** From one entry of the room's `presence`. */
  set network({ grade, reasons = [] }) {
    this.dataset.grade = grade;
    this.dataset.reasons = reasons.join(" ");
  }

  /** Why the grade is what it is, in words; "" where nothing is the matter. */
  get reasons() {
    return reasonWords(t, (this.dataset.reasons ?? "").split(" "));
  }

  #draw() {
    const word = gradeWord(t, this.dataset.grade);
    const { reasons } = this;
    const bars = h("span", { class: "bars", "aria-hidden": "true" }, h("i"), h("i"), h("i"));
    this.replaceChildren(bars, h("span", { class: "brief" in this.dataset ? "visually-hidden" : null }, word));
    this.title = reasons ? `${word}: ${reasons}` : word;
  }
}

customElements.define("network-meter", NetworkMeter);

import { h } from "../dom.js";
import { t } from "../lib/i18n.js";

const GRADES = {
  good: () => t("Network good"),
  fair: () => t("Network fair"),
  poor: () => t("Network weak"),
  lost: () => t("Network lost"),
  unknown: () => t("Network unknown"),
};

const REASONS = {
  no_media: () => t("no picture arrives"),
  loss: () => t("packets are lost"),
  delay: () => t("long delay"),
  bandwidth: () => t("too little bandwidth"),
  bitrate: () => t("very little bandwidth"),
  cpu: () => t("the device is overloaded"),
};

/** The reasons of a grade in words, joined; unknown codes are left out. */
export function networkReasons(codes) {
  return codes.filter((code) => code in REASONS).map((code) => REASONS[code]()).join(t(", "));
}

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
    return networkReasons((this.dataset.reasons ?? "").split(" "));
  }

  #draw() {
    const word = (GRADES[this.dataset.grade] ?? GRADES.unknown)();
    const { reasons } = this;
    const bars = h("span", { class: "bars", "aria-hidden": "true" }, h("i"), h("i"), h("i"));
    this.replaceChildren(bars, h("span", { class: "brief" in this.dataset ? "visually-hidden" : null }, word));
    this.title = reasons ? `${word}: ${reasons}` : word;
  }
}

customElements.define("network-meter", NetworkMeter);

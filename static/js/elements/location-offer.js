import { t } from "../lib/i18n.js";

/**
 * <location-offer>: says what sharing the position means and what became of it. `data-state`: off, asking, on, denied, unavailable.
 * In: `follow(share)` with a LocationShare. Its button (`data-action="share-location"`) is answered by <phone-inspection>.
 */
class LocationOffer extends HTMLElement {
  #abort = new AbortController();

  follow(share) {
    this.#abort.abort();
    this.#abort = new AbortController();
    share.addEventListener("change", () => this.#draw(share), { signal: this.#abort.signal });
    this.#draw(share);
  }

  #draw({ state, fix }) {
    this.dataset.state = state;
    for (const pane of this.querySelectorAll("[data-shown]")) pane.hidden = pane.dataset.shown !== state;
    this.querySelector("[data-accuracy]").textContent = fix ? t("Accurate to {metres} m", { metres: Math.round(fix.accuracy_m) }) : "";
    for (const button of this.querySelectorAll("[data-action=share-location]")) button.hidden = ["on", "asking"].includes(state);
  }
}

customElements.define("location-offer", LocationOffer);

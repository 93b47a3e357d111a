import { h, icon } from "../dom.js";
import { t } from "../lib/i18n.js";

/**
 * <phone-receipts data-address>: the receipts that this phone countersigned, to be saved, or why there are none. `follow(maker)`.
 * `data-state`: waiting, ready, unavailable, mismatch; `data-count`.
 */
class PhoneReceipts extends HTMLElement {
  follow(maker) {
    maker.addEventListener("change", () => this.#draw(maker));
    this.#draw(maker);
  }

  #draw({ state, count }) {
    const shown = count > 0 && state !== "mismatch" ? "ready" : state === "idle" || state === "ready" ? "waiting" : state;
    this.dataset.count = String(count);
    if (this.dataset.state === shown) return;
    this.dataset.state = shown;
    this.className = "phone-receipts";
    this.replaceChildren(...this.#content(shown, count).filter(Boolean));
  }

  #content(shown, count) {
    const note = (text) => h("p", { class: "muted" }, text, " ", h("a", { href: "/verify" }, t("Check a receipt")));
    const save = h("a", { class: "button button--large", href: this.dataset.address, download: "" }, icon("download"), t("Save my receipts"));
    if (shown === "ready") return [save, note(t("A small file that shows later whether the office still has the records of that time."))];
    if (shown === "unavailable") return [h("p", { class: "muted" }, t("This browser cannot countersign receipts. The inspection is valid all the same."))];
    if (shown === "mismatch") {
      return [
        count > 0 && save,
        h("p", { class: "phone-receipts__alarm" }, t("What the office signed did not agree with what this phone had received. Please tell the office.")),
      ];
    }
    return [];
  }
}

customElements.define("phone-receipts", PhoneReceipts);

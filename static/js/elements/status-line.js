import { t } from "../lib/i18n.js";

/** The state in one line, and where the next snapshot goes. In: `say(tone, words)`, `item(title|null, visible)`. Out: `status-line:clear-item`. */
class StatusLine extends HTMLElement {
  #abort;

  connectedCallback() {
    this.#abort = new AbortController();
    const clear = () => this.dispatchEvent(new CustomEvent("status-line:clear-item", { bubbles: true }));
    this.querySelector("[data-clear-item]").addEventListener("click", clear, { signal: this.#abort.signal });
  }

  disconnectedCallback() {
    this.#abort.abort();
  }

  say(tone, words) {
    this.dataset.tone = tone;
    const place = this.querySelector("[data-words]");
    if (place.textContent !== words) place.textContent = words;
  }

  item(title, visible) {
    this.querySelector("[data-item-line]").hidden = !visible;
    this.querySelector("[data-clear-item]").hidden = title === null;
    this.querySelector("[data-item-words]").textContent =
      title === null ? t("Snapshots belong to no item") : t("Snapshots belong to: {item}", { item: title });
  }
}

customElements.define("status-line", StatusLine);

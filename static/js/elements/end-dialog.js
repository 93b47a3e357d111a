import { t } from "../lib/i18n.js";
import { failureWords } from "../lib/console-words.js";

/**
 * The question before an inspection ends, with what it holds so far. In: `ask({answered, total, snapshots, elapsed})`.
 * Out: `end-dialog:confirm` `{waitUntil(promise)}`; the dialog closes when the promise is kept and says why when it is not.
 */
class EndDialog extends HTMLElement {
  #abort;

  connectedCallback() {
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    this.querySelector("[data-cancel]").addEventListener("click", () => this.#dialog.close(), { signal });
    this.querySelector("[data-confirm]").addEventListener("click", () => this.#confirm(), { signal });
  }

  disconnectedCallback() {
    this.#abort.abort();
  }

  get #dialog() {
    return this.querySelector("dialog");
  }

  ask({ answered, total, snapshots, elapsed }) {
    this.querySelector("[data-answered]").textContent = t("{answered} of {total} answered", { answered, total });
    this.querySelector("[data-snapshots]").textContent = snapshots;
    this.querySelector("[data-elapsed]").textContent = elapsed;
    const missing = this.querySelector("[data-unanswered]");
    missing.hidden = answered >= total;
    missing.querySelector("p").textContent = t("{count} items have no answer yet.", { count: total - answered });
    this.querySelector("[data-error]").hidden = true;
    this.#dialog.showModal();
  }

  close() {
    this.#dialog.close();
  }

  async #confirm() {
    const button = this.querySelector("[data-confirm]");
    const error = this.querySelector("[data-error]");
    let settled = Promise.resolve();
    const waitUntil = (promise) => {
      settled = promise;
    };
    button.disabled = true;
    button.dataset.state = "busy";
    this.dispatchEvent(new CustomEvent("end-dialog:confirm", { bubbles: true, detail: { waitUntil } }));
    try {
      await settled;
      this.#dialog.close();
    } catch (failure) {
      error.textContent = failureWords(failure);
      error.hidden = false;
    }
    button.disabled = false;
    delete button.dataset.state;
  }
}

customElements.define("end-dialog", EndDialog);

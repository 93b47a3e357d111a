import { t } from "../lib/i18n.js";
import { failureWords } from "../lib/console-words.js";

/**
 * The question before an inspection is paused: why, from a short list or in words of one's own. In: `ask()`.
 * Out: `pause-dialog:confirm` `{reason, waitUntil(promise)}`; the dialog closes when the promise is kept and says why when it is not.
 */
class PauseDialog extends HTMLElement {
  #abort;

  connectedCallback() {
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    this.querySelector("[data-cancel]").addEventListener("click", () => this.#dialog.close(), { signal });
    this.querySelector("form").addEventListener("submit", (event) => this.#submit(event), { signal });
    // The field's own change comes as the focus leaves it: it must not be called back.
    this.querySelector("form").addEventListener("change", ({ target }) => target.name === "reason" && this.#arrange(), { signal });
  }

  disconnectedCallback() {
    this.#abort.abort();
  }

  get #dialog() {
    return this.querySelector("dialog");
  }

  get #own() {
    return this.querySelector("[data-own]");
  }

  get #chosen() {
    return this.querySelector('[name="reason"]:checked');
  }

  ask() {
    this.querySelector("form").reset();
    this.#complain("");
    this.#arrange();
    this.#dialog.showModal();
  }

  /** The field is there for who chose to write, and takes the focus then. */
  #arrange() {
    const writes = this.#chosen?.value === "";
    this.#own.hidden = !writes;
    if (writes) this.#own.querySelector("textarea").focus();
  }

  get #reason() {
    return (this.#chosen?.value || this.#own.querySelector("textarea").value).trim();
  }

  #complain(words) {
    const error = this.querySelector("[data-error]");
    error.textContent = words;
    error.hidden = !words;
  }

  async #submit(event) {
    event.preventDefault();
    const reason = this.#reason;
    if (!reason) {
      this.#complain(t("Say why the inspection is paused."));
      return;
    }
    const button = this.querySelector("[data-confirm]");
    let settled = Promise.resolve();
    const waitUntil = (promise) => {
      settled = promise;
    };
    button.disabled = true;
    button.dataset.state = "busy";
    this.dispatchEvent(new CustomEvent("pause-dialog:confirm", { bubbles: true, detail: { reason, waitUntil } }));
    try {
      await settled;
      this.#dialog.close();
    } catch (failure) {
      this.#complain(failureWords(failure));
    }
    button.disabled = false;
    delete button.dataset.state;
  }
}

customElements.define("pause-dialog", PauseDialog);

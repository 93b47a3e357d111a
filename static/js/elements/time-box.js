import { h } from "../dom.js";
import { formatDuration, formatTime, t } from "../lib/i18n.js";
import { momentOf } from "../lib/time-of-day.js";

/**
 * The absolute time shown, and a field to go to one: type "10:32:05" and press Enter.
 *
 * In: `clock`, `show(now)`. Goes there by `clock.seek`.
 */
class TimeBox extends HTMLElement {
  clock = null;
  #field;
  #since;
  #error;
  #abort;

  connectedCallback() {
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    this.#field = h("input", { class: "input time-box__field numeral", type: "text", inputmode: "numeric", size: "8", maxlength: "8", "aria-label": t("Time of day; type one and press Enter to go there"), autocomplete: "off" });
    this.#since = h("span", { class: "time-box__since numeral muted" });
    this.#error = h("span", { class: "time-box__error", role: "alert" });
    const form = h("form", { class: "time-box__form" }, this.#field, this.#since, this.#error);
    this.replaceChildren(form);
    form.addEventListener("submit", (event) => this.#submit(event), { signal });
    this.#field.addEventListener("focus", () => this.#field.select(), { signal });
    this.#field.addEventListener("blur", () => this.#complain(""), { signal });
    this.#field.addEventListener("keydown", (event) => event.key === "Escape" && this.#field.blur(), { signal });
  }

  disconnectedCallback() {
    this.#abort.abort();
  }

  show(now) {
    const elapsed = (now - this.clock.start) / 1000;
    const whole = (this.clock.end - this.clock.start) / 1000;
    const words = t("{elapsed} of {whole}", { elapsed: formatDuration(elapsed), whole: formatDuration(whole) });
    if (this.#since.textContent !== words) this.#since.textContent = words;
    const time = formatTime(now);
    if (document.activeElement !== this.#field && this.#field.value !== time) this.#field.value = time;
  }

  #submit(event) {
    event.preventDefault();
    const at = momentOf(this.#field.value, this.clock, formatTime);
    if (at === null) {
      this.#complain(t("Not a time of this inspection"));
      return;
    }
    this.clock.seek(at);
    this.#field.blur();
  }

  #complain(words) {
    this.#error.textContent = words;
    this.#field.setAttribute("aria-invalid", String(words !== ""));
  }
}

customElements.define("time-box", TimeBox);

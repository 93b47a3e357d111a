import { formatTime, t } from "../lib/i18n.js";
import { roleWord } from "../lib/event-words.js";
import { countUntil } from "../lib/replay-schedule.js";
import { h } from "../dom.js";
import { stickyScroll } from "../sticky-scroll.js";

/**
 * Messages of an inspection, with a form to write where the server's markup has one.
 *
 * In: `me` (participant id), `update(messages)` with the folded room's `chat`, and for a replay `moment(now)`.
 * Out: `chat-log:send` `{text, waitUntil(promise)}`.
 */
class ChatLog extends HTMLElement {
  me = null;
  #entries = [];
  /** How many of the messages a replay has reached; null when that has to be looked at again. */
  #happened = null;
  #log;
  #empty;
  #scroll;
  #abort;

  connectedCallback() {
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    this.#log = h("ol", { class: "chat-log__list" });
    const box = h("div", { class: "chat-log__messages", role: "log", "aria-label": t("Messages"), tabindex: "0" }, this.#log);
    this.#empty = h("p", { class: "chat-log__empty muted" }, t("No messages yet"));
    this.prepend(box, this.#empty);
    this.#scroll = stickyScroll(box, () => null, { signal });
    const form = this.querySelector("form");
    form?.addEventListener("submit", (event) => this.#submit(event), { signal });
    form?.addEventListener("keydown", (event) => this.#key(event), { signal });
  }

  disconnectedCallback() {
    this.#abort.abort();
  }

  set writable(writable) {
    const form = this.querySelector("form");
    if (form) form.hidden = !writable;
  }

  update(messages) {
    for (const message of messages.slice(this.#entries.length)) {
      const line = this.#message(message);
      this.#entries.push({ at: Date.parse(message.at), line });
      this.#log.append(line);
      this.#happened = null;
    }
    this.#empty.hidden = this.#entries.length > 0;
    this.#scroll.follow();
  }

  /** In a replay a message appears at its moment. */
  moment(now) {
    const count = countUntil(this.#entries, now);
    if (this.#happened === count) return;
    this.#happened = count;
    for (const [index, { line }] of this.#entries.entries()) line.hidden = index >= count;
    this.#empty.hidden = count > 0;
    this.#scroll.follow();
  }

  follow() {
    this.#scroll.follow();
  }

  #message({ by, name, role, text, at }) {
    const head = h("p", { class: "chat-log__head" }, h("strong", {}, name ?? ""), ` ${roleWord(t, role)} `);
    head.append(h("time", { class: "numeral", datetime: at }, formatTime(at)));
    const line = h("li", { class: "chat-log__message" }, head, h("p", { class: "chat-log__text" }, text));
    line.toggleAttribute("data-mine", by === this.me);
    return line;
  }

  #key(event) {
    // While an input method composes, Enter chooses a word and must not send.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    event.currentTarget.requestSubmit();
  }

  async #submit(event) {
    event.preventDefault();
    const form = event.currentTarget;
    const field = form.elements.text;
    const error = form.querySelector("[data-error]");
    const text = field.value.trim();
    if (!text || form.dataset.state === "sending") return;
    form.dataset.state = "sending";
    error.textContent = "";
    let settled = Promise.resolve();
    const waitUntil = (promise) => {
      settled = promise;
    };
    this.dispatchEvent(new CustomEvent("chat-log:send", { bubbles: true, detail: { text, waitUntil } }));
    try {
      await settled;
      // What was typed while the message was on its way stays.
      if (field.value.trim() === text) field.value = "";
      this.#scroll.resume();
    } catch (failure) {
      error.textContent = failure.message;
    }
    form.dataset.state = "ready";
  }
}

customElements.define("chat-log", ChatLog);

import { describe } from "../lib/event-words.js";
import { formatTime, t } from "../lib/i18n.js";
import { countUntil } from "../lib/replay-schedule.js";
import { h, icon } from "../dom.js";
import { stickyScroll } from "../sticky-scroll.js";

const ICONS = {
  inspection: "calendar",
  people: "person",
  recording: "video",
  snapshot: "snapshot",
  chat: "chat",
  checklist: "check-circle",
  device: "phone",
  location: "pin",
  network: "network",
  alarm: "warning",
};

/**
 * What happened, in words, oldest first.
 *
 * In: `names` (see lib/event-words.js), `add(event, at)` with the moment at which a replay shows it, and for a replay `moment(now)`, which marks the last event that has happened.
 * `data-seekable` makes every line a button. Out: `event-list:seek` `{at}` in epoch milliseconds.
 */
class EventList extends HTMLElement {
  names = { person: (id) => id, slot: (id) => id, item: (key) => key };
  #entries = [];
  #list;
  #more;
  #scroll;
  #abort;
  #current = -1;

  connectedCallback() {
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    this.#list = h("ol", { class: "event-list__items" });
    this.#more = h("button", { type: "button", class: "event-list__resume button button--small", hidden: "" });
    this.#more.append(icon("chevron-down"), this.hasAttribute("data-seekable") ? t("Back to the moment shown") : t("To the newest"));
    this.replaceChildren(this.#list, this.#more);
    const target = () => (this.hasAttribute("data-seekable") ? (this.#entries[Math.max(this.#current, 0)]?.line ?? null) : null);
    this.#scroll = stickyScroll(this.#list, target, { signal, onchange: (following) => { this.#more.hidden = following; } });
    this.#more.addEventListener("click", () => this.#scroll.resume(), { signal });
    this.#list.addEventListener("click", (event) => this.#click(event), { signal });
    // Lines that are buttons take the focus themselves; a list of plain ones must, to be scrolled by keys.
    this.#list.tabIndex = this.hasAttribute("data-seekable") ? -1 : 0;
    this.#list.setAttribute("aria-label", t("Events"));
  }

  disconnectedCallback() {
    this.#abort.abort();
  }

  add(event, at = Date.parse(event.at)) {
    const sentence = describe(t, event, this.names);
    if (!sentence) return;
    const line = this.#line(event, sentence, at);
    this.#entries.push({ at, line });
    this.#list.append(line);
    this.#scroll.follow();
  }

  /** The events up to `now` have happened. */
  moment(now) {
    const current = countUntil(this.#entries, now) - 1;
    if (current === this.#current) return;
    const [from, to] = [Math.min(current, this.#current), Math.max(current, this.#current)];
    for (let i = Math.max(from, 0); i <= to; i += 1) this.#entries[i].line.toggleAttribute("data-future", i > current);
    this.#entries[this.#current]?.line.removeAttribute("aria-current");
    this.#entries[current]?.line.setAttribute("aria-current", "true");
    this.#current = current;
    this.#scroll.follow();
  }

  /** Shown again after it was hidden: scroll positions were not kept while it had no size. */
  follow() {
    this.#scroll.follow();
  }

  #line(event, { kind, text, tone, detail }, at) {
    const time = h("time", { datetime: event.at, class: "numeral" }, formatTime(at));
    const words = h("span", { class: "event-list__words" }, text);
    if (detail) words.append(h("span", { class: "event-list__detail" }, detail));
    const parts = [icon(ICONS[kind]), time, words];
    const seekable = this.hasAttribute("data-seekable");
    const line = h("li", { class: "event-list__item", "data-kind": kind, "data-tone": tone, "data-seq": event.seq });
    if (seekable) {
      line.append(h("button", { type: "button", "data-at": at }, ...parts));
      line.toggleAttribute("data-future", true);
    } else line.append(...parts);
    return line;
  }

  #click(event) {
    const button = event.target.closest("[data-at]");
    if (!button) return;
    this.#scroll.resume();
    this.dispatchEvent(new CustomEvent("event-list:seek", { bubbles: true, detail: { at: Number(button.dataset.at) } }));
  }
}

customElements.define("event-list", EventList);

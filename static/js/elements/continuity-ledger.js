import { h } from "../dom.js";
import { causeWords } from "../lib/continuity-words.js";
import { formatDuration, formatTime, t } from "../lib/i18n.js";

const REFRESH_EVERY_MS = 5000;
/** An interval that reached the present when it was told lasts still. */
const PRESENT_MS = 4000;
/** A gap begins in the very millisecond in which the file before it ends: so much later there is nothing to be seen but the gap. */
const INSIDE_MS = 50;

/**
 * The continuity ledger: of every camera what was received, what was not, how long and why.
 *
 * In: `show(slots)` with `slots` of `GET …/continuity`; or, for an inspection that runs, `load` (resolves with them) and `now` (the server's
 * milliseconds): then it looks again while it is seen, and `refresh()` makes it look at once. With `data-seekable` every line is a button; out:
 * `continuity-ledger:seek` `{at}`. While it runs the newest stretch stands first.
 */
class ContinuityLedger extends HTMLElement {
  load = null;
  now = null;
  #timer = null;
  #abort;
  #busy = false;
  #again = false;

  connectedCallback() {
    this.#abort = new AbortController();
    this.addEventListener("click", (event) => this.#click(event), { signal: this.#abort.signal });
    this.#timer = setInterval(() => this.refresh(), REFRESH_EVERY_MS);
  }

  disconnectedCallback() {
    this.#abort.abort();
    clearInterval(this.#timer);
  }

  async refresh() {
    if (!this.load || document.hidden || this.closest("[hidden]")) return;
    this.#again = this.#busy;
    if (this.#busy) return;
    this.#busy = true;
    try {
      this.show(await this.load());
    } catch (error) {
      // What was shown stays: it was true a moment ago.
      if (!this.querySelector("section")) this.replaceChildren(h("p", { class: "ledger__empty muted" }, error.message));
    }
    this.#busy = false;
    if (this.#again) this.refresh();
  }

  show(slots) {
    if (slots.length === 0) {
      this.replaceChildren(h("p", { class: "ledger__empty muted" }, t("No camera has sent anything yet.")));
      return;
    }
    const places = new Map([...this.querySelectorAll("section")].map((section) => [section.dataset.slot, section]));
    for (const [id, section] of places) if (!slots.some(({ slot }) => slot === id)) section.remove();
    this.querySelector(":scope > .ledger__empty")?.remove();
    for (const slot of slots) this.#draw(places.get(slot.slot) ?? this.#place(slot), slot);
  }

  #place({ slot, name, source }) {
    const title = source === "camera" ? name : t("{name}, screen", { name });
    const list = h("ol", { class: "ledger__list", tabindex: this.hasAttribute("data-seekable") ? "-1" : "0", "aria-label": title });
    const section = h("section", { class: "ledger__slot", data: { slot } }, h("h3", { class: "ledger__name" }, title), h("p", { class: "ledger__sum muted numeral" }), list);
    this.append(section);
    return section;
  }

  #draw(section, { received_s: received, gap_s: missing, filled_s: filled, intervals }) {
    const sums = [t("received {duration}", { duration: formatDuration(received) }), t("not received {duration}", { duration: formatDuration(missing) })];
    if (filled >= 1) sums.push(t("of it uploaded later {duration}", { duration: formatDuration(filled) }));
    section.querySelector(".ledger__sum").textContent = sums.join(" · ");
    const lines = intervals.map((interval, index) => this.#line(interval, index === intervals.length - 1));
    if (this.load) lines.reverse();
    const list = section.querySelector("ol");
    // Lines that did not change keep their place under the reader's finger.
    lines.forEach((line, index) => {
      const known = list.children[index];
      if (!known) list.append(line);
      else if (known.outerHTML !== line.outerHTML) known.replaceWith(line);
    });
    while (list.children.length > lines.length) list.lastElementChild.remove();
  }

  #line(interval, isLast) {
    const { from, to, kind, cause, lacks } = interval;
    const lasts = isLast && this.now !== null && this.now() - Date.parse(to) < PRESENT_MS;
    // The catalogues' reader sees no t() inside a template.
    const until = lasts ? t("now") : formatTime(to);
    const parts = [
      h("span", { class: "ledger__times numeral" }, `${formatTime(from)} – ${until}`),
      h("span", { class: "ledger__length numeral" }, formatDuration((Date.parse(to) - Date.parse(from)) / 1000)),
      h("span", { class: "ledger__words" }, this.#words(interval)),
    ];
    const content = this.hasAttribute("data-seekable") ? [h("button", { type: "button", "data-at": Date.parse(from) + (kind === "gap" ? INSIDE_MS : 0) }, ...parts)] : parts;
    return h("li", { class: "ledger__line", data: { kind: lacks.length && kind === "received" ? "lacking" : kind, cause: cause ?? "" } }, ...content);
  }

  #words({ from, to, kind, cause, by, reason, lacks, filled }) {
    const why = causeWords(t, cause, by ?? "", reason ?? "");
    const what = kind === "gap" ? t("Not received") : receivedWords(lacks);
    const words = why ? t("{words}: {why}", { words: what, why }) : what;
    const seconds = filled.reduce((sum, piece) => sum + (Date.parse(piece.to) - Date.parse(piece.from)) / 1000, 0);
    if (seconds < 1) return words;
    const whole = (Date.parse(to) - Date.parse(from)) / 1000;
    const later = t("uploaded later: {done} of {whole}", { done: formatDuration(seconds), whole: formatDuration(whole) });
    return `${words} · ${later}`;
  }

  #click(event) {
    const at = event.target.closest("[data-at]")?.dataset.at;
    if (at) this.dispatchEvent(new CustomEvent("continuity-ledger:seek", { bubbles: true, detail: { at: Number(at) } }));
  }
}

function receivedWords(lacks) {
  if (lacks.length === 2) return t("Received without picture and sound");
  if (lacks.includes("picture")) return t("Received without a picture");
  return lacks.includes("sound") ? t("Received without sound") : t("Received");
}

customElements.define("continuity-ledger", ContinuityLedger);

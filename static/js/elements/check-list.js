import { formatTime, t } from "../lib/i18n.js";
import { resultWord } from "../lib/event-words.js";

/**
 * The checklist of an inspection around the server's markup (`console/_checklist.html`).
 *
 * In: `data-editable` (else read-only), `update(answers)` with the room's answers `{item: {result, note, by, at, seq}}`.
 * Out: `check-list:select` `{item, title}` when an item is opened (or null when closed), and `check-list:answer`
 * `{item, result, note, was, waitUntil(promise)}`; `was` is the `seq` of the answer that the person saw and replaces (0: none).
 * The promise brings the new `seq`, or fails with words; the code `answered_meanwhile` comes with the answer that stands.
 */
class CheckList extends HTMLElement {
  #answers = {};
  /** Answers that the server's own answer told, until their events arrive. */
  #learned = new Map();
  /** Items with an answer on its way or refused, and results chosen meanwhile, which follow it. */
  #saving = new Map();
  #next = new Map();
  /** Notes typed and not sent, with the answer (`seq`) that stood when the typing began. */
  #dirty = new Map();
  #abort;

  connectedCallback() {
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    this.addEventListener("click", (event) => this.#click(event), { signal });
    this.addEventListener("input", (event) => this.#typed(event), { signal });
    this.addEventListener("change", (event) => this.#noteLeft(event), { signal });
    this.addEventListener("keydown", (event) => this.#key(event), { signal });
    this.#render();
  }

  disconnectedCallback() {
    this.#abort.abort();
  }

  get items() {
    return [...this.querySelectorAll("[data-item]")];
  }

  get selected() {
    return this.querySelector("[data-item][data-open]")?.dataset.item ?? null;
  }

  get editable() {
    return this.hasAttribute("data-editable");
  }

  set editable(editable) {
    this.toggleAttribute("data-editable", editable);
    this.#render();
  }

  /** No item is open: snapshots belong to none. */
  close() {
    const row = this.querySelector("[data-item][data-open]");
    if (row) this.#open(row, false);
  }

  title(key) {
    return this.#item(key)?.querySelector("[data-title]").textContent ?? key;
  }

  update(answers) {
    this.#answers = answers;
    this.#render();
  }

  #item(key) {
    return this.querySelector(`[data-item="${CSS.escape(key)}"]`);
  }

  #click(event) {
    const row = event.target.closest("[data-item]");
    if (!row) return;
    if (event.target.closest("[data-open-item]")) this.#open(row, !row.hasAttribute("data-open"));
    const choice = event.target.closest("[data-value]");
    if (choice && this.editable) this.#choose(row, choice.dataset.value);
    if (event.target.closest("[data-retry]")) this.#save(row, this.#saving.get(row.dataset.item)?.result);
  }

  #choose(row, value) {
    const { item } = row.dataset;
    const chosen = this.#shown(item).result;
    // The second click of a double click is not another answer.
    if (this.#isSaving(item)) {
      if (value !== chosen) this.#next.set(item, value);
      return;
    }
    // Pressing the chosen result again takes it back.
    this.#save(row, chosen === value ? "none" : value);
  }

  #isSaving(item) {
    const pending = this.#saving.get(item);
    return pending !== undefined && !pending.error;
  }

  #open(row, open) {
    for (const other of this.items) {
      const isOpen = open && other === row;
      other.toggleAttribute("data-open", isOpen);
      other.querySelector("[data-open-item]").setAttribute("aria-expanded", String(isOpen));
      other.querySelector("[data-body]").hidden = !isOpen;
      // Who turns away from an answer that somebody else gave lets it stand.
      if (!isOpen && this.#saving.get(other.dataset.item)?.meanwhile) {
        this.#saving.delete(other.dataset.item);
        this.#renderItem(other);
      }
    }
    if (open) row.scrollIntoView({ block: "nearest" });
    const item = open ? row.dataset.item : null;
    const title = item && this.title(item);
    this.dispatchEvent(new CustomEvent("check-list:select", { bubbles: true, detail: { item, title } }));
  }

  #typed(event) {
    const row = event.target.closest("[data-item]");
    if (!row || !this.editable) return;
    if (!this.#dirty.has(row.dataset.item)) this.#dirty.set(row.dataset.item, this.#standing(row.dataset.item));
    this.#renderItem(row);
  }

  #noteLeft(event) {
    const row = event.target.closest("[data-item]");
    if (!row || !this.#dirty.has(row.dataset.item)) return;
    if (this.#isSaving(row.dataset.item)) this.#next.set(row.dataset.item, this.#shown(row.dataset.item).result);
    else this.#save(row, this.#shown(row.dataset.item).result);
  }

  #key(event) {
    if (event.target.matches("textarea")) {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.target.blur();
      return;
    }
    const head = event.target.closest("[data-open-item]");
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!head || !step) return;
    event.preventDefault();
    const heads = [...this.querySelectorAll("[data-open-item]")];
    heads[heads.indexOf(head) + step]?.focus();
  }

  /** The answer on its way, else the one the room knows. */
  #shown(item) {
    const pending = this.#saving.get(item);
    return (pending?.meanwhile ? null : pending) ?? this.#known(item) ?? { result: "none", note: "" };
  }

  #known(item) {
    const [learned, told] = [this.#learned.get(item), this.#answers[item]];
    return learned && learned.seq > (told?.seq ?? 0) ? learned : told;
  }

  /** The `seq` of the answer that stands as far as this page knows, or 0. */
  #standing(item) {
    return this.#known(item)?.seq ?? 0;
  }

  async #save(row, result = "none") {
    const { item } = row.dataset;
    const note = row.querySelector("textarea")?.value.trim() ?? "";
    const was = this.#saving.get(item)?.meanwhile ? this.#standing(item) : (this.#dirty.get(item) ?? this.#standing(item));
    const pending = { result, note, error: null, meanwhile: false };
    this.#saving.set(item, pending);
    this.#dirty.delete(item);
    this.#renderItem(row);
    let settled = Promise.resolve();
    const waitUntil = (promise) => {
      settled = promise;
    };
    this.dispatchEvent(
      new CustomEvent("check-list:answer", { bubbles: true, detail: { item, result, note, was, waitUntil } }),
    );
    try {
      const { seq } = (await settled) ?? {};
      this.#saving.delete(item);
      if (seq) this.#learned.set(item, { result, note, seq });
    } catch (error) {
      this.#refuse(item, pending, error);
    }
    this.#renderItem(row);
    const next = this.#next.get(item);
    this.#next.delete(item);
    if (next !== undefined && !pending.error) this.#save(row, next);
  }

  #refuse(item, pending, error) {
    pending.error = error.message || t("The answer was not saved.");
    if (error.code !== "answered_meanwhile") return;
    const { seq, result, note, by, at } = error;
    this.#learned.set(item, { seq, result, note, by, at });
    pending.meanwhile = true;
    pending.error = t("{name} answered meanwhile: {result}. Your answer “{own}” was not saved.", {
      name: by, result: resultWord(t, result), own: resultWord(t, pending.result),
    });
  }

  #render() {
    for (const row of this.items) this.#renderItem(row);
    const answered = this.items.filter((row) => row.dataset.result !== "none").length;
    this.dataset.answered = answered;
    const progress = this.querySelector("[data-progress]");
    if (progress) progress.textContent = t("{answered} of {total}", { answered, total: this.items.length });
  }

  #renderItem(row) {
    const { item } = row.dataset;
    const answer = this.#shown(item);
    const pending = this.#saving.get(item);
    row.dataset.result = answer.result;
    row.dataset.state = pending ? (pending.error ? "failed" : "saving") : "saved";
    row.querySelector("[data-result-word]").textContent = resultWord(t, answer.result);
    for (const choice of row.querySelectorAll("[data-value]")) {
      choice.setAttribute("aria-pressed", String(choice.dataset.value === answer.result));
      choice.disabled = !this.editable;
    }
    const note = row.querySelector("textarea");
    note.readOnly = !this.editable;
    if (!this.#dirty.has(item) && note.value !== answer.note && document.activeElement !== note) note.value = answer.note ?? "";
    note.closest("label").hidden = !this.editable && !answer.note;
    this.#renderState(row, answer, pending);
  }

  #renderState(row, answer, pending) {
    const state = row.querySelector("[data-saving]");
    const retry = row.querySelector("[data-retry]");
    retry.hidden = !pending?.error;
    retry.querySelector("span:last-child").textContent = pending?.meanwhile ? t("Answer again") : t("Try again");
    if (pending?.error) state.textContent = pending.error;
    else if (pending) state.textContent = t("Saving…");
    else if (this.#dirty.has(row.dataset.item)) state.textContent = t("Saved when you leave the field");
    else if (answer.at) state.textContent = t("{name}, {time}", { name: answer.by, time: formatTime(answer.at) });
    else state.textContent = "";
  }
}

customElements.define("check-list", CheckList);

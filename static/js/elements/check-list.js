import { formatTime, t } from "../lib/i18n.js";
import { resultWord } from "../lib/event-words.js";

/**
 * The checklist of an inspection around the server's markup (`console/_checklist.html`).
 *
 * In: `data-editable` (else read-only), `update(answers)` with the room's answers `{item: {result, note, by, at}}`.
 * Out: `check-list:select` `{item, title}` when an item is opened (or null when closed), and `check-list:answer`
 * `{item, result, note, waitUntil(promise)}`; the promise decides between "Saved" and the error's words.
 */
class CheckList extends HTMLElement {
  #answers = {};
  /** Items with an answer on its way, and notes typed and not sent. */
  #saving = new Map();
  #dirty = new Set();
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
    if (choice && this.editable) {
      // Pressing the chosen result again takes it back.
      const result = this.#shown(row.dataset.item).result === choice.dataset.value ? "none" : choice.dataset.value;
      this.#save(row, result);
    }
    if (event.target.closest("[data-retry]")) this.#save(row, this.#saving.get(row.dataset.item)?.result);
  }

  #open(row, open) {
    for (const other of this.items) {
      const isOpen = open && other === row;
      other.toggleAttribute("data-open", isOpen);
      other.querySelector("[data-open-item]").setAttribute("aria-expanded", String(isOpen));
      other.querySelector("[data-body]").hidden = !isOpen;
    }
    if (open) row.scrollIntoView({ block: "nearest" });
    const item = open ? row.dataset.item : null;
    const title = item && this.title(item);
    this.dispatchEvent(new CustomEvent("check-list:select", { bubbles: true, detail: { item, title } }));
  }

  #typed(event) {
    const row = event.target.closest("[data-item]");
    if (!row || !this.editable) return;
    this.#dirty.add(row.dataset.item);
    this.#renderItem(row);
  }

  #noteLeft(event) {
    const row = event.target.closest("[data-item]");
    if (row && this.#dirty.has(row.dataset.item)) this.#save(row, this.#shown(row.dataset.item).result);
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
    return pending ?? this.#answers[item] ?? { result: "none", note: "" };
  }

  async #save(row, result = "none") {
    const { item } = row.dataset;
    const note = row.querySelector("textarea")?.value.trim() ?? "";
    const pending = { result, note, error: null };
    this.#saving.set(item, pending);
    this.#dirty.delete(item);
    this.#renderItem(row);
    let settled = Promise.resolve();
    const waitUntil = (promise) => {
      settled = promise;
    };
    this.dispatchEvent(
      new CustomEvent("check-list:answer", { bubbles: true, detail: { item, result, note, waitUntil } }),
    );
    try {
      await settled;
      if (this.#saving.get(item) === pending) this.#saving.delete(item);
      // The event that says so may come a moment after the acknowledgement.
      this.#answers = { ...this.#answers, [item]: { ...this.#answers[item], result, note } };
    } catch (error) {
      pending.error = error.message || t("The answer was not saved.");
    }
    this.#renderItem(row);
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
    if (pending?.error) state.textContent = pending.error;
    else if (pending) state.textContent = t("Saving…");
    else if (this.#dirty.has(row.dataset.item)) state.textContent = t("Saved when you leave the field");
    else if (answer.at) state.textContent = t("{name}, {time}", { name: answer.by, time: formatTime(answer.at) });
    else state.textContent = "";
  }
}

customElements.define("check-list", CheckList);

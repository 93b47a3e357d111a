/**
 * <copy-text data-text="…"><button data-copied="Copied">Copy</button></copy-text>: the button copies `data-text`.
 * `data-state`: "" | "copied" | "failed" (then the text is selected, for copying by hand).
 */
const SHOWN_MS = 2000;

class CopyText extends HTMLElement {
  #leave;

  connectedCallback() {
    this.#leave = new AbortController();
    this.querySelector("button").addEventListener("click", () => this.#copy(), { signal: this.#leave.signal });
  }

  disconnectedCallback() {
    this.#leave.abort();
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText(this.dataset.text);
      this.#say("copied");
    } catch {
      // Without https there is no clipboard; an old command still works on a selection.
      this.#say(this.#copySelection() ? "copied" : "failed");
    }
  }

  #copySelection() {
    const shown = this.querySelector("input, code");
    if (shown instanceof HTMLInputElement) {
      shown.select();
      return document.execCommand("copy");
    }
    const field = document.createElement("textarea");
    field.value = this.dataset.text;
    field.className = "visually-hidden";
    document.body.append(field);
    field.focus();
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }

  #say(state) {
    this.dataset.state = state;
    const button = this.querySelector("button");
    button.focus();
    if (state !== "copied") return;
    const note = this.querySelector("[role=status]") ?? this.#note();
    note.textContent = button.dataset.copied;
    setTimeout(() => {
      note.textContent = "";
      this.dataset.state = "";
    }, SHOWN_MS);
  }

  #note() {
    const note = document.createElement("span");
    note.setAttribute("role", "status");
    note.className = "copy-text__note";
    this.append(note);
    return note;
  }
}

customElements.define("copy-text", CopyText);

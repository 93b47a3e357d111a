/** <submit-once><form>…</form></submit-once>: a second click on the way to the server sends nothing. */
class SubmitOnce extends HTMLElement {
  #leave;

  connectedCallback() {
    this.#leave = new AbortController();
    const { signal } = this.#leave;
    this.addEventListener("submit", (event) => this.#submit(event), { signal });
    // Coming back by the browser's history shows the page as it was left.
    addEventListener("pageshow", () => this.#reset(), { signal });
  }

  disconnectedCallback() {
    this.#leave.abort();
  }

  #submit(event) {
    if (this.dataset.state === "sent") {
      event.preventDefault();
      return;
    }
    this.dataset.state = "sent";
    if (event.submitter) event.submitter.dataset.state = "busy";
  }

  #reset() {
    this.dataset.state = "";
    for (const button of this.querySelectorAll('[data-state="busy"]')) button.dataset.state = "";
  }
}

customElements.define("submit-once", SubmitOnce);

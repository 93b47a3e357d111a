/**
 * <fresh-fragment data-url="/desk/now" data-seconds="5">server-rendered HTML</fresh-fragment>: asks the server for the
 * same fragment again and again while the page is looked at. `data-state`: "fresh" | "stale" (the server did not
 * answer) | "signed-out". Dispatches `fresh-fragment:change` when the content differs.
 */
class FreshFragment extends HTMLElement {
  #leave;
  #timer;
  #shown = "";

  connectedCallback() {
    this.#leave = new AbortController();
    const { signal } = this.#leave;
    document.addEventListener("visibilitychange", () => document.hidden || this.#refresh(), { signal });
    this.#plan();
  }

  disconnectedCallback() {
    this.#leave.abort();
    clearTimeout(this.#timer);
  }

  #plan() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#refresh(), Number(this.dataset.seconds || 5) * 1000);
  }

  async #refresh() {
    if (!document.hidden) {
      try {
        const response = await fetch(this.dataset.url, { signal: this.#leave.signal, headers: { Accept: "text/html" } });
        if (response.redirected || response.status === 401) this.dataset.state = "signed-out";
        else if (response.ok) this.#show(await response.text());
        else this.dataset.state = "stale";
      } catch (error) {
        if (error.name === "AbortError") return;
        this.dataset.state = "stale";
      }
    }
    this.#plan();
  }

  #show(html) {
    this.dataset.state = "fresh";
    if (html === this.#shown) return;
    const isFirst = this.#shown === "";
    this.#shown = html;
    // The first answer is most often what the page came with: comparing the parsed content keeps the focus alone.
    const parsed = new DOMParser().parseFromString(html, "text/html").body;
    if (isFirst && parsed.innerHTML.trim() === this.innerHTML.trim()) return;
    const focused = this.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    this.replaceChildren(...parsed.childNodes);
    if (focused) this.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus();
    this.dispatchEvent(new CustomEvent("fresh-fragment:change", { bubbles: true }));
  }
}

customElements.define("fresh-fragment", FreshFragment);

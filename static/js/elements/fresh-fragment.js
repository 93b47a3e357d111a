import { h, icon } from "../dom.js";
import { formatTime, t } from "../lib/i18n.js";

/**
 * <fresh-fragment data-url="/desk/now" data-seconds="5">server-rendered HTML</fresh-fragment>: asks the server for the
 * same fragment again and again while the page is looked at. `data-state`: "fresh" | "stale" (the server did not
 * answer) | "signed-out"; the last two are said in words above what was shown last. Dispatches `fresh-fragment:change` when the content differs.
 */
class FreshFragment extends HTMLElement {
  #leave;
  #timer;
  #shown = "";
  #freshAt = new Date();
  #notice = null;

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
        if (response.redirected || response.status === 401) this.#age("signed-out");
        else if (response.ok) this.#show(await response.text());
        else this.#age("stale");
      } catch (error) {
        if (error.name === "AbortError") return;
        this.#age("stale");
      }
    }
    this.#plan();
  }

  /** What is shown is not what is: say why, since when, and what to do. */
  #age(state) {
    if (this.dataset.state === state) return;
    this.dataset.state = state;
    this.#notice?.remove();
    const time = formatTime(this.#freshAt.toISOString());
    const words = state === "stale" ? t("The service does not answer. This is how it was at {time}.", { time })
      : t("You are no longer signed in. This is how it was at {time}.", { time });
    const next = encodeURIComponent(location.pathname + location.search);
    const link = state === "stale" ? null : h("a", { href: `/sign-in?next=${next}` }, t("Sign in again"));
    this.#notice = h("div", { class: "notice", role: "status", data: { tone: "warn", age: state } }, icon("info"), h("p", {}, words, " ", link));
    this.prepend(this.#notice);
  }

  #show(html) {
    this.dataset.state = "fresh";
    this.#freshAt = new Date();
    this.#notice?.remove();
    this.#notice = null;
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

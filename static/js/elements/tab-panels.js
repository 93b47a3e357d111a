/**
 * Tabs around server markup: `[role=tab][aria-controls]` buttons and their panels. Arrow keys move, as in the ARIA practices.
 *
 * In: `show(id)`. Out: `tab-panels:show` `{panel}`. A tab's `data-count` is a badge of unseen things; showing the tab clears it.
 */
class TabPanels extends HTMLElement {
  #abort;

  connectedCallback() {
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    this.addEventListener("click", (event) => this.#click(event), { signal });
    this.addEventListener("keydown", (event) => this.#key(event), { signal });
    this.show(this.shown ?? this.#tabs[0]?.getAttribute("aria-controls"));
  }

  disconnectedCallback() {
    this.#abort.abort();
  }

  get #tabs() {
    return [...this.querySelectorAll('[role="tab"]')];
  }

  get shown() {
    return this.querySelector('[role="tab"][aria-selected="true"]')?.getAttribute("aria-controls") ?? null;
  }

  show(id) {
    for (const tab of this.#tabs) {
      const panel = tab.getAttribute("aria-controls");
      tab.setAttribute("aria-selected", String(panel === id));
      tab.tabIndex = panel === id ? 0 : -1;
      document.getElementById(panel).hidden = panel !== id;
      if (panel === id) delete tab.dataset.count;
    }
    this.dispatchEvent(new CustomEvent("tab-panels:show", { bubbles: true, detail: { panel: id } }));
  }

  /** One more unseen thing behind a tab that is not shown. */
  count(id) {
    if (this.shown === id) return;
    const tab = this.#tabs.find((candidate) => candidate.getAttribute("aria-controls") === id);
    if (tab) tab.dataset.count = Number(tab.dataset.count ?? 0) + 1;
  }

  #click(event) {
    const tab = event.target.closest('[role="tab"]');
    if (tab) this.show(tab.getAttribute("aria-controls"));
  }

  #key(event) {
    const tabs = this.#tabs;
    const at = tabs.indexOf(event.target);
    if (at < 0) return;
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const tab = tabs[(to + tabs.length) % tabs.length];
    this.show(tab.getAttribute("aria-controls"));
    tab.focus();
  }
}

customElements.define("tab-panels", TabPanels);

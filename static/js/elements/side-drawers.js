/**
 * Panels that stand beside the picture when there is room and slide over it when there is not (which of the two, the style sheet says).
 *
 * Wraps `[data-drawer=<name>]` panels, `[data-open-drawer=<name>]` and `[data-close-drawer]` buttons. A drawer that is open takes the focus, Escape
 * gives it back. Out: `side-drawers:open` `{drawer}`. `count(name)` marks the button of a closed drawer.
 */
class SideDrawers extends HTMLElement {
  #abort;
  #opener = null;

  connectedCallback() {
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    this.addEventListener("click", (event) => this.#click(event), { signal });
    this.addEventListener("keydown", (event) => event.key === "Escape" && !event.target.closest("dialog") && this.close(), { signal });
  }

  disconnectedCallback() {
    this.#abort.abort();
  }

  get #open() {
    return this.querySelector("[data-drawer][data-open]");
  }

  open(name) {
    this.close();
    const panel = this.querySelector(`[data-drawer="${name}"]`);
    const button = this.#button(name);
    panel.toggleAttribute("data-open", true);
    button.setAttribute("aria-expanded", "true");
    delete button.dataset.count;
    this.#opener = button;
    panel.querySelector("[data-close-drawer]").focus();
    this.dispatchEvent(new CustomEvent("side-drawers:open", { bubbles: true, detail: { drawer: name } }));
  }

  close() {
    const panel = this.#open;
    if (!panel) return;
    panel.removeAttribute("data-open");
    this.#button(panel.dataset.drawer).setAttribute("aria-expanded", "false");
    this.#opener?.focus();
    this.#opener = null;
  }

  count(name) {
    const button = this.#button(name);
    if (button && !this.querySelector(`[data-drawer="${name}"][data-open]`)) button.dataset.count = Number(button.dataset.count ?? 0) + 1;
  }

  #button(name) {
    return this.querySelector(`[data-open-drawer="${name}"]`);
  }

  #click(event) {
    const opener = event.target.closest("[data-open-drawer]");
    if (opener?.getAttribute("aria-expanded") === "true") this.close();
    else if (opener) this.open(opener.dataset.openDrawer);
    else if (event.target.closest("[data-close-drawer]")) this.close();
    else if (this.#open && !event.target.closest("[data-drawer]")) this.close();
  }
}

customElements.define("side-drawers", SideDrawers);

import { h, icon } from "../dom.js";

/**
 * <status-screen>: one thing said on a whole page or pane. `show({state, tone, icon, title, content: Element, body: [text], actions: [{name, label, primary, href}], foot})`
 * replaces what it says and moves the focus to its heading. Dispatches `status-screen-action` with the name of the pressed button.
 */
class StatusScreen extends HTMLElement {
  show({ state, tone = "brand", icon: drawing = "info", title, body = [], content = null, actions = [], foot = null }) {
    const heading = h("h1", { class: "status-screen__title", tabindex: "-1" }, title);
    const section = h(
      "section",
      { class: "status-screen", data: { tone } },
      icon(drawing, "status-screen__icon"),
      heading,
      content,
      body.map((text) => h("p", { class: "status-screen__body" }, text)),
      actions.length > 0 && h("div", { class: "status-screen__actions" }, actions.map((action) => this.#action(action))),
      foot && h("p", { class: "status-screen__foot" }, foot),
    );
    this.dataset.state = state;
    this.replaceChildren(section);
    heading.focus({ preventScroll: true });
  }

  #action({ name, label, primary = false, href = null }) {
    const look = `button button--large${primary ? " button--primary" : ""}`;
    if (href) return h("a", { class: look, href }, label);
    const press = () => this.dispatchEvent(new CustomEvent("status-screen-action", { bubbles: true, detail: name }));
    return h("button", { class: look, type: "button", onclick: press }, label);
  }
}

customElements.define("status-screen", StatusScreen);

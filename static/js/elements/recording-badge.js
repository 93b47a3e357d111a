import { t } from "../lib/i18n.js";

const WORDS = {
  idle: () => t("Recording off"),
  starting: () => t("Recording starts"),
  recording: () => t("Recording on"),
  paused: () => t("Paused, not recording"),
  failed: () => t("Recording failed"),
  unknown: () => t("Recording unknown"),
};

/**
 * <recording-badge data-state="idle|starting|recording|paused|failed|unknown">: the sign that a recording is being written.
 * Set the state from bytes written at the server (`RecordingWatch`), never from a button.
 */
class RecordingBadge extends HTMLElement {
  static observedAttributes = ["data-state"];

  connectedCallback() {
    this.setAttribute("role", "status");
    this.dataset.state ??= "idle";
    this.#draw();
  }

  attributeChangedCallback(name, before, after) {
    if (before !== after && this.isConnected) this.#draw();
  }

  #draw() {
    this.textContent = (WORDS[this.dataset.state] ?? WORDS.idle)();
  }
}

customElements.define("recording-badge", RecordingBadge);

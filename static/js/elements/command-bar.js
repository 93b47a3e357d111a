import { icon } from "../dom.js";
import { t } from "../lib/i18n.js";

const LOOKS = {
  microphone: {
    off: () => ["microphone-off", t("Microphone off"), false],
    asking: () => ["microphone-off", t("Asking…"), false],
    muted: () => ["microphone-off", t("Microphone muted"), false],
    on: () => ["microphone", t("Microphone on"), true],
    unsent: () => ["microphone", t("Microphone: connecting…"), false],
  },
  camera: {
    off: () => ["camera-off", t("Camera off"), false],
    asking: () => ["camera-off", t("Asking…"), false],
    on: () => ["camera", t("Camera on"), true],
    unsent: () => ["camera", t("Camera: connecting…"), false],
  },
  sound: {
    off: () => ["speaker-off", t("Sound off"), false],
    on: () => ["speaker", t("Sound on"), true],
  },
  pause: {
    off: () => ["pause", t("Pause")],
    on: () => ["play", t("Resume")],
  },
};

/**
 * The row of commands under the picture.
 *
 * In: `show(command, visible)`, `enable(command, enabled)`, `look(command, state)`. Out: `command-bar:<command>` `{time}` (of the press) for
 * microphone, camera, sound, snapshot, pause, end.
 */
class CommandBar extends HTMLElement {
  #abort;

  connectedCallback() {
    this.#abort = new AbortController();
    this.addEventListener("click", (event) => this.#click(event), { signal: this.#abort.signal });
  }

  disconnectedCallback() {
    this.#abort.abort();
  }

  show(command, visible) {
    this.#button(command).hidden = !visible;
  }

  enable(command, enabled) {
    this.#button(command).disabled = !enabled;
  }

  look(command, state) {
    const button = this.#button(command);
    if (button.dataset.state === state) return;
    button.dataset.state = state;
    const [drawing, words, pressed] = LOOKS[command][state]();
    button.querySelector(".icon").replaceWith(icon(drawing));
    button.querySelector("[data-label]").textContent = words;
    // Where the row is too narrow the words are only read aloud, and shown here.
    button.title = words;
    if (pressed !== undefined) button.setAttribute("aria-pressed", String(pressed));
  }

  #button(command) {
    return this.querySelector(`[data-command="${command}"]`);
  }

  #click(event) {
    const { command } = event.target.closest("[data-command]")?.dataset ?? {};
    if (!command) return;
    const detail = { time: event.timeStamp };
    this.dispatchEvent(new CustomEvent(`command-bar:${command}`, { bubbles: true, detail }));
  }
}

customElements.define("command-bar", CommandBar);

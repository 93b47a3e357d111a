import { h } from "../dom.js";
import { missingAbility } from "../lib/camera.js";
import { t } from "../lib/i18n.js";
import { SoundLevel } from "../lib/sound-level.js";
import { cameraProblem } from "../camera-problems.js";
import "./live-video.js";

const LATE_AFTER_MS = 10_000;
// A permission that was given before answers sooner than a person could.
const ASKING_AFTER_MS = 1500;

/**
 * <camera-check>: asks for camera and microphone after a tap, shows both working, and a way out of each failure.
 * `data-state`: idle, asking, ready, problem (with `data-problem`: insecure, no_api, denied, busy, none, unknown).
 * Dispatches `camera-check-state` (detail {state: asking | problem | ready, problem?}; asking only when a person is really being asked, ready
 * only after one of the others) and `camera-check-ready` when the person says that the picture is good (or at once after `begin({auto: true})`).
 */
class CameraCheck extends HTMLElement {
  #camera;
  #late = null;
  #level = null;
  #asking = null;
  #attempt = 0;
  #told = null;

  set camera(camera) {
    this.#camera = camera;
    camera.addEventListener("track", () => this.#listen());
  }

  connectedCallback() {
    this.addEventListener("click", (event) => {
      const { action } = event.target.closest("[data-action]")?.dataset ?? {};
      ACTIONS[action]?.(this, event);
    });
  }

  disconnectedCallback() {
    this.#rest();
  }

  /** `auto`: the permission was given before, so open at once and go on without a word. */
  async begin({ auto = false } = {}) {
    const missing = missingAbility();
    if (missing) this.#problem(missing);
    else if (auto) await this.open({ auto });
    else this.#show("idle");
  }

  async open({ auto = false } = {}) {
    this.#rest();
    this.#show("asking");
    const attempt = ++this.#attempt;
    const current = () => attempt === this.#attempt;
    this.#asking = setTimeout(() => this.#tell("asking"), ASKING_AFTER_MS);
    this.#late = setTimeout(() => { this.querySelector("[data-late]").hidden = false; }, LATE_AFTER_MS);
    try {
      await this.#camera.open();
      if (!current()) return;
      clearTimeout(this.#asking);
      if (this.#told) this.#tell("ready");
      if (auto) this.finish();
      else this.#ready();
    } catch (error) {
      if (current()) this.#failed(error);
    } finally {
      if (current()) this.#stopWaiting();
    }
  }

  /** What was found out later: `code` as in `data-problem`. */
  fail(code) {
    this.#attempt += 1;
    this.#problem(code);
  }

  finish() {
    this.#rest();
    this.dispatchEvent(new CustomEvent("camera-check-ready", { bubbles: true }));
  }

  async switchCamera() {
    await this.#camera.switchFacing().catch((error) => this.#failed(error));
  }

  /** The rear camera is taken: the front one may be free. */
  async otherCamera() {
    this.#camera.facing = this.#camera.facing === "environment" ? "user" : "environment";
    await this.open();
  }

  async copyLink(button) {
    const address = location.href;
    try {
      await navigator.clipboard.writeText(address);
    } catch {
      // No permission or no https: mark the address for the phone's own "copy".
      const range = document.createRange();
      range.selectNodeContents(this.querySelector(".phone-link"));
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      if (!document.execCommand("copy")) return;
    }
    button.textContent = t("Copied");
  }

  #ready() {
    this.#show("ready");
    this.querySelector("live-video").stream = this.#camera.stream;
    this.#listen();
  }

  #listen() {
    if (this.dataset.state !== "ready") return;
    const { audio } = this.#camera;
    this.querySelector("[data-sound]").dataset.sound = audio ? "ok" : "none";
    this.#level?.close();
    const meter = this.querySelector("meter");
    this.#level = audio ? new SoundLevel(audio, (level) => { meter.value = level; }) : null;
  }

  #tell(state, problem) {
    this.#told = state === "ready" ? null : state;
    this.dispatchEvent(new CustomEvent("camera-check-state", { bubbles: true, detail: { state, problem } }));
  }

  #failed({ problem = "unknown" }) {
    // The person went away meanwhile: that is no trouble of the camera.
    if (problem !== "closed") this.#problem(problem);
  }

  #problem(code) {
    this.#rest();
    this.#tell("problem", code);
    const pane = this.querySelector('[data-shown="problem"]');
    const { title, body, steps = [], picture = false, link = false, actions } = cameraProblem(code, navigator.userAgent);
    const drawing = picture && this.querySelector("template").content.cloneNode(true);
    pane.replaceChildren(
      ...[
        h("h1", { tabindex: "-1" }, title),
        ...body.map((text) => h("p", {}, text)),
        drawing,
        steps.length > 0 && h("ol", { class: "phone-steps" }, steps.map((text) => h("li", {}, h("span", {}, text)))),
        link && h("p", { class: "phone-link" }, location.href),
        h("div", { class: "phone-action" }, actions.map(([name, label], i) =>
          h("button", { class: `button button--large button--block${i ? "" : " button--primary"}`, type: "button", "data-action": name }, label))),
      ].filter(Boolean),
    );
    this.dataset.problem = code;
    this.#show("problem");
  }

  #stopWaiting() {
    clearTimeout(this.#asking);
    clearTimeout(this.#late);
  }

  #rest() {
    this.#stopWaiting();
    this.#level?.close();
    this.#level = null;
  }

  #show(state) {
    this.dataset.state = state;
    if (state !== "problem") delete this.dataset.problem;
    this.querySelector("[data-late]").hidden = true;
    for (const pane of this.querySelectorAll("[data-shown]")) pane.hidden = pane.dataset.shown !== state;
    this.querySelector(`[data-shown="${state}"] h1`)?.focus({ preventScroll: true });
    globalThis.scrollTo(0, 0);
  }
}

const ACTIONS = {
  "open-camera": (check) => check.open(),
  "camera-good": (check) => check.finish(),
  "switch-camera": (check) => check.switchCamera(),
  "other-camera": (check) => check.otherCamera(),
  "copy-link": (check, event) => check.copyLink(event.target.closest("button")),
  reload: () => location.reload(),
};

customElements.define("camera-check", CameraCheck);

import { DeviceWatch } from "../device-watch.js";
import { phoneCard } from "../phone-cards.js";
import { cardFor } from "../lib/phone-card.js";
import "./live-video.js";
import "./network-meter.js";
import "./phone-chat.js";
import { PhoneOthers } from "./phone-others.js";
import "./recording-badge.js";

const BATTERY_CARD_MS = 20_000;
// After a return or a photo the first frames need a moment: only then is a still picture a fault.
const RETURN_GRACE_MS = 4000;
const CORRECT_EVERY_MS = 3000;
const PAGE_STATES = ["hidden", "visible"];
const CAMERA_STATES = ["camera_asking", "camera_denied", "camera_unsupported", "camera_ended", "camera_black", "camera_back"];

/**
 * <phone-stage>: the screen while waiting and live. `begin(session, camera)` and `end()`; markup in phone/_stage.html.
 * `data-phase`: waiting or live; `data-state`: the code of the card. Dispatches `phone-stage-leave` and `phone-stage-text-size`.
 */
class PhoneStage extends HTMLElement {
  #session = null;
  #camera = null;
  #device = null;
  #others = null;
  #abort = null;
  #hidden = false;
  #settledAt = 0;
  #troubled = false;
  #recovering = false;
  #correctAfter = 0;
  #facts = { black: false, batteryLow: false };

  connectedCallback() {
    this.addEventListener("click", (event) => {
      const { action } = event.target.closest("[data-action]")?.dataset ?? {};
      ACTIONS[action]?.(this);
    });
  }

  begin(session, camera) {
    this.end();
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    this.#session = session;
    this.#camera = camera;
    this.#facts = { black: false, batteryLow: false };
    this.#correctAfter = 0;
    this.#hidden = false;
    this.#settledAt = performance.now() + RETURN_GRACE_MS;
    const own = this.querySelector(".phone-own");
    own.stream = camera.stream;
    own.addEventListener("live-video-state", () => this.#ownPicture(own), { signal });
    this.#others = new PhoneOthers(this.querySelector(".phone-others"), session, signal);
    this.querySelector("[data-sheet=chat]").session = session;
    session.addEventListener("change", () => this.#draw(), { signal });
    session.addEventListener("photographed", () => this.#lookLater(), { signal });
    camera.addEventListener("track", () => this.#newTrack(), { signal });
    camera.addEventListener("change", () => this.#cameraChanged(), { signal });
    camera.addEventListener("interrupted", ({ detail }) => this.#interrupted(detail.cause), { signal });
    this.#watchDevice(own.video, signal);
    this.#draw();
  }

  end() {
    this.#abort?.abort();
    this.#device?.stop();
    this.#others?.clear();
    for (const sheet of this.querySelectorAll("dialog[open]")) sheet.close();
    this.#session = null;
  }

  open(name) {
    this.closeSheets();
    this.querySelector(`[data-sheet=${name}]`).showModal();
  }

  closeSheets() {
    for (const sheet of this.querySelectorAll("dialog[open]")) sheet.close();
  }

  toggleMute() {
    this.#session.setMuted(!this.#camera.muted);
    this.#draw();
  }

  toggleTorch() {
    this.#camera.setTorch(!this.#camera.torch).catch(() => {});
  }

  async turn(change) {
    this.closeSheets();
    await change(this.#camera).catch(() => {});
  }

  /** Take the camera back; by a tap also when it claims to run. */
  async recover({ force = false } = {}) {
    if (this.#recovering) return;
    this.#recovering = true;
    await this.#camera.recover({ force }).catch(() => {});
    this.#recovering = false;
    this.#draw();
  }

  leave() {
    this.closeSheets();
    this.dispatchEvent(new CustomEvent("phone-stage-leave", { bubbles: true }));
  }

  #watchDevice(video, signal) {
    this.#device = new DeviceWatch(video);
    const on = (type, handler) => this.#device.addEventListener(type, handler, { signal });
    on("hidden", () => this.#left());
    on("visible", () => this.#returned());
    on("online", () => this.#session.wake());
    on("wake-lock-lost", () => this.#session.report("wake_lock_lost"));
    on("battery-low", () => this.#battery());
    on("black", () => this.#black(true));
    on("not-black", () => this.#black(false));
    this.#device.start();
  }

  #left() {
    if (this.#hidden) return;
    this.#hidden = true;
    this.#session.report("hidden");
  }

  #returned() {
    if (this.#hidden) this.#session.report("visible");
    this.#hidden = false;
    this.#correctAfter = performance.now() + CORRECT_EVERY_MS;
    this.#session.wake();
    this.recover();
    this.#lookLater();
  }

  #lookLater() {
    this.#settledAt = performance.now() + RETURN_GRACE_MS;
    setTimeout(() => this.#session && this.#ownPicture(this.querySelector(".phone-own")), RETURN_GRACE_MS + 500);
  }

  #battery() {
    this.#session.report("battery_low");
    this.#facts.batteryLow = true;
    setTimeout(() => {
      this.#facts.batteryLow = false;
      this.#draw();
    }, BATTERY_CARD_MS);
    this.#draw();
  }

  #black(black) {
    this.#facts.black = black;
    this.#session.report(black ? "camera_black" : "camera_back");
    this.#draw();
  }

  /** A camera that claims to be live and sends nothing (iOS after a call). One that stands still for a photo of ours is looked at after it. */
  #ownPicture(own) {
    const settled = performance.now() > this.#settledAt && this.#session.photographing === 0;
    if (own.dataset.state !== "frozen" || this.#hidden || !settled || this.#camera.state !== "open") return;
    this.#troubled = true;
    this.#session.report("camera_ended", "frozen");
    this.recover({ force: true });
  }

  #interrupted(cause) {
    // The first attempt is ours, the next ones are the person's: a call in progress refuses each of them.
    const first = !this.#troubled;
    this.#troubled = true;
    if (first) this.#session.report("camera_ended", cause);
    this.#draw();
    if (first && !this.#hidden) this.recover();
  }

  #newTrack() {
    this.#device?.lookAgain();
    if (this.#facts.black) this.#black(false);
  }

  #cameraChanged() {
    if (this.#camera.state === "open" && this.#troubled) {
      this.#troubled = false;
      this.#session.report("camera_back");
    }
    this.#draw();
  }

  /**
   * What an earlier page of this phone said last is no longer so: the desk would believe it for ever. Its last word may
   * come even after this page's first one. In between our own reports get the time to come back.
   */
  #correct() {
    const now = performance.now();
    if (now < this.#correctAfter || !this.#session.caughtUp) return;
    const first = this.#correctAfter === 0;
    this.#correctAfter = now + CORRECT_EVERY_MS;
    const isOutdated = (states, fine) => ![undefined, fine].includes(this.#session.lastReport(states));
    if (document.visibilityState === "visible" && isOutdated(PAGE_STATES, "visible")) this.#session.report("visible");
    if (!first || this.#camera.state !== "open") return;
    if (isOutdated(CAMERA_STATES, "camera_back")) this.#session.report("camera_back");
  }

  #draw() {
    const session = this.#session;
    if (!session) return;
    this.#correct();
    const camera = this.#camera;
    const reviewer = session.office.length > 0;
    this.dataset.phase = reviewer || session.wasLive ? "live" : "waiting";
    this.querySelector("recording-badge").dataset.state = session.recording;
    this.#drawNetwork(session.connection === "open" ? session.network : { grade: "lost" });
    this.#drawControls(camera);
    this.#drawCard(cardFor({
      ...this.#facts,
      camera: camera.state,
      connection: session.connection,
      paused: session.pause !== null,
      restarting: session.restarting,
      publishing: session.publishing,
      refusal: session.refusal?.code,
      seen: session.seen,
      reviewer,
      wasLive: session.wasLive,
      network: session.network.grade,
      photographing: session.photographing > 0,
      message: session.message,
    }));
  }

  #drawNetwork(network) {
    const meter = this.querySelector("network-meter");
    meter.network = network;
    // The bar is narrow: the word is spelled out when it matters.
    meter.toggleAttribute("data-brief", !["poor", "lost"].includes(network.grade));
  }

  #drawControls(camera) {
    const control = (action) => this.querySelector(`[data-action=${action}]`);
    const mute = control("mute");
    mute.setAttribute("aria-pressed", String(camera.muted));
    mute.disabled = !camera.audio;
    control("torch").hidden = !camera.hasTorch;
    control("torch").setAttribute("aria-pressed", String(camera.torch));
    control("next-lens").hidden = !camera.hasOtherLenses;
  }

  #drawCard(code) {
    const { tone, text, who = "", detail = "", recover = false, call = false } = phoneCard(code, this.#session);
    this.dataset.state = code;
    const card = this.querySelector(".phone-card");
    card.dataset.tone = tone;
    write(card.querySelector(".phone-card__text"), text);
    write(card.querySelector(".phone-card__who"), who);
    write(card.querySelector(".phone-card__detail"), detail);
    card.querySelector("[data-action=recover]").hidden = !recover;
    card.querySelector("[data-call]")?.toggleAttribute("hidden", !call);
    card.querySelector("[data-more]").hidden = code !== "message" || !isCut(card.querySelector(".phone-card__text"));
  }
}

/** Whether some of its lines do not show. */
function isCut({ scrollHeight, clientHeight }) {
  return scrollHeight > clientHeight + 2;
}

/** Only what changed is written: a live region speaks at every write. */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
  element.hidden = !text;
}

const ACTIONS = {
  torch: (stage) => stage.toggleTorch(),
  "switch-camera": (stage) => stage.turn((camera) => camera.switchFacing()),
  "next-lens": (stage) => stage.turn((camera) => camera.nextLens()),
  mute: (stage) => stage.toggleMute(),
  chat: (stage) => stage.open("chat"),
  "read-all": (stage) => stage.open("chat"),
  more: (stage) => stage.open("more"),
  leave: (stage) => stage.open("leave"),
  "leave-now": (stage) => stage.leave(),
  "close-sheet": (stage) => stage.closeSheets(),
  recover: (stage) => stage.recover({ force: true }),
};

customElements.define("phone-stage", PhoneStage);

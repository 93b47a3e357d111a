import { h, pageData } from "../dom.js";
import { Camera, missingAbility } from "../lib/camera.js";
import { formatDateTime, t } from "../lib/i18n.js";
import { consentTo, joinInspection, reportTrouble, Seat } from "../lib/join.js";
import { deviceName } from "../lib/phone-device.js";
import { LocationShare } from "../lib/location-share.js";
import { PhoneSession } from "../lib/phone-session.js";
import { findUploads } from "../lib/upload-seat.js";
import { nextTextSize } from "../text-size.js";
import "./camera-check.js";
import "./location-offer.js";
import "./phone-receipts.js";
import "./phone-stage.js";
import "./phone-upload.js";
import "./status-screen.js";

// The server has a page of its own for each of these.
const PAGE_CODES = new Set([
  "invitation_unknown", "invitation_expired", "invitation_cancelled", "inspection_ended", "inspection_cancelled", "too_early",
  "consent_required",
]);
const OVER = new Set(["ended", "concluded", "cancelled"]);

/**
 * <phone-inspection data-invitation data-number data-office data-telephone>: the way of an enterprise's contact through
 * one inspection. `data-step`: start, consent, check, stage, notice. Markup in phone/page.html.
 */
class PhoneInspection extends HTMLElement {
  #texts = [];
  #agreed;
  #camera = new Camera();
  #seat = null;
  #answer = null;
  #session = null;
  #sending = null;
  #left = null;
  #tabs = null;
  #filmed = false;
  #unableBecause = "";
  #location = new LocationShare({ send: (message) => this.#sendLocation(message) });

  async connectedCallback() {
    this.#texts = pageData().texts ?? [];
    this.#part("check").querySelector("camera-check").camera = this.#camera;
    this.addEventListener("submit", (event) => this.#submit(event));
    this.addEventListener("click", (event) => this.#click(event));
    this.addEventListener("status-screen-action", ({ detail }) => this.#noticeAction(detail));
    this.addEventListener("camera-check-state", ({ detail }) => this.#tellCamera(detail));
    this.addEventListener("camera-check-ready", () => this.#enterStage());
    this.addEventListener("phone-stage-leave", () => this.#leave());
    this.#camera.addEventListener("change", () => this.#keepCamera());
    this.#location.addEventListener("change", () => this.#locationChanged());
    this.querySelector("location-offer").follow(this.#location);
    this.dataset.ready = "";
    await this.#resume();
  }

  /** The person joined before in this browser: the same place again, without a question if the phone allows it. */
  async #resume() {
    if (missingAbility()) return;
    this.#seat = await Seat.of(this.dataset.invitation);
    this.#answer = this.#seat.find();
    if (!this.#answer) return;
    if (this.#answer.camera) this.#camera.choice = this.#answer.camera;
    // Should the seat have to be taken again: the same person, who agreed to what they then read.
    this.#agreed = this.#answer.agreed;
    if (this.#answer.name) this.querySelector("#name").value = this.#answer.name;
    this.#connect();
    this.#show("check");
    await this.#check.begin({ auto: await cameraAllowed() });
  }

  get #check() {
    return this.#part("check").querySelector("camera-check");
  }

  get #name() {
    return this.querySelector("#name").value.trim();
  }

  #part(step) {
    return this.querySelector(`[data-for=${step}]`);
  }

  #show(step) {
    this.dataset.step = step;
    for (const part of this.querySelectorAll("[data-for]")) part.hidden = part.dataset.for !== step;
    globalThis.scrollTo(0, 0);
    this.#part(step).querySelector("h1[tabindex]")?.focus({ preventScroll: true });
  }

  #submit(event) {
    const { form } = event.target.dataset;
    if (form !== "start" && form !== "consent") return;
    event.preventDefault();
    if (form === "start") this.#start();
    else this.#agree(event.target);
  }

  #click(event) {
    const { action } = event.target.closest("[data-action]")?.dataset ?? {};
    if (action === "text-size") nextTextSize();
    if (action === "disagree") this.#disagree();
    if (action === "share-location") this.#toggleLocation();
  }

  #start() {
    const named = Boolean(this.#name);
    this.querySelector("#name-error").hidden = named;
    this.querySelector("#name").setAttribute("aria-invalid", String(!named));
    if (!named) {
      this.querySelector("#name").focus();
    } else if (missingAbility()) {
      // No use reading two texts on a phone that cannot go on.
      this.#show("check");
      this.#check.begin();
    } else {
      this.#show("consent");
    }
  }

  async #agree(form) {
    const missing = this.#texts.map(({ kind }) => kind).filter((kind) => !form.elements[kind].checked);
    const summary = form.querySelector("[data-consent-errors]");
    summary.hidden = missing.length === 0;
    for (const line of summary.querySelectorAll("[data-error-of]")) line.hidden = !missing.includes(line.dataset.errorOf);
    if (missing.length > 0) return summary.focus();
    this.#agreed = consentTo(this.#texts);
    await this.#join();
  }

  async #join({ takeover = false } = {}) {
    const button = this.#part("consent").querySelector("form .button--primary");
    if (button.dataset.state === "busy") return;
    button.dataset.state = "busy";
    this.#joinError("");
    try {
      const said = { name: this.#name, agreed: this.#agreed };
      const answer = await joinInspection({
        invitation: this.dataset.invitation,
        name: said.name,
        consent: said.agreed,
        device: deviceName(navigator.userAgent, navigator.userAgentData?.model),
        takeover,
      });
      this.#answer = { ...answer, ...said };
      this.#seat.keep(this.#answer);
      this.#entered();
    } catch (error) {
      this.#refused(error);
    } finally {
      delete button.dataset.state;
    }
  }

  async #entered() {
    this.#connect();
    if (this.#camera.state === "open" || this.#camera.state === "interrupted") {
      this.#enterStage();
      return;
    }
    this.#show("check");
    this.#check.begin({ auto: this.#filmed && (await cameraAllowed()) });
  }

  #refused(error) {
    // No seat, so nobody to see the picture.
    this.#camera.close();
    if (error.code === "already_joined") {
      this.#notice("choose", error);
    } else if (PAGE_CODES.has(error.code)) {
      this.#seat?.forget();
      location.reload();
    } else {
      this.#show("consent");
      this.#joinError(error.message);
    }
  }

  #joinError(text) {
    const line = this.querySelector("[data-join-error]");
    line.textContent = text;
    line.hidden = !text;
  }

  /** Into the room right after joining: the reviewer sees who is there while the camera is still being tried. */
  #connect() {
    this.#session?.close();
    this.#unableBecause = "";
    const session = new PhoneSession({ seat: this.#answer, camera: this.#camera });
    this.#session = session;
    session.addEventListener("bye", ({ detail }) => this.#bye(detail));
    session.addEventListener("unable", ({ detail }) => this.#unable(detail.code));
    session.addEventListener("change", () => this.#keepPause(session));
    session.addEventListener("change", () => OVER.has(session.state.state) && this.#over(session.state.state));
    this.#claimTab();
    session.start();
    if (this.#answer.sharesLocation) this.#location.start();
  }

  #enterStage() {
    if (!this.#session) return;
    this.#filmed = true;
    this.#show("stage");
    this.#part("stage").querySelector("phone-stage").begin(this.#session, this.#camera);
    this.#session.offerCamera();
  }

  /** It films but cannot send: another browser can. The seat stays, and the reviewer sees who is here. */
  #unable(code) {
    this.#unableBecause = code;
    this.#part("stage").querySelector("phone-stage").end();
    this.#camera.close();
    this.#show("check");
    this.#check.fail("no_api");
  }

  /** Nobody has joined yet, so there is no room to tell it in. */
  #tellTrouble(code) {
    const csrf = document.querySelector('meta[name="csrf-token"]')?.content;
    reportTrouble({ invitation: this.dataset.invitation, code, csrf });
  }

  #tellCamera({ state, problem }) {
    if (!this.#session && ["no_api", "insecure"].includes(problem)) this.#tellTrouble(problem);
    if (state === "asking") this.#session?.report("camera_asking");
    else if (state === "ready") this.#session?.report("camera_back");
    else if (problem === "denied") this.#session?.report("camera_denied");
    else if (["no_api", "insecure"].includes(problem)) this.#session?.report("camera_unsupported", this.#unableBecause || problem);
    else this.#session?.report("camera_ended", problem);
  }

  #sendLocation(message) {
    return this.#session?.send(message) ?? Promise.reject(Object.assign(new Error("not_connected"), { code: "not_connected" }));
  }

  #toggleLocation() {
    if (this.#location.wanted) this.#location.stop();
    else this.#location.start();
    this.#answer.sharesLocation = this.#location.wanted;
    this.#seat?.keep(this.#answer);
  }

  /** A reload goes on with the camera and the microphone as they are now. */
  #keepCamera() {
    if (!this.#session || !this.#answer) return;
    const { choice } = this.#camera;
    if (JSON.stringify(choice) === JSON.stringify(this.#answer.camera)) return;
    this.#answer.camera = choice;
    this.#seat?.keep(this.#answer);
  }

  /** A reload in a pause records nothing before it has heard of it again. */
  #keepPause(session) {
    const paused = session.pause !== null;
    if (session !== this.#session || !session.caughtUp || paused === Boolean(this.#answer.paused)) return;
    this.#answer.paused = paused;
    this.#seat?.keep(this.#answer);
  }

  #locationChanged() {
    const { state, wanted } = this.#location;
    if (state === "denied") this.#session?.report("location_denied");
    this.querySelector("phone-stage [data-action=share-location]").toggleAttribute("data-on", wanted);
  }

  /** Two pages with one seat would push each other's camera out for ever: the newest keeps it. */
  #claimTab() {
    this.#tabs?.close();
    if (!this.#seat || !globalThis.BroadcastChannel) return;
    this.#tabs = new BroadcastChannel(this.#seat.key);
    this.#tabs.postMessage("here");
    this.#tabs.addEventListener("message", () => {
      this.#quit();
      this.#notice("other-tab");
    });
  }

  #bye({ code, by, reason }) {
    if (code === "ended") return this.#over("ended");
    if (code === "expired" || code === "replaced") this.#sending = this.#session?.continuity ?? null;
    this.#quit({ keepCamera: code === "expired" });
    if (code === "expired") {
      // Another device took the seat while we were away, or the day is over: joining again tells which.
      this.#seat?.forget();
      return this.#join();
    }
    if (code === "replaced") return this.#notice("replaced", { continuity: this.#sending });
    this.#seat?.forget();
    return this.#notice("removed", { by, reason });
  }

  #over(state) {
    if (!this.#session) return;
    const { continuity, receipts } = this.#session;
    this.#session.finish();
    this.#quit({ close: false });
    this.#seat?.forget();
    if (state === "cancelled") location.reload();
    else this.#notice("ended", { continuity, receipts, invitation: this.dataset.invitation });
  }

  async #leave() {
    const session = this.#session;
    this.#left = session?.continuity ?? null;
    this.#quit({ close: false });
    this.#notice("left", { continuity: this.#left });
    await session?.leave();
  }

  /** Off the stage: camera and microphone go dark, so that nobody feels watched. */
  #quit({ keepCamera = false, close = true } = {}) {
    this.#part("stage").querySelector("phone-stage").end();
    this.#location.stop();
    if (close) this.#session?.close();
    this.#session = null;
    this.#tabs?.close();
    this.#tabs = null;
    if (!keepCamera) this.#camera.close();
  }

  #disagree() {
    this.#tellTrouble("disagreed");
    this.#notice("disagreed");
  }

  #noticeAction(name) {
    if (name === "takeover") this.#join({ takeover: true });
    if (name === "stay-away") this.#notice("stays-there", { continuity: this.#sending });
    if (name === "consent") this.#show("consent");
    if (name === "return") {
      this.#left?.handOver();
      this.#left = null;
      this.#connect();
      this.#show("check");
      this.#check.begin({ auto: true });
    }
  }

  #notice(code, details = {}) {
    this.#show("notice");
    const { number, case: caseNumber, office, telephone } = this.dataset;
    const screen = NOTICES[code]({ ...details, number, caseNumber, office });
    const call = telephone ? { label: t("Call {number}", { number: telephone }), href: `tel:${telephone.replaceAll(" ", "")}` } : null;
    const actions = [...(screen.actions ?? []), ...(call && screen.call ? [call] : [])];
    this.#part("notice").show({ state: code, ...screen, actions });
  }
}

const NOTICES = {
  choose: ({ device, joined_at: since }) => ({
    tone: "warn",
    icon: "devices",
    title: t("Which phone goes on?"),
    body: [
      device
        ? t("This link is already in use on another device: {device}, since {time}.", { device, time: since ? formatDateTime(since) : "" })
        : t("This link is already in use on another device."),
      t("Only one device can film at a time."),
    ],
    actions: [
      { name: "takeover", label: t("Go on with this phone"), primary: true },
      { name: "stay-away", label: t("Stay with the other one") },
    ],
  }),
  "stays-there": ({ continuity }) => ({
    icon: "device",
    title: t("Please go on with the other phone"),
    ...stillToSend(continuity),
    actions: [{ name: "takeover", label: t("Use this phone after all") }],
  }),
  replaced: ({ continuity }) => ({
    tone: "warn",
    icon: "devices",
    title: t("Opened on another device"),
    content: continuity && uploadOf(continuity),
    body: [t("The inspection goes on there. Nothing is lost.")],
    actions: [{ name: "takeover", label: t("Go on with this phone"), primary: true }],
  }),
  "other-tab": () => ({
    tone: "warn",
    icon: "devices",
    title: t("Opened in another page of this phone"),
    body: [t("The inspection goes on there. Nothing is lost.")],
    actions: [{ name: "return", label: t("Go on with this page"), primary: true }],
  }),
  removed: ({ office, by, reason }) => ({
    tone: "warn",
    icon: "warning",
    title: t("You were taken out of the inspection"),
    body: [
      by ? t("{name} of {office} has ended your part. If this is a mistake, please call.", { name: by, office })
        : t("{office} has ended your part. If this is a mistake, please call.", { office }),
      ...(reason ? [t("Reason: {reason}", { reason })] : []),
    ],
    call: true,
  }),
  left: ({ continuity }) => ({
    icon: "sign-out",
    title: t("You have left the inspection"),
    content: continuity && uploadOf(continuity),
    body: [t("Camera and microphone are off. As long as the inspection is not over, you can come back.")],
    actions: [{ name: "return", label: t("Back to the inspection"), primary: true }],
    call: true,
  }),
  disagreed: ({ office }) => ({
    icon: "info",
    title: t("Without agreement there is no remote inspection"),
    body: [t("That is your right. {office} can inspect on site instead; please call to arrange it.", { office })],
    actions: [{ name: "consent", label: t("Back to the texts") }],
    call: true,
  }),
  ended: ({ number, caseNumber, office, continuity, receipts, invitation }) => ({
    tone: "ok",
    icon: "check-circle",
    title: t("The inspection has ended. Thank you."),
    content: h(
      "div",
      { class: "phone-ended" },
      // The same two numbers as on the page that the link opens from now on.
      h(
        "dl", { class: "phone-receipt" },
        h("dt", {}, t("Reference number")), h("dd", { class: "numeral numeral--large" }, number),
        h("dt", {}, t("Case number")), h("dd", { class: "numeral" }, caseNumber),
      ),
      uploadOf(continuity),
      receiptsOf(receipts, invitation),
    ),
    body: [
      t("{office} will check the recording and tell you the result.", { office }),
      t("Camera and microphone are off."),
    ],
    call: true,
  }),
};

/** What this phone recorded before another one took its place, as it goes out; else that it is not needed any more. */
function stillToSend(continuity) {
  if (continuity) return { content: uploadOf(continuity) };
  if (findUploads().length > 0) return { content: h("phone-upload", { "data-remembered": "" }) };
  return { body: [t("You can close this page.")] };
}

/** What is still to be sent from this phone, as it goes out. */
function uploadOf(continuity) {
  const element = h("phone-upload", {});
  element.follow(continuity);
  return element;
}

/** What this phone countersigned, to be kept. */
function receiptsOf(receipts, invitation) {
  const element = h("phone-receipts", { "data-address": `/i/${invitation}/receipts` });
  element.follow(receipts);
  return element;
}

/** Whether opening the camera needs no question. In doubt: no, and the person taps. */
async function cameraAllowed() {
  try {
    const answers = await Promise.all(["camera", "microphone"].map((name) => navigator.permissions.query({ name })));
    return answers.every(({ state }) => state === "granted");
  } catch {
    return false;
  }
}

customElements.define("phone-inspection", PhoneInspection);

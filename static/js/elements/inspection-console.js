import { h } from "../dom.js";
import { formatDuration, formatTime, t } from "../lib/i18n.js";
import { mainSlot, sites } from "../lib/console-state.js";
import { troubleWords } from "../lib/event-words.js";
import { locationWords } from "../lib/location-words.js";
import { failureWords, stageWords } from "../lib/console-words.js";
import { randomId } from "../lib/random-id.js";
import { RoomViewers } from "../lib/room-viewers.js";
import "./chat-log.js";
import "./check-list.js";
import "./command-bar.js";
import "./console-stage.js";
import "./continuity-ledger.js";
import "./end-dialog.js";
import "./event-list.js";
import "./network-meter.js";
import "./participant-list.js";
import "./pause-dialog.js";
import "./photo-dialog.js";
import "./photo-strip.js";
import "./recording-badge.js";
import "./side-drawers.js";
import "./status-line.js";
import "./tab-panels.js";

const CLOCK_EVERY_MS = 500;
/** What the ledger is made of. */
const LEDGER_EVENTS = /^(slot|part|inspection|recording|participant|device)\./;
/** Codes after which the very same request may simply be sent again. */
const REPEATABLE = new Set(["unreachable", "http_502", "http_503", "http_504"]);

/**
 * The console of one inspection: hands the session's news to its elements, and their events to the session.
 *
 * In: `open({session, own, inspection, can, staff})` with a ConsoleSession, an OwnMedia, the page data's inspection and the set of allowed actions.
 * `data-state` is the state of the stage.
 */
class InspectionConsole extends HTMLElement {
  #session;
  #own;
  #inspection;
  #can;
  #staff;
  #viewers = new RoomViewers();
  #chosen = null;
  #sound = { wanted: true, allowed: false };
  #abort = new AbortController();

  open({ session, own, inspection, can, staff }) {
    this.#session = session;
    this.#own = own;
    this.#inspection = inspection;
    this.#can = can;
    this.#staff = staff;
    const names = this.#names();
    this.#part("event-list").names = names;
    this.#strip.itemTitle = names.item;
    // Staff are let in by their cookie; a guest's pictures need the token.
    if (!staff) this.#strip.picture = (url) => session.picture(url);
    this.#part("photo-dialog").strip = this.#strip;
    Object.assign(this.#part("continuity-ledger"), { load: () => (session.me ? session.continuity() : []), now: () => session.clock.now() });
    this.#listenToSession();
    this.#listenToElements();
    this.#watchGestures();
    const timer = setInterval(() => this.#clock(), CLOCK_EVERY_MS);
    this.#abort.signal.addEventListener("abort", () => clearInterval(timer));
    addEventListener("pagehide", () => this.#hangUp(), { signal: this.#abort.signal });
    // A page that comes back out of the browser's memory has hung up.
    addEventListener("pageshow", (event) => event.persisted && location.reload(), { signal: this.#abort.signal });
    session.start();
    this.#render();
  }

  disconnectedCallback() {
    this.#abort.abort();
    this.#hangUp();
  }

  /** The server need not wait for silence to know that this window is gone. */
  #hangUp() {
    this.#viewers.close();
    this.#own?.close();
    this.#session?.close();
  }

  #part(selector) {
    return this.querySelector(selector);
  }

  get #stage() {
    return this.#part("console-stage");
  }

  get #bar() {
    return this.#part("command-bar");
  }

  get #strip() {
    return this.#part("photo-strip");
  }

  get #checks() {
    return this.#part("check-list");
  }

  #names() {
    const person = (id) => this.#session.room.participants.get(id)?.name ?? t("Somebody");
    const slot = (id) => person(this.#session.room.slots.get(id)?.participant);
    return { person, slot, item: (key) => this.#checks.title(key) };
  }

  #listenToSession() {
    const { signal } = this.#abort;
    const session = this.#session;
    session.addEventListener("change", () => this.#render(), { signal });
    session.addEventListener("event", ({ detail }) => this.#event(detail), { signal });
    session.addEventListener("joined", ({ detail }) => this.#joined(detail), { signal });
    this.#own.addEventListener("change", () => this.#render(), { signal });
    this.#own.addEventListener("mute", ({ detail }) => session.want(detail.kind, detail.muted), { signal });
    this.#own.addEventListener("refused", ({ detail }) => this.#refused(detail), { signal });
  }

  #listenToElements() {
    const { signal } = this.#abort;
    const on = (name, handler) => this.addEventListener(name, (event) => handler(event.detail), { signal });
    on("command-bar:snapshot", ({ time }) => this.#snapshot(time));
    on("console-stage:snapshot", ({ time }) => this.#snapshot(time));
    on("command-bar:microphone", () => this.#device(() => this.#own.toggleMicrophone()));
    on("command-bar:camera", () => this.#device(() => this.#own.toggleCamera()));
    on("command-bar:sound", () => this.#setSound({ wanted: !(this.#sound.wanted && this.#sound.allowed), allowed: true }));
    on("command-bar:end", () => this.#askToEnd());
    on("command-bar:pause", () => this.#togglePause());
    on("pause-dialog:confirm", ({ reason, waitUntil }) => waitUntil(this.#session.pause(reason)));
    on("console-stage:action", ({ action }) => {
      if (action === "resume") this.#resume();
      if (action === "rejoin") this.#rejoin();
      if (action === "sound") this.#setSound({ wanted: true, allowed: true });
    });
    on("participant-list:promote", ({ slot }) => { this.#chosen = slot; this.#render(); });
    on("check-list:select", () => this.#renderItem());
    on("status-line:clear-item", () => this.#checks.close());
    on("check-list:answer", ({ waitUntil, ...answer }) => waitUntil(this.#send({ type: "answer", ...answer })));
    on("chat-log:send", ({ text, waitUntil }) => waitUntil(this.#send({ type: "chat", text })));
    on("end-dialog:confirm", ({ waitUntil }) => waitUntil(this.#end()));
    on("photo-strip:open", ({ id }) => this.#part("photo-dialog").open(id));
    on("tab-panels:show", ({ panel }) => this.#shown(panel));
    on("side-drawers:open", ({ drawer }) => drawer === "side" && this.#shown(this.#part("tab-panels").shown));
  }

  #rejoin() {
    const { entrance } = this.#session;
    if (entrance) location.assign(entrance);
    else this.#session.start();
  }

  #shown(panel) {
    if (panel === "panel-timeline") this.#part("event-list").follow();
    if (panel === "panel-chat") this.#part("chat-log").follow();
    if (panel === "panel-ledger") this.#part("continuity-ledger").refresh();
  }

  #joined(seat) {
    this.#viewers.close();
    this.#part("chat-log").me = seat.participant;
    this.#own.takeSeat(seat).catch((error) => this.#complain(error.message));
  }

  #event({ event, past }) {
    this.#part("event-list").add(event);
    if (!past && LEDGER_EVENTS.test(event.type)) this.#part("continuity-ledger").refresh();
    if (past || event.type !== "chat.sent" || event.actor.id === this.#session.me?.participant) return;
    this.#part("tab-panels").count("panel-chat");
    this.#part("side-drawers").count("side");
  }

  async #send(message) {
    try {
      return await this.#session.send(message);
    } catch (error) {
      throw Object.assign(new Error(failureWords(error)), { ...error });
    }
  }

  #refused({ code, message }) {
    this.#complain(message || t("Your microphone and camera cannot be sent (code {code}).", { code }));
  }

  async #device(act) {
    this.#complain("");
    try {
      await act();
    } catch (error) {
      this.#complain(error.message);
    }
  }

  #complain(words) {
    const place = this.#part("[data-command-error]");
    place.textContent = words;
    place.hidden = !words;
  }

  // -- pictures and sound

  #watchGestures() {
    const { signal } = this.#abort;
    const gesture = () => {
      // A browser lets sound begin once the person has touched the page; whoever clicks anything has asked for the room's sound.
      if (!this.#sound.allowed && (navigator.userActivation?.hasBeenActive ?? true)) this.#setSound({ allowed: true });
    };
    for (const type of ["pointerup", "keyup"]) document.addEventListener(type, gesture, { signal });
    this.#sound.allowed = navigator.userActivation?.hasBeenActive ?? false;
  }

  #setSound(change) {
    Object.assign(this.#sound, change);
    this.#render();
  }

  get #audible() {
    return this.#sound.wanted && this.#sound.allowed;
  }

  #keepViewers() {
    const { media, me, over, bye } = this.#session;
    if (!me || over || bye) this.#viewers.close();
    else this.#viewers.keep(media, me);
  }

  get #main() {
    const { media, presence, me } = this.#session;
    if (this.#chosen && media.some(({ id, live }) => id === this.#chosen && live)) return this.#chosen;
    this.#chosen = null;
    return mainSlot([...media], presence, me?.participant);
  }

  // -- acts

  async #snapshot(time, { newest = false } = {}) {
    if (this.#bar.querySelector('[data-command="snapshot"]').disabled) return;
    // The stage's own: a slot that is chosen a moment later is not what was seen.
    const slot = this.#stage.viewer?.slot ?? this.#main;
    const frame = newest ? null : this.#stage.frameAt(time);
    const request = randomId();
    const click = { slot, rtpTimestamp: frame?.rtpTimestamp ?? null, item: this.#checks.selected, request };
    this.#strip.pending({ request, canvas: this.#stage.thumbnail(), item: click.item });
    this.#stage.blink();
    await this.#post(click);
  }

  async #post(click) {
    try {
      const answer = await this.#session.takeSnapshot(click);
      const by = this.#session.room.participants.get(this.#session.me.participant)?.name;
      const named = click.rtpTimestamp === null ? "newest" : "screen";
      this.#strip.settle(click.request, { by, item: click.item, named, ...answer });
    } catch (error) {
      this.#strip.fail(click.request, failureWords(error), this.#remedy(error, click));
    }
  }

  #remedy(error, click) {
    if (error.code === "frame_gone") {
      return { label: t("Take the newest frame"), run: () => this.#snapshot(performance.now(), { newest: true }) };
    }
    if (!REPEATABLE.has(error.code)) return null;
    const run = () => {
      this.#strip.pending({ request: click.request, canvas: this.#stage.thumbnail(), item: click.item });
      this.#post(click);
    };
    return { label: t("Send again"), run };
  }

  #togglePause() {
    if (this.#session.room.pause) this.#resume();
    else this.#part("pause-dialog").ask();
  }

  async #resume() {
    this.#complain("");
    try {
      await this.#session.resume();
    } catch (error) {
      this.#complain(failureWords(error));
    }
  }

  #askToEnd() {
    this.#part("end-dialog").ask({
      answered: Number(this.#checks.dataset.answered),
      total: this.#checks.items.length,
      snapshots: this.#session.room.snapshots.length,
      elapsed: this.#elapsed,
    });
  }

  async #end() {
    try {
      await this.#session.end();
    } catch (error) {
      // Somebody else was quicker: that is what was wanted, and the stage says so.
      if (error.code !== "already_ended") throw error;
      this.#complain(failureWords(error));
    }
  }

  // -- drawing

  #clock() {
    this.#part("[data-elapsed]").textContent = this.#elapsed;
    const { pause } = this.#session.room;
    const seconds = pause ? (this.#session.clock.now() - Date.parse(pause.at)) / 1000 : null;
    this.#stage.lasts = this.#session.stage.state === "paused" ? formatDuration(seconds) : "";
  }

  get #elapsed() {
    const { startedAt, endedAt } = this.#session.room;
    if (!startedAt) return "–:––";
    const until = endedAt ? Date.parse(endedAt) : this.#session.clock.now();
    return formatDuration((until - Date.parse(startedAt)) / 1000);
  }

  #render() {
    const session = this.#session;
    this.#keepViewers();
    const { room } = session;
    this.#checks.update(room.answers);
    this.#strip.update(room.snapshots.map((snapshot) => ({ ...snapshot, url: this.#pictureUrl(snapshot.id) })));
    this.#strip.showPhotos(room.photos);
    this.#part("chat-log").update(room.chat);
    this.#renderStage();
    this.#renderPeople();
    this.#renderRecording();
    this.#renderPosition();
    this.#renderCommands();
    this.#renderItem();
    this.#clock();
  }

  #pictureUrl(id) {
    return `/api/v1/inspections/${this.#inspection.id}/snapshots/${id}`;
  }

  #renderStage() {
    const session = this.#session;
    const stage = session.stage;
    const main = this.#main;
    this.#stage.show(this.#viewers.get(main));
    this.#stage.video.muted = !this.#audible;
    const words = stageWords(stage.state, {
      name: stage.site?.name,
      since: stage.since,
      startsAt: session.room.startsAt ?? this.#inspection.starts_at,
      trouble: this.#trouble,
      refusal: session.refusal,
      lostSeconds: session.lostSeconds,
      staff: this.#staff,
      size: this.#stage.size,
      mayResume: this.#can.has("inspection.pause"),
      ...session.room.pause,
      ...session.removal,
    });
    // Somebody else's picture was chosen: what is the matter with the phone is said in the line below it.
    const owner = session.media.find(({ id }) => id === main)?.participant;
    const elsewhere = stage.site !== undefined && owner !== undefined && owner !== stage.site.id;
    this.#stage.say(stage.state, elsewhere ? { ...words, cover: null } : words);
    const whose = t("Picture of {name}", { name: this.#names().person(owner) });
    this.#part("status-line").say(words.tone, elsewhere && stage.state === "live" ? whose : words.title);
    this.dataset.state = stage.state;
    this.#stage.askForSound = stage.state !== "paused" && this.#viewers.size > 0 && this.#sound.wanted && !this.#sound.allowed;
  }

  /** What kept the enterprise from coming in last, in words. */
  get #trouble() {
    const last = this.#session.room.troubles.findLast(({ role }) => role === "enterprise");
    return last ? troubleWords(t, last) : "";
  }

  #renderPeople() {
    const session = this.#session;
    const people = session.presence;
    this.#part("participant-list").update({
      people,
      media: session.media,
      room: session.room,
      me: session.me?.participant,
      main: this.#main,
      viewers: this.#viewers,
      own: this.#own,
      sound: this.#audible,
    });
    this.#part(".console-people").hidden = session.over;
    const present = people.filter(({ online }) => online).map(({ name }) => name);
    this.#part("[data-present]").hidden = present.length === 0;
    this.#part("[data-names]").textContent = present.join(t(", "));
    const [site] = sites(session.room, people);
    const meter = this.#part("[data-network]");
    meter.hidden = !site || session.over || session.bye !== null;
    if (site) meter.network = site.online ? (site.network ?? { grade: "unknown" }) : { grade: "lost" };
    // A short word is no reason: what is the matter stands beside it, not in a hint that a finger never sees.
    const why = this.#part("[data-network-why]");
    why.textContent = meter.hidden ? "" : meter.reasons;
    why.hidden = !why.textContent;
  }

  #renderRecording() {
    const { recording, over, phase, bye } = this.#session;
    const blind = phase === "lost" || bye !== null;
    const state = over ? "idle" : blind ? "unknown" : recording.state;
    this.#part("[data-recording]").dataset.state = state;
    const alarm = this.#part("[data-alarm]");
    const failed = state === "failed";
    const names = recording.slots.map((slot) => this.#names().slot(slot)).join(t(", "));
    const filling = !over && this.#session.media.some(({ disk }) => disk === "low" || disk === "full");
    const words = failed
      ? t("NOT RECORDING: what {names} sends is not being kept. Pause the inspection and tell the administrator.", { names })
      : filling ? t("The server's disk is filling up. This inspection is still recorded. Please tell the administrator.") : "";
    alarm.dataset.tone = failed ? "bad" : "warn";
    if (alarm.textContent !== words) alarm.textContent = words;
    alarm.hidden = !words;
  }

  /** The phone's newest position in words, with the reasons for its grade. */
  #renderPosition() {
    const fix = this.#session.room.locations.at(-1);
    const place = this.#part("[data-position]");
    if (!fix || place.dataset.at === fix.at) return;
    const { tone, title, accuracy, reasons } = locationWords(t, fix);
    place.dataset.at = fix.at;
    place.dataset.tone = tone;
    place.dataset.grade = fix.grade ?? "unknown";
    place.replaceChildren(
      h("strong", {}, title),
      h("span", { class: "muted numeral" }, `${accuracy} · ${formatTime(fix.at)}`),
      h("ul", {}, reasons.map((reason) => h("li", {}, reason))),
    );
  }

  #renderCommands() {
    const { me, over, bye, room, phase } = this.#session;
    const may = (action) => me !== null && !over && !bye && this.#can.has(action);
    const bar = this.#bar;
    bar.show("microphone", may("room.publish"));
    bar.show("camera", may("room.publish"));
    bar.show("snapshot", may("room.snapshot"));
    bar.show("pause", may("inspection.pause") && room.state === "live");
    bar.look("pause", room.pause ? "on" : "off");
    bar.show("end", may("inspection.end"));
    bar.show("sound", !over && !bye);
    bar.enable("snapshot", room.state === "live" && !room.pause && phase !== "joining" && this.#stage.size !== "");
    const sent = this.#own.connection === "live";
    const look = (device) => (device === "on" && !sent ? "unsent" : device);
    bar.look("microphone", look(this.#own.microphone));
    bar.look("camera", look(this.#own.camera));
    bar.look("sound", this.#audible ? "on" : "off");
    this.#checks.editable = may("room.answer");
    this.#part("chat-log").writable = may("room.chat");
    if (over && this.#own.stream.getTracks().length) this.#own.close();
  }

  #renderItem() {
    const item = this.#checks.selected;
    const visible = this.#can.has("room.snapshot") && !this.#session.over;
    this.#part("status-line").item(item && this.#checks.title(item), visible);
  }
}

customElements.define("inspection-console", InspectionConsole);

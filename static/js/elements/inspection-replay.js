import { icon } from "../dom.js";
import { formatDuration, formatTime, t } from "../lib/i18n.js";
import { jsonRequest } from "../lib/json-request.js";
import { ReplayClock } from "../lib/replay-clock.js";
import { lanesOf } from "../lib/replay-lanes.js";
import { buildSchedule, countUntil, momentOf } from "../lib/replay-schedule.js";
import { fold, foldAll, initialState } from "../lib/room-state.js";
import "./chat-log.js";
import "./check-list.js";
import "./clock-scope.js";
import "./continuity-ledger.js";
import "./event-list.js";
import "./event-timeline.js";
import "./photo-dialog.js";
import "./photo-strip.js";
import "./replay-video.js";
import "./tab-panels.js";
import "./time-box.js";

/** More pages of events than this are a mistake of ours, not an inspection. */
const MOST_PAGES = 200;

/**
 * The replay of one inspection: one clock, and everything that follows it.
 *
 * In: `open(recording)` with the page data. `data-state`: loading, ready, empty (nothing recorded), failed.
 */
class InspectionReplay extends HTMLElement {
  #clock;
  #schedule;
  #events = [];
  #answers = [];
  #answered = -1;
  #room = initialState();
  #promoted = null;
  #touched = false;
  #untouched = 0;
  #recording;
  #abort = new AbortController();

  async open(recording) {
    this.#recording = recording;
    const { inspection, slots, parts, continuity } = recording;
    this.#schedule = buildSchedule({ slots, parts, continuity, startedAt: inspection.started_at, endedAt: inspection.ended_at });
    this.#clock = new ReplayClock(this.#schedule);
    // Between the start and the first picture there is nothing to see.
    if (this.#schedule.covered.length) this.#untouched = this.#clock.seek(this.#schedule.covered[0].start);
    this.#prepare();
    try {
      this.#events = await this.#load();
    } catch (error) {
      // The pictures can be watched without the list.
      this.#say(error.message);
    }
    this.#room = foldAll(this.#events);
    this.#fill();
    this.dataset.state = parts.length ? "ready" : "empty";
    this.#state();
  }

  disconnectedCallback() {
    this.#abort.abort();
  }

  get clock() {
    return this.#clock;
  }

  #part(selector) {
    return this.querySelector(selector);
  }

  get #videos() {
    return [...this.querySelectorAll("replay-video")];
  }

  async #load() {
    const events = [];
    for (let page = 0; page < MOST_PAGES; page += 1) {
      const more = await jsonRequest(`${this.#recording.events_url}?after=${events.at(-1)?.seq ?? 0}`);
      if (!more.length) break;
      events.push(...more);
    }
    return events;
  }

  #prepare() {
    const { signal } = this.#abort;
    const scope = this.#part("clock-scope");
    scope.clock = this.#clock;
    scope.addEventListener("clock-scope:frame", ({ detail }) => this.#moment(detail.now), { signal });
    this.#clock.addEventListener("change", () => this.#state(), { signal });
    this.#part("time-box").clock = this.#clock;
    for (const video of this.#videos) {
      video.follow(this.#clock, this.#schedule.slots.find((slot) => slot.id === video.dataset.slot));
    }
    this.#arrange();
    this.#controls(signal);
  }

  #controls(signal) {
    const on = (name, handler) => this.addEventListener(name, (event) => handler(event.detail), { signal });
    on("event-list:seek", ({ at }) => this.#clock.seek(at));
    on("continuity-ledger:seek", ({ at }) => this.#clock.seek(at));
    on("photo-strip:open", ({ id }) => this.#part("photo-dialog").open(id));
    on("photo-dialog:seek", ({ at }) => this.#clock.seek(at));
    on("replay-video:promote", ({ slot }) => this.#promote(slot));
    on("replay-video:state", () => this.#state());
    on("tab-panels:show", () => { this.#part("event-list").follow(); this.#part("chat-log").follow(); });
    this.addEventListener("click", (event) => this.#click(event), { signal });
    this.addEventListener("keydown", (event) => this.#key(event), { signal });
    this.#part("[data-rate]").addEventListener("change", (event) => { this.#clock.rate = Number(event.target.value); }, { signal });
    this.#part("[data-skipping]").addEventListener("change", (event) => { this.#clock.skipping = event.target.checked; }, { signal });
    this.#part("[data-volume]").addEventListener("input", (event) => {
      for (const video of this.#videos) video.volume = Number(event.target.value);
    }, { signal });
  }

  #click(event) {
    if (event.target.closest("[data-play], [data-play-large]")) this.#toggle();
    const step = event.target.closest("[data-step]")?.dataset.step;
    if (step) this.#clock.seek(this.#clock.now() + Number(step) * 1000);
  }

  #toggle() {
    if (this.#clock.playing) this.#clock.pause();
    else this.#clock.play();
  }

  #key(event) {
    if (event.key !== " " || event.target.closest("button, input, select, textarea, a, dialog, [role=tab]")) return;
    event.preventDefault();
    this.#toggle();
  }

  // -- once: everything that does not depend on the moment

  #fill() {
    const room = this.#room;
    const person = (id) => room.participants.get(id)?.name ?? t("Somebody");
    const names = {
      person,
      slot: (id) => this.#recording.slots.find((slot) => slot.id === id)?.name ?? person(room.slots.get(id)?.participant),
      item: (key) => this.#part("check-list").title(key),
    };
    const moments = new Map(this.#recording.snapshots.map((snapshot) => [snapshot.id, momentOf(this.#schedule, snapshot)]));
    const momentOfEvent = ({ type, at, body }) => {
      if (type === "snapshot.taken" && moments.has(body.snapshot)) return moments.get(body.snapshot);
      // What is told when it has held for a while stands where it began.
      return Date.parse(type === "network.graded" ? body.from : at);
    };
    // In the list a photo stands where it arrived, which may be long after; on the line where it was taken.
    const momentOnLine = (event) => (event.type === "photo.added" ? Date.parse(event.body.taken_at) : momentOfEvent(event));
    const list = this.#part("event-list");
    list.names = names;
    const told = this.#events.map((event) => ({ event, at: momentOfEvent(event) })).sort((a, b) => a.at - b.at);
    for (const { event, at } of told) list.add(event, at);
    this.#part("chat-log").update(room.chat);
    this.#answers = this.#events.filter(({ type }) => type === "checklist.answered").map((event) => ({ at: Date.parse(event.at), event }));
    const strip = this.#part("photo-strip");
    strip.itemTitle = names.item;
    const taken = new Map(room.snapshots.map((snapshot) => [snapshot.id, snapshot]));
    const shown = this.#recording.snapshots.map((snapshot) => {
      const { by, named } = taken.get(snapshot.id) ?? {};
      return { ...snapshot, by, named, shown_at: moments.get(snapshot.id) };
    });
    strip.update(shown.sort((a, b) => a.shown_at - b.shown_at));
    strip.showPhotos(room.photos);
    this.#part("photo-dialog").strip = strip;
    this.#part("continuity-ledger").show(this.#recording.continuity ?? []);
    this.#part("event-timeline").draw(this.#clock, this.#lanes(names, momentOnLine));
  }

  #lanes(names, momentOf) {
    return lanesOf({ t, clockTime: formatTime, schedule: this.#schedule, events: this.#events, names, momentOf });
  }

  // -- many times a second

  #moment(now) {
    this.#part("event-timeline").show(now);
    this.#part("time-box").show(now);
    this.#part("event-list").moment(now);
    this.#part("chat-log").moment(now);
    this.#part("photo-strip").moment(now);
    const answered = countUntil(this.#answers, now);
    if (answered === this.#answered) return;
    this.#answered = answered;
    const { answers } = this.#answers.slice(0, answered).reduce((state, { event }) => fold(state, event), initialState());
    this.#part("check-list").update(answers);
  }

  // -- at each change of the clock or of a video

  #state() {
    const clock = this.#clock;
    const waiting = clock.waitingFor.map((id) => this.#name(id));
    this.dataset.clock = clock.running ? "running" : clock.playing ? "waiting" : "paused";
    const button = this.#part("[data-play]");
    if (button.dataset.playing !== String(clock.playing)) {
      button.dataset.playing = clock.playing;
      button.replaceChildren(icon(clock.playing ? "pause" : "play"));
      button.setAttribute("aria-label", clock.playing ? t("Pause") : t("Play"));
    }
    // Only before anything was played or looked for: later it would cover the very picture that was stopped at.
    this.#touched ||= clock.playing || clock.navigation > this.#untouched;
    this.#part("[data-play-large]").hidden = this.#touched || this.dataset.state !== "ready";
    if (clock.playing && waiting.length) this.#say(t("Loading: {names}", { names: waiting.join(t(", ")) }));
    else this.#say(this.#gapWords());
    this.#arrange();
  }

  #gapWords() {
    if (this.dataset.state === "empty") return t("Nothing was recorded in this inspection.");
    const states = this.#videos.map((video) => video.state);
    if (!states.length || states.some((state) => state !== "gap")) return "";
    const now = this.#clock.now();
    const gap = this.#schedule.skips.find(({ start, end }) => start <= now && now < end);
    return gap ? t("No recording here for {duration}", { duration: formatDuration((gap.end - gap.start) / 1000) }) : "";
  }

  #name(slot) {
    return this.#videos.find((video) => video.dataset.slot === slot)?.dataset.name ?? slot;
  }

  #say(words) {
    const place = this.#part("[data-stage-words]");
    if (place.textContent !== words) place.textContent = words;
  }

  #promote(slot) {
    this.#promoted = slot;
    this.#arrange();
  }

  /** The large one: the person's choice, else the enterprise's camera, else the first. */
  #arrange() {
    const videos = this.#videos;
    const chosen = videos.find((video) => video.dataset.slot === this.#promoted);
    const main = chosen ?? videos.find((video) => video.dataset.role === "enterprise") ?? videos[0];
    for (const video of videos) video.toggleAttribute("data-main", video === main);
    this.#part("[data-stage]").dataset.count = videos.length;
  }
}

customElements.define("inspection-replay", InspectionReplay);

// The enterprise's side of a running inspection: the room, the camera's way to the server, the reviewers' pictures.

import { ServerClock } from "./clock.js";
import { RecordingWatch } from "./console-state.js";
import { MuteReport } from "./mute-report.js";
import { PhoneContinuity } from "./phone-continuity.js";
import { ReceiptMaker } from "./receipts.js";
import { fold, initialState } from "./room-state.js";
import { Room } from "./room.js";
import { takeStill } from "./still.js";
import { Viewer } from "./whep.js";
import { Publisher } from "./whip.js";

const OFFICE_ROLES = new Set(["reviewer", "expert"]);
const REPORT_EVERY_MS = 5000;
const LAST_HEAD_WITHIN_MS = 20_000;
// The server hears nothing although our connection claims to be well: a dead path that ICE has not noticed yet.
const DEAF_AFTER_S = 6;
const RESTART_AT_MOST_EVERY_MS = 12_000;
// Reports that wait for the network: the newest of them.
const MOST_WAITING = 20;
// A photo belongs to the moment of its snapshot: one that is asked for later shows something else.
const PHOTO_WITHIN_MS = 10_000;

/**
 * Dispatches `change` (something shown may differ), `photographed` (a photo was taken, or could not be), `viewer` (detail {slot, participant, viewer}, viewer null when it went),
 * `unable` (detail {code}: this browser cannot publish, and trying again changes nothing), and `bye` (detail {code, reason?}).
 */
export class PhoneSession extends EventTarget {
  #seat;
  #camera;
  #room = null;
  #publisher = null;
  #viewers = new Map();
  #watch = new RecordingWatch();
  #abort = new AbortController();
  #reporter = null;
  #restartedAt = 0;
  #onStage = false;
  #pastSeq = Infinity;
  #clock = new ServerClock();
  #waiting = [];
  #mutes = new MuteReport((message) => this.#room.send(message));
  #mediaLostAt = null;
  #counting = null;
  #pauses = 0;

  /** `seat`: the join's answer, with what was kept beside it: `camera.muted` as the person left it on an earlier page. */
  constructor({ seat, camera }) {
    super();
    this.#seat = seat;
    this.#camera = camera;
    if (seat.camera) this.#mutes.want("audio", seat.camera.muted);
    this.continuity = new PhoneContinuity({ seat, camera, clock: this.#clock });
    this.receipts = new ReceiptMaker(seat);
    this.state = initialState();
    this.connection = "connecting";
    this.lostSeconds = 0;
    this.restarting = false;
    this.publishing = "closed";
    this.refusal = null;
    this.presence = [];
    this.media = [];
    this.recording = "idle";
    this.recordedUntil = null;
    this.wasLive = false;
    this.photographing = 0;
  }

  get me() {
    return this.#seat.participant;
  }

  /** Our own camera's slot as the server sees it, or null. */
  get slot() {
    return this.media.find((slot) => slot.participant === this.me && slot.source === "camera") ?? null;
  }

  /** Whether the server has our picture, as it counts and not as our connection claims. */
  get seen() {
    return Boolean(this.slot?.live && this.slot.kinds?.includes("video") && this.slot.width);
  }

  /** Seconds that our picture has not gone out; 0 while it does. */
  get mediaLostSeconds() {
    return this.#mediaLostAt === null ? 0 : Math.floor((performance.now() - this.#mediaLostAt) / 1000);
  }

  /** The reviewers and experts who are here. */
  get office() {
    return this.presence.filter(({ role, online }) => online && OFFICE_ROLES.has(role));
  }

  /** Whether everything that happened before this connection has been read. */
  get caughtUp() {
    return this.state.lastSeq >= this.#pastSeq;
  }

  /** The newest of `states` that this device reported, as the log has it, or undefined. */
  lastReport(states) {
    return this.state.reports.findLast(({ participant, state }) => participant === this.me && states.includes(state))?.state;
  }

  /** Our line as the server grades it. */
  get network() {
    return this.presence.find(({ id }) => id === this.me)?.network ?? { grade: "unknown", reasons: [] };
  }

  /** Who has paused the inspection, why and since when ({name, reason, at}), or null. */
  get pause() {
    return this.state.pause;
  }

  /** The newest line of chat that is not our own, or null. */
  get message() {
    return this.state.chat.findLast(({ by }) => by !== this.me) ?? null;
  }

  start() {
    const { base, token } = this.#seat;
    this.#room = new Room({ base, token, lines: true, clock: this.#clock });
    this.receipts.follow(this.#room);
    this.continuity.addEventListener("change", () => this.#changed(), { signal: this.#abort.signal });
    this.continuity.addEventListener("report", ({ detail }) => this.report(detail.state, detail.detail), { signal: this.#abort.signal });
    const on = (type, handler) =>
      this.#room.addEventListener(type, ({ detail }) => handler(detail), { signal: this.#abort.signal });
    on("status", (detail) => this.#status(detail));
    on("hello", ({ seq }) => { this.#pastSeq = seq; });
    on("event", (event) => this.#event(event));
    on("line", ({ seq }) => { this.state = { ...this.state, lastSeq: seq }; });
    on("presence", (people) => this.#present(people));
    on("media", (slots) => this.#mediaSeen(slots));
    on("bye", (detail) => this.#bye(detail));
    this.#camera.addEventListener("track", ({ detail }) => this.#newTrack(detail), { signal: this.#abort.signal });
    this.#reporter = setInterval(() => this.#reportNetwork(), REPORT_EVERY_MS);
    this.#room.connect();
  }

  /** The person has seen that the camera works: from now on it goes out while somebody of the office is here. */
  offerCamera() {
    this.#onStage = true;
    if (this.office.length > 0) this.#publish();
    this.#watchOthers(this.media);
  }

  send(message) {
    return this.#room.send(message);
  }

  /** Tell what happened to this device; what cannot be sent now is told when the network is back, with its time. */
  report(state, detail) {
    const report = { type: "device", state, ...(detail ? { detail } : {}) };
    const happenedAt = new Date(this.#clock.now()).toISOString();
    this.#room?.send(report).catch(({ code }) => {
      if (!["not_connected", "lost", "timeout"].includes(code)) return;
      this.#waiting = [...this.#waiting, { ...report, happened_at: happenedAt }].slice(-MOST_WAITING);
    });
  }

  /** Microphone on or off, here and (as soon as it can be said) in the log. */
  setMuted(muted) {
    this.#camera.setMuted(muted);
    this.#mutes.want("audio", muted);
    this.#compareMutes();
    this.#changed();
  }

  /** The network or the page came back: try at once. */
  wake() {
    this.#room?.retryNow();
    this.continuity.connected();
    this.#publisher?.renewPath();
  }

  /** Leave, said to the others; resolves when the server knows or cannot be reached. What it lacks of the time before is sent on. */
  async leave() {
    this.continuity.leave();
    // A dead network may keep the answer back: what films stops before it.
    this.#stop();
    await this.#room?.send({ type: "leave" }).catch(() => {});
    this.#room?.close();
  }

  close() {
    this.#stop();
    this.#room?.close();
  }

  #stop() {
    this.#abort.abort();
    clearInterval(this.#reporter);
    clearInterval(this.#counting);
    this.#publisher?.close();
    for (const slot of [...this.#viewers.keys()]) this.#unwatch(slot);
    this.continuity.close();
  }

  /** The inspection is over: what is missing is sent on; resolves when nothing is left. */
  finish() {
    const done = this.continuity.finish();
    this.#stop();
    // The last head is still to come, and to be countersigned; the server closes the connection after it.
    const room = this.#room;
    setTimeout(() => room?.close(), LAST_HEAD_WITHIN_MS);
    return done;
  }

  #newTrack({ kind, track }) {
    this.#publisher?.replaceTrack(kind, track);
    this.continuity.tracksChanged();
  }

  #status({ status, seconds }) {
    this.connection = status;
    this.lostSeconds = seconds;
    if (status === "open") {
      this.restarting = false;
      for (const report of this.#waiting.splice(0)) this.#room.send(report).catch(() => {});
      this.continuity.connected();
      this.#compareMutes();
      // The service can be reached again: the camera need not wait for its own timer.
      if (["lost", "restoring"].includes(this.publishing)) this.#publisher.renewPath();
    }
    // What we last heard about the recording is not true for ever.
    if (status === "lost") this.recording = "unknown";
    this.#changed();
  }

  #event(event) {
    this.state = fold(this.state, event);
    if (event.type === "inspection.started") this.wasLive = true;
    if (event.type === "inspection.paused") this.#pauses += 1;
    if (event.type === "inspection.paused" || event.type === "inspection.resumed") this.#watchRecording();
    this.#obeyPause();
    if (event.type === "snapshot.taken") this.#photograph(event);
    if (event.type === "slot.gap" && event.body.slot === this.slot?.id) this.continuity.gapEnded();
    this.#compareMutes();
    this.#changed();
  }

  /** With a snapshot of our camera the office wants a photo of full resolution. */
  async #photograph({ at, body }) {
    const isNow = this.#clock.now() - Date.parse(at) < PHOTO_WITHIN_MS;
    if (!body.photo_asked || body.slot !== this.slot?.id || !isNow || !this.#camera.video) return;
    try {
      await this.continuity.addPhoto({ ...(await this.#still()), snapshot: body.snapshot });
    } catch (error) {
      this.report("photo_failed", error.name);
    }
  }

  /** What the camera shows now. A camera may take seconds for it: what may lie inside a pause is dropped. */
  async #still() {
    const pauses = this.#pauses;
    this.photographing += 1;
    this.#changed();
    try {
      const still = await this.#camera.photograph(() => takeStill(this.#camera, { now: () => this.#clock.now() }));
      if (this.pause || this.#pauses !== pauses) throw Object.assign(new Error("paused"), { name: "paused" });
      return still;
    } finally {
      this.photographing -= 1;
      this.#changed();
      this.dispatchEvent(new CustomEvent("photographed"));
    }
  }

  #present(people) {
    this.presence = people;
    if (this.office.length > 0) this.#publish();
    this.#changed();
  }

  #mediaSeen(slots) {
    const before = this.slot?.recorded_bytes ?? 0;
    this.media = slots;
    this.#watchRecording();
    this.#obeyPause();
    if ((this.slot?.recorded_bytes ?? 0) > before) this.recordedUntil = this.#room.serverNow();
    if (this.slot?.live) this.wasLive = true;
    this.#compareMutes();
    this.#watchOthers(slots);
    this.#restartIfDeaf();
    this.#changed();
  }

  #watchRecording() {
    this.recording = this.#watch.update(this.media, performance.now(), this.pause !== null).state;
  }

  /** What is read of earlier pauses while catching up is over already. */
  #obeyPause() {
    if (this.caughtUp) this.continuity.hold(this.pause !== null);
  }

  /** After a reload the microphone is as it was left; from then on the log follows what is so here. */
  #compareMutes() {
    if (!this.caughtUp) return;
    if (!this.#mutes.knows("audio")) this.#takeMuteOver();
    this.#mutes.compare(this.state, this.me);
  }

  #takeMuteOver() {
    const slot = [...this.state.slots.values()].find(({ participant, source }) => participant === this.me && source === "camera");
    if (!slot) return;
    if (slot.muted.audio) this.#camera.setMuted(true);
    this.#mutes.want("audio", this.#camera.muted);
  }

  #bye(detail) {
    if (detail.code === "restarting") {
      this.restarting = true;
      this.#changed();
      return;
    }
    // What this phone recorded before may be all there is of a gap: it still goes out, as from who was here then.
    if (detail.code === "replaced" || detail.code === "expired") this.continuity.finish();
    this.close();
    this.dispatchEvent(new CustomEvent("bye", { detail }));
  }

  /** The camera goes out as soon as somebody of the office is here, and then for good. */
  #publish() {
    if (this.#publisher || !this.#onStage || this.#camera.state === "closed") return;
    const { base, token, ice_servers: iceServers } = this.#seat;
    const publisher = new Publisher({ base, token, iceServers });
    this.#publisher = publisher;
    publisher.addEventListener("status", ({ detail }) => publisher === this.#publisher && this.#published(detail));
    publisher.publish(this.#camera.stream);
    this.continuity.begin();
  }

  #published({ status, seconds, code, message }) {
    this.publishing = status;
    this.refusal = code ? { code, message } : null;
    this.#count(status === "live" || status === "closed" ? null : performance.now() - seconds * 1000);
    if (status === "live" && this.#publisher.isRefused("video")) this.#unable("no_video_codec");
    else if (status === "closed" && code) this.#unable(code);
    this.#changed();
  }

  /** Since when the picture is cut off; a second that passes is a change too. */
  #count(since) {
    this.#mediaLostAt = since === null ? null : (this.#mediaLostAt ?? since);
    clearInterval(this.#counting);
    this.#counting = since === null ? null : setInterval(() => this.#changed(), 1000);
  }

  #unable(code) {
    const publisher = this.#publisher;
    this.#publisher = null;
    this.#onStage = false;
    this.publishing = "closed";
    this.#count(null);
    publisher.close();
    this.continuity.close();
    this.dispatchEvent(new CustomEvent("unable", { detail: { code } }));
  }

  #restartIfDeaf() {
    const { slot } = this;
    const sending = this.publishing === "live" && this.#camera.state === "open";
    if (!sending || !slot || (slot.last_packet_age_s ?? 0) < DEAF_AFTER_S) return;
    const now = performance.now();
    if (now - this.#restartedAt < RESTART_AT_MOST_EVERY_MS) return;
    this.#restartedAt = now;
    this.#publisher.renewPath();
  }

  #watchOthers(slots) {
    if (!this.#onStage) return;
    const office = new Set(this.presence.filter(({ role }) => OFFICE_ROLES.has(role)).map(({ id }) => id));
    const wanted = slots.filter(({ participant, live }) => live && participant !== this.me && office.has(participant));
    for (const slot of wanted) this.#view(slot);
    for (const id of [...this.#viewers.keys()]) {
      if (!wanted.some((slot) => slot.id === id)) this.#unwatch(id);
    }
  }

  #view(slot) {
    const kinds = [...(slot.kinds ?? [])].sort().join();
    const known = this.#viewers.get(slot.id);
    if (known?.kinds === kinds) return;
    if (known) {
      // A camera was added to a voice (or taken away): an answer cannot grow, so ask again.
      known.kinds = kinds;
      known.viewer.restart();
      this.#tellViewer(slot, known.viewer);
      return;
    }
    const { base, token, ice_servers: iceServers } = this.#seat;
    const viewer = new Viewer({ base, token, iceServers, slot: slot.id });
    this.#viewers.set(slot.id, { viewer, kinds });
    viewer.play();
    this.#tellViewer(slot, viewer);
  }

  #unwatch(id) {
    this.#viewers.get(id)?.viewer.close();
    this.#viewers.delete(id);
    this.#tellViewer({ id }, null);
  }

  #tellViewer(slot, viewer) {
    this.dispatchEvent(new CustomEvent("viewer", { detail: { slot, viewer } }));
  }

  async #reportNetwork() {
    const stats = this.publishing === "live" ? await this.#publisher.stats().catch(() => null) : null;
    if (!stats || this.connection !== "open") return;
    const { rtt_s, loss, bitrate_bps, limited } = stats;
    const known = Object.entries({ rtt_s, loss, bitrate_bps, limited }).filter(([, value]) => value !== null);
    this.#room.send({ type: "network", ...Object.fromEntries(known) }).catch(() => {});
  }

  #changed() {
    this.dispatchEvent(new CustomEvent("change"));
  }
}

/**
 * What the console's stage says: a pure judgement over what the room told. See UX.md, "States".
 */

/** A picture older than this is not live any more, whatever the connection claims. */
export const FROZEN_AFTER_S = 2.5;
/** A recording that grows writes at least once in this time (fragments are half a second). */
export const RECORDING_STALLED_AFTER_MS = 6000;

const SENT_AWAY = { replaced: "replaced", expired: "expired" };
const PERMISSION = { camera_asking: "asking", camera_denied: "denied", camera_unsupported: "unsupported" };
const CAMERA_TROUBLE = new Set(["camera_ended", "camera_black"]);

/** The enterprise's participants, those online first. `presence` knows who is online, the folded room who was ever here. */
export function sites(room, presence) {
  const online = new Map(presence.map((person) => [person.id, person]));
  return [...room.participants.values()]
    .filter((person) => person.role === "enterprise")
    .map((person) => ({ ...person, ...online.get(person.id), online: online.get(person.id)?.online ?? false }))
    .sort((a, b) => Number(b.online) - Number(a.online));
}

function lastReport(room, participant, states) {
  return room.reports.findLast((report) => report.participant === participant && states(report.state))?.state;
}

const isPageState = (state) => state === "hidden" || state === "visible";
const isCameraState = (state) => state.startsWith("camera_");

function ofPresentSite(room, media, site) {
  const slots = media.filter((slot) => slot.participant === site.id);
  const live = slots.find((slot) => slot.live);
  const camera = lastReport(room, site.id, isCameraState);
  const wasLive = [...room.slots.values()].some((slot) => slot.participant === site.id && slot.intervals.length > 0);
  if (lastReport(room, site.id, isPageState) === "hidden" && wasLive) return { state: "hidden", site };
  // A phone that is reloaded may be asked again.
  if (!live && camera in PERMISSION) return { state: PERMISSION[camera], site };
  if (!live) return { state: wasLive ? "frozen" : "waiting", site, age_s: slots[0]?.last_packet_age_s ?? null };
  if (CAMERA_TROUBLE.has(camera)) return { state: "camera", site };
  const known = room.slots.get(live.id);
  // The sound goes on: packets come, but no picture is among them.
  if (known?.lacking.video && !known.muted.video) return { state: "frozen", site, age_s: null };
  if ((live.last_packet_age_s ?? 0) > FROZEN_AFTER_S) return { state: "frozen", site, age_s: live.last_packet_age_s };
  return { state: "live", site };
}

/**
 * @param {{phase: "joining"|"refused"|"open"|"lost"|"gone", bye: string|null, room: object, presence: object[], media: object[]}} session
 * @returns {{state: string, site?: object, since?: string, age_s?: number|null}} `state`: loading, refused, replaced, expired, removed, offline, cancelled,
 *   ended (no result yet), concluded, paused, nobody, left, lost, waiting, asking, denied, unsupported, hidden, camera, frozen, live
 */
export function stageState({ phase, bye, room, presence, media }) {
  if (["ended", "concluded", "cancelled"].includes(room.state)) return { state: room.state };
  if (bye === "ended") return { state: "ended" };
  if (bye) return { state: SENT_AWAY[bye] ?? "removed" };
  if (phase === "refused") return { state: "refused" };
  if (phase === "joining") return { state: "loading" };
  if (phase === "lost") return { state: "offline" };
  if (room.pause) return { state: "paused", since: room.pause.at };
  const [site] = sites(room, presence);
  if (!site) return { state: "nobody" };
  if (!site.online) return { state: site.leftBecause === "left" ? "left" : "lost", site, since: site.leftAt };
  return ofPresentSite(room, media, site);
}

/** Which slot fills the stage when nobody chose: the site's camera, else any live picture of somebody else. */
export function mainSlot(media, presence, me) {
  const role = new Map(presence.map((person) => [person.id, person.role]));
  const others = media.filter((slot) => slot.participant !== me);
  const weight = (slot) =>
    (role.get(slot.participant) === "enterprise" ? 4 : 0) + (slot.live ? 2 : 0) + (slot.kinds?.includes("video") ? 1 : 0);
  return others.sort((a, b) => weight(b) - weight(a))[0]?.id ?? null;
}

/** Judges from the bytes at the server whether what is live is also being kept. Nobody's button is asked. */
export class RecordingWatch {
  #seen = new Map();

  /**
   * @param {object[]} media slots of the `media` message
   * @param {number} now milliseconds of any monotonic clock
   * @param {boolean} isPaused nothing is to be kept now; afterwards a recording has its time to begin again
   * @returns {{state: "idle"|"paused"|"starting"|"recording"|"failed", slots: string[]}} `slots`: those not being kept
   */
  update(media, now, isPaused = false) {
    if (isPaused) {
      this.#seen.clear();
      return { state: "paused", slots: [] };
    }
    const live = media.filter((slot) => slot.live);
    const verdicts = live.map((slot) => [slot.id, this.#verdict(slot, now)]);
    for (const id of [...this.#seen.keys()]) if (!live.some((slot) => slot.id === id)) this.#seen.delete(id);
    const failed = verdicts.filter(([, verdict]) => verdict === "failed").map(([id]) => id);
    if (failed.length) return { state: "failed", slots: failed };
    if (!verdicts.length) return { state: "idle", slots: [] };
    return { state: verdicts.some(([, verdict]) => verdict === "recording") ? "recording" : "starting", slots: [] };
  }

  #verdict(slot, now) {
    const seen = this.#seen.get(slot.id);
    if (!seen || slot.recorded_bytes < seen.bytes) {
      this.#seen.set(slot.id, { bytes: slot.recorded_bytes, grewAt: now, grew: false });
      return "starting";
    }
    if (slot.recorded_bytes > seen.bytes) Object.assign(seen, { bytes: slot.recorded_bytes, grewAt: now, grew: true });
    if (now - seen.grewAt > RECORDING_STALLED_AFTER_MS) return "failed";
    return seen.grew ? "recording" : "starting";
  }
}

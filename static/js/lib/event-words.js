import { causeWords } from "./continuity-words.js";
import { locationWords } from "./location-words.js";
import { gradeTone, gradeWord, reasonWords } from "./network-words.js";

/**
 * An event of the log as one sentence for people. Pure: words come from `t`, names from the `names` of the room.
 *
 * @typedef {{person: (id: string) => string, slot: (id: string) => string, item: (key: string) => string}} Names
 * @typedef {{text: string, kind: string, tone: "neutral"|"ok"|"warn"|"bad", detail?: string}} Sentence
 *   `kind` picks the icon and the lane: inspection, people, recording, snapshot, chat, checklist, device, location, network, alarm.
 */

/** @param {(msgid: string, params?: object) => string} t */
/** A browser that cannot name the frame on its screen gets the newest one that the server has. */
export function newestFrame(t) {
  return t("The newest frame: the browser could not name the one on the screen");
}

export function resultWord(t, result) {
  return {
    pass: t("Pass"),
    minor: t("Minor defect"),
    rectify: t("Pass after rectification"),
    fail: t("Fail"),
    unverifiable: t("Cannot be verified remotely"),
    none: t("Not answered"),
  }[result] ?? result;
}

export function resultTone(result) {
  return { pass: "ok", minor: "warn", rectify: "warn", fail: "bad", unverifiable: "warn" }[result] ?? "neutral";
}

export function roleWord(t, role) {
  return {
    enterprise: t("Enterprise"),
    reviewer: t("Reviewer"),
    expert: t("Expert"),
    observer: t("Observer"),
    auditor: t("Auditor"),
    administrator: t("Administrator"),
    agent: t("Service agent"),
  }[role] ?? role;
}

const BROWSERS = [
  [/MicroMessenger/, "WeChat"],
  [/HuaweiBrowser/, "Huawei"],
  [/MiuiBrowser/, "MIUI"],
  [/Edg(e|A|iOS)?\//, "Edge"],
  [/Firefox|FxiOS/, "Firefox"],
  [/Chrome|CriOS/, "Chrome"],
  [/Safari/, "Safari"],
];
const SYSTEMS = [
  [/HarmonyOS|OpenHarmony/, "HarmonyOS"],
  [/iPhone|iPad/, "iOS"],
  [/Android/, "Android"],
  [/Windows/, "Windows"],
  [/Mac OS X/, "macOS"],
  [/Linux/, "Linux"],
];

/** A browser's User-Agent as "Chrome, Android"; other descriptions of a device as they are. */
export function deviceName(device) {
  if (!device?.startsWith("Mozilla/")) return device ?? "";
  const known = (list) => list.find(([pattern]) => pattern.test(device))?.[1];
  return [known(BROWSERS), known(SYSTEMS)].filter(Boolean).join(", ");
}

const DEVICE = {
  hidden: (t, name) => [t("{name} left the page: the phone shows something else", { name }), "warn"],
  visible: (t, name) => [t("{name} is back on the page", { name }), "neutral"],
  camera_asking: (t, name) => [t("Waiting for {name} to allow the camera", { name }), "neutral"],
  camera_unsupported: (t, name) => [t("The browser of {name} cannot send video", { name }), "warn"],
  camera_denied: (t, name) => [t("{name} refused the camera", { name }), "warn"],
  camera_ended: (t, name) => [t("The camera of {name} stopped", { name }), "warn"],
  camera_black: (t, name) => [t("The picture of {name} is black", { name }), "warn"],
  camera_back: (t, name) => [t("The camera of {name} works again", { name }), "neutral"],
  battery_low: (t, name) => [t("The battery of {name}'s phone is low", { name }), "warn"],
  wake_lock_lost: (t, name) => [t("{name}'s phone may switch off its screen", { name }), "neutral"],
  location_denied: (t, name) => [t("{name} does not share the position", { name }), "neutral"],
  own_recording_failed: (t, name) => [t("{name}'s phone does not record for itself: what the network loses cannot be filled", { name }), "warn"],
  own_recording_back: (t, name) => [t("{name}'s phone records for itself again", { name }), "neutral"],
  own_recording_memory: (t, name) => [t("{name}'s phone keeps its own recording only until the page is closed", { name }), "neutral"],
  photo_failed: (t, name) => [t("The phone of {name} could give no photo", { name }), "warn"],
  receipts_unavailable: (t, name) => [t("The browser of {name} cannot countersign receipts", { name }), "warn"],
  receipt_mismatch: (t, name) => [t("What the office signed is not what the browser of {name} received", { name }), "bad"],
};

const DEVICE_DETAIL = {
  full: (t) => t("There is no room left on the phone."),
  unsupported: (t) => t("Its browser cannot record."),
  paused: (t) => t("The inspection was paused meanwhile."),
  wrong_digest: (t) => t("The photo was damaged in the phone's storage."),
  unreadable: (t) => t("The photo was damaged in the phone's storage."),
};

const DISK_CODES = new Set(["storage_full", "disk_low", "disk_nearly_full"]);

const WORDS = {
  "inspection.created": (t) => ["inspection", t("Inspection scheduled")],
  "inspection.rescheduled": (t) => ["inspection", t("Inspection moved to another time")],
  "inspection.cancelled": (t, { body }) => ["inspection", t("Inspection cancelled"), "warn", body.reason],
  "inspection.started": (t) => ["inspection", t("Inspection started"), "ok"],
  "inspection.paused": (t, { actor, body }) => ["inspection", t("{name} paused the inspection: nothing is recorded", { name: actor.name }), "warn", body.reason],
  "inspection.resumed": (t, { actor }) => ["inspection", t("{name} resumed the inspection", { name: actor.name }), "ok"],
  "inspection.ended": (t, { actor }) => ["inspection", t("{name} ended the inspection", { name: actor.name })],
  "inspection.concluded": (t, { body }) => [
    "inspection",
    t("Result: {result}", { result: resultWord(t, body.result) }),
    resultTone(body.result),
    body.note,
  ],
  "evidence.closed": (t, { body }) => [
    "inspection",
    t("The event log was closed with {events} events and {snapshots} snapshots", body.counts),
  ],
  "invitation.created": (t, { body }) => ["people", t("{name} was invited", { name: body.name })],
  "invitation.cancelled": (t, { body }) => [
    "people",
    t("The invitation of {name} was cancelled", { name: body.name ?? "" }),
    "neutral",
    body.reason ?? "",
  ],
  "invitation.troubled": (t, { body }) => ["people", troubleWords(t, body), "warn", deviceName(body.device)],
  "consent.given": (t, { body }, names) => [
    "people",
    body.kind === "recording"
      ? t("{name} agreed to the recording", { name: names.person(body.participant) })
      : t("{name} agreed to the notice", { name: names.person(body.participant) }),
  ],
  "participant.joined": (t, { body }) => [
    "people",
    t("{name} joined ({role})", { name: body.name, role: roleWord(t, body.role) }),
    "neutral",
    deviceName(body.device),
  ],
  "participant.replaced": (t, { body }, names) => [
    "people",
    body.was && body.was !== body.name
      ? t("{name} goes on in the place of {before}", { name: body.name, before: body.was })
      : t("{name} continues on another device or in another window", { name: names.person(body.participant) }),
    "neutral",
    deviceName(body.device),
  ],
  "participant.left": (t, { body }, names) => {
    const name = names.person(body.participant);
    if (body.cause === "lost") return ["people", t("The connection to {name} was lost", { name }), "warn"];
    return ["people", t("{name} left", { name })];
  },
  // Perhaps by a former phone of a place that somebody else holds by now.
  "gaps.done": (t, { actor }) => ["recording", t("The phone of {name} has sent all that it had recorded itself", { name: actor.name })],
  "participant.key": (t, { body }, names) => ["people", t("The browser of {name} countersigns receipts", { name: names.person(body.participant) })],
  "participant.returned": (t, { body }, names) => ["people", t("{name} is back", { name: names.person(body.participant) })],
  "slot.live": (t, { body }, names) => ["device", t("Picture and sound of {name} arrive", { name: names.slot(body.slot) })],
  "slot.interrupted": (t, { body }, names) => {
    const name = names.slot(body.slot);
    if (body.cause === "closed") return ["device", t("{name} stopped sending picture and sound", { name })];
    if (body.cause === "worker_restarted") return ["device", t("The service restarted; {name} connects again", { name }), "warn"];
    return ["device", t("Picture and sound of {name} no longer arrive", { name }), "warn"];
  },
  "slot.lacking": (t, { body }, names) => {
    const name = names.slot(body.slot);
    return ["device", body.kind === "video" ? t("The picture of {name} no longer arrives, the sound does", { name }) : t("The sound of {name} no longer arrives, the picture does", { name }), "warn"];
  },
  "slot.complete": (t, { body }, names) => ["device", t("Picture and sound of {name} arrive", { name: names.slot(body.slot) })],
  "slot.muted": (t, { body }, names) => {
    const name = names.slot(body.slot);
    if (body.kind === "audio") {
      return ["device", body.muted ? t("{name} switched the microphone off", { name }) : t("{name} switched the microphone on", { name })];
    }
    return ["device", body.muted ? t("{name} switched the camera off", { name }) : t("{name} switched the camera on", { name })];
  },
  "part.opened": (t, { body }, names) => [
    "recording",
    t("Recording of {name}: part {number} begins", { name: names.slot(body.slot), number: body.index }),
  ],
  "part.closed": (t, { body }, names) => [
    "recording",
    body.source === "phone"
      ? t("{seconds} s of {name}, recorded on the phone, were uploaded", { name: names.slot(body.slot), seconds: Math.round(body.duration_s) })
      : t("Recording of {name}: part {number} saved", { name: names.slot(body.slot), number: body.index }),
  ],
  "slot.gap": (t, { body }, names) => [
    "recording",
    t("{name}: {seconds} s were not received", { name: names.slot(body.slot), seconds: secondsOf(body) }),
    "warn",
    causeWords(t, body.cause, body.by ?? "", body.reason),
  ],
  "recording.failed": (t, { body }, names) => [
    "alarm",
    t("{name} is NOT being recorded", { name: names.slot(body.slot) }),
    "bad",
    recordingFailure(t, body.reason),
  ],
  "snapshot.taken": (t, { actor, body }, names) => [
    "snapshot",
    body.item
      ? t("{name} took a snapshot for “{item}”", { name: actor.name, item: names.item(body.item) })
      : t("{name} took a snapshot", { name: actor.name }),
    "neutral",
    body.named === "newest" ? newestFrame(t) : "",
  ],
  "photo.announced": (t, { actor, body }) => ["snapshot", t("The phone of {name} has a photo, {width} × {height}, and sends it", { ...body, name: actor.name }), "neutral", photoOrigin(t, body)],
  "photo.added": (t, { actor, body }) => ["snapshot", t("A photo of {name} has arrived, {width} × {height}", { ...body, name: actor.name }), "ok", photoOrigin(t, body)],
  "photo.refused": (t, { actor, body }) => [
    "alarm",
    t("A photo of {name} was refused", { name: actor.name }),
    "bad",
    body.reason === "digest" ? t("What arrived is not what the phone had announced.") : t("It is no picture that can be opened."),
  ],
  "chat.sent": (t, { actor, body }) => ["chat", t("{name}: {text}", { name: actor.name, text: body.text })],
  "checklist.answered": (t, { body }, names) => [
    "checklist",
    t("{item}: {result}", { item: names.item(body.item), result: resultWord(t, body.result) }),
    resultTone(body.result),
    body.note,
  ],
  "device.reported": (t, { body }, names) => {
    const words = DEVICE[body.state];
    if (!words) return null;
    return ["device", ...words(t, names.person(body.participant)), DEVICE_DETAIL[body.detail]?.(t) ?? ""];
  },
  "location.fixed": (t, { body }, names) => {
    const { tone, title, accuracy } = locationWords(t, body);
    return ["location", t("Position of {name}. {grade}", { name: names.person(body.participant), grade: title }), tone, accuracy];
  },
  "network.graded": (t, { body }, names) => {
    // That a network is good is no news worth a colour.
    const tone = body.grade === "good" ? "neutral" : gradeTone(body.grade);
    return ["network", t("{name}: {text}", { name: names.person(body.participant), text: gradeWord(t, body.grade) }), tone, reasonWords(t, body.reasons)];
  },
  "office.warned": (t, { body }) => ["alarm", officeWarning(t, body), "bad", warningDetail(t, body)],
};

/** A frame of the video is no photo of the camera's own, and is not called one. */
export function photoOrigin(t, { how }) {
  return how === "frame" ? t("A frame of the camera's picture; the phone took no photo of its own") : "";
}

/** Why somebody who was invited could not come in. */
export function troubleWords(t, { code, name }) {
  return {
    insecure: t("{name} opened the link, but at an address without https the phone gives no camera.", { name }),
    no_api: t("{name} opened the link in a browser that cannot send video.", { name }),
    disagreed: t("{name} opened the link and did not agree to the texts.", { name }),
  }[code] ?? t("{name} opened the link and could not come in.", { name });
}

function secondsOf({ from, to }) {
  return Math.max(1, Math.round((Date.parse(to) - Date.parse(from)) / 1000));
}

function recordingFailure(t, reason) {
  return {
    disk_full: t("The server's disk is full."),
    queue_overflow: t("The server's disk was too slow."),
    muxer_error: t("The file could not be written; the server's own log says why."),
  }[reason] ?? "";
}

/** What is left on the disk is told in bytes. */
function warningDetail(t, { code, detail }) {
  if (typeof detail !== "string") return "";
  if (!DISK_CODES.has(code)) return detail;
  const bytes = Number(detail);
  if (!detail || Number.isNaN(bytes)) return "";
  const size = bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.round(bytes / 1e6)} MB`;
  return t("{size} left on the server's disk.", { size });
}

function officeWarning(t, { code }) {
  if (code === "storage_full") return t("The inspection could not start: the server's disk is nearly full");
  if (code === "disk_low" || code === "disk_nearly_full") return t("The recording disk is nearly full");
  if (code === "receipt_refused") return t("A wrong countersignature was refused");
  if (code === "receipts_unsigned") return t("The office's key cannot be used: there are no receipts");
  if (code === "unclaimed_file") return t("A file that no event speaks of was set aside");
  return t("Warning of the service: {code}", { code });
}

/** Another person may go on in somebody's place: an act bears the name of who did it. */
function asThen({ actor }, names) {
  return { ...names, person: (id) => (actor?.id === id && actor.name) || names.person(id) };
}

/** @returns {Sentence|null} null for events that say nothing to people (and for types we do not know). */
export function describe(t, event, names) {
  const words = WORDS[event.type]?.(t, event, asThen(event, names));
  if (!words) return null;
  const [kind, text, tone = "neutral", detail = ""] = words;
  return { kind, text, tone, detail: detail ?? "" };
}

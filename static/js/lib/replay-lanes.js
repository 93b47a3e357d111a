import { causeWords, shortCause } from "./continuity-words.js";
import { describe } from "./event-words.js";
import { gradeWord, reasonWords } from "./network-words.js";

/**
 * What stands on the line of a replay, one lane below the other. Pure: words come from `t`, times of day from `clockTime`.
 *
 * @typedef {{kind: string, start: number, end: number, words: string, short?: string, data?: Record<string, string>}} Span a stretch; epoch
 *   milliseconds; `short` stands in it
 * @typedef {{at: number, words: string, tone: string}} Point a moment that can be gone to
 * @typedef {{kind: string, name: string, title?: string, role?: string, spans: Span[], points: Point[]}} Lane `title`: the name in full
 */

/** Lanes of moments: which events stand in them. */
const MOMENTS = [
  { kind: "snapshot", name: (t) => t("Snapshots"), types: ["snapshot.taken"] },
  { kind: "photo", name: (t) => t("Photos"), types: ["photo.added"] },
  { kind: "chat", name: (t) => t("Chat"), types: ["chat.sent"] },
  { kind: "checklist", name: (t) => t("Checklist"), types: ["checklist.answered"] },
  { kind: "location", name: (t) => t("Location"), types: ["location.fixed"] },
];

/**
 * @param {{t: Function, clockTime: (at: number) => string, schedule: object, events: object[], names: object, momentOf: (event: object) => number}} recording
 *   `schedule` of lib/replay-schedule.js, `names` as lib/event-words.js wants them, `momentOf` when an event stands in the recording
 * @returns {Lane[]} those in which something stands
 */
export function lanesOf(recording) {
  const owners = new Map(recording.events.filter(({ type }) => type === "slot.opened").map(({ body }) => [body.slot, body.participant]));
  // How somebody was connected stands below what came from them.
  const graded = [];
  const ofSlots = recording.schedule.slots.flatMap((slot) => {
    const person = owners.get(slot.id);
    if (person === undefined || graded.includes(person)) return [slotLane(recording, slot)];
    graded.push(person);
    return [slotLane(recording, slot), networkLane(recording, person, owners)];
  });
  const lanes = [...ofSlots, ...MOMENTS.map((lane) => momentLane(recording, lane))];
  return lanes.filter(({ spans, points }) => spans.length + points.length);
}

function slotLane({ t, clockTime }, slot) {
  const spans = slot.parts.length ? [...slot.parts.map((part) => partSpan(t, clockTime, part)), ...slot.gaps.map((gap) => gapSpan(t, clockTime, gap))] : [];
  return { kind: "slot", name: slot.name, role: slot.role, spans, points: [] };
}

function partSpan(t, clockTime, { start, end, source, cause, by }) {
  const times = { from: clockTime(start), to: clockTime(end) };
  if (source !== "phone") return { kind: "part", start, end, words: t("Recorded {from} to {to}", times) };
  const words = lines(t("Recorded on the phone {from} to {to}, uploaded later", times), causeWords(t, cause, by));
  return { kind: "part", start, end, words, data: { source } };
}

function gapSpan(t, clockTime, { start, end, cause, by, reason }) {
  const words = lines(t("Not recorded {from} to {to}", { from: clockTime(start), to: clockTime(end) }), causeWords(t, cause, by, reason));
  return { kind: "gap", start, end, words, short: shortCause(t, cause), data: { cause: cause ?? "" } };
}

function momentLane({ t, events, names, momentOf }, { kind, name, types }) {
  const points = events
    .filter(({ type }) => types.includes(type))
    .map((event) => {
      const { text, tone } = describe(t, event, names);
      return { at: momentOf(event), words: text, tone };
    });
  return { kind, name: name(t), spans: [], points };
}

function networkLane({ t, clockTime, schedule, events, names }, person, owners) {
  const spans = gradesOf(events, person, owners, schedule.end).map(({ start, end, grade, reasons }) => ({
    kind: "grade",
    start,
    end,
    words: lines(t("{words}, {from} to {to}", { words: gradeWord(t, grade), from: clockTime(start), to: clockTime(end) }), reasonWords(t, reasons)),
    data: { grade },
  }));
  return { kind: "network", name: t("Connection"), title: t("Network: {name}", { name: names.person(person) }), spans, points: [] };
}

/** What one person's network was like, stretch by stretch: as graded, and lost from when nothing arrived until something did. */
export function gradesOf(events, person, owners, end) {
  const spans = [];
  let open = null;
  const turn = (at, next) => {
    if (open && at > open.start) spans.push({ ...open, end: at });
    open = next && { start: at, ...next };
  };
  for (const { type, at, body } of events) {
    const isOwn = owners.get(body?.slot) === person;
    if (type === "network.graded" && body.participant === person) turn(Date.parse(body.from), { grade: body.grade, reasons: body.reasons });
    else if (type === "slot.interrupted" && isOwn) turn(Date.parse(at), body.cause === "no_media" ? { grade: "lost", reasons: ["no_media"] } : null);
    else if ((type === "slot.live" && isOwn) || type === "inspection.paused" || type === "inspection.ended") turn(Date.parse(at), null);
  }
  turn(end, null);
  return spans;
}

function lines(...words) {
  return words.filter(Boolean).join("\n");
}

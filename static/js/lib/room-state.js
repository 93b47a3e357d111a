// What a room looks like after its events: a pure fold, the same live and in replay.

/**
 * `participants`, `slots`, `parts`: Map by id. `answers`: object by checklist item. `intervals` of a slot: when media
 * flowed ({from, to}); `interruptions`: when it did not ({from, to, cause}); `to` is null while it lasts. `pause`: {by, name, reason, at} while
 * somebody has paused the inspection.
 * Times are the events' `at` (RFC 3339 UTC).
 */
export function initialState() {
  return {
    state: "scheduled",
    participants: new Map(),
    slots: new Map(),
    parts: new Map(),
    snapshots: [],
    photos: new Map(),
    chat: [],
    answers: {},
    consents: [],
    reports: [],
    troubles: [],
    locations: [],
    warnings: [],
    startedAt: null,
    endedAt: null,
    endReason: null,
    pause: null,
    result: null,
    lastSeq: 0,
  };
}

/** The state after `event`; `state` itself is not changed. An event already folded or of an unknown type changes nothing but `lastSeq`. */
export function fold(state, event) {
  if (event.seq <= state.lastSeq) return state;
  const change = FOLDS[event.type]?.(state, event, event.body ?? {}) ?? {};
  return { ...state, ...change, lastSeq: event.seq };
}

/** All of `events`, in order. */
export function foldAll(events, state = initialState()) {
  return events.reduce(fold, state);
}

const put = (map, id, change) => new Map(map).set(id, { ...map.get(id), ...change });

const participant = (state, id, change) => ({ participants: put(state.participants, id, change) });

function slot(state, id, change) {
  const known = state.slots.get(id) ?? emptySlot(id);
  return { slots: new Map(state.slots).set(id, { ...known, ...change(known) }) };
}

function emptySlot(id) {
  return { id, participant: null, source: null, live: false, muted: {}, lacking: {}, intervals: [], interruptions: [] };
}

const isOpen = (span) => span !== undefined && span.to === null;

function closeLast(spans, at) {
  return isOpen(spans.at(-1)) ? [...spans.slice(0, -1), { ...spans.at(-1), to: at }] : spans;
}

function slotLive(known, at) {
  return {
    live: true,
    interruptions: closeLast(known.interruptions, at),
    intervals: isOpen(known.intervals.at(-1)) ? known.intervals : [...known.intervals, { from: at, to: null }],
  };
}

function slotInterrupted(known, at, cause) {
  const interruptions = isOpen(known.interruptions.at(-1))
    ? known.interruptions
    : [...known.interruptions, { from: at, to: null, cause }];
  return { live: false, lacking: {}, intervals: closeLast(known.intervals, at), interruptions };
}

function ended(state, event, body) {
  const slots = new Map(state.slots);
  for (const [id, known] of slots) {
    slots.set(id, {
      ...known,
      live: false,
      intervals: closeLast(known.intervals, event.at),
      interruptions: closeLast(known.interruptions, event.at),
    });
  }
  return { state: "ended", slots, endedAt: event.at, endReason: body.reason ?? null, pause: null };
}

const expectAll = (slots) => new Map([...slots].map(([id, known]) => [id, { ...known, lacking: {} }]));

function paused(state, event, body) {
  return {
    slots: expectAll(state.slots),
    pause: { by: event.actor?.id, name: event.actor?.name ?? "", reason: body.reason ?? "", at: event.at },
  };
}

// What stopped just before the pause may be entered after its beginning; nobody says that it is over.
const resumed = (state) => ({ slots: expectAll(state.slots), pause: null });

const said = (event, body) => ({
  seq: event.seq, at: event.at, by: event.actor?.id, name: event.actor?.name, role: event.actor?.role, text: body.text,
});

const FOLDS = {
  "inspection.created": (state, event, body) => ({ startsAt: body.starts_at ?? null }),
  "inspection.rescheduled": (state, event, body) => ({ startsAt: body.to ?? null }),
  "inspection.cancelled": (state, event, body) => ({ state: "cancelled", reason: body.reason ?? null }),
  "inspection.started": (state, event) => ({ state: "live", startedAt: state.startedAt ?? event.at }),
  "inspection.paused": paused,
  "inspection.resumed": resumed,
  "inspection.ended": ended,
  "inspection.concluded": (state, event, body) => ({
    state: "concluded",
    result: { result: body.result, note: body.note ?? "", by: event.actor?.name, at: event.at },
  }),
  "invitation.troubled": (state, event, body) => ({ troubles: [...state.troubles, { ...body, at: event.at }] }),
  "consent.given": (state, event, body) => ({ consents: [...state.consents, { ...body, at: event.at }] }),
  "participant.joined": (state, event, body) =>
    participant(state, body.participant, {
      id: body.participant, role: body.role, name: body.name, device: body.device ?? null,
      present: true, joinedAt: event.at, leftAt: null,
    }),
  "participant.replaced": (state, event, body) =>
    participant(state, body.participant, { device: body.device ?? null, ...(body.name ? { name: body.name } : {}) }),
  "participant.left": (state, event, body) =>
    participant(state, body.participant, { present: false, leftAt: event.at, leftBecause: body.cause ?? null }),
  "participant.returned": (state, event, body) =>
    participant(state, body.participant, { present: true, leftAt: null, leftBecause: null }),
  "slot.opened": (state, event, body) =>
    slot(state, body.slot, () => ({ participant: body.participant, source: body.source })),
  "slot.live": (state, event, body) => slot(state, body.slot, (known) => slotLive(known, event.at)),
  "slot.interrupted": (state, event, body) =>
    slot(state, body.slot, (known) => slotInterrupted(known, event.at, body.cause ?? null)),
  "slot.lacking": (state, event, body) =>
    slot(state, body.slot, (known) => ({ lacking: { ...known.lacking, [body.kind]: body.from } })),
  "slot.complete": (state, event, body) =>
    slot(state, body.slot, (known) => ({ lacking: { ...known.lacking, [body.kind]: null } })),
  "slot.muted": (state, event, body) =>
    slot(state, body.slot, (known) => ({ muted: { ...known.muted, [body.kind]: body.muted } })),
  "part.opened": (state, event, body) => ({
    parts: put(state.parts, body.part, { ...body, id: body.part, closed: false }),
  }),
  "part.closed": (state, event, body) => ({
    parts: put(state.parts, body.part, { ...body, id: body.part, closed: true }),
  }),
  "recording.failed": (state, event, body) => ({
    warnings: [...state.warnings, { code: "recording_failed", slot: body.slot, detail: body.reason, at: event.at }],
  }),
  "office.warned": (state, event, body) => ({
    warnings: [...state.warnings, { code: body.code, detail: body.detail, at: event.at }],
  }),
  "snapshot.taken": (state, event, body) => ({
    snapshots: [
      ...state.snapshots,
      { ...body, id: body.snapshot, by: event.actor?.name ?? null, at: event.at, seq: event.seq },
    ],
  }),
  "photo.announced": (state, event, body) => ({ photos: put(state.photos, body.photo, { ...body, id: body.photo, state: "announced" }) }),
  "photo.added": (state, event, body) => ({ photos: put(state.photos, body.photo, { ...body, id: body.photo, state: "here" }) }),
  "photo.refused": (state, event, body) => ({ photos: put(state.photos, body.photo, { state: "refused" }) }),
  "chat.sent": (state, event, body) => ({ chat: [...state.chat, said(event, body)] }),
  "checklist.answered": (state, event, body) => ({
    answers: {
      ...state.answers,
      [body.item]: { result: body.result, note: body.note ?? "", by: event.actor?.name ?? null, at: event.at, seq: event.seq },
    },
  }),
  "device.reported": (state, event, body) => ({ reports: [...state.reports, { ...body, at: event.at }] }),
  "location.fixed": (state, event, body) => ({ locations: [...state.locations, { ...body, at: event.at }] }),
};

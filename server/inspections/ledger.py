"""The continuity ledger: from an inspection's events to what was received from each slot, what was not, and why. Pure.

The times are those of the recorded files, not of the events that tell of them: an interruption is noticed two seconds
after the last packet, a file knows its last frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Literal

Kind = Literal["received", "gap"]
Lack = Literal["picture", "sound"]
Cause = Literal[
    "network_lost",
    "page_hidden",
    "camera_ended",
    "camera_black",
    "muted",
    "closed",
    "left",
    "paused",
    "replaced",
    "worker_restarted",
    "recording_failed",
    "picture_stopped",
    "sound_stopped",
]

SHORTEST_GAP = timedelta(seconds=0.5)
"""A shorter hole between two files is the change from one to the next."""
_NOTICED_AFTER = timedelta(seconds=2)
"""How long the engine waits for a packet before it calls a slot interrupted."""
_NEAR = timedelta(seconds=3)
"""What is reported this long around the beginning of a gap belongs to it."""
_SAME_MOMENT = timedelta(seconds=1)
"""A gap and the leaving that made it begin together."""
_BACK_WITHIN = timedelta(seconds=10)
"""Who comes back, or goes on after a pause, needs a moment until the picture is there."""
_NEVER = datetime.min.replace(tzinfo=UTC)
_CAMERA: dict[str, Cause | None] = {
    "camera_ended": "camera_ended",
    "camera_denied": "camera_ended",
    "camera_black": "camera_black",
    "camera_back": None,
}


@dataclass(frozen=True, slots=True)
class Span:
    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()


@dataclass(frozen=True, slots=True)
class Filling(Span):
    """The piece of a gap that a file recorded on the phone shows."""

    part: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """One stretch of a slot's time. `lacks` is what of a received stretch was not there; of a gap, that only this was
    not received. `reason`: why somebody paused, in their words.
    """

    start: datetime
    end: datetime
    kind: Kind
    cause: Cause | None = None
    by: str | None = None
    reason: str | None = None
    lacks: tuple[Lack, ...] = ()
    filled: tuple[Filling, ...] = ()

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()

    @property
    def filled_s(self) -> float:
        return sum(piece.seconds for piece in self.filled)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotLedger:
    """A slot from when it first sent to its last picture: `intervals` follow each other without a hole."""

    slot: str
    participant: str
    name: str
    source: str
    intervals: tuple[Interval, ...]
    certain: datetime | None = None
    """Up to here what is told as received is on the disk; None if nothing is being written, so all of it is."""

    @property
    def gaps(self) -> tuple[Interval, ...]:
        return tuple(interval for interval in self.intervals if interval.kind == "gap")

    @property
    def received_s(self) -> float:
        return sum(interval.seconds for interval in self.intervals if interval.kind == "received")

    @property
    def gap_s(self) -> float:
        return sum(gap.seconds for gap in self.gaps)

    @property
    def filled_s(self) -> float:
        return sum(gap.filled_s for gap in self.gaps)


def open_parts(events: Iterable[dict[str, Any]]) -> set[str]:
    """The parts that are being written."""
    parts: set[str] = set()
    for event in events:
        if event["type"] == "part.opened":
            parts.add(event["body"]["part"])
        elif event["type"] == "part.closed":
            parts.discard(event["body"]["part"])
    return parts


def build_ledger(events: Iterable[dict[str, Any]], until: datetime) -> list[SlotLedger]:
    """One ledger for each slot that ever sent something. `events` as clients get them, of `part.segment`
    the newest of each part that is being written; `until`: now, if it still runs.
    """
    told = _Told()
    for event in events:
        told.take(event)
    end = min(until, told.ended_at) if told.ended_at else until
    return [ledger for slot in told.slots.values() if (ledger := _ledger(told, slot, end)) is not None]


# -- what the log tells -------------------------------------------------------------------------------


@dataclass(slots=True)
class _File:
    id: str
    start: datetime
    end: datetime | None = None
    source: str = "received"
    durable: datetime | None = None
    """How far a file that is being written is known to be on the disk."""


@dataclass(frozen=True, slots=True)
class _Mark:
    """Something that happened at a moment: `what` is its code, `by` a person's name where somebody did it."""

    at: datetime
    what: str
    by: str = ""


@dataclass(slots=True)
class _Stretch:
    """Something that lasts, perhaps until now."""

    start: datetime
    end: datetime | None = None
    by: str = ""
    reason: str = ""

    def covers(self, at: datetime) -> bool:
        return self.start <= at and (self.end is None or at < self.end)


@dataclass(slots=True)
class _Person:
    names: list[_Mark] = field(default_factory=list)
    """Who has held the place since when: another person may go on from another device."""
    reports: list[_Mark] = field(default_factory=list)
    moves: list[_Mark] = field(default_factory=list)
    """left, lost, returned, replaced."""

    @property
    def name(self) -> str:
        """Of all who held the place."""
        return " · ".join(dict.fromkeys(mark.what for mark in self.names))

    def name_at(self, at: datetime) -> str:
        held = [mark.what for mark in self.names if mark.at <= at]
        return held[-1] if held else self.name


@dataclass(slots=True)
class _Slot:
    id: str
    participant: str
    source: str
    files: dict[str, _File] = field(default_factory=dict)
    breaks: list[_Mark] = field(default_factory=list)
    mutes: list[_Mark] = field(default_factory=list)
    """`audio`, `video`, `-audio`, `-video`."""
    failures: list[_Mark] = field(default_factory=list)
    lives: list[datetime] = field(default_factory=list)
    lacking: dict[str, list[_Stretch]] = field(default_factory=lambda: {"audio": [], "video": []})


class _Told:
    """The events sorted by whom they tell of. Types that say nothing of continuity are passed over."""

    def __init__(self) -> None:
        self.slots: dict[str, _Slot] = {}
        self.people: dict[str, _Person] = {}
        self.pauses: list[_Stretch] = []
        self.ended_at: datetime | None = None

    def take(self, event: dict[str, Any]) -> None:
        type_, body = event["type"], event["body"]
        at = datetime.fromisoformat(event["at"])
        if type_ == "inspection.ended":
            self.ended_at = at
        elif type_ == "inspection.paused":
            self._resume(at)
            self._expect_all(at)
            self.pauses.append(_Stretch(at, None, event["actor"]["name"], body["reason"]))
        elif type_ == "inspection.resumed":
            self._resume(at)
            # What stopped just before the pause may be entered after its beginning; nobody says that it is over.
            self._expect_all(at)
        elif type_ == "slot.opened":
            self.slots[body["slot"]] = _Slot(body["slot"], body["participant"], body["source"])
        elif type_.startswith(("participant.", "device.")):
            self._take_person(type_, at, body)
        elif (slot := self.slots.get(body.get("slot", ""))) is not None:
            self._take_slot(slot, type_, at, event)

    def _resume(self, at: datetime) -> None:
        if self.pauses and self.pauses[-1].end is None:
            self.pauses[-1].end = at

    def _expect_all(self, at: datetime) -> None:
        """What had stopped is no longer lacking: of a slot that is held nothing is wanted, and then all of it anew."""
        for slot in self.slots.values():
            for kind in slot.lacking:
                _complete(slot, kind, at)

    def _take_person(self, type_: str, at: datetime, body: dict[str, Any]) -> None:
        person = self.people.setdefault(body["participant"], _Person())
        if type_ == "participant.joined":
            person.names.append(_Mark(at, body["name"]))
        elif type_ == "device.reported":
            person.reports.append(_Mark(_reported_at(body, at), body["state"]))
            # A report that had to wait for the network is told late and belongs earlier.
            person.reports.sort(key=lambda mark: mark.at)
        elif type_ == "participant.left":
            person.moves.append(_Mark(at, body["cause"]))
        else:
            person.moves.append(_Mark(at, type_.partition(".")[2]))
            if "name" in body:
                person.names.append(_Mark(at, body["name"]))

    def _take_slot(self, slot: _Slot, type_: str, at: datetime, event: dict[str, Any]) -> None:
        body = event["body"]
        if type_ == "slot.interrupted":
            slot.breaks.append(_Mark(at, body["cause"]))
            for kind in slot.lacking:
                _complete(slot, kind, at)
        elif type_ == "slot.live":
            slot.lives.append(at)
        elif type_ == "slot.lacking":
            _complete(slot, body["kind"], at)
            slot.lacking[body["kind"]].append(_Stretch(datetime.fromisoformat(body["from"])))
        elif type_ == "slot.complete":
            _complete(slot, body["kind"], datetime.fromisoformat(body["to"]))
        elif type_ == "slot.muted":
            slot.mutes.append(
                _Mark(at, ("" if body["muted"] else "-") + body["kind"], event["actor"]["name"])
            )
        elif type_ == "recording.failed":
            slot.failures.append(_Mark(at, body["reason"]))
        elif type_ == "part.segment":
            if (file := slot.files.get(body["part"])) is not None and file.end is None:
                file.durable = file.start + timedelta(milliseconds=body["to_ms"])
        elif type_ == "part.opened":
            slot.files[body["part"]] = _File(body["part"], datetime.fromisoformat(body["started_at"]))
        elif type_ == "part.closed":
            start = datetime.fromisoformat(body["started_at"])
            end = start + timedelta(seconds=body["duration_s"] or 0)
            source = body.get("source", "received")
            slot.files[body["part"]] = _File(body["part"], start, end, source)


def _complete(slot: _Slot, kind: str, at: datetime) -> None:
    stretches = slot.lacking[kind]
    if stretches and stretches[-1].end is None:
        stretches[-1].end = max(at, stretches[-1].start)


def _reported_at(body: dict[str, Any], at: datetime) -> datetime:
    """When the device says that it happened, if that is before it was heard; else when it was heard."""
    try:
        said = datetime.fromisoformat(body.get("happened_at") or "")
    except ValueError:
        return at
    return said if said.tzinfo is not None and said < at else at


# -- from there to intervals ------------------------------------------------------------------------------


def _ledger(told: _Told, slot: _Slot, end: datetime) -> SlotLedger | None:
    spans = _received(slot, end)
    person = told.people.get(slot.participant, _Person())
    holes = list(_holes(slot, person, spans, _absences(told, slot, person), end))
    if not spans and not holes:
        return None
    fillings = [
        Filling(file.start, file.end, file.id)
        for file in slot.files.values()
        if file.source != "received" and file.end is not None
    ]
    intervals = [part for span in spans for part in _split(slot, person, span, fillings)]
    intervals += [_gap(slot, person, hole, fillings) for hole in holes]
    return SlotLedger(
        slot=slot.id,
        participant=slot.participant,
        name=person.name,
        source=slot.source,
        intervals=tuple(sorted(intervals, key=lambda interval: interval.start)),
        certain=min(
            (file.durable or file.start for file in slot.files.values() if file.end is None), default=None
        ),
    )


def _received(slot: _Slot, end: datetime) -> list[Span]:
    """What the server recorded, merged: disjoint, at least SHORTEST_GAP apart, in order."""
    spans = []
    for file in slot.files.values():
        if file.source == "received":
            until = min(file.end or _open_until(slot, file.start, end), end)
            if until > file.start:
                spans.append(Span(file.start, until))
    merged: list[Span] = []
    for span in sorted(spans, key=lambda span: span.start):
        if merged and span.start - merged[-1].end < SHORTEST_GAP:
            merged[-1] = Span(merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return merged


def _open_until(slot: _Slot, start: datetime, end: datetime) -> datetime:
    """How far a file reaches that is still being written, or was when its process died."""
    for mark in slot.breaks:
        if mark.at > start:
            return max(start, mark.at - (_NOTICED_AFTER if mark.what == "no_media" else timedelta(0)))
    return end


@dataclass(frozen=True, slots=True)
class _Absence:
    """Somebody wanted it so: nothing is missing that was not to be sent."""

    start: datetime
    end: datetime | None
    cause: Cause
    by: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class _Hole(Span):
    absence: _Absence | None = None


def _absences(told: _Told, slot: _Slot, person: _Person) -> list[_Absence]:
    pauses = [_Absence(one.start, one.end, "paused", one.by, one.reason) for one in told.pauses]
    return [*pauses, *_leavings(slot, person)]


def _leavings(slot: _Slot, person: _Person) -> Iterator[_Absence]:
    """From when a camera was put away to when its owner is back."""
    begins = [*slot.lives, *(file.start for file in slot.files.values() if file.source == "received")]
    for mark in person.moves:
        if mark.what != "left":
            continue
        closed = [
            one.at for one in slot.breaks if one.what == "closed" and mark.at - _NEAR <= one.at <= mark.at
        ]
        start = max(closed, default=mark.at)
        back = [one.at for one in person.moves if one.what in ("returned", "replaced") and one.at > mark.at]
        back += [at for at in begins if at > mark.at]
        yield _Absence(start, min(back, default=None), "left", person.name_at(mark.at))


def _holes(
    slot: _Slot, person: _Person, spans: Sequence[Span], absences: Sequence[_Absence], end: datetime
) -> Iterator[_Hole]:
    """What of the slot's time no received file shows, from when it first sent, in pieces of one cause each."""
    begins = [*slot.lives, *(file.start for file in slot.files.values() if file.source == "received")]
    begun = min(begins, default=end)
    last = spans[-1].end if spans else begun
    until = min(end, _missing_until(slot, person, last, absences) or end)
    edges = [Span(begun, begun), *spans, Span(until, until)]
    for before, after in pairwise(edges):
        if after.start - before.end >= SHORTEST_GAP:
            yield from _pieces(Span(before.end, after.start), absences)


def _missing_until(
    slot: _Slot, person: _Person, last: datetime, absences: Sequence[_Absence]
) -> datetime | None:
    """When it was somebody's choice that no more came after the last picture: who left, or who turned the camera off
    and stayed. None: it was nobody's."""
    gone = [one.start for one in absences if one.cause == "left" and one.end is None]
    is_lost = any(mark.what == "lost" and mark.at >= last - _NEAR for mark in person.moves)
    if not gone and not is_lost:
        closed = [mark.at for mark in slot.breaks if mark.what == "closed" and mark.at >= last - _NEAR]
        gone = [at for at in closed[-1:] if not any(live > at for live in slot.lives)]
    if not gone:
        return None
    return last if gone[-1] - last < _SAME_MOMENT else gone[-1]


def _pieces(hole: Span, absences: Sequence[_Absence]) -> Iterator[_Hole]:
    """The hole, cut where an absence begins or ends."""
    wanted = []
    for one in absences:
        start, end = one.start, one.end or hole.end
        if start < hole.end and hole.start < end:
            start = hole.start if start - hole.start < _SAME_MOMENT else start
            end = hole.end if hole.end - end < _BACK_WITHIN else end
            wanted.append((start, end, one))
    edges = sorted({hole.start, hole.end, *(at for start, end, _ in wanted for at in (start, end))})
    pieces: list[_Hole] = []
    for start, end in pairwise(edges):
        absence = next((one for since, until, one in wanted if since <= start < until), None)
        last = pieces[-1] if pieces else None
        if last is not None and (absence is last.absence or end - start < SHORTEST_GAP):
            pieces[-1] = _Hole(last.start, end, last.absence)
        elif last is not None and last.end - last.start < SHORTEST_GAP:
            pieces[-1] = _Hole(last.start, end, absence)
        else:
            pieces.append(_Hole(start, end, absence))
    yield from pieces


def _gap(slot: _Slot, person: _Person, hole: _Hole, fillings: Sequence[Filling]) -> Interval:
    absence = hole.absence
    cause, by = (absence.cause, absence.by) if absence is not None else _cause(slot, person, hole)
    return Interval(
        start=hole.start,
        end=hole.end,
        kind="gap",
        cause=cause,
        by=by,
        reason=absence.reason if absence is not None else None,
        filled=tuple(_fill(hole, fillings)),
    )


def _fill(hole: Span, fillings: Sequence[Filling]) -> Iterator[Filling]:
    """The pieces of the hole that files from the phone show, disjoint: where two overlap, the earlier one goes on."""
    at = hole.start
    for piece in sorted(fillings, key=lambda piece: piece.start):
        start, end = max(piece.start, at), min(piece.end, hole.end)
        if end > start:
            yield Filling(start, end, piece.part)
            at = end


def _cause(slot: _Slot, person: _Person, hole: Span) -> tuple[Cause, str | None]:
    """The strongest of all that is told around the gap. Without anything it was the network, unless packets went on
    coming."""
    since, near = hole.start - _NEAR, hole.start + _NEAR
    moves = {mark.what for mark in person.moves if since <= mark.at <= hole.end}
    breaks = {mark.what for mark in slot.breaks if since <= mark.at <= hole.end}
    reported = _standing(person.reports, near)
    muted = _muted(slot.mutes, near)
    if "worker_restarted" in breaks:
        return "worker_restarted", None
    if any(since <= mark.at <= near for mark in slot.failures):
        return "recording_failed", None
    if "replaced" in moves:
        return "replaced", person.name_at(hole.end)
    if reported:
        return reported[0], person.name_at(hole.start)
    if "video" in muted:
        return "muted", muted["video"]
    if any(mark.what == "closed" and since <= mark.at <= near for mark in slot.breaks):
        return "closed", person.name_at(hole.start)
    if _was_live(slot, hole):
        return "recording_failed", None
    return "network_lost", None


def _was_live(slot: _Slot, hole: Span) -> bool:
    """Whether media went on coming while nothing was recorded."""
    lives = [at for at in slot.lives if at <= hole.start + _NEAR]
    broken = [mark.at for mark in slot.breaks if mark.at <= hole.start + _NEAR]
    return hole.end - hole.start > _NEAR and bool(lives) and max(lives) > max(broken, default=_NEVER)


def _standing(reports: Sequence[_Mark], at: datetime) -> list[Cause]:
    """What the device had reported and not taken back by then, the root of it first."""
    hidden = False
    camera: Cause | None = None
    for mark in reports:
        if mark.at > at:
            break
        if mark.what in ("hidden", "visible"):
            hidden = mark.what == "hidden"
        elif mark.what in _CAMERA:
            camera = _CAMERA[mark.what]
    causes: list[Cause] = ["page_hidden"] if hidden else []
    return [*causes, camera] if camera else causes


def _muted(mutes: Sequence[_Mark], at: datetime) -> dict[str, str]:
    """What is muted then: `audio` or `video` -> by whom."""
    muted: dict[str, str] = {}
    for mark in mutes:
        if mark.at > at:
            break
        if mark.what.startswith("-"):
            muted.pop(mark.what[1:], None)
        else:
            muted[mark.what] = mark.by
    return muted


def _split(slot: _Slot, person: _Person, span: Span, fillings: Sequence[Filling]) -> Iterator[Interval]:
    """A received stretch, cut wherever what is known to be lacking of it changes."""
    marks = {mark.at for mark in (*person.reports, *slot.mutes)}
    marks |= {one.start for each in slot.lacking.values() for one in each}
    marks |= {one.end for each in slot.lacking.values() for one in each if one.end is not None}
    moments = sorted(at for at in marks if span.start < at < span.end)
    pending: Interval | None = None
    for start, end in pairwise([span.start, *moments, span.end]):
        piece = _described(slot, person, start, end)
        if pending is not None and _alike(pending, piece):
            pending = replace(pending, end=end)
        else:
            if pending is not None:
                yield _finished(pending, fillings)
            pending = piece
    if pending is not None:
        yield _finished(pending, fillings)


def _alike(one: Interval, other: Interval) -> bool:
    return (one.kind, one.cause, one.by, one.lacks) == (other.kind, other.cause, other.by, other.lacks)


def _finished(piece: Interval, fillings: Sequence[Filling]) -> Interval:
    if piece.kind == "received":
        return piece
    if piece.end - piece.start < SHORTEST_GAP:
        return replace(piece, kind="received")
    return replace(piece, filled=tuple(_fill(Span(piece.start, piece.end), fillings)))


def _described(slot: _Slot, person: _Person, start: datetime, end: datetime) -> Interval:
    """What is known to be lacking from `start` on. A picture that nobody kept back is not received: a gap."""
    reported, muted = _standing(person.reports, start), _muted(slot.mutes, start)
    stopped = {kind: any(one.covers(start) for one in each) for kind, each in slot.lacking.items()}
    is_excused = "video" in muted or "page_hidden" in reported
    no_picture = "video" in muted or any(cause != "page_hidden" for cause in reported) or stopped["video"]
    no_sound = "audio" in muted or stopped["audio"]
    cause: Cause | None = None
    by: str | None = None
    if reported:
        cause, by = reported[0], person.name_at(start)
    elif muted:
        cause, by = "muted", next(iter(muted.values()))
    if stopped["video"] and not is_excused:
        cause, by = (reported[0], person.name_at(start)) if reported else ("picture_stopped", None)
        return Interval(start=start, end=end, kind="gap", cause=cause, by=by, lacks=("picture",))
    lacks: list[Lack] = ["picture"] * no_picture + ["sound"] * no_sound  # type: ignore[assignment]
    if cause is None and no_sound:
        cause = "sound_stopped"
    return Interval(start=start, end=end, kind="received", cause=cause, by=by, lacks=tuple(lacks))

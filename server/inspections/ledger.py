"""The continuity ledger: from an inspection's events to what was received from each slot, what was not, and why. Pure.

The times are those of the recorded files, not of the events that tell of them: an interruption is noticed two seconds
after the last packet, a file knows its last frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Literal

from server.inspections.ledger_told import Mark, Person, Told, ToldSlot

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
    told = Told()
    for event in events:
        told.take(event)
    end = min(until, told.ended_at) if told.ended_at else until
    return [ledger for slot in told.slots.values() if (ledger := _ledger(told, slot, end)) is not None]


def _ledger(told: Told, slot: ToldSlot, end: datetime) -> SlotLedger | None:
    spans = _received(slot, end)
    person = told.people.get(slot.participant, Person())
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


def _received(slot: ToldSlot, end: datetime) -> list[Span]:
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


def _open_until(slot: ToldSlot, start: datetime, end: datetime) -> datetime:
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


def _absences(told: Told, slot: ToldSlot, person: Person) -> list[_Absence]:
    pauses = [_Absence(one.start, one.end, "paused", one.by, one.reason) for one in told.pauses]
    return [*pauses, *_leavings(slot, person)]


def _leavings(slot: ToldSlot, person: Person) -> Iterator[_Absence]:
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
    slot: ToldSlot, person: Person, spans: Sequence[Span], absences: Sequence[_Absence], end: datetime
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
    slot: ToldSlot, person: Person, last: datetime, absences: Sequence[_Absence]
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


def _gap(slot: ToldSlot, person: Person, hole: _Hole, fillings: Sequence[Filling]) -> Interval:
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


def _cause(slot: ToldSlot, person: Person, hole: Span) -> tuple[Cause, str | None]:
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


def _was_live(slot: ToldSlot, hole: Span) -> bool:
    """Whether media went on coming while nothing was recorded."""
    lives = [at for at in slot.lives if at <= hole.start + _NEAR]
    broken = [mark.at for mark in slot.breaks if mark.at <= hole.start + _NEAR]
    return hole.end - hole.start > _NEAR and bool(lives) and max(lives) > max(broken, default=_NEVER)


def _standing(reports: Sequence[Mark], at: datetime) -> list[Cause]:
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


def _muted(mutes: Sequence[Mark], at: datetime) -> dict[str, str]:
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


def _split(slot: ToldSlot, person: Person, span: Span, fillings: Sequence[Filling]) -> Iterator[Interval]:
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


def _described(slot: ToldSlot, person: Person, start: datetime, end: datetime) -> Interval:
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

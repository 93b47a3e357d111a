"""The continuity ledger: from an inspection's events to what was received from each slot, what was not, and why. Pure.

The times are those of the recorded files, not of the events that tell of them: an interruption is noticed two seconds
after the last packet, a file knows its last frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
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
    "replaced",
    "worker_restarted",
    "recording_failed",
]

SHORTEST_GAP = timedelta(seconds=0.5)
"""A shorter hole between two files is the change from one to the next."""
_NOTICED_AFTER = timedelta(seconds=2)
"""How long the engine waits for a packet before it calls a slot interrupted."""
_NEAR = timedelta(seconds=3)
"""What is reported this long around the beginning of a gap belongs to it."""
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
    """One stretch of a slot's time. `lacks` is what of a received stretch was not there, by the owner's own report."""

    start: datetime
    end: datetime
    kind: Kind
    cause: Cause | None = None
    by: str | None = None
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
    """A slot from its first to its last picture: `intervals` follow each other without a hole."""

    slot: str
    participant: str
    name: str
    source: str
    intervals: tuple[Interval, ...]

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


def build_ledger(events: Iterable[dict[str, Any]], until: datetime) -> list[SlotLedger]:
    """One ledger for each slot that was ever received. `events` as clients get them; `until`: now, if it still runs."""
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


@dataclass(frozen=True, slots=True)
class _Mark:
    """Something that happened at a moment: `what` is its code, `by` a person's name where somebody did it."""

    at: datetime
    what: str
    by: str = ""


@dataclass(slots=True)
class _Person:
    name: str = ""
    reports: list[_Mark] = field(default_factory=list)
    moves: list[_Mark] = field(default_factory=list)
    """left, lost, returned, replaced."""


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


class _Told:
    """The events sorted by whom they tell of. Types that say nothing of continuity are passed over."""

    def __init__(self) -> None:
        self.slots: dict[str, _Slot] = {}
        self.people: dict[str, _Person] = {}
        self.ended_at: datetime | None = None

    def take(self, event: dict[str, Any]) -> None:
        type_, body = event["type"], event["body"]
        at = datetime.fromisoformat(event["at"])
        if type_ == "inspection.ended":
            self.ended_at = at
        elif type_ == "slot.opened":
            self.slots[body["slot"]] = _Slot(body["slot"], body["participant"], body["source"])
        elif type_.startswith(("participant.", "device.")):
            self._take_person(type_, at, body)
        elif (slot := self.slots.get(body.get("slot", ""))) is not None:
            self._take_slot(slot, type_, at, event)

    def _take_person(self, type_: str, at: datetime, body: dict[str, Any]) -> None:
        person = self.people.setdefault(body["participant"], _Person())
        if type_ == "participant.joined":
            person.name = body["name"]
        elif type_ == "device.reported":
            person.reports.append(_Mark(_reported_at(body, at), body["state"]))
            # A report that had to wait for the network is told late and belongs earlier.
            person.reports.sort(key=lambda mark: mark.at)
        elif type_ == "participant.left":
            person.moves.append(_Mark(at, body["cause"]))
        else:
            person.moves.append(_Mark(at, type_.partition(".")[2]))

    def _take_slot(self, slot: _Slot, type_: str, at: datetime, event: dict[str, Any]) -> None:
        body = event["body"]
        if type_ == "slot.interrupted":
            slot.breaks.append(_Mark(at, body["cause"]))
        elif type_ == "slot.muted":
            slot.mutes.append(
                _Mark(at, ("" if body["muted"] else "-") + body["kind"], event["actor"]["name"])
            )
        elif type_ == "recording.failed":
            slot.failures.append(_Mark(at, body["reason"]))
        elif type_ == "part.opened":
            slot.files[body["part"]] = _File(body["part"], datetime.fromisoformat(body["started_at"]))
        elif type_ == "part.closed":
            start = datetime.fromisoformat(body["started_at"])
            end = start + timedelta(seconds=body["duration_s"] or 0)
            source = body.get("source", "received")
            slot.files[body["part"]] = _File(body["part"], start, end, source)


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
    if not spans:
        return None
    person = told.people.get(slot.participant, _Person())
    last = spans[-1].end
    holes = [Span(before.end, after.start) for before, after in pairwise(spans)]
    if end - last >= SHORTEST_GAP and not _stopped_by_choice(slot, person, last):
        holes.append(Span(last, end))
    fillings = [
        Filling(file.start, file.end, file.id)
        for file in slot.files.values()
        if file.source != "received" and file.end is not None
    ]
    intervals = [part for span in spans for part in _split(slot, person, span)]
    intervals += [_gap(slot, person, hole, fillings) for hole in holes]
    return SlotLedger(
        slot=slot.id,
        participant=slot.participant,
        name=person.name,
        source=slot.source,
        intervals=tuple(sorted(intervals, key=lambda interval: interval.start)),
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


def _stopped_by_choice(slot: _Slot, person: _Person, last: datetime) -> bool:
    """Nothing is missing after the last picture of somebody who left, or who turned the camera off and stayed."""
    later = [mark.what for mark in person.moves if mark.at >= last - _NEAR]
    if later and later[-1] == "left":
        return True
    closed = any(mark.what == "closed" and mark.at >= last - _NEAR for mark in slot.breaks)
    return closed and "lost" not in later


def _gap(slot: _Slot, person: _Person, hole: Span, fillings: Sequence[Filling]) -> Interval:
    cause, by = _cause(slot, person, hole)
    return Interval(
        start=hole.start,
        end=hole.end,
        kind="gap",
        cause=cause,
        by=by,
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
    """The strongest of all that is told around the gap; without anything it was the network."""
    since, near = hole.start - _NEAR, hole.start + _NEAR
    moves = {mark.what for mark in person.moves if since <= mark.at <= hole.end}
    breaks = {mark.what for mark in slot.breaks if since <= mark.at <= hole.end}
    reported = _standing(person.reports, near)
    muted = _muted(slot.mutes, near)
    if "left" in moves:
        return "left", person.name
    if "worker_restarted" in breaks:
        return "worker_restarted", None
    if any(since <= mark.at <= near for mark in slot.failures):
        return "recording_failed", None
    if "replaced" in moves:
        return "replaced", person.name
    if reported:
        return reported[0], person.name
    if "video" in muted:
        return "muted", muted["video"]
    if any(mark.what == "closed" and since <= mark.at <= near for mark in slot.breaks):
        return "closed", person.name
    return "network_lost", None


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


def _split(slot: _Slot, person: _Person, span: Span) -> Iterator[Interval]:
    """A received stretch, cut wherever what the owner reported of it changes."""
    moments = {mark.at for mark in (*person.reports, *slot.mutes) if span.start < mark.at < span.end}
    pending: Interval | None = None
    for start, end in pairwise([span.start, *sorted(moments), span.end]):
        piece = _described(slot, person, start, end)
        if pending is None:
            pending = piece
        elif (pending.cause, pending.by, pending.lacks) == (piece.cause, piece.by, piece.lacks):
            pending = Interval(
                start=pending.start,
                end=end,
                kind="received",
                cause=piece.cause,
                by=piece.by,
                lacks=piece.lacks,
            )
        else:
            yield pending
            pending = piece
    if pending is not None:
        yield pending


def _described(slot: _Slot, person: _Person, start: datetime, end: datetime) -> Interval:
    reported, muted = _standing(person.reports, start), _muted(slot.mutes, start)
    no_picture = "video" in muted or any(cause != "page_hidden" for cause in reported)
    missing: dict[Lack, bool] = {"picture": no_picture, "sound": "audio" in muted}
    cause: Cause | None = reported[0] if reported else "muted" if muted else None
    by = person.name if reported else next(iter(muted.values()), None)
    return Interval(
        start=start,
        end=end,
        kind="received",
        cause=cause,
        by=by,
        lacks=tuple(lack for lack, is_missing in missing.items() if is_missing),
    )

"""What an inspection's events tell of continuity, sorted by whom they tell of: from this the ledger is made. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any


@dataclass(slots=True)
class File:
    id: str
    start: datetime
    end: datetime | None = None
    source: str = "received"
    durable: datetime | None = None
    """How far a file that is being written is known to be on the disk."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at a moment: `what` is its code, `by` a person's name where somebody did it."""

    at: datetime
    what: str
    by: str = ""


@dataclass(slots=True)
class Stretch:
    """Something that lasts, perhaps until now."""

    start: datetime
    end: datetime | None = None
    by: str = ""
    reason: str = ""

    def covers(self, at: datetime) -> bool:
        return self.start <= at and (self.end is None or at < self.end)


@dataclass(slots=True)
class Person:
    names: list[Mark] = field(default_factory=list)
    """Who has held the place since when: another person may go on from another device."""
    reports: list[Mark] = field(default_factory=list)
    moves: list[Mark] = field(default_factory=list)
    """left, lost, returned, replaced."""

    @property
    def name(self) -> str:
        """Of all who held the place."""
        return " · ".join(dict.fromkeys(mark.what for mark in self.names))

    def name_at(self, at: datetime) -> str:
        held = [mark.what for mark in self.names if mark.at <= at]
        return held[-1] if held else self.name


@dataclass(slots=True)
class ToldSlot:
    id: str
    participant: str
    source: str
    files: dict[str, File] = field(default_factory=dict)
    breaks: list[Mark] = field(default_factory=list)
    mutes: list[Mark] = field(default_factory=list)
    """`audio`, `video`, `-audio`, `-video`."""
    failures: list[Mark] = field(default_factory=list)
    lives: list[datetime] = field(default_factory=list)
    lacking: dict[str, list[Stretch]] = field(default_factory=lambda: {"audio": [], "video": []})


class Told:
    """The events sorted by whom they tell of. Types that say nothing of continuity are passed over."""

    def __init__(self) -> None:
        self.slots: dict[str, ToldSlot] = {}
        self.people: dict[str, Person] = {}
        self.pauses: list[Stretch] = []
        self.ended_at: datetime | None = None

    def take(self, event: dict[str, Any]) -> None:
        type_, body = event["type"], event["body"]
        at = datetime.fromisoformat(event["at"])
        if type_ == "inspection.ended":
            self.ended_at = at
        elif type_ == "inspection.paused":
            self._resume(at)
            self._expect_all(at)
            self.pauses.append(Stretch(at, None, event["actor"]["name"], body["reason"]))
        elif type_ == "inspection.resumed":
            self._resume(at)
            # What stopped just before the pause may be entered after its beginning; nobody says that it is over.
            self._expect_all(at)
        elif type_ == "slot.opened":
            self.slots[body["slot"]] = ToldSlot(body["slot"], body["participant"], body["source"])
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
        person = self.people.setdefault(body["participant"], Person())
        if type_ == "participant.joined":
            person.names.append(Mark(at, body["name"]))
        elif type_ == "device.reported":
            person.reports.append(Mark(_reported_at(body, at), body["state"]))
            # A report that had to wait for the network is told late and belongs earlier.
            person.reports.sort(key=lambda mark: mark.at)
        elif type_ == "participant.left":
            person.moves.append(Mark(at, body["cause"]))
        else:
            person.moves.append(Mark(at, type_.partition(".")[2]))
            if "name" in body:
                person.names.append(Mark(at, body["name"]))

    def _take_slot(self, slot: ToldSlot, type_: str, at: datetime, event: dict[str, Any]) -> None:
        body = event["body"]
        if type_ == "slot.interrupted":
            slot.breaks.append(Mark(at, body["cause"]))
            for kind in slot.lacking:
                _complete(slot, kind, at)
        elif type_ == "slot.live":
            slot.lives.append(at)
        elif type_ == "slot.lacking":
            _complete(slot, body["kind"], at)
            slot.lacking[body["kind"]].append(Stretch(datetime.fromisoformat(body["from"])))
        elif type_ == "slot.complete":
            _complete(slot, body["kind"], datetime.fromisoformat(body["to"]))
        elif type_ == "slot.muted":
            slot.mutes.append(Mark(at, ("" if body["muted"] else "-") + body["kind"], event["actor"]["name"]))
        elif type_ == "recording.failed":
            slot.failures.append(Mark(at, body["reason"]))
        elif type_ == "part.segment":
            if (file := slot.files.get(body["part"])) is not None and file.end is None:
                file.durable = file.start + timedelta(milliseconds=body["to_ms"])
        elif type_ == "part.opened":
            slot.files[body["part"]] = File(body["part"], datetime.fromisoformat(body["started_at"]))
        elif type_ == "part.closed":
            start = datetime.fromisoformat(body["started_at"])
            end = start + timedelta(seconds=body["duration_s"] or 0)
            source = body.get("source", "received")
            slot.files[body["part"]] = File(body["part"], start, end, source)


def _complete(slot: ToldSlot, kind: str, at: datetime) -> None:
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

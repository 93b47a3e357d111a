"""What happened in an inspection, folded from its events for people who were not there. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from server.inspections.models import Event


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who joined, first at `joined_at`."""

    id: str
    name: str
    role: str
    joined_at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """The answer to one item that stands at the end."""

    result: str
    note: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Position:
    """The newest position that a phone told; `grade` and `reasons` as it was judged when it came."""

    grade: str
    reasons: tuple[str, ...]
    distance_m: int | None
    accuracy_m: float
    at: datetime


@dataclass(slots=True)
class Summary:
    """Counts and standing answers; `interruptions` are breaks of a picture or voice that was live, not its end."""

    people: list[Person] = field(default_factory=list)
    answers: dict[str, Standing] = field(default_factory=dict)
    snapshots: int = 0
    parts: int = 0
    recorded_s: float = 0.0
    messages: int = 0
    interruptions: int = 0
    warnings: int = 0
    position: Position | None = None
    grades: dict[str, int] = field(default_factory=dict)
    """How many positions were judged how."""

    def count_of(self, result: str) -> int:
        """How many items stand with this answer."""
        return sum(answer.result == result for answer in self.answers.values())


def summarise(events: Iterable[Event]) -> Summary:
    """Fold a log from its beginning; events it does not know are left out."""
    summary = Summary()
    ended = False
    for event in events:
        ended |= event.type == "inspection.ended"
        if not (ended and event.type == "slot.interrupted"):
            _fold(summary, event)
    return summary


def _fold(summary: Summary, event: Event) -> None:
    body = event.body
    match event.type:
        case "participant.joined":
            known = {person.id for person in summary.people}
            if body["participant"] not in known:
                summary.people.append(Person(body["participant"], body["name"], body["role"], event.at))
        case "checklist.answered":
            if body["result"] == "none":
                summary.answers.pop(body["item"], None)
            else:
                summary.answers[body["item"]] = Standing(
                    body["result"], body.get("note") or "", event.actor["name"], event.at
                )
        case "snapshot.taken":
            summary.snapshots += 1
        case "part.closed" if body.get("source") == "phone":
            # What a phone sent later lies over what was received: its seconds are the ledger's to count.
            summary.parts += 1
        case "part.closed":
            summary.parts += 1
            summary.recorded_s += float(body.get("duration_s") or 0)
        case "chat.sent":
            summary.messages += 1
        case "slot.interrupted":
            summary.interruptions += 1
        case "location.fixed":
            grade = body.get("grade", "unknown")
            summary.grades[grade] = summary.grades.get(grade, 0) + 1
            summary.position = Position(
                grade, tuple(body.get("reasons", ())), body.get("distance_m"), body["accuracy_m"], event.at
            )
        case "recording.failed" | "office.warned":
            summary.warnings += 1

"""What the archive shows: ended inspections by filter, and everything that a replay needs of one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.rules import Actor
from server.cases.models import Case
from server.clock import TIME_ZONE
from server.inspections.continuity import read_ledgers
from server.inspections.ledger import SlotLedger
from server.inspections.lookup import require
from server.inspections.models import Inspection
from server.inspections.service import get_inspection
from server.live.models import Part, Participant, Photo, Slot, Snapshot

PAGE_SIZE = 20
ENDED = ("ended", "concluded")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What is asked for; empty fields ask for nothing. Days are Beijing days, both included."""

    text: str = ""
    state: str = ""
    since: date | None = None
    until: date | None = None
    page: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One ended inspection in the list."""

    id: str
    number: str
    case_id: str
    case_number: str
    enterprise: str
    matter: str
    state: str
    result: str | None
    started_at: datetime | None
    ended_at: datetime | None
    parts: int
    snapshots: int

    @property
    def duration_s(self) -> float | None:
        if self.started_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One page of the list; `page` counts from 1."""

    rows: list[Row]
    page: int
    pages: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """An inspection with all that can be replayed."""

    inspection: Inspection
    case: Case
    people: dict[str, Participant]
    slots: list[Slot]
    parts: list[Part]
    snapshots: list[Snapshot]
    photos: list[Photo]
    """Those that arrived."""
    continuity: list[SlotLedger]


async def list_ended(session: AsyncSession, actor: Actor, asked: Filter) -> Listing:
    """The office's ended inspections, newest first. Guests of one inspection are refused: the list is the office's."""
    require(actor, "archive.view")
    conditions = _conditions(actor, asked)
    joined = select(Inspection, Case).join(Case, Case.id == Inspection.case_id).where(*conditions)
    total = int(await session.scalar(select(func.count()).select_from(joined.subquery())) or 0)
    pages = max(1, -(-total // PAGE_SIZE))
    page = min(max(1, asked.page), pages)
    found = await session.execute(
        joined.order_by(Inspection.ended_at.desc(), Inspection.id)
        .limit(PAGE_SIZE)
        .offset((page - 1) * PAGE_SIZE)
    )
    pairs = [(inspection, case) for inspection, case in found]
    ids = [inspection.id for inspection, _ in pairs]
    parts = await _count(session, Part, ids)
    snapshots = await _count(session, Snapshot, ids)
    rows = [
        Row(
            id=inspection.id,
            number=inspection.number,
            case_id=case.id,
            case_number=case.number,
            enterprise=case.enterprise_name,
            matter=case.matter,
            state=inspection.state,
            result=inspection.result,
            started_at=inspection.started_at,
            ended_at=inspection.ended_at,
            parts=parts.get(inspection.id, 0),
            snapshots=snapshots.get(inspection.id, 0),
        )
        for inspection, case in pairs
    ]
    return Listing(rows=rows, page=page, pages=pages, total=total)


async def get_recording(session: AsyncSession, actor: Actor, inspection_id: str, now: datetime) -> Recording:
    """Everything of one inspection that has begun, as far as it is recorded by now."""
    actor.require("archive.view")
    inspection = await get_inspection(session, actor, inspection_id)

    async def of(kind: Any, order: Any) -> list[Any]:
        found: Any = await session.scalars(
            select(kind).where(kind.inspection_id == inspection_id).order_by(order)
        )
        return list(found)

    return Recording(
        inspection=inspection,
        case=await session.get_one(Case, inspection.case_id),
        people={person.id: person for person in await of(Participant, Participant.joined_at)},
        slots=await of(Slot, Slot.opened_at),
        parts=[part for part in await of(Part, Part.started_at) if part.closed and part.duration_s],
        snapshots=await of(Snapshot, Snapshot.captured_at),
        photos=[photo for photo in await of(Photo, Photo.taken_at) if photo.state == "accepted"],
        continuity=await read_ledgers(session, inspection_id, now),
    )


def _conditions(actor: Actor, asked: Filter) -> list[ColumnElement[bool]]:
    states = (asked.state,) if asked.state in ENDED else ENDED
    conditions: list[ColumnElement[bool]] = [
        Inspection.office_id == actor.office_id,
        Inspection.state.in_(states),
    ]
    conditions += [
        or_(
            Inspection.number.icontains(word, autoescape=True),
            Case.number.icontains(word, autoescape=True),
            Case.enterprise_name.icontains(word, autoescape=True),
            Case.licence_number.icontains(word, autoescape=True),
            Case.new_address.icontains(word, autoescape=True),
        )
        for word in asked.text.split()
    ]
    if asked.since is not None:
        conditions.append(Inspection.ended_at >= datetime.combine(asked.since, time(), TIME_ZONE))
    if asked.until is not None:
        day_after = asked.until + timedelta(days=1)
        conditions.append(Inspection.ended_at < datetime.combine(day_after, time(), TIME_ZONE))
    return conditions


async def _count(
    session: AsyncSession, kind: type[Part | Snapshot], inspections: list[str]
) -> dict[str, int]:
    counted = await session.execute(
        select(kind.inspection_id, func.count())
        .where(kind.inspection_id.in_(inspections))
        .group_by(kind.inspection_id)
    )
    return {row[0]: row[1] for row in counted}

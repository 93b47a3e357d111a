"""Pausing a live inspection: with a reason, by the first who asks, until somebody resumes it. The log is the state."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.rules import Actor
from server.clock import rfc3339
from server.errors import N_
from server.inspections.errors import AlreadyPaused, NotLive, NotPaused
from server.inspections.log import Journal, told_events
from server.inspections.lookup import get_inspection
from server.inspections.models import Event, Inspection
from server.inspections.rules import check_note

PAUSED, RESUMED, ENDED = "inspection.paused", "inspection.resumed", "inspection.ended"


@dataclass(frozen=True, slots=True)
class Pause:
    """`end` is None while it lasts."""

    by: str
    reason: str
    start: datetime
    end: datetime | None = None


async def pause(
    session: AsyncSession, journal: Journal, actor: Actor, inspection_id: str, reason: str
) -> Pause:
    """Nothing is to be recorded or shown from now on. AlreadyPaused, NotLive, or Invalid without a reason."""
    reason = check_note("reason", reason, N_("Say why the inspection is paused."))
    await _require_live(session, actor, inspection_id)
    if (standing := await find_pause(session, inspection_id)) is not None:
        raise AlreadyPaused(by=standing.by, reason=standing.reason, at=rfc3339(standing.start))
    event = await journal.append(session, inspection_id, PAUSED, actor, {"reason": reason})
    return Pause(actor.name, reason, event.at)


async def resume(session: AsyncSession, journal: Journal, actor: Actor, inspection_id: str) -> None:
    """Recording goes on. NotPaused for the second, NotLive."""
    await _require_live(session, actor, inspection_id)
    if await find_pause(session, inspection_id) is None:
        raise NotPaused
    await journal.append(session, inspection_id, RESUMED, actor, {})


async def _require_live(session: AsyncSession, actor: Actor, inspection_id: str) -> None:
    """With the row locked: of two who come at once the second sees what the first did."""
    actor.require("inspection.pause")
    await get_inspection(session, actor, inspection_id)
    inspection = await session.get_one(
        Inspection, inspection_id, with_for_update=True, populate_existing=True
    )
    if inspection.state != "live":
        raise NotLive


async def find_pause(session: AsyncSession, inspection_id: str) -> Pause | None:
    """The pause that lasts now."""
    last = await session.scalar(
        select(Event)
        .where(Event.inspection_id == inspection_id, Event.type.in_((PAUSED, RESUMED, ENDED)))
        .order_by(Event.seq.desc())
        .limit(1)
    )
    if last is None or last.type != PAUSED:
        return None
    return Pause(last.actor["name"], last.body["reason"], last.at)


async def list_pauses(session: AsyncSession, inspection_id: str) -> list[Pause]:
    return pauses_of(await told_events(session, inspection_id, PAUSED, RESUMED, ENDED))


def pauses_of(events: Iterable[Event]) -> list[Pause]:
    """From pausing to resuming or the end, in order."""
    pauses: list[Pause] = []
    for event in events:
        if event.type == PAUSED:
            pauses.append(Pause(event.actor["name"], event.body["reason"], event.at))
        elif event.type in (RESUMED, ENDED) and pauses and pauses[-1].end is None:
            last = pauses[-1]
            pauses[-1] = Pause(last.by, last.reason, last.start, event.at)
    return pauses

"""The last event of an inspection's log: it commits to how much there is, and nothing may follow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.rules import system_actor
from server.errors import N_, Conflict
from server.evidence import officelog
from server.evidence.canonical import parse
from server.evidence.counts import CLOSE
from server.evidence.sealing import close_body
from server.inspections.log import Journal
from server.inspections.models import Event, Inspection
from server.officelog.entries import append_entry, append_once
from server.officelog.models import OfficeEntry


class NotConcluded(Conflict):
    code = "not_concluded"
    text = N_("This inspection has no result yet.")


async def close_log(session: AsyncSession, journal: Journal, inspection_id: str) -> None:
    """Append the event with the counts, once; the office's log takes it down. NotConcluded before there is a result."""
    await _close(session, journal, inspection_id, ("concluded",))


async def close_unsealed(session: AsyncSession, journal: Journal, inspection_id: str) -> None:
    """The same for what ended without a result, or was never held: once its end is decided nothing may follow.

    The office's log may have taken it down already, where the database was put back to before that.
    """
    await _close(session, journal, inspection_id, ("ended", "cancelled"), append_once)


async def _close(
    session: AsyncSession,
    journal: Journal,
    inspection_id: str,
    states: Collection[str],
    enter: Callable[..., Awaitable[OfficeEntry]] = append_entry,
) -> None:
    inspection = await session.get_one(
        Inspection, inspection_id, with_for_update=True, populate_existing=True
    )
    if inspection.log_closed:
        return
    if inspection.state not in states:
        raise NotConcluded
    events = [parse(line) for line in await read_lines(session, inspection_id)]
    body = close_body([(event["type"], event["body"]) for event in events])
    last = await journal.append(session, inspection_id, CLOSE, system_actor(), body)
    await session.execute(update(Inspection).where(Inspection.id == inspection_id).values(log_closed=True))
    await enter(session, officelog.CLOSE, inspection_id, last.at, seq=last.seq, head=last.link)


async def read_lines(session: AsyncSession, inspection_id: str) -> list[bytes]:
    """The whole log as it was hashed, in order."""
    lines = await session.scalars(
        select(Event.line).where(Event.inspection_id == inspection_id).order_by(Event.seq)
    )
    return [line.encode() for line in lines]

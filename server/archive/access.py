"""The access log of an inspection: who saw, played, took or could not get the evidence, in a hash chain of its own."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.models import Office
from server.accounts.rules import Actor
from server.archive.models import Access
from server.clock import Clock, rfc3339
from server.evidence.chain import GENESIS, Entry, canonical_line, link_of
from server.inspections.models import Inspection

EXPORTED = "package.exported"
VIEWED = "inspection.viewed"
PLAYED = "part.played"
VERIFIED = "package.verified"
CASE_VIEWED = "case.viewed"
PAPER_VIEWED = "paper.viewed"
SEARCHED = "archive.searched"
REFUSED = "access.refused"
SIGN_IN_FAILED = "sign_in.failed"
COUNTED = "access.counted"
"""So many failed attempts have no line of their own (`archive.attempts`)."""
LOST = "access.lost"
"""So many acts could not be written down."""


async def record_access(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    chain: str,
    type_: str,
    body: dict[str, Any],
    at: datetime | None = None,
) -> Access:
    """One more line of the chain of an inspection, or of an office. Their row is the lock of this chain too."""
    for table in (Inspection, Office):
        # Not the lock that referring rows ask for: nobody who adds a case waits for this.
        lock = select(table.id).where(table.id == chain).with_for_update(key_share=True)
        if await session.scalar(lock) is not None:
            break
    last = await session.scalar(
        select(Access).where(Access.inspection_id == chain).order_by(Access.seq.desc()).limit(1)
    )
    moment = at or clock.now()
    line = canonical_line(
        Entry(
            inspection=chain,
            seq=last.seq + 1 if last else 1,
            type=type_,
            actor=actor.as_record(),
            t_utc=rfc3339(moment),
            t_mono=round(clock.monotonic_s(), 3),
            t_client=None,
            body=body,
            prev=last.link if last else GENESIS,
        )
    )
    access = Access(
        inspection_id=chain,
        seq=last.seq + 1 if last else 1,
        type=type_,
        at=moment,
        actor=actor.as_record(),
        link=link_of(line),
        line=line.decode(),
    )
    session.add(access)
    await session.flush()
    return access


async def list_accesses(
    session: AsyncSession, chain: str, limit: int = 20, *, type_: str | None = None, below: int | None = None
) -> list[Access]:
    """The newest first; of one kind only where it is named; only lines before number `below`."""
    query = select(Access).where(Access.inspection_id == chain).order_by(Access.seq.desc()).limit(limit)
    if below is not None:
        query = query.where(Access.seq < below)
    return list(await session.scalars(query.where(Access.type == type_) if type_ else query))


async def count_accesses(session: AsyncSession, chain: str) -> int:
    """Lines of the chain: the number of its last one."""
    return await session.scalar(select(func.max(Access.seq)).where(Access.inspection_id == chain)) or 0


async def read_chain(session: AsyncSession, chain: str) -> list[bytes]:
    """All lines as they were hashed, the oldest first."""
    lines = await session.scalars(
        select(Access.line).where(Access.inspection_id == chain).order_by(Access.seq)
    )
    return [line.encode() for line in lines]

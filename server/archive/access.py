"""The access log of an inspection: who took the evidence out, in a hash chain of its own."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.rules import Actor
from server.archive.models import Access
from server.clock import Clock, rfc3339
from server.evidence.chain import GENESIS, Entry, canonical_line, link_of
from server.inspections.models import Inspection

EXPORTED = "package.exported"


async def record_access(
    session: AsyncSession, clock: Clock, actor: Actor, inspection_id: str, type_: str, body: dict[str, Any]
) -> Access:
    """One more line; the inspection's row is the lock of this chain too."""
    await session.execute(select(Inspection.id).where(Inspection.id == inspection_id).with_for_update())
    last = await session.scalar(
        select(Access).where(Access.inspection_id == inspection_id).order_by(Access.seq.desc()).limit(1)
    )
    now = clock.now()
    line = canonical_line(
        Entry(
            inspection=inspection_id,
            seq=last.seq + 1 if last else 1,
            type=type_,
            actor=actor.as_record(),
            t_utc=rfc3339(now),
            t_mono=round(clock.monotonic_s(), 3),
            t_client=None,
            body=body,
            prev=last.link if last else GENESIS,
        )
    )
    access = Access(
        inspection_id=inspection_id,
        seq=last.seq + 1 if last else 1,
        type=type_,
        at=now,
        actor=actor.as_record(),
        link=link_of(line),
        line=line.decode(),
    )
    session.add(access)
    await session.flush()
    return access


async def list_accesses(session: AsyncSession, inspection_id: str, limit: int = 20) -> list[Access]:
    """The newest first."""
    found = await session.scalars(
        select(Access).where(Access.inspection_id == inspection_id).order_by(Access.seq.desc()).limit(limit)
    )
    return list(found)

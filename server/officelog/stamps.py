"""Has heads stamped by the authorities of the settings; what they do not answer is pending, and asked for again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from sqlalchemy import exists, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from server.clock import Clock
from server.db import Database
from server.evidence import certificates, timestamps
from server.evidence.errors import EvidenceError
from server.officelog.authority import AuthorityUnreachable, ask
from server.officelog.models import HeadStamp, OfficeHead

TIMEOUT_S = 20.0
AT_ONCE = 24
"""Heads in one round: an authority that was away for days is not run over."""


async def pending_heads(session: AsyncSession, authority: int, limit: int = AT_ONCE) -> list[OfficeHead]:
    """Heads that the authority of this number has not stamped, the newest first: it speaks for those before it too."""
    stamped = exists().where(HeadStamp.head == OfficeHead.number, HeadStamp.authority == authority)
    found = await session.scalars(
        select(OfficeHead).where(~stamped).order_by(OfficeHead.number.desc()).limit(limit)
    )
    return list(found)


async def stamp_heads(
    database: Database, authorities: list[tuple[str, Path]], clock: Clock
) -> EvidenceError | None:
    """What the first head that could not be stamped failed with, which is kept beside it; None if all are."""
    failure: EvidenceError | None = None
    for number, (address, root) in enumerate(authorities, start=1):
        async with database.reading() as session:
            heads = await pending_heads(session, number)
        for head in heads:
            try:
                await _stamp(database, head, number, address, root, clock)
            except EvidenceError as error:
                failure = error
                await _tell(database, head.number, error)
                break  # the next head would fare no better with this authority
    return failure


async def _stamp(
    database: Database, head: OfficeHead, number: int, address: str, root: Path, clock: Clock
) -> None:
    document = head.document.encode()
    asked = timestamps.request(document)
    reply = await ask(address, asked, TIMEOUT_S)
    try:
        pem = await asyncio.to_thread(root.read_bytes)
        roots = certificates.from_pem(pem)
    except (OSError, ValueError) as error:
        raise AuthorityUnreachable(address=address, detail=str(error)) from error
    stamp = await asyncio.to_thread(timestamps.accept, reply, document, roots, asked, clock.now())
    try:
        async with database.transaction() as session:
            session.add(
                HeadStamp(head=head.number, authority=number, at=stamp.at, reply=reply, root_pem=pem.decode())
            )
            await _set_problem(session, head.number, None)
    except IntegrityError:
        return  # another worker was first


async def _tell(database: Database, head: int, error: EvidenceError) -> None:
    told: dict[str, Any] = {
        "text": error.text,
        "params": {name: str(value) for name, value in error.params.items()},
    }
    async with database.transaction() as session:
        await _set_problem(session, head, told)


async def _set_problem(session: AsyncSession, head: int, problem: dict[str, Any] | None) -> None:
    await session.execute(
        update(OfficeHead)
        .where(OfficeHead.number == head)
        .values(problem=problem)
        .execution_options(synchronize_session=False)
    )

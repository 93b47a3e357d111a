"""Appending to the office's log, and reading it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from server.evidence.merkle import Frontier, rows_of, span_root
from server.evidence.officelog import leaf_of, record
from server.officelog.models import OfficeEntry

_LOCK = 0x6F6C6F67
"""Of PostgreSQL's advisory locks the one for this log."""


async def lock(session: AsyncSession) -> None:
    """Until this transaction ends nobody else appends. SQLite's writers are alone from their beginning.

    It must be the last lock that a transaction takes: after the inspection's row, never before it.
    """
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


async def append_entry(
    session: AsyncSession,
    kind: str,
    inspection_id: str | None,
    at: datetime,
    *,
    seq: int | None = None,
    **details: Any,
) -> OfficeEntry:
    """One more leaf, durable with the caller's transaction. `kind`: one of `evidence.officelog.KINDS`.

    `details` must be JSON without personal data: ids, digests, numbers. Call it last in the transaction: it holds the
    lock of the whole log until the commit.
    """
    await lock(session)
    last = await find_last(session)
    tree = Frontier.resume(last.index + 1, map(bytes.fromhex, last.peaks)) if last else Frontier()
    if seq is not None:
        details["seq"] = seq
    data = record(kind, inspection_id, at, **details)
    leaf = leaf_of(data)
    entry = OfficeEntry(
        index=tree.size,
        kind=kind,
        inspection_id=inspection_id,
        seq=seq,
        at=at,
        record=data.decode(),
        leaf=leaf.hex(),
        peaks=[],
    )
    tree.append(leaf)
    entry.peaks = [peak.hex() for peak in tree.peaks]
    session.add(entry)
    await session.flush()
    return entry


async def append_once(
    session: AsyncSession, kind: str, inspection_id: str, at: datetime, **details: Any
) -> OfficeEntry:
    """The entry of a kind about an inspection, however often and from how many sides it is told at once."""
    await lock(session)
    found = await find_entry(session, kind, inspection_id)
    return found or await append_entry(session, kind, inspection_id, at, **details)


async def find_last(session: AsyncSession) -> OfficeEntry | None:
    """The newest entry."""
    found: OfficeEntry | None = await session.scalar(
        select(OfficeEntry).order_by(OfficeEntry.index.desc()).limit(1)
    )
    return found


async def find_entry(session: AsyncSession, kind: str, inspection_id: str) -> OfficeEntry | None:
    """The first entry of a kind about an inspection."""
    found: OfficeEntry | None = await session.scalar(
        select(OfficeEntry)
        .where(OfficeEntry.inspection_id == inspection_id, OfficeEntry.kind == kind)
        .order_by(OfficeEntry.index)
        .limit(1)
    )
    return found


async def read_roots(session: AsyncSession, spans: Sequence[tuple[int, int]]) -> list[bytes]:
    """The roots of a proof's subtrees (`merkle.inclusion_spans`, `consistency_spans`), from the edges in their rows.

    A proof in a log of a hundred thousand entries takes some thirty rows, and no other is read.
    """
    wanted = sorted({row for span in spans for row in rows_of(*span)})
    found = await session.execute(
        select(OfficeEntry.index, OfficeEntry.leaf, OfficeEntry.peaks).where(OfficeEntry.index.in_(wanted))
    )
    leaves: dict[int, bytes] = {}
    edges: dict[int, list[bytes]] = {}
    for index, leaf, peaks in found:
        leaves[index], edges[index] = bytes.fromhex(leaf), [bytes.fromhex(peak) for peak in peaks]
    return [span_root(low, high, leaves, edges) for low, high in spans]


async def read_leaves(session: AsyncSession, size: int, after: int = 0) -> list[bytes]:
    """The leaves from number `after` up to, not including, number `size`."""
    found = await session.scalars(
        select(OfficeEntry.leaf)
        .where(OfficeEntry.index >= after, OfficeEntry.index < size)
        .order_by(OfficeEntry.index)
    )
    return [bytes.fromhex(leaf) for leaf in found]

"""Signed heads of the office's log: what outsiders keep, and what packages are proved under."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.errors import N_
from server.evidence import merkle, officelog
from server.evidence.canonical import parse_canonical
from server.evidence.errors import EvidenceError
from server.evidence.keylog import check_log
from server.evidence.keys import OfficeKeys
from server.officelog.entries import append_entry, find_last, lock, read_roots
from server.officelog.models import OfficeEntry, OfficeHead

SIGN_EVERY = timedelta(hours=1)
CLOCKS_DIFFER_BY = timedelta(minutes=5)
"""A newest head from further in the future is of a clock that was wrong, and does not hold up the next."""


class KeysReplaced(EvidenceError):
    code = "keys_replaced"
    text = N_(
        "The key history is not the one that the office's log knows: entry {index} speaks of another key. "
        "No head is signed until it is back."
    )


async def find_newest_head(session: AsyncSession) -> OfficeHead | None:
    found: OfficeHead | None = await session.scalar(
        select(OfficeHead).order_by(OfficeHead.number.desc()).limit(1)
    )
    return found


def is_due(newest: OfficeHead | None, now: datetime) -> bool:
    """Whether the hourly head is to be signed, whatever has happened since the last one."""
    return newest is None or not newest.at - CLOCKS_DIFFER_BY <= now < newest.at + SIGN_EVERY


async def sign_head(session: AsyncSession, office: OfficeKeys, now: datetime) -> OfficeHead:
    """A head over all entries, those of new keys among them. KeysReplaced."""
    await lock(session)
    await _enter_keys(session, office, now)
    last, newest = await find_last(session), await find_newest_head(session)
    size = last.index + 1 if last else 0
    tree = merkle.Frontier.resume(size, map(bytes.fromhex, last.peaks if last else []))
    signed = officelog.sign_head(office.office, size, tree.root(), now, office.head_key)
    head = OfficeHead(
        number=newest.number + 1 if newest else 1,
        size=size,
        root=signed.root,
        at=now,
        key=signed.key,
        document=signed.to_bytes().decode(),
    )
    session.add(head)
    await session.flush()
    return head


async def sign_if_due(session: AsyncSession, office: OfficeKeys, now: datetime) -> OfficeHead | None:
    """The hourly head, unless another worker was first."""
    await lock(session)
    return await sign_head(session, office, now) if is_due(await find_newest_head(session), now) else None


async def head_over(session: AsyncSession, office: OfficeKeys, index: int, now: datetime) -> OfficeHead:
    """The newest head if it covers entry number `index`, else a new one."""
    await lock(session)
    newest = await find_newest_head(session)
    if newest is not None and newest.size > index:
        return newest
    return await sign_head(session, office, now)


async def prove_entries(
    session: AsyncSession, head: OfficeHead, entries: list[OfficeEntry]
) -> officelog.OfficeProof:
    """That the entries are in the log of `head`, which must cover them."""
    proved = []
    for entry in entries:
        path = await read_roots(session, merkle.inclusion_spans(head.size, entry.index))
        record = parse_canonical(entry.record.encode())
        proved.append(officelog.Inclusion(entry.index, record, [node.hex() for node in path]))
    return officelog.OfficeProof(officelog.Head.parse(head.document.encode()), proved)


async def _enter_keys(session: AsyncSession, office: OfficeKeys, now: datetime) -> None:
    """Every line of the key history is an entry, once, in its order."""
    query = select(OfficeEntry).where(OfficeEntry.kind == officelog.KEY).order_by(OfficeEntry.index)
    entered = list(await session.scalars(query))
    lines, statements = office.log.splitlines(), check_log(office.log)
    digests = [hashlib.sha256(line).hexdigest() for line in lines]
    for number, entry in enumerate(entered):
        told = parse_canonical(entry.record.encode())
        if number >= len(digests) or told.get("statement") != digests[number]:
            raise KeysReplaced(index=entry.index)
    for statement, digest in list(zip(statements, digests, strict=True))[len(entered) :]:
        await append_entry(
            session,
            officelog.KEY,
            None,
            now,
            purpose=statement.purpose,
            key=statement.fingerprint,
            statement=digest,
        )

"""The office's log and the access logs against everything else that the database says."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from server.archive.models import Access, Seal
from server.clock import rfc3339
from server.errors import N_
from server.evidence import officelog
from server.evidence.canonical import parse, parse_canonical
from server.evidence.chain import GENESIS, BadLine, check_chain, link_of
from server.inspections.models import Inspection
from server.officelog.checking import Fault, walk
from server.officelog.models import OfficeEntry
from server.storage.line_files import read_lines


@dataclass(frozen=True, slots=True)
class OfficeLogReport:
    """`unsealed`: (inspection, entry of its opening, state) of those opened and neither sealed nor disposed of."""

    size: int
    faults: list[Fault]
    unsealed: list[tuple[str, int, str]]


async def check_office_log(session: AsyncSession, public_keys: Mapping[str, bytes] | None) -> OfficeLogReport:
    """First fault within the log, then what others lack in it or it lacks in others."""
    walked = await walk(session, public_keys)
    faults = [walked.fault] if walked.fault is not None else []
    unsealed: list[tuple[str, int, str]] = []
    for inspection_id, index in walked.opened.items():
        state = await session.scalar(select(Inspection.state).where(Inspection.id == inspection_id))
        if state is None:
            faults.append(
                Fault(
                    N_("Inspection {inspection} was opened (entry {index}) and is gone without a disposal"),
                    {"inspection": inspection_id, "index": index},
                )
            )
        else:
            unsealed.append((inspection_id, index, state))
    faults += await _not_entered(session)
    faults += await _other_ends(session)
    return OfficeLogReport(walked.size, faults, unsealed)


async def _not_entered(session: AsyncSession) -> list[Fault]:
    """Inspections of which the log should hold an entry and does not."""
    faults: list[Fault] = []
    wanted = (
        (officelog.OPEN, select(Inspection.id).where(Inspection.started_at.is_not(None))),
        (officelog.CLOSE, select(Inspection.id).where(Inspection.log_closed)),
        (
            officelog.SEAL,
            select(Inspection.id)
            .join(Seal, Seal.inspection_id == Inspection.id)
            .where(Seal.sealed_at.is_not(None)),
        ),
    )
    for kind, query in wanted:
        entered = exists().where(OfficeEntry.inspection_id == Inspection.id, OfficeEntry.kind == kind)
        missing = await session.scalars(query.where(~entered).order_by(Inspection.id))
        text = N_("Inspection {inspection} has no entry of the kind {kind}")
        faults += [Fault(text, {"inspection": inspection_id, "kind": kind}) for inspection_id in missing]
    return faults


async def _other_ends(session: AsyncSession) -> list[Fault]:
    """Logs whose end, as it was entered, is not what stands in the database now. Of a disposal none stands."""
    ending = aliased(OfficeEntry)
    disposed = exists().where(
        ending.inspection_id == OfficeEntry.inspection_id, ending.kind == officelog.DISPOSAL
    )
    faults: list[Fault] = []
    closes = await session.execute(
        select(OfficeEntry, Inspection.last_seq, Inspection.head)
        .join(Inspection, Inspection.id == OfficeEntry.inspection_id)
        .where(OfficeEntry.kind == officelog.CLOSE, ~disposed)
        .order_by(OfficeEntry.index)
    )
    accesses = await session.execute(
        select(OfficeEntry, Access.seq, Access.link)
        .outerjoin(
            Access, (Access.inspection_id == OfficeEntry.inspection_id) & (Access.seq == OfficeEntry.seq)
        )
        .where(OfficeEntry.kind == officelog.ACCESS)
        .order_by(OfficeEntry.index)
    )
    for entry, seq, head in [*closes, *accesses]:
        told = parse(entry.record.encode())
        if (told.get("seq"), told.get("head")) != (seq, head):
            faults.append(
                Fault(
                    N_("Entry {index}: the log of {inspection} does not have this end any more"),
                    {"index": entry.index, "inspection": entry.inspection_id},
                )
            )
    return faults


async def access_chains(session: AsyncSession) -> list[str]:
    """Every access log there is: of inspections, and of offices for what belongs to none."""
    return list(await session.scalars(select(Access.inspection_id).distinct().order_by(Access.inspection_id)))


@dataclass(frozen=True, slots=True)
class AccessReport:
    """One access log: `bad` the first line that does not hold; `entered` (entry of the office's log, line) of the last
    end that was entered there, `is_as_entered` whether the line is still that one; `filed` lines of its file, and
    `is_as_filed` whether they are the same (it is late by seconds).
    """

    size: int
    head: str
    bad: BadLine | None
    entered: tuple[int, int] | None
    is_as_entered: bool
    filed: int
    is_as_filed: bool

    @property
    def holds(self) -> bool:
        return self.bad is None and self.is_as_entered and self.is_as_filed


async def report_accesses(session: AsyncSession, chain: str, file: Path) -> AccessReport:
    """The log of an inspection or an office, against itself, the office's log and its file."""
    # The lines last: whatever is filed or entered was a line before, and each statement may see more than the one
    # before it.
    filed = await asyncio.to_thread(read_lines, file)
    entry = await session.scalar(
        select(OfficeEntry)
        .where(OfficeEntry.inspection_id == chain, OfficeEntry.kind == officelog.ACCESS)
        .order_by(OfficeEntry.index.desc())
        .limit(1)
    )
    accesses = await _accesses_of(session, chain)
    return await asyncio.to_thread(_report, accesses, entry, filed)


async def check_accesses(session: AsyncSession, chain: str) -> BadLine | None:
    """The first line of an access log that does not hold. That its end was cut shows in the office's log."""
    accesses = await _accesses_of(session, chain)
    # A long log takes seconds.
    return await asyncio.to_thread(_first_bad, accesses)


async def _accesses_of(session: AsyncSession, chain: str) -> list[Access]:
    return list(
        await session.scalars(select(Access).where(Access.inspection_id == chain).order_by(Access.seq))
    )


def _report(accesses: list[Access], entry: OfficeEntry | None, filed: list[bytes]) -> AccessReport:
    lines = [access.line.encode() for access in accesses]
    entered, is_as_entered = None, True
    if entry is not None:
        seq = entry.seq or 0
        entered = entry.index, seq
        head = parse(entry.record.encode()).get("head")
        is_as_entered = 0 < seq <= len(lines) and link_of(lines[seq - 1]) == head
    return AccessReport(
        size=len(lines),
        head=link_of(lines[-1]) if lines else GENESIS,
        bad=_first_bad(accesses),
        entered=entered,
        is_as_entered=is_as_entered,
        filed=len(filed),
        is_as_filed=filed == lines[: len(filed)],
    )


def _first_bad(accesses: list[Access]) -> BadLine | None:
    _, bad = check_chain(access.line.encode() for access in accesses)
    good = accesses[: bad.line - 1] if bad else accesses
    for number, access in enumerate(good, start=1):
        told = parse_canonical(access.line.encode())
        columns = {
            "inspection": access.inspection_id,
            "seq": access.seq,
            "type": access.type,
            "actor": access.actor,
            "t_utc": rfc3339(access.at),
        }
        if any(told[name] != value for name, value in columns.items()) or access.link != link_of(
            access.line.encode()
        ):
            return BadLine(number, N_("the columns beside it say something else"))
    return bad

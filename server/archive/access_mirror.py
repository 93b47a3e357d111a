"""The access logs as files beside the evidence, one for each chain: `access-log/<chain>.jsonl`.

They are written seconds after the database. From them a lost database gets back who looked, which viewing copies were
made, and what holds evidence or is to end it: lines of these chains say so, and rows are folded from the lines.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.models import Staff
from server.archive.disposal import APPROVED, DONE, HELD, LIFTED, PROPOSED, WITHDRAWN, is_about
from server.archive.models import Access, Disposal, Hold
from server.errors import N_
from server.evidence.canonical import parse, parse_time
from server.evidence.chain import check_chain, link_of
from server.ids import new_id
from server.inspections.models import Inspection
from server.officelog.heads import CLOCKS_DIFFER_BY
from server.officelog.mirror import AT_ONCE, BadMirror, MirrorDiffers
from server.storage.line_files import LineFiles, read_lines

FOLDER = "access-log"
"""In the data folder."""
ENDING = ".jsonl"
NO_PASSWORD = "-"  # noqa: S105 - the hash of no password: nobody can sign in with it


class AccessMirror:
    """Adds to the files what the database has and they lack."""

    def __init__(self, folder: Path) -> None:
        self._files = LineFiles(folder)
        self._since: datetime | None = None

    def look_at_all(self) -> None:
        """The next update is of every chain: lines may be written long after what they tell of."""
        self._since = None

    async def update(self, session: AsyncSession) -> None:
        """The chains that have grown; the first time all of them. MirrorDiffers, after the others are written."""
        newest = select(Access.inspection_id, func.max(Access.at)).group_by(Access.inspection_id)
        if self._since is not None:
            newest = newest.where(Access.at > self._since - CLOCKS_DIFFER_BY)
        differs: MirrorDiffers | None = None
        for chain, at in list(await session.execute(newest.order_by(Access.inspection_id))):
            try:
                await self._extend(session, chain)
            except MirrorDiffers as error:
                differs = error
            self._since = at if self._since is None else max(self._since, at)
        if differs is not None:
            raise differs

    async def _extend(self, session: AsyncSession, chain: str) -> None:
        name = f"{chain}{ENDING}"
        while True:
            count, last = await asyncio.to_thread(self._files.end, name)
            found = await session.scalars(
                select(Access.line)
                .where(Access.inspection_id == chain, Access.seq >= max(1, count))
                .order_by(Access.seq)
                .limit(AT_ONCE)
            )
            lines = [line.encode() for line in found]
            if count:
                if not lines or lines[0] != last:
                    raise MirrorDiffers(line=count, file=f"{FOLDER}/{name}")
                lines = lines[1:]
            if not lines:
                return
            await asyncio.to_thread(self._files.append, name, count, lines)


@dataclass(slots=True)
class Restored:
    """How many lines came back; chains whose file does not hold, with why."""

    lines: int = 0
    refused: list[tuple[str, BadMirror]] = field(default_factory=list)


async def restore(session: AsyncSession, folder: Path) -> Restored:
    """Lines that the files have and the database has lost, with the holds and disposals that they tell of.

    Inspections must be there before: what is about others has no rows. Nothing is taken from a file that does not hold.
    """
    outcome = Restored()
    paths = await asyncio.to_thread(lambda: sorted(folder.glob(f"*{ENDING}")))
    ends = select(Access.inspection_id, func.max(Access.seq)).group_by(Access.inspection_id)
    known: dict[str, int] = {row[0]: row[1] for row in await session.execute(ends)}
    for path in paths:
        lines = await asyncio.to_thread(read_lines, path)
        there = known.get(path.stem, 0)
        if len(lines) <= there:
            continue
        try:
            accesses = await _check(session, path.stem, lines, there)
        except BadMirror as error:
            outcome.refused.append((path.stem, error))
            continue
        session.add_all(accesses)
        await session.flush()
        for access in accesses:
            await _apply(session, access)
        outcome.lines += len(accesses)
    return outcome


async def _check(session: AsyncSession, chain: str, lines: Sequence[bytes], there: int) -> list[Access]:
    """The lines after number `there` as rows. BadMirror unless they continue what the database has."""
    name = f"{FOLDER}/{chain}{ENDING}"
    _, bad = check_chain(lines)
    if bad is not None:
        raise BadMirror(line=bad.line, file=name, detail=bad.reason)
    if parse(lines[0])["inspection"] != chain:
        raise BadMirror(line=1, file=name, detail=N_("it is the log of something else"))
    if there:
        last = await session.get_one(Access, (chain, there))
        if last.link != link_of(lines[there - 1]):
            raise BadMirror(line=there, file=name, detail=N_("the database has another line there"))
    return [_access(line) for line in lines[there:]]


def _access(line: bytes) -> Access:
    told = parse(line)
    return Access(
        inspection_id=told["inspection"],
        seq=told["seq"],
        type=told["type"],
        at=parse_time(told["t_utc"]),
        actor=told["actor"],
        link=link_of(line),
        line=line.decode(),
    )


async def _apply(session: AsyncSession, access: Access) -> None:
    """What the line did to holds and disposals, done again."""
    if access.type not in (HELD, LIFTED, PROPOSED, WITHDRAWN, APPROVED, DONE):
        return
    inspection = await session.get(Inspection, access.inspection_id)
    if inspection is None:
        return
    body: dict[str, Any] = parse(access.line.encode())["body"]
    end = await session.get(Disposal, inspection.id)
    by, name = access.actor["id"], access.actor["name"]
    if access.type == HELD:
        held = Hold(id=body.get("hold") or new_id(), inspection_id=inspection.id, reason=body["reason"])
        held.placed_at, held.placed_by_name = access.at, name
        session.add(held)
    elif access.type == LIFTED:
        # One that is not known stays: evidence that is kept too long can still be let go.
        if (lifted := await session.get(Hold, body["hold"])) is not None:
            lifted.lifted_at, lifted.lifted_by_name = access.at, name
    elif access.type == PROPOSED and end is None:
        await _ensure_staff(session, inspection.office_id, access)
        proposed = Disposal(inspection_id=inspection.id, reason=body["reason"])
        proposed.proposed_at, proposed.proposed_by, proposed.proposed_by_name = access.at, by, name
        session.add(proposed)
    elif end is None:
        return
    elif access.type == WITHDRAWN:
        await session.delete(end)
    elif access.type == APPROVED:
        # Of what the database has otherwise by now it is a proposal at most, which can be withdrawn.
        if not is_about(inspection, access.at):
            return
        await _ensure_staff(session, inspection.office_id, access)
        end.approved_at, end.approved_by, end.approved_by_name = access.at, by, name
    elif access.type == DONE:
        end.done_at, end.certificate = access.at, body["certificate"]
        end.approved_at = end.approved_at or access.at
    await session.flush()


async def _ensure_staff(session: AsyncSession, office_id: str, access: Access) -> None:
    """A row for somebody of whom only this decision is known: without a user name, and not to sign in with."""
    who = access.actor
    if await session.get(Staff, who["id"]) is None:
        session.add(
            Staff(
                id=who["id"],
                office_id=office_id,
                username=f"restored-{who['id']}".lower(),
                name=who["name"],
                role=who["role"],
                password_hash=NO_PASSWORD,
                active=False,
                created_at=access.at,
            )
        )
        await session.flush()

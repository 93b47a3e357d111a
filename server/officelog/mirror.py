"""The office's log as files beside the evidence: who loses the database has it still, and may hold one to the other.

`entries.jsonl` has one record a line, leaf number i on line i + 1; `heads.jsonl` one signed head a line; `stamps/` what
the authorities answered. They are written after the database, some seconds later at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from server.errors import N_
from server.evidence import certificates, durable, merkle, officelog, timestamps
from server.evidence.canonical import BadJson, parse_canonical, parse_time
from server.evidence.errors import EvidenceError
from server.officelog.entries import find_last, read_leaves
from server.officelog.heads import CLOCKS_DIFFER_BY, find_newest_head
from server.officelog.models import HeadStamp, OfficeEntry, OfficeHead
from server.storage.line_files import LineFiles, read_lines

FOLDER = "office-log"
"""In the data folder."""
ENTRIES, HEADS, STAMPS = "entries.jsonl", "heads.jsonl", "stamps"
AT_ONCE = 5000


class MirrorDiffers(EvidenceError):
    code = "mirror_differs"
    text = N_(
        "Line {line} of {file} in the data folder is not what the database says. One of the two was changed."
    )


class BadMirror(EvidenceError):
    code = "bad_mirror"
    text = N_("Line {line} of {file} does not hold: {detail}")


class Mirror:
    """Adds to the files what the database has and they lack. Several workers may: a lock file keeps them apart."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = LineFiles(folder)
        self._stamps_since: datetime | None = None

    async def update(self, session: AsyncSession) -> None:
        """MirrorDiffers if the last line of a file is not that of the database."""
        await self._extend(session, ENTRIES, OfficeEntry.record, OfficeEntry.index, 0)
        await self._extend(session, HEADS, OfficeHead.document, OfficeHead.number, 1)
        there = await asyncio.to_thread(self._stamps_there) if self._stamps_since is None else set()
        query = select(HeadStamp).order_by(HeadStamp.at)
        if self._stamps_since is not None:
            query = query.where(HeadStamp.at > self._stamps_since - CLOCKS_DIFFER_BY)
        for stamp in await session.scalars(query):
            if f"{stamp.head}.{stamp.authority}.tsr" not in there:
                await asyncio.to_thread(self._keep_stamp, stamp)
            self._stamps_since = stamp.at

    async def _extend(
        self,
        session: AsyncSession,
        name: str,
        text: InstrumentedAttribute[str],
        place: InstrumentedAttribute[int],
        first: int,
    ) -> None:
        lines, last = await asyncio.to_thread(self._files.end, name)
        query = select(text).where(place >= first + max(0, lines - 1)).order_by(place).limit(AT_ONCE)
        found = list(await session.scalars(query))
        if lines:
            if not found or found[0].encode() != last:
                raise MirrorDiffers(line=lines, file=name)
            found = found[1:]
        if found:
            await asyncio.to_thread(self._files.append, name, lines, [line.encode() for line in found])

    def _stamps_there(self) -> set[str]:
        folder = self._folder / STAMPS
        return {path.name for path in folder.iterdir()} if folder.is_dir() else set()

    def _keep_stamp(self, stamp: HeadStamp) -> None:
        stem = f"{stamp.head}.{stamp.authority}"
        durable.write(self._folder / STAMPS / f"{stem}.pem", stamp.root_pem.encode())
        durable.write(self._folder / STAMPS / f"{stem}.tsr", stamp.reply)


async def restore(session: AsyncSession, folder: Path) -> int:
    """What the files have and the database has lost, to be called before anything is appended; how many entries.

    The database may be empty, or be a copy from some time ago. BadMirror, before anything is written, if the files do
    not hold or are not the continuation of what is there.
    """
    lines = await asyncio.to_thread(read_lines, folder / ENTRIES)
    last = await find_last(session)
    if len(lines) <= (last.index + 1 if last else 0):
        return 0
    there = await read_leaves(session, len(lines))
    entries, tree, roots = [], merkle.Frontier(), {0: merkle.EMPTY_ROOT}
    for number, line in enumerate(lines, start=1):
        try:
            entry = _entry(line, tree)
        except (BadJson, KeyError, TypeError, ValueError) as error:
            raise BadMirror(line=number, file=ENTRIES, detail=str(error)) from error
        if number <= len(there) and entry.leaf != there[number - 1].hex():
            raise BadMirror(line=number, file=ENTRIES, detail=N_("the database has another entry there"))
        entries.append(entry)
        roots[tree.size] = tree.root()
    heads = _heads(await asyncio.to_thread(read_lines, folder / HEADS), roots)
    newest = await find_newest_head(session)
    session.add_all([*entries[len(there) :], *heads[newest.number if newest else 0 :]])
    await session.flush()
    known = {(row[0], row[1]) for row in await session.execute(select(HeadStamp.head, HeadStamp.authority))}
    stamps = await asyncio.to_thread(_stamps, folder / STAMPS, heads)
    session.add_all(stamp for stamp in stamps if (stamp.head, stamp.authority) not in known)
    await session.flush()
    return len(entries) - len(there)


def _heads(lines: Sequence[bytes], roots: Mapping[int, bytes]) -> list[OfficeHead]:
    heads: list[OfficeHead] = []
    for number, line in enumerate(lines, start=1):
        try:
            signed = officelog.Head.parse(line)
        except officelog.BadHead as error:
            raise BadMirror(line=number, file=HEADS, detail=str(error)) from error
        if roots.get(signed.size, b"").hex() != signed.root:
            raise BadMirror(line=number, file=HEADS, detail=N_("the entries do not lead to its root"))
        heads.append(
            OfficeHead(
                number=number,
                size=signed.size,
                root=signed.root,
                at=parse_time(signed.at),
                key=signed.key,
                document=line.decode(),
            )
        )
    return heads


def _entry(line: bytes, tree: merkle.Frontier) -> OfficeEntry:
    told = parse_canonical(line)
    if told["kind"] not in officelog.KINDS:
        raise ValueError(f"{told['kind']!r} is no kind of entry")
    leaf = officelog.leaf_of(line)
    tree.append(leaf)
    return OfficeEntry(
        index=tree.size - 1,
        kind=told["kind"],
        inspection_id=told["inspection"],
        seq=told.get("seq"),
        at=parse_time(told["at"]),
        record=line.decode(),
        leaf=leaf.hex(),
        peaks=[peak.hex() for peak in tree.peaks],
    )


def _stamps(folder: Path, heads: Sequence[OfficeHead]) -> list[HeadStamp]:
    """Those that hold; what does not is as good as pending."""
    found: list[HeadStamp] = []
    for head in heads:
        for path in sorted(folder.glob(f"{head.number}.*.tsr")):
            reply, pem = path.read_bytes(), path.with_suffix(".pem").read_text()
            try:
                at = timestamps.check(reply, head.document.encode(), certificates.from_pem(pem.encode())).at
            except (timestamps.BadStamp, ValueError):
                continue
            authority = int(path.name.split(".")[1])
            found.append(HeadStamp(head=head.number, authority=authority, at=at, reply=reply, root_pem=pem))
    return found

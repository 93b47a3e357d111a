"""From the folders of sealed inspections back into an empty database. What does not hold is left out, and said."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from sqlalchemy import exists, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.models import Office, Staff
from server.archive.documents import record_row
from server.archive.index import BadIndex, Index, from_row, load_index
from server.archive.models import Seal
from server.cases.models import Case, Enterprise, Evidence, Material
from server.cases.papers import BrokenPaper, UnknownPaper, recognise
from server.db import Database
from server.db.base import Base
from server.errors import N_, Conflict
from server.evidence import receipts, sealing
from server.evidence.canonical import parse, parse_time
from server.evidence.chain import link_of
from server.evidence.disposal import CERTIFICATE
from server.evidence.officelog import OfficeProof
from server.evidence.verify import Trust, verify
from server.ids import new_id, new_token, token_hash
from server.inspections.models import Event, Inspection, InspectionReviewer, Invitation
from server.inspections.service import settle_case
from server.live.models import Part, Participant, Slot, Snapshot, StoredReceipt
from server.live.receipts import as_row
from server.officelog import mirror
from server.storage.files import Files

NO_PASSWORD = "-"  # noqa: S105 - the hash of no password: nobody can sign in with it
_ORDER: tuple[type[Base], ...] = (
    Inspection,
    InspectionReviewer,
    Invitation,
    Participant,
    Slot,
    Part,
    Snapshot,
    Evidence,
)
"""Rows of one inspection, each after those it refers to."""
_SHARED: tuple[type[Base], ...] = (Office, Enterprise, Case, Staff)
"""Rows that several inspections share: the newest package knows best."""


class NotEmpty(Conflict):
    code = "not_empty"
    text = N_("The database is not empty: there are offices, cases or inspections in it.")


@dataclass(slots=True)
class Outcome:
    """Ids of inspections: brought back; disposed of; never sealed; and left out, with why. Papers without a name."""

    restored: list[str] = field(default_factory=list)
    disposed: list[str] = field(default_factory=list)
    unsealed: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    cases: int = 0
    nameless_papers: int = 0
    office_entries: int = 0
    """Lines of the office's log, from its files."""


@dataclass(frozen=True, slots=True)
class _Package:
    """A folder that holds."""

    folder: Path
    index: Index
    seal: sealing.Sealed
    lines: Sequence[bytes]
    stamps: int
    office_head: int | None
    record: Evidence


async def reindex(
    database: Database, files: Files, roots: Sequence[x509.Certificate], now: datetime
) -> Outcome:
    """NotEmpty unless the database is. `roots`: the office's; without any, each package's own is taken."""
    await _require_empty(database)
    outcome = Outcome()
    found: list[_Package] = []
    for folder in await asyncio.to_thread(_folders, files):
        package = await asyncio.to_thread(_open, folder, Trust(now=now, roots=roots), outcome)
        if package is not None:
            found.append(package)
    for package in sorted(found, key=lambda each: (each.seal.seal.sealed_at, each.folder.name)):
        try:
            async with database.transaction() as session:
                await _restore(session, package)
        except (BadIndex, SQLAlchemyError) as error:  # rows of another release, or that contradict each other
            outcome.refused.append((package.folder.name, str(error)))
        else:
            outcome.restored.append(package.folder.name)
    async with database.transaction() as session:
        outcome.office_entries = await mirror.restore(session, files.absolute(mirror.FOLDER))
    async with database.transaction() as session:
        for case_id in list(await session.scalars(select(Case.id).where(Case.state == "inspecting"))):
            await settle_case(session, case_id)
        outcome.nameless_papers = await _adopt_papers(session, files)
        outcome.cases = int(await session.scalar(select(func.count()).select_from(Case)) or 0)
    return outcome


async def _require_empty(database: Database) -> None:
    async with database.reading() as session:
        for kind in (Office, Case, Inspection):
            if await session.scalar(select(exists(select(kind.id)))):
                raise NotEmpty


def _folders(files: Files) -> list[Path]:
    folder = files.absolute("inspections")
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _open(folder: Path, trust: Trust, outcome: Outcome) -> _Package | None:
    """Verified and read; what it is otherwise goes into the outcome."""
    if (folder / CERTIFICATE).exists():
        outcome.disposed.append(folder.name)
        return None
    if not (folder / sealing.SIGNATURE).exists():
        outcome.unsealed.append(folder.name)
        return None
    report = verify(folder, trust)
    if report.exit_code:
        failed = [f for step in report.steps for f in step.findings if f.result == "failed"]
        reason = report.unreadable or failed[0]
        outcome.refused.append((folder.name, reason.message()))
        return None
    try:
        index, seal = load_index(folder), sealing.find_sealed(folder)
        assert seal is not None  # noqa: S101 - it was verified
        inspection = index.one(Inspection)
        if (inspection["id"], inspection["head"]) != (seal.seal.inspection, seal.seal.head):
            raise BadIndex("it is of another inspection")
        if folder.name != seal.seal.inspection:
            raise BadIndex("the folder has another inspection's name")
        record = record_row(folder)
    except (BadIndex, OSError) as error:
        outcome.refused.append((folder.name, str(error)))
        return None
    lines = (folder / sealing.EVENTS).read_bytes().splitlines()
    stamps = sealing.MAX_STAMPS - len(sealing.pending_stamps(folder, sealing.MAX_STAMPS))
    return _Package(folder, index, seal, lines, stamps, _office_head(folder), record)


def _office_head(folder: Path) -> int | None:
    path = folder / sealing.OFFICE_PROOF
    return OfficeProof.parse(path.read_bytes()).head.size if path.exists() else None


async def _restore(session: AsyncSession, package: _Package) -> None:
    index = package.index
    for kind in _SHARED:
        secret = {"password_hash": NO_PASSWORD} if kind is Staff else {}
        for row in index.all(kind):
            await session.merge(from_row(kind, row, **secret))
        await session.flush()
    for row in index.all(Material):
        if await session.get(Material, row["id"]) is None:
            session.add(from_row(Material, row))
    for kind in _ORDER:
        for row in index.all(kind):
            # A token that was never given to anybody: nobody joins by what came back.
            nobody = {"token_hash": token_hash(new_token("x"))} if kind in (Invitation, Participant) else {}
            session.add(from_row(kind, row, **nobody))
        await session.flush()
    session.add_all(_event(line) for line in package.lines)
    session.add_all(_receipts(package.folder))
    session.add(package.record)
    session.add(_seal(package))


def _receipts(folder: Path) -> list[StoredReceipt]:
    path = folder / receipts.PATH
    given = receipts.parse_receipts(path.read_bytes()) if path.exists() else []
    return [as_row(each, parse_time(each.at)) for each in given]


def _event(line: bytes) -> Event:
    value: dict[str, Any] = parse(line)
    return Event(
        inspection_id=value["inspection"],
        seq=value["seq"],
        type=value["type"],
        at=parse_time(value["t_utc"]),
        actor=value["actor"],
        body=value["body"],
        prev=value["prev"],
        link=link_of(line),
        line=line.decode(),
    )


def _seal(package: _Package) -> Seal:
    seal = package.seal.seal
    sealed_at = parse_time(seal.sealed_at)
    return Seal(
        inspection_id=seal.inspection,
        retry_at=sealed_at,
        sealed_at=sealed_at,
        head=seal.head,
        root=seal.root,
        certificate=seal.certificate_fingerprint,
        root_certificate=seal.root_fingerprint,
        stamps=package.stamps,
        office_head=package.office_head,
        reported_at=sealed_at if sealing.has_report(package.folder) else None,
    )


async def _adopt_papers(session: AsyncSession, files: Files) -> int:
    """Papers that came after the last seal of their case: their names and givers are lost, they are not."""
    known = set(await session.scalars(select(Material.path)))
    adopted = 0
    for case_id in list(await session.scalars(select(Case.id))):
        folder = files.absolute(f"cases/{case_id}/materials")
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            relative = files.relative(path)
            if relative in known or path.name.startswith("."):
                continue
            data = await asyncio.to_thread(path.read_bytes)
            try:
                kind = await asyncio.to_thread(recognise, data)
            except (UnknownPaper, BrokenPaper):
                continue
            session.add(
                Material(
                    id=path.stem if len(path.stem) == len(new_id()) else new_id(),
                    case_id=case_id,
                    name=path.name,
                    media_type=kind.media_type,
                    size_bytes=len(data),
                    sha256=hashlib.sha256(data).hexdigest(),
                    path=relative,
                    added_by_name="",
                    added_at=datetime.fromtimestamp(path.stat().st_mtime, UTC),
                )
            )
            adopted += 1
    return adopted

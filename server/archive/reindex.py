"""From the folders of sealed inspections back into an empty database. What does not hold is left out, and said."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from sqlalchemy import exists, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.models import Office, Staff
from server.archive import access_mirror
from server.archive.access_mirror import NO_PASSWORD
from server.archive.disposal import rows_path
from server.archive.documents import record_row
from server.archive.found_copies import Found, enter_found, told_of
from server.archive.index import BadIndex, Index, from_row, load_index
from server.archive.models import Disposal
from server.archive.models import Seal as SealRow
from server.archive.package_metadata import told_years
from server.cases.models import Case, Enterprise, Evidence, Material
from server.cases.papers import BrokenPaper, UnknownPaper, recognise
from server.clock import Clock
from server.db import Database
from server.db.base import Base
from server.errors import N_, Conflict
from server.evidence import disposal, receipts, sealing
from server.evidence.canonical import parse_time
from server.evidence.certificates import from_pem
from server.evidence.errors import EvidenceError
from server.evidence.officelog import OfficeProof
from server.evidence.seal import Seal
from server.evidence.verify import Trust, verify
from server.ids import new_id, new_token, token_hash
from server.inspections.log import event_of
from server.inspections.models import Inspection, InspectionReviewer, Invitation
from server.inspections.service import settle_case
from server.live.models import Part, Participant, Photo, Slot, Snapshot, StoredReceipt
from server.live.receipts import as_row
from server.officelog import mirror
from server.storage.files import Files
from server.web.languages import translate

_ORDER: tuple[type[Base], ...] = (
    Inspection,
    InspectionReviewer,
    Invitation,
    Participant,
    Slot,
    Part,
    Snapshot,
    Photo,
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
    """With a page again."""
    unsealed: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    cases: int = 0
    nameless_papers: int = 0
    office_entries: int = 0
    """Lines of the office's log, from its files."""
    access_lines: int = 0
    """Lines of access logs, from theirs."""
    refused_logs: list[tuple[str, EvidenceError]] = field(default_factory=list)
    """Access logs whose file does not hold."""
    copies: Found = field(default_factory=Found)
    """Viewing copies that no access log told of."""


class DoesNotHold(Exception):
    """A folder that is left out; the text says why, in the current language."""


@dataclass(frozen=True, slots=True)
class _Package:
    """A folder that holds; what it has in rows and lines. Of one that was disposed of: what is left."""

    folder: Path
    index: Index
    seal: sealing.Sealed
    lines: Sequence[bytes]
    stamps: int
    office_head: int | None
    kept_years: int | None
    record: Evidence | None
    disposal: disposal.Disposal | None = None


Progress = Callable[[int, int], None]
"""Told how many of how many folders are through."""


async def reindex(
    database: Database,
    files: Files,
    roots: Sequence[x509.Certificate],
    clock: Clock,
    progress: Progress = lambda done, total: None,
) -> Outcome:
    """NotEmpty unless the database is. `roots`: the office's; without any, each package's own is taken.

    One folder after the other is verified, read and put back, in the order in which they were sealed: what all of them
    hold together need not fit into memory.
    """
    await _require_empty(database)
    outcome, trust = Outcome(), Trust(now=clock.now(), roots=roots)
    folders = await asyncio.to_thread(_folders, files, outcome)
    for number, folder in enumerate(folders, start=1):
        try:
            package = await asyncio.to_thread(_open, folder, files, trust)
            async with database.transaction() as session:
                await _restore(session, package)
        except (DoesNotHold, BadIndex, SQLAlchemyError, OSError) as error:
            # Also rows of another release, or that contradict each other.
            outcome.refused.append((folder.name, translate(str(error))))
        else:
            (outcome.disposed if package.disposal else outcome.restored).append(folder.name)
        progress(number, len(folders))
    async with database.transaction() as session:
        outcome.office_entries = await mirror.restore(session, files.absolute(mirror.FOLDER))
    await _restore_accesses(database, files, outcome)
    async with database.transaction() as session:
        outcome.copies = await enter_found(session, clock, files, trust)
    async with database.transaction() as session:
        for case_id in list(await session.scalars(select(Case.id).where(Case.state == "inspecting"))):
            await settle_case(session, case_id)
        outcome.nameless_papers = await _adopt_papers(session, files)
        outcome.cases = int(await session.scalar(select(func.count()).select_from(Case)) or 0)
    return outcome


async def _restore_accesses(database: Database, files: Files, outcome: Outcome) -> None:
    """Access logs, and with them holds, decisions and the list of viewing copies. Certificates have the last word."""
    async with database.transaction() as session:
        accesses = await access_mirror.restore(session, files.absolute(access_mirror.FOLDER))
        outcome.access_lines = accesses.lines
        outcome.refused_logs += accesses.refused
        for inspection_id in outcome.disposed:
            certificate = files.absolute(f"inspections/{inspection_id}/{disposal.CERTIFICATE}")
            await _settle_disposal(session, await asyncio.to_thread(certificate.read_bytes))


async def _settle_disposal(session: AsyncSession, certificate: bytes) -> None:
    """A row also where the access log's file was lost with the database."""
    told = disposal.Disposal.parse(certificate)
    row = await session.get(Disposal, told.inspection)
    at = parse_time(told.at)
    if row is None:
        (proposed, approved) = (_approver(each) for each in told.approvers[:2])
        row = Disposal(inspection_id=told.inspection, reason=told.reason)
        row.proposed_at, row.proposed_by_name, row.proposed_by = at, *proposed
        row.approved_at, row.approved_by_name, row.approved_by = at, *approved
        session.add(row)
    row.done_at, row.certificate = at, hashlib.sha256(certificate).hexdigest()


def _approver(text: str) -> tuple[str, str]:
    """Name and id, from `name (id)`."""
    name, _, rest = text.rpartition(" (")
    return name, rest.removesuffix(")")


async def _require_empty(database: Database) -> None:
    async with database.reading() as session:
        for kind in (Office, Case, Inspection):
            if await session.scalar(select(exists(select(kind.id)))):
                raise NotEmpty


def _folders(files: Files, outcome: Outcome) -> list[Path]:
    """Those with a seal, in the order in which their rows were written down; the others go into the outcome. Blocks."""
    folder, found = files.absolute("inspections"), []
    for path in sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []:
        if not (path / sealing.SIGNATURE).exists():
            outcome.unsealed.append(path.name)
            continue
        try:
            found.append((_written_at(path), path))
        except (ValueError, OSError) as error:
            outcome.refused.append((path.name, str(error)))
    return [path for _, path in sorted(found)]


def _written_at(folder: Path) -> str:
    if (folder / disposal.CERTIFICATE).exists():
        return disposal.Disposal.parse((folder / disposal.CERTIFICATE).read_bytes()).at
    return Seal.parse((folder / sealing.SEAL).read_bytes()).sealed_at


def _open(folder: Path, files: Files, trust: Trust) -> _Package:
    """Verified and read. DoesNotHold, BadIndex, OSError. Blocks."""
    if (folder / disposal.CERTIFICATE).exists():
        return _open_disposed(folder, files, trust)
    if failure := verify(folder, trust).first_failure:
        raise DoesNotHold(told_of(failure))
    index, seal = load_index(folder), _seal_of(folder)
    if index.one(Inspection)["head"] != seal.seal.head:
        raise BadIndex(N_("it is of another inspection"))
    return _package(
        folder, index, seal, (folder / sealing.EVENTS).read_bytes().splitlines(), record_row(folder)
    )


def _open_disposed(folder: Path, files: Files, trust: Trust) -> _Package:
    """The certificate is checked, and the rows are those that were left."""
    try:
        roots = list(trust.roots) or from_pem((folder / "root.pem").read_bytes())
        made = disposal.check(folder, roots)
    except ValueError as error:
        raise DoesNotHold(translate(str(error))) from error
    rows = files.absolute(rows_path(folder.name))
    if not rows.exists():
        missing = translate(N_("it was disposed of, and {path} is not there"), path=rows_path(folder.name))
        raise DoesNotHold(missing)
    index = Index.parse(rows.read_bytes())
    return _package(folder, index, _seal_of(folder), (), None, made)


def _seal_of(folder: Path) -> sealing.Sealed:
    seal = sealing.find_sealed(folder)
    if seal is None:
        raise DoesNotHold(translate(N_("it is not sealed")))
    return seal


def _package(
    folder: Path,
    index: Index,
    seal: sealing.Sealed,
    lines: Sequence[bytes],
    record: Evidence | None,
    made: disposal.Disposal | None = None,
) -> _Package:
    """BadIndex unless folder, seal and index are of the same inspection."""
    if index.one(Inspection)["id"] != seal.seal.inspection:
        raise BadIndex(N_("it is of another inspection"))
    if folder.name != seal.seal.inspection:
        raise BadIndex(N_("the folder has another inspection's name"))
    stamps = sealing.MAX_STAMPS - len(sealing.pending_stamps(folder, sealing.MAX_STAMPS))
    return _Package(
        folder, index, seal, lines, stamps, _office_head(folder), told_years(folder), record, made
    )


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
    session.add_all(event_of(line) for line in package.lines)
    session.add_all(_receipts(package.folder))
    if package.record is not None:
        session.add(package.record)
    session.add(_seal(package))


def _receipts(folder: Path) -> list[StoredReceipt]:
    path = folder / receipts.PATH
    given = receipts.parse_receipts(path.read_bytes()) if path.exists() else []
    return [as_row(each, parse_time(each.at)) for each in given]


def _seal(package: _Package) -> SealRow:
    seal = package.seal.seal
    sealed_at = parse_time(seal.sealed_at)
    return SealRow(
        inspection_id=seal.inspection,
        retry_at=sealed_at,
        sealed_at=sealed_at,
        head=seal.head,
        root=seal.root,
        certificate=seal.certificate_fingerprint,
        root_certificate=seal.root_fingerprint,
        stamps=package.stamps,
        office_head=package.office_head,
        kept_years=package.kept_years,
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
                kind = await recognise(data)
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

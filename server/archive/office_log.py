"""What the archive enters in the office's log, and the worker that signs and stamps its heads every hour."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import date, datetime, timedelta

import structlog
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.archive import access_mirror
from server.archive.access_mirror import AccessMirror
from server.archive.models import Access
from server.clock import Clock
from server.db import Database
from server.errors import N_
from server.evidence import keys, officelog
from server.evidence.errors import EvidenceError
from server.evidence.sealing import Sealed
from server.officelog import mirror
from server.officelog.entries import append_entry, append_once, find_entry, find_last, lock
from server.officelog.heads import find_newest_head, head_over, is_due, prove_entries, sign_head, sign_if_due
from server.officelog.mirror import Mirror
from server.officelog.models import OfficeEntry, OfficeHead
from server.officelog.stamps import stamp_heads
from server.rounds import Rounds
from server.settings import Settings

log = structlog.get_logger("office_log")

POLL_S = 5.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 10.0, 600.0
"""Between two attempts of a worker at having heads stamped."""


WARN_BEFORE = timedelta(days=90)
"""So long before the certificate for seals ends it is said."""


class NotOpened(EvidenceError):
    code = "not_opened"
    text = N_("The office's log does not know that inspection {inspection} was opened.")


async def open_index(session: AsyncSession, inspection_id: str) -> int:
    """The place of the inspection's opening in the office's log. NotOpened if there is none."""
    entry = await find_entry(session, officelog.OPEN, inspection_id)
    if entry is None:
        raise NotOpened(inspection=inspection_id)
    return entry.index


async def enter_seal(session: AsyncSession, sealed: Sealed, now: datetime) -> None:
    """A signed seal becomes an entry, once however often it is told."""
    seal = sealed.seal
    digest = hashlib.sha256(sealed.seal_bytes).hexdigest()
    await append_once(session, officelog.SEAL, seal.inspection, now, seal=digest, root=seal.root)


async def prove_seal(
    database: Database, office: keys.OfficeKeys, inspection_id: str, now: datetime
) -> officelog.OfficeProof:
    """That the inspection was opened, closed and sealed, under a signed head. NotOpened if one is not known."""
    async with database.reading() as session:
        kinds = (officelog.OPEN, officelog.CLOSE, officelog.SEAL)
        entries = [await find_entry(session, kind, inspection_id) for kind in kinds]
    known = [entry for entry in entries if entry is not None]
    if len(known) < len(entries):
        raise NotOpened(inspection=inspection_id)
    return await _prove(database, office, known, now)


async def prove_inspection(
    database: Database, office: keys.OfficeKeys, inspection_id: str, now: datetime
) -> officelog.OfficeProof:
    """Everything that the log says of an inspection so far, under a signed head. NotOpened if that is nothing."""
    async with database.reading() as session:
        found = await session.scalars(
            select(OfficeEntry).where(OfficeEntry.inspection_id == inspection_id).order_by(OfficeEntry.index)
        )
        entries = list(found)
    if not entries:
        raise NotOpened(inspection=inspection_id)
    return await _prove(database, office, entries, now)


async def _prove(
    database: Database, office: keys.OfficeKeys, entries: list[OfficeEntry], now: datetime
) -> officelog.OfficeProof:
    """The head is committed before the leaves are read: nobody who appends waits for that."""
    async with database.transaction() as session:
        head = await head_over(session, office, entries[-1].index, now)
    async with database.reading() as session:
        return await prove_entries(session, head, entries)


async def enter_access_heads(session: AsyncSession, now: datetime) -> int:
    """One entry for each access log that has grown since its last one; how many."""
    await lock(session)
    entered = (
        select(OfficeEntry.inspection_id, func.max(OfficeEntry.seq).label("seq"))
        .where(OfficeEntry.kind == officelog.ACCESS)
        .group_by(OfficeEntry.inspection_id)
        .subquery()
    )
    ends = (
        select(Access.inspection_id, func.max(Access.seq).label("seq"))
        .group_by(Access.inspection_id)
        .subquery()
    )
    grown = (
        select(Access.inspection_id, Access.seq, Access.link)
        .join(ends, (ends.c.inspection_id == Access.inspection_id) & (ends.c.seq == Access.seq))
        .outerjoin(entered, entered.c.inspection_id == Access.inspection_id)
        .where((entered.c.seq.is_(None)) | (entered.c.seq < Access.seq))
        .order_by(Access.inspection_id)
    )
    found = list(await session.execute(grown))
    for inspection_id, seq, link in found:
        await append_entry(session, officelog.ACCESS, inspection_id, now, seq=seq, head=link)
    return len(found)


async def fresh_head(session: AsyncSession, office: keys.OfficeKeys, now: datetime) -> OfficeHead:
    """A head over everything, access logs included: the newest one if nothing has happened since and it is not old."""
    await enter_access_heads(session, now)
    last, newest = await find_last(session), await find_newest_head(session)
    if newest is not None and last is not None and newest.size > last.index and not is_due(newest, now):
        return newest
    return await sign_head(session, office, now)


def ends_soon(office: keys.OfficeKeys, now: datetime) -> bool:
    """Whether the certificate for seals ends within three months, or has ended."""
    return office.until - now < WARN_BEFORE


class HeadKeeper:
    """One task of a worker: signs the hourly head, even when nothing has happened, and has heads stamped.

    `problem`: what is wrong with keys or files, for the page that shows the heads; `accesses_problem`: with the files
    of the access logs, which keep nothing from being signed.
    """

    def __init__(self, settings: Settings, clock: Clock, database: Database) -> None:
        self._settings = settings
        self._clock = clock
        self._database = database
        self._rounds = Rounds("head_keeper", self.run_once, POLL_S)
        self._pause_s = FIRST_PAUSE_S
        self._stamp_at_s = 0.0
        self._warned_on: date | None = None
        self._mirror = Mirror(settings.data / mirror.FOLDER)
        self._accesses = AccessMirror(settings.data / access_mirror.FOLDER)
        self.problem: EvidenceError | None = None
        self.accesses_problem: EvidenceError | None = None

    def start(self) -> None:
        self._rounds.start()

    async def close(self) -> None:
        await self._rounds.close()

    async def run_once(self) -> None:
        """What is due now. Where the files tell of another history nothing is signed before that is settled."""
        if await self._write_files():
            if await self.sign_if_due() is not None:
                self._accesses.look_at_all()
            await self._write_files()
        await self._write_accesses()
        if self._settings.authorities and self._clock.monotonic_s() >= self._stamp_at_s:
            await self._stamp()

    async def sign_if_due(self) -> OfficeHead | None:
        """The hourly head, if it is time and there are keys."""
        async with self._database.reading() as session:
            if not is_due(await find_newest_head(session), self._clock.now()):
                return None
        try:
            office = await asyncio.to_thread(keys.load, self._settings.key_folder)
            async with self._database.transaction() as session:
                # Access logs' heads first: they are part of what is signed.
                now = self._clock.now()
                await enter_access_heads(session, now)
                head = await sign_if_due(session, office, now)
        except keys.KeysMissing:
            return None  # an office without keys has not begun
        except EvidenceError as error:
            if self.problem is None:
                log.error("head_not_signed", reason=error.code, detail=str(error.params))
            self.problem = error
            return None
        self.problem = None
        if head is not None:
            self._warn_of_end(office, now)
        return head

    def _warn_of_end(self, office: keys.OfficeKeys, now: datetime) -> None:
        """Once a day, so that it is neither missed nor all that the log says."""
        if ends_soon(office, now) and self._warned_on != now.date():
            self._warned_on = now.date()
            log.warning("certificate_ends", until=office.until.date().isoformat())

    async def restore(self) -> None:
        """Lines that the files have and the database has lost. Before anything else; mirror.BadMirror."""
        async with self._database.transaction() as session:
            restored = await mirror.restore(session, self._settings.data / mirror.FOLDER)
        if restored:
            log.warning("office_log_restored", entries=restored)
        async with self._database.transaction() as session:
            accesses = await access_mirror.restore(session, self._settings.data / access_mirror.FOLDER)
        if accesses.lines:
            log.warning("access_logs_restored", lines=accesses.lines)
        for chain, error in accesses.refused:
            log.error("access_log_file_does_not_hold", chain=chain, **error.params)
            self.accesses_problem = error

    async def _write_files(self) -> bool:
        try:
            async with self._database.reading() as session:
                await self._mirror.update(session)
            return True
        except mirror.MirrorDiffers as error:
            if self.problem is None:
                log.error("office_log_files_differ", **error.params)
            self.problem = error
            return False

    async def _write_accesses(self) -> None:
        try:
            async with self._database.reading() as session:
                await self._accesses.update(session)
        except mirror.MirrorDiffers as error:
            if self.accesses_problem is None:
                log.error("access_log_files_differ", **error.params)
            self.accesses_problem = error

    async def _stamp(self) -> None:
        failure = await stamp_heads(self._database, self._settings.authorities, self._clock)
        if failure is None:
            self._pause_s, self._stamp_at_s = FIRST_PAUSE_S, 0.0
            return
        log.warning(
            "head_not_stamped", reason=failure.code, detail=str(failure.params), retry_s=self._pause_s
        )
        self._stamp_at_s = self._clock.monotonic_s() + self._pause_s
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)

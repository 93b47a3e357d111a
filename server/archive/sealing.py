"""Sealing as work derived from state: every concluded inspection without a seal is closed, sealed and stamped.

Nobody orders it. A worker finds what is to be done, takes it by a conditional UPDATE with a lease, and every step may
be repeated after a kill: the close event is appended once, and what was signed stays as it is.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import structlog
from sqlalchemy import ColumnElement, and_, exists, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.models import Office
from server.accounts.rules import system_actor
from server.archive.disposal import finish_disposals
from server.archive.documents import add_documents, record_row
from server.archive.four_properties import add_report
from server.archive.index import read_index
from server.archive.models import Seal
from server.archive.office_log import enter_seal, open_index, prove_seal
from server.archive.package_metadata import read_metadata
from server.archive.stamping import stamp
from server.archive.unclaimed import claimed_paths, find_unclaimed, set_aside
from server.errors import N_
from server.evidence import durable, keys, receipts
from server.evidence.certificates import fingerprint
from server.evidence.errors import EvidenceError
from server.evidence.sealing import Sealed, SealingOrder, add_office_proof, seal_folder
from server.evidence.sm import Sm2Signer
from server.inspections.closing import close_log, read_lines
from server.inspections.models import Inspection
from server.live.context import Live
from server.live.gap_filling import awaited_until
from server.live.models import Part
from server.live.receipts import read_receipts
from server.live.rooms import Rooms
from server.settings import Settings
from server.web.languages import speaking

log = structlog.get_logger("sealing")
Result = TypeVar("Result")

POLL_S = 2.0
LEASE = timedelta(minutes=15)
"""Longer than the largest folder takes; a worker that starts again gives up its own at once."""
LOOK_AGAIN = timedelta(seconds=5)
ROOM_CLOSES_WITHIN = timedelta(seconds=60)
"""Of the end: recordings are finished and the checklist is kept by then."""
FIRST_RETRY, LONGEST_RETRY = timedelta(seconds=10), timedelta(hours=1)


class NotYet(Exception):
    """Something of the inspection may still come; `until` as far as it is known."""

    def __init__(self, until: datetime | None = None) -> None:
        self.until = until


class Sealer:
    """One task of a worker. `reached` is told each step that is durable, for tests that kill there."""

    def __init__(self, live: Live, rooms: Rooms) -> None:
        self._live = live
        self._rooms = rooms
        self._task: asyncio.Task[None] | None = None
        self.reached: Callable[[str], None] = lambda _step: None
        self.downloads: Counter[str] = Counter()
        """Inspections whose packages are being sent: nothing is added to those folders meanwhile."""

    async def start(self) -> None:
        """Gives up the leases that this worker held when it was killed, and begins."""
        async with self._live.database.transaction() as session:
            await session.execute(
                update(Seal).where(Seal.lease_by == self._live.settings.worker).values(lease_until=None)
            )
        self._task = asyncio.create_task(self._run(), name="sealer")

    async def close(self) -> None:
        """What a thread is writing is finished first."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                await self.run_once()
            except Exception:
                log.exception("sealer")
            await asyncio.sleep(POLL_S)

    async def run_once(self) -> int:
        """Everything that is due now; how many inspections were worked on."""
        await ensure_keys(self._live)
        await self._discover()
        done = 0
        for inspection_id in await self._due():
            if self.downloads[inspection_id] or not await self._claim(inspection_id):
                continue
            await self._work(inspection_id)
            done += 1
        return done + await finish_disposals(self._live, self.downloads)

    async def _discover(self) -> None:
        """Concluded and without a row: a row, due now."""
        async with self._live.database.reading() as session:
            found = list(
                await session.scalars(
                    select(Inspection.id).where(
                        Inspection.state == "concluded",
                        ~exists().where(Seal.inspection_id == Inspection.id),
                    )
                )
            )
        for inspection_id in found:
            try:
                async with self._live.database.transaction() as session:
                    await session.execute(
                        insert(Seal).values(inspection_id=inspection_id, retry_at=self._live.clock.now())
                    )
            except IntegrityError:
                continue  # another worker was first

    def _is_due(self) -> ColumnElement[bool]:
        now = self._live.clock.now()
        return and_(
            Seal.retry_at <= now,
            or_(Seal.lease_until.is_(None), Seal.lease_until < now),
            or_(
                Seal.sealed_at.is_(None),
                Seal.reported_at.is_(None),
                Seal.stamps < len(self._live.settings.authorities),
            ),
        )

    async def _due(self) -> list[str]:
        async with self._live.database.reading() as session:
            return list(
                await session.scalars(
                    select(Seal.inspection_id).where(self._is_due()).order_by(Seal.retry_at)
                )
            )

    async def _claim(self, inspection_id: str) -> bool:
        settings = self._live.settings
        async with self._live.database.transaction() as session:
            taken = await session.execute(
                update(Seal)
                .where(Seal.inspection_id == inspection_id, self._is_due())
                .values(lease_until=self._live.clock.now() + LEASE, lease_by=settings.worker)
            )
        return bool(taken.rowcount == 1)  # type: ignore[attr-defined]

    async def _release(self, inspection_id: str, **values: Any) -> None:
        async with self._live.database.transaction() as session:
            await session.execute(
                update(Seal).where(Seal.inspection_id == inspection_id).values(lease_until=None, **values)
            )

    async def _work(self, inspection_id: str) -> None:
        now = self._live.clock.now()
        try:
            await self._seal(inspection_id)
            await self._report(inspection_id)
            stamps = await stamp(
                self._live.files.absolute(f"inspections/{inspection_id}"),
                self._live.settings.authorities,
                self._live.clock,
            )
            await self._release(inspection_id, stamps=stamps, problem=None, attempts=0)
        except NotYet as waiting:
            await self._release(
                inspection_id, awaited_until=waiting.until, retry_at=now + LOOK_AGAIN, problem=None
            )
        except Exception as error:
            await self._failed(inspection_id, error, now)

    async def _failed(self, inspection_id: str, error: Exception, now: datetime) -> None:
        text, params = N_("The evidence could not be sealed: {detail}"), {"detail": repr(error)}
        if isinstance(error, EvidenceError):
            text, params = error.text, {name: str(value) for name, value in error.params.items()}
        async with self._live.database.reading() as session:
            row = await session.get_one(Seal, inspection_id)
        delay = min(FIRST_RETRY * 2 ** min(row.attempts, 10), LONGEST_RETRY)
        log.error(
            "stamping_failed" if row.sealed_at else "sealing_failed",
            inspection=inspection_id,
            reason=str(error),
            retry_s=delay.total_seconds(),
            exc_info=None if isinstance(error, EvidenceError) else error,
        )
        await self._release(
            inspection_id,
            problem={"text": text, "params": params},
            attempts=row.attempts + 1,
            retry_at=now + delay,
        )

    async def _seal(self, inspection_id: str) -> None:
        live = self._live
        async with live.database.reading() as session:
            if (await session.get_one(Seal, inspection_id)).sealed_at is not None:
                return
        await self._close(inspection_id)
        self.reached("closed")
        async with live.database.reading() as session:
            inspection = await session.get_one(Inspection, inspection_id)
            lines = await read_lines(session, inspection_id)
            with speaking(live.settings.language):
                metadata = await read_metadata(session, inspection)
            index = await read_index(session, inspection, live.settings.language)
            unclaimed = await self._unclaimed(session, inspection_id)
            opened = await open_index(session, inspection_id)
            given = await read_receipts(session, inspection_id)
        await asyncio.to_thread(set_aside, unclaimed)
        office = await asyncio.to_thread(keys.load, live.settings.key_folder)
        folder = live.files.absolute(f"inspections/{inspection_id}")
        if given:
            await asyncio.to_thread(durable.write, folder / receipts.PATH, receipts.dump_receipts(given))
        await _to_its_end(
            asyncio.to_thread(add_documents, folder, lines, index, office, live.settings.font_folder)
        )
        self.reached("documents")
        order = SealingOrder(
            folder=folder,
            inspection=inspection_id,
            lines=lines,
            metadata=metadata.writer(),
            open_index=opened,
            at=live.clock.now(),
            sm2=sm2_signer(live.settings),
            sm3=live.settings.sm3,
        )
        sealed = await _to_its_end(asyncio.to_thread(seal_folder, order, office, reached=self.reached))
        proved_under = await self._enter(sealed, office)
        record = await asyncio.to_thread(record_row, folder)
        async with live.database.transaction() as session:
            await session.merge(record)
            await session.execute(
                update(Seal)
                .where(Seal.inspection_id == inspection_id)
                .values(
                    office_head=proved_under,
                    sealed_at=datetime.fromisoformat(sealed.seal.sealed_at),
                    head=sealed.seal.head,
                    root=sealed.seal.root,
                    certificate=sealed.seal.certificate_fingerprint,
                    root_certificate=sealed.seal.root_fingerprint,
                    awaited_until=None,
                    problem=None,
                    attempts=0,
                )
            )
        self.reached("recorded")
        log.info("sealed", inspection=inspection_id, root=sealed.seal.root, files=sealed.seal.files)

    async def _report(self, inspection_id: str) -> None:
        """The four-property report: a check of its own, so the seal does not wait for it."""
        live = self._live
        async with live.database.reading() as session:
            if (await session.get_one(Seal, inspection_id)).reported_at is not None:
                return
        office = await asyncio.to_thread(keys.load, live.settings.key_folder)
        folder, now = live.files.absolute(f"inspections/{inspection_id}"), live.clock.now()
        report = asyncio.to_thread(add_report, folder, [office.root], now, live.settings.language)
        await _to_its_end(report)
        async with live.database.transaction() as session:
            await session.execute(
                update(Seal).where(Seal.inspection_id == inspection_id).values(reported_at=now)
            )

    async def _enter(self, sealed: Sealed, office: keys.OfficeKeys) -> int:
        """The seal in the office's log, and the proof of it in the package; how many entries its head covers."""
        live, inspection_id = self._live, sealed.seal.inspection
        async with live.database.transaction() as session:
            await enter_seal(session, sealed, live.clock.now())
        self.reached("entered")
        async with live.database.transaction() as session:
            proof = await prove_seal(session, office, inspection_id, live.clock.now())
        folder = live.files.absolute(f"inspections/{inspection_id}")
        await _to_its_end(asyncio.to_thread(add_office_proof, folder, proof, office.log))
        self.reached("proved")
        return proof.head.size

    async def _close(self, inspection_id: str) -> None:
        """NotYet while the room is open, a part is being written, or a phone may still fill a gap."""
        live = self._live
        await self._settle_room(inspection_id)
        async with live.database.transaction() as session:
            inspection = await session.get_one(Inspection, inspection_id, with_for_update=True)
            if inspection.log_closed:
                return
            open_parts = select(Part.id).where(Part.inspection_id == inspection_id, ~Part.closed)
            if await session.scalar(open_parts.limit(1)) is not None:
                raise NotYet
            row = await session.get_one(Seal, inspection_id)
            if not row.at_once and (until := await awaited_until(session, inspection, live.clock.now())):
                raise NotYet(until)
            for path in await self._unclaimed(session, inspection_id):
                body = {"code": "unclaimed_file", "detail": path.name}
                await live.journal.append(session, inspection_id, "office.warned", system_actor(), body)
                log.warning("unclaimed_file", inspection=inspection_id, file=path.name)
            await close_log(session, live.journal, inspection_id)

    async def _settle_room(self, inspection_id: str) -> None:
        """NotYet while its end is being brought about. A room that a late visitor opened again is closed."""
        if self._rooms.find(inspection_id) is None:
            return
        async with self._live.database.reading() as session:
            inspection = await session.get_one(Inspection, inspection_id)
        if inspection.ended_at is None or self._live.clock.now() < inspection.ended_at + ROOM_CLOSES_WITHIN:
            raise NotYet
        await self._rooms.finish(inspection_id)

    async def _unclaimed(self, session: AsyncSession, inspection_id: str) -> list[Path]:
        claimed = await claimed_paths(session, inspection_id)
        return await asyncio.to_thread(find_unclaimed, self._live.files, inspection_id, claimed)


def sm2_signer(settings: Settings) -> Sm2Signer | None:
    """Who signs a second time, if the settings name somebody."""
    if not settings.sm2_certificate:
        return None
    return Sm2Signer(Path(settings.sm2_certificate), Path(settings.sm2_key))


async def _to_its_end(work: Coroutine[Any, Any, Result]) -> Result:
    """A thread cannot be stopped: who is cancelled meanwhile waits until it is through with the files."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise


async def ensure_keys(live: Live) -> None:
    """The first service of an office without keys makes some. The fingerprint is to be told to outsiders."""
    folder = live.settings.key_folder
    if await asyncio.to_thread((folder / keys.LOG).exists):
        return
    async with live.database.reading() as session:
        name = await session.scalar(select(Office.name).order_by(Office.created_at, Office.id).limit(1))
    if name is None:
        return
    try:
        made = await asyncio.to_thread(keys.init, folder, name, live.clock.now())
    except keys.KeysExist:
        return
    log.info("keys_made", folder=str(folder), office=name, root_fingerprint=fingerprint(made.root))

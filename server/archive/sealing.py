"""Sealing as work derived from state: every concluded inspection without a seal is closed, sealed and stamped.

Nobody orders it. A worker finds what is to be done, takes it by a conditional UPDATE with a lease that it renews before
each step, and every step may be repeated after a kill: the close event is appended once, and what was signed stays.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import ColumnElement, and_, exists, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.models import Office
from server.accounts.rules import system_actor
from server.archive.disposal import finish_disposals
from server.archive.documents import add_documents, record_row
from server.archive.four_properties import add_report
from server.archive.index import OfficeState, read_index
from server.archive.leases import Lease, LeaseLost, claim, is_free, is_to_end
from server.archive.models import Seal
from server.archive.office_log import enter_seal, open_index, prove_seal
from server.archive.package_metadata import read_metadata, told_years
from server.archive.retries import pause_after, told
from server.archive.stamping import Round
from server.archive.threads import to_its_end
from server.archive.unclaimed import claimed_paths, find_unclaimed, set_aside
from server.cases.rules import RetentionPolicy
from server.errors import N_
from server.evidence import durable, keys, officelog, receipts
from server.evidence.certificates import fingerprint
from server.evidence.errors import EvidenceError
from server.evidence.sealing import Sealed, SealingOrder, add_office_proof, find_sealed, seal_folder
from server.evidence.sm import Sm2Signer
from server.inspections.closing import close_log, read_lines
from server.inspections.models import Inspection
from server.live.context import Live
from server.live.ending import settle_ended
from server.live.models import Part
from server.live.receipts import read_receipts
from server.live.rooms import Rooms
from server.live.uploads import awaited_until
from server.officelog.heads import find_newest_head, sign_head
from server.rounds import Rounds
from server.settings import Settings
from server.web.languages import speaking

log = structlog.get_logger("sealing")
Work = Callable[[Lease], Coroutine[Any, Any, dict[str, Any]]]
"""What is done under a lease; it returns what the row then says."""

POLL_S = 2.0
LOOK_AGAIN = timedelta(seconds=5)
ROOM_CLOSES_WITHIN = timedelta(seconds=60)
"""Of the end: recordings are finished and the checklist is kept by then."""


class NotYet(Exception):
    """Something of the inspection may still come; `until` as far as it is known."""

    def __init__(self, until: datetime | None = None) -> None:
        self.until = until


class Sealer:
    """What a worker does beside serving. `reached` is told each step that is durable, for tests that kill there."""

    def __init__(self, live: Live, rooms: Rooms) -> None:
        self._live = live
        self._rooms = rooms
        # An authority that does not answer holds up stamps, and no seal.
        self._rounds = (
            Rounds("sealer", self._seal_due, POLL_S),
            Rounds("stamper", self._stamp_due, POLL_S),
        )
        self.reached: Callable[[str], None] = lambda _step: None
        self.downloads: Counter[str] = Counter()
        """Inspections whose packages are being sent: they are not destroyed meanwhile."""

    def start(self) -> None:
        for each in self._rounds:
            each.start()

    async def close(self) -> None:
        """What a thread is writing is finished first."""
        await asyncio.gather(*(each.close() for each in self._rounds))

    async def run_once(self) -> int:
        """Everything that is due now; how many inspections were worked on."""
        return len(await self._seal_due() | await self._stamp_due())

    async def _seal_due(self) -> set[str]:
        """Seals what has none, and ends what is to end. The inspections that were worked on."""
        await ensure_keys(self._live)
        await self._discover()
        worked_on = await self._work_on(Seal.sealed_at.is_(None), self._seal_one)
        return worked_on | await finish_disposals(self._live, self.downloads)

    async def _stamp_due(self) -> set[str]:
        """Reports and stamps that sealed inspections lack. An authority that is away is asked once in a round."""
        authorities = self._live.settings.authorities
        lacks = or_(Seal.reported_at.is_(None), Seal.stamps < len(authorities))
        round_ = Round(authorities, self._live.clock)
        return await self._work_on(
            and_(Seal.sealed_at.is_not(None), lacks), lambda lease: self._complete(lease, round_)
        )

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

    def _is_due(self, lacks: ColumnElement[bool]) -> ColumnElement[bool]:
        return and_(Seal.retry_at <= self._live.clock.now(), lacks, ~is_to_end())

    async def _work_on(self, lacks: ColumnElement[bool], work: Work) -> set[str]:
        """Does the work on each inspection that lacks it and that nobody else is at."""
        live = self._live
        due = select(Seal.inspection_id).where(self._is_due(lacks), is_free(live.clock))
        async with live.database.reading() as session:
            found = list(await session.scalars(due.order_by(Seal.retry_at)))
        worked_on = set()
        for inspection_id in found:
            lease = await claim(
                live.database, live.clock, live.settings.worker, inspection_id, self._is_due(lacks)
            )
            if lease is not None:
                await self._work(lease, work)
                worked_on.add(inspection_id)
        return worked_on

    async def _work(self, lease: Lease, work: Work) -> None:
        try:
            await lease.release(**await self._outcome(lease, work))
        except LeaseLost:
            log.warning("lease_lost", inspection=lease.inspection_id)

    async def _outcome(self, lease: Lease, work: Work) -> dict[str, Any]:
        """What the row says of the work afterwards. LeaseLost."""
        now = self._live.clock.now()
        try:
            async with lease.kept():
                return await work(lease)
        except NotYet as waiting:
            return {"awaited_until": waiting.until, "retry_at": now + LOOK_AGAIN, "problem": None}
        except LeaseLost:
            raise
        except Exception as error:
            return await self._failed(lease.inspection_id, error, now)

    async def _failed(self, inspection_id: str, error: Exception, now: datetime) -> dict[str, Any]:
        """What the row says of it."""
        async with self._live.database.reading() as session:
            row = await session.get_one(Seal, inspection_id)
        pause = pause_after(row.attempts)
        log.error(
            "stamping_failed" if row.sealed_at else "sealing_failed",
            inspection=inspection_id,
            reason=str(error),
            retry_s=pause.total_seconds(),
            exc_info=None if isinstance(error, EvidenceError) else error,
        )
        problem = told(error, N_("The evidence could not be sealed: {detail}"))
        return {"problem": problem, "attempts": row.attempts + 1, "retry_at": now + pause}

    async def _reached(self, lease: Lease, step: str) -> None:
        self.reached(step)
        await lease.renew()

    async def _seal_one(self, lease: Lease) -> dict[str, Any]:
        await self._seal(lease)
        await self._report(lease)
        return {"problem": None, "attempts": 0}

    async def _complete(self, lease: Lease, round_: Round) -> dict[str, Any]:
        await self._report(lease)
        folder = self._live.files.absolute(f"inspections/{lease.inspection_id}")
        stamps = await round_.stamp(folder)
        await self._reached(lease, "stamped")
        return {"stamps": stamps, "problem": None, "attempts": 0}

    async def _seal(self, lease: Lease) -> None:
        """LeaseLost between any two steps, the one before the signature among them."""
        live, inspection_id = self._live, lease.inspection_id
        await self._close(inspection_id)
        await self._reached(lease, "closed")
        async with live.database.reading() as session:
            inspection = await session.get_one(Inspection, inspection_id)
            lines = await read_lines(session, inspection_id)
            with speaking(live.settings.language):
                policy = RetentionPolicy(live.settings.retention)
                metadata = await read_metadata(session, inspection, policy)
            index = await read_index(session, inspection, live.settings.language)
            unclaimed = await self._unclaimed(session, inspection_id)
            opened = await open_index(session, inspection_id)
            given = await read_receipts(session, inspection_id)
        office = await asyncio.to_thread(keys.load, live.settings.key_folder)
        index = replace(index, office=await self._office_state(lease, office))
        folder = live.files.absolute(f"inspections/{inspection_id}")
        if await asyncio.to_thread(find_sealed, folder) is None:
            office.require_usable(live.clock.now())
        await to_its_end(asyncio.to_thread(set_aside, unclaimed))
        if given:
            await asyncio.to_thread(durable.write, folder / receipts.PATH, receipts.dump_receipts(given))
        await to_its_end(
            asyncio.to_thread(add_documents, folder, lines, index, office, live.settings.font_folder)
        )
        await self._reached(lease, "documents")
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

        def reached(step: str) -> None:
            self.reached(step)
            lease.renew_from_thread()

        sealed = await to_its_end(asyncio.to_thread(seal_folder, order, office, reached=reached))
        proved_under = await self._enter(lease, sealed, office)
        record = await asyncio.to_thread(record_row, folder)
        kept_years = await asyncio.to_thread(told_years, folder)
        async with live.database.transaction() as session:
            await lease.hold(session)
            await session.merge(record)
            await session.execute(
                update(Seal)
                .where(Seal.inspection_id == inspection_id)
                .values(
                    office_head=proved_under,
                    kept_years=kept_years,
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
        await self._reached(lease, "recorded")
        log.info("sealed", inspection=inspection_id, root=sealed.seal.root, files=sealed.seal.files)

    async def _office_state(self, lease: Lease, office: keys.OfficeKeys) -> OfficeState:
        """For the record: the newest head of the office's log; the first one is signed for it."""
        live = self._live
        async with live.database.transaction() as session:
            await lease.hold(session)
            head = await find_newest_head(session) or await sign_head(session, office, live.clock.now())
        signed = officelog.Head.parse(head.document.encode())
        return OfficeState(signed, fingerprint(office.root), live.settings.public_url.rstrip("/"))

    async def _report(self, lease: Lease) -> None:
        """The four-property report: a check of its own, so the seal does not wait for it."""
        live, inspection_id = self._live, lease.inspection_id
        async with live.database.reading() as session:
            if (await session.get_one(Seal, inspection_id)).reported_at is not None:
                return
        office = await asyncio.to_thread(keys.load, live.settings.key_folder)
        folder, now = live.files.absolute(f"inspections/{inspection_id}"), live.clock.now()
        report = asyncio.to_thread(add_report, folder, office, now, live.settings.language)
        await to_its_end(report)
        async with live.database.transaction() as session:
            await lease.hold(session)
            await session.execute(
                update(Seal).where(Seal.inspection_id == inspection_id).values(reported_at=now)
            )
        await self._reached(lease, "reported")

    async def _enter(self, lease: Lease, sealed: Sealed, office: keys.OfficeKeys) -> int:
        """The seal in the office's log, and the proof of it in the package; how many entries its head covers."""
        live, inspection_id = self._live, lease.inspection_id
        async with live.database.transaction() as session:
            await enter_seal(session, sealed, live.clock.now())
        await self._reached(lease, "entered")
        proof = await prove_seal(live.database, office, inspection_id, live.clock.now())
        folder = live.files.absolute(f"inspections/{inspection_id}")
        await to_its_end(asyncio.to_thread(add_office_proof, folder, proof, office.log))
        await self._reached(lease, "proved")
        return proof.head.size

    async def _close(self, inspection_id: str) -> None:
        """NotYet while the room is open, a part is being written, or a phone may still fill a gap."""
        live = self._live
        await self._settle_room(inspection_id)
        if not await settle_ended(live, inspection_id):
            raise NotYet
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


async def ensure_keys(live: Live, *, starting: bool = False) -> None:
    """The first service of an office without keys makes some. The fingerprint is to be told to outsiders.

    Not where a command is to hold a key: that is for somebody to do who sees what it says.
    """
    folder = live.settings.key_folder
    if await asyncio.to_thread((folder / keys.LOG).exists):
        return
    if live.settings.signer:
        if starting:
            log.warning("keys_wanted", folder=str(folder), command="yunkan keys init --office NAME")
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

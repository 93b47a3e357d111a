"""From the media engine's reports to rows and events: the scribe of one room, and the repair after a kill."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server import media
from server.accounts.rules import Actor, system_actor
from server.cases.service import attach_evidence
from server.clock import rfc3339
from server.errors import Unavailable
from server.ids import new_id
from server.inspections.continuity import note_gaps
from server.inspections.errors import LogClosed
from server.inspections.log import Addition, events_after
from server.inspections.models import Inspection
from server.live import registry
from server.live.context import Live
from server.live.models import Part, Slot

log = structlog.get_logger("recording")

MOST_DIGESTS = 100
"""That one room writes in one transaction."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 10.0
DRAIN_S = 5.0
"""How long an end or a stop waits for a database that does not answer."""
_STEM = re.compile(r"(?P<slot>[0-9A-Z]{26})-e(?P<epoch>\d+)-(?P<index>\d+)$")


def part_stem(slot_id: str, epoch: int, index: int) -> str:
    """The file name of a part, without its ending: who, under which ownership of the room, which one."""
    return f"{slot_id}-e{epoch}-{index:04d}"


@dataclass(frozen=True, slots=True)
class _Report:
    what: str
    write: Callable[[bool], Awaitable[None]]
    """It is told whether it was tried before: that try may have been committed without our hearing of it."""
    digest: Addition | None = None


class Scribe:
    """Writes down, in order, what the engine reports about the slots of one room.

    A report never blocks the engine: it is queued, and one task writes, in the order of the reports. A write that
    fails is tried again for as long as it takes: a digest that is left out would make a true recording look forged. So
    nothing is dropped, and the queue has no bound but what recordings make: some kilobytes a minute for each slot.
    What a stop leaves unwritten is the end of what is known of a part, and the next start closes that part.

    Digests wait a moment for those of other rooms (`Digests`), unless something of this room is to be told after them.
    """

    def __init__(self, live: Live, inspection_id: str, epoch: int) -> None:
        self._live = live
        self._inspection_id = inspection_id
        self._epoch = epoch
        self._queue: asyncio.Queue[_Report] = asyncio.Queue()
        self._reports = self._unwritten = 0  # not written yet: all; all but digests
        self._gathering = False
        self._draining = 0
        self._part_ids: dict[Path, str] = {}
        self._last_index: dict[str, int] = {}
        self._written_seq = 0
        self.restarting = False
        """The service stops: what ends now was not ended by its publisher."""
        self._task = asyncio.create_task(self._run(), name=f"scribe {inspection_id}")

    def slot_live(self, slot: media.Slot) -> None:
        self._put_event("slot.live", {"slot": slot.id})

    def slot_interrupted(self, slot: media.Slot, cause: str) -> None:
        if self.restarting and cause == "closed":
            cause = "worker_restarted"
        self._put_event("slot.interrupted", {"slot": slot.id, "cause": cause})

    def slot_lacking(self, slot: media.Slot, kind: str, since: datetime) -> None:
        self._put_event("slot.lacking", {"slot": slot.id, "kind": kind, "from": rfc3339(since)})

    def slot_complete(self, slot: media.Slot, kind: str, since: datetime) -> None:
        self._put_event("slot.complete", {"slot": slot.id, "kind": kind, "to": rfc3339(since)})

    def part_opened(self, slot: media.Slot, part: media.Part) -> None:
        part_id = self._part_ids[part.path] = new_id()
        self._last_index[slot.id] = part.index
        self._put("part.opened", lambda _again: self._opened(slot.id, part_id, part))

    def part_segment(self, slot: media.Slot, part: media.Part, segment: media.PartSegment) -> None:
        part_id = self._part_ids[part.path]
        body = {
            "slot": slot.id,
            "part": part_id,
            "index": segment.index,
            "start": segment.start,
            "end": segment.end,
            "from_ms": segment.from_ms,
            "to_ms": segment.to_ms,
            "sha256": segment.sha256,
        }
        at = self._live.clock.now()
        digest = Addition("part.segment", system_actor(), body, at)
        self._put(digest.type, lambda again: self._event(digest.type, body, at, again=again), digest)

    def part_closed(self, slot: media.Slot, part: media.Part) -> None:
        part_id = self._part_ids.pop(part.path)
        self._put("part.closed", lambda _again: self._closed(part_id, part))

    def recording_failed(self, slot: media.Slot, reason: str) -> None:
        log.error("recording_failed", inspection=self._inspection_id, slot=slot.id, reason=reason)
        self._put_event("recording.failed", {"slot": slot.id, "reason": reason})

    async def drain(self) -> bool:
        """Until everything reported so far is written; False if the database does not take it within `DRAIN_S`."""
        try:
            async with asyncio.timeout(DRAIN_S):
                await self._join()
        except TimeoutError:
            return False
        return True

    def last_index(self, slot_id: str) -> int:
        """The number of the slot's newest part in this room, whether it is written yet or not; 0 before the first."""
        return self._last_index.get(slot_id, 0)

    @property
    def is_idle(self) -> bool:
        """Whether everything reported so far is written, but for digests."""
        return not self._unwritten

    async def finish(self) -> None:
        """Stop once everything is written, however long that takes; when cancelled, as `close`."""
        try:
            await self._join()
        finally:
            await self.close()

    async def close(self) -> None:
        """Stop; what the database does not take within `DRAIN_S` is left to the next start."""
        if not await self.drain():
            log.error(
                "scribe_unwritten",
                inspection=self._inspection_id,
                reports=self._reports,
            )
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _join(self) -> None:
        """Until everything is written; digests do not wait for others meanwhile."""
        self._draining += 1
        try:
            self._hurry()
            await self._queue.join()
        finally:
            self._draining -= 1

    def _hurry(self) -> None:
        if self._gathering:
            self._live.digests.hurry()

    def _put(
        self, what: str, write: Callable[[bool], Awaitable[None]], digest: Addition | None = None
    ) -> None:
        self._reports += 1
        self._queue.put_nowait(_Report(what, write, digest))
        if digest is None:
            self._unwritten += 1
            self._hurry()

    def _put_event(self, type_: str, body: dict[str, Any]) -> None:
        """What happened is told with its own time, however long the database kept the one who writes it waiting."""
        at = self._live.clock.now()
        self._put(type_, lambda again: self._event(type_, body, at, again=again))

    async def _run(self) -> None:
        following: _Report | None = None
        while True:
            report = following or await self._queue.get()
            following, digests = None, []
            while report.digest is not None:
                digests.append(report)
                if self._queue.empty() or len(digests) == MOST_DIGESTS:
                    break
                report = self._queue.get_nowait()
            if digests:
                if report is not digests[-1]:
                    following = report
                await self._take(digests, self._persist_digests(digests, hurry=following is not None))
            else:
                await self._take([report], self._persist(report))

    async def _take(self, reports: list[_Report], writing: Awaitable[None]) -> None:
        await writing
        for report in reports:
            self._reports -= 1
            self._unwritten -= report.digest is None
            self._queue.task_done()

    async def _persist_digests(self, reports: list[_Report], *, hurry: bool) -> None:
        """All at once; if that fails, one after the other."""
        self._gathering = True
        try:
            written = self._live.digests.write(
                self._inspection_id, [report.digest for report in reports if report.digest is not None]
            )
            if hurry or self._draining:
                self._live.digests.hurry()
            self._written_seq = await written
        except Exception as error:
            if not isinstance(error, Unavailable):
                self._failed("part.segment", error)
        else:
            return
        finally:
            self._gathering = False
        for report in reports:
            await self._persist(report, again=True)

    async def _persist(self, report: _Report, *, again: bool = False) -> None:
        pause_s, told = FIRST_PAUSE_S, again
        while True:
            try:
                return await report.write(again)
            except LogClosed:
                log.error("scribe_too_late", inspection=self._inspection_id, what=report.what)
                return None
            except Exception as error:
                self._failed(report.what, error, told=told)
            await asyncio.sleep(pause_s)
            again, told, pause_s = True, True, min(2 * pause_s, LONGEST_PAUSE_S)

    def _failed(self, what: str, error: Exception, *, told: bool = False) -> None:
        log.error(
            "scribe",
            inspection=self._inspection_id,
            what=what,
            waiting=self._queue.qsize(),
            reason=str(error),
            exc_info=None if told else error,
        )

    async def _event(self, type_: str, body: dict[str, Any], at: datetime, *, again: bool) -> None:
        journal = self._live.journal
        async with self._live.database.transaction() as session:
            if again and await self._is_written(session, type_, body):
                return
            event = await journal.append(session, self._inspection_id, type_, system_actor(), body, at=at)
            if type_ == "slot.complete":
                await note_gaps(session, journal, self._inspection_id, body["slot"])
        self._written_seq = event.seq

    async def _is_written(self, session: AsyncSession, type_: str, body: dict[str, Any]) -> bool:
        """Whether an earlier try was committed although the answer to it was lost."""
        since = await events_after(session, self._inspection_id, self._written_seq)
        return any(event.type == type_ and event.body == body for event in since)

    async def _opened(self, slot_id: str, part_id: str, part: media.Part) -> None:
        live = self._live
        row = Part(
            id=part_id,
            inspection_id=self._inspection_id,
            slot_id=slot_id,
            epoch=self._epoch,
            index=part.index,
            path=live.files.relative(part.path),
            media_type=part.media_type,
            started_at=part.started_at,
            first_rtp_timestamp=part.first_rtp_timestamp,
            places=_as_json(part.places),
            closed=False,
        )
        async with live.database.transaction() as session:
            if await session.get(Part, part_id) is not None:
                return
            await _open_part(session, live, row)
            await note_gaps(session, live.journal, self._inspection_id, slot_id)

    async def _closed(self, part_id: str, part: media.Part) -> None:
        async with self._live.database.transaction() as session:
            await close_part(session, self._live, part_id, part, repaired=False)


async def close_part(
    session: AsyncSession, live: Live, part_id: str, part: media.Part, *, repaired: bool
) -> None:
    """A part is final: row, event and evidence in one transaction. A part that was closed already stays as it is."""
    values = {
        "closed": True,
        "repaired": repaired,
        "started_at": part.started_at,
        "path": live.files.relative(part.path),
        "media_type": part.media_type,
        "duration_s": part.duration_s,
        "size_bytes": part.size_bytes,
        "sha256": part.sha256,
        "width": part.video.width if part.video else None,
        "height": part.video.height if part.video else None,
        "places": _as_json(part.places),
    }
    changed = await session.execute(update(Part).where(Part.id == part_id, ~Part.closed).values(**values))
    if changed.rowcount != 1:  # type: ignore[attr-defined]
        return
    row = await session.get_one(Part, part_id, populate_existing=True)
    await record_part(session, live, row, system_actor())


async def record_part(
    session: AsyncSession,
    live: Live,
    row: Part,
    actor: Actor,
    *,
    kind: str = "part",
    extra: dict[str, Any] | None = None,
) -> None:
    """The event and the evidence of a part that is final. `extra` goes into the event's body."""
    inspection = await session.get_one(Inspection, row.inspection_id)
    body = {
        "part": row.id,
        "slot": row.slot_id,
        "index": row.index,
        "media_type": row.media_type,
        "started_at": rfc3339(row.started_at),
        "duration_s": row.duration_s,
        "size_bytes": row.size_bytes,
        "sha256": row.sha256,
        "repaired": row.repaired,
        "source": row.source,
        **(extra or {}),
    }
    await live.journal.append(session, inspection.id, "part.closed", actor, body)
    await attach_evidence(
        session,
        case_id=inspection.case_id,
        inspection_id=inspection.id,
        kind=kind,
        title=row.path.rpartition("/")[2],
        media_type=row.media_type,
        size_bytes=row.size_bytes or 0,
        sha256=row.sha256 or "",
        url=part_url(row.id),
        at=row.started_at,
    )


def part_url(part_id: str) -> str:
    return f"/api/v1/parts/{part_id}/file"


async def repair_after_kill(live: Live) -> int:
    """At start: every part that a killed process left open is cut at its last whole fragment and closed.

    Files that were opened but not yet written down are adopted first. What belongs to a room of another worker is that
    worker's. Returns how many were repaired.
    """
    async with live.database.reading() as session:
        elsewhere = await registry.rooms_elsewhere(session, live.settings.worker, live.clock.now())
    await _adopt_strays(live, elsewhere)
    async with live.database.reading() as session:
        left_open = list(
            await session.scalars(select(Part).where(~Part.closed, Part.inspection_id.not_in(elsewhere)))
        )
    for row in left_open:
        path = live.files.absolute(row.path)
        repaired = await asyncio.to_thread(media.repair_part, path)
        if repaired is None:
            log.warning("part_lost", part=row.id, path=row.path)
        part = _restored(row, path, repaired)
        async with live.database.transaction() as session:
            await close_part(session, live, row.id, part, repaired=True)
    return len(left_open)


def _restored(row: Part, path: Path, repaired: media.Part | None) -> media.Part:
    """What repair found, with what only the row knows; a part of which nothing was left is empty, and says so."""
    return media.Part(
        index=row.index,
        path=repaired.path if repaired else path,
        media_type=repaired.media_type if repaired else row.media_type,
        started_at=row.started_at,
        duration_s=repaired.duration_s if repaired else 0.0,
        size_bytes=repaired.size_bytes if repaired else 0,
        sha256=repaired.sha256 if repaired else "",
        video=repaired.video if repaired else None,
        audio=repaired.audio if repaired else False,
        first_rtp_timestamp=row.first_rtp_timestamp,
        places=repaired.places if repaired else (),
    )


def _as_json(places: tuple[media.Place, ...]) -> list[list[int]]:
    return [list(place) for place in places]


async def _adopt_strays(live: Live, elsewhere: Collection[str]) -> None:
    """Files of known slots that no row speaks of, while their inspection's log may still be told of them."""
    async with live.database.reading() as session:
        open_logs = list(
            await session.scalars(
                select(Inspection.id).where(
                    Inspection.state.in_(("live", "ended", "concluded")),
                    ~Inspection.log_closed,
                    Inspection.id.not_in(elsewhere),
                )
            )
        )
        known = set(await session.scalars(select(Part.path).where(Part.inspection_id.in_(open_logs))))
        slots = set(await session.scalars(select(Slot.id).where(Slot.inspection_id.in_(open_logs))))
    for inspection_id in open_logs:
        folder = live.files.absolute(f"{live.folder(inspection_id)}/media")
        for path in sorted(folder.glob("*")) if folder.is_dir() else ():
            name = _STEM.match(path.stem)
            relative = live.files.relative(path)
            if name is None or relative in known or name["slot"] not in slots:
                continue
            found = await asyncio.to_thread(media.repair_part, path)
            if found is None:
                continue
            row = Part(
                id=new_id(),
                inspection_id=inspection_id,
                slot_id=name["slot"],
                epoch=int(name["epoch"]),
                index=int(name["index"]),
                path=live.files.relative(found.path),
                media_type=found.media_type,
                started_at=found.started_at,
                first_rtp_timestamp=found.first_rtp_timestamp,
                places=_as_json(found.places),
                closed=False,
            )
            log.warning("part_adopted", part=row.id, path=row.path)
            async with live.database.transaction() as writing:
                await _open_part(writing, live, row)


async def _open_part(session: AsyncSession, live: Live, row: Part) -> None:
    """The row of a part that begins, and its event."""
    session.add(row)
    await session.flush()
    body = {
        "part": row.id,
        "slot": row.slot_id,
        "index": row.index,
        "epoch": row.epoch,
        "media_type": row.media_type,
        "started_at": rfc3339(row.started_at),
    }
    await live.journal.append(session, row.inspection_id, "part.opened", system_actor(), body)

"""Work that nobody orders: what ended inspections still need, and the end of those that everybody has left."""

from __future__ import annotations

from datetime import timedelta

import structlog
from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.rules import system_actor
from server.errors import N_
from server.inspections.errors import AlreadyEnded
from server.inspections.models import Event, Inspection
from server.inspections.service import cancel
from server.live import registry
from server.live.context import Live
from server.live.ending import OVER, end, settle_ended
from server.live.rooms import Rooms
from server.rounds import Rounds
from server.web.languages import speaking, translate

log = structlog.get_logger("caretaker")

LOOK_EVERY_S = 30.0
RETURN_S = 600.0
"""After a start everybody gets so long to come back, before what they left unsaid counts as their having left."""


class Caretaker:
    """One task of a worker. What it finds is derived from state, so it may begin anew at any time."""

    def __init__(self, live: Live, rooms: Rooms) -> None:
        self._live = live
        self._rooms = rooms
        self._began_s = live.clock.monotonic_s()
        self._settled: set[str] = set()
        self._rounds = Rounds("caretaker", self.run_once, LOOK_EVERY_S)

    def start(self) -> None:
        self._rounds.start()

    async def close(self) -> None:
        await self._rounds.close()

    async def run_once(self) -> None:
        """Everything that is due now."""
        for inspection_id in await self._unsettled():
            await self._settle(inspection_id)
        if self._live.clock.monotonic_s() - self._began_s >= RETURN_S:
            for inspection_id in await self._deserted():
                await self._end(inspection_id)
            for inspection_id in await self._expired():
                await self._call_off(inspection_id)

    async def _unsettled(self) -> list[str]:
        """Ended, with an open log, not found settled by this worker before, and not about to be."""
        async with self._live.database.reading() as session:
            over = set(
                await session.scalars(
                    select(Inspection.id).where(Inspection.state.in_(OVER), ~Inspection.log_closed)
                )
            )
        self._settled &= over
        return sorted(found for found in over - self._settled if self._rooms.find(found) is None)

    async def _settle(self, inspection_id: str) -> None:
        try:
            if await settle_ended(self._live, inspection_id):
                self._settled.add(inspection_id)
        except Exception:
            log.exception("unsettled", inspection=inspection_id)  # the others need not wait for it

    async def _deserted(self) -> list[str]:
        """Live, without a room (one goes two minutes after the last person and the last packet), and nothing
        happened for some hours."""
        live, now = self._live, self._live.clock.now()
        since = now - timedelta(hours=live.settings.abandon_hours)
        last = func.max(Event.at)
        async with live.database.reading() as session:
            silent = list(
                await session.scalars(
                    select(Inspection.id)
                    .join(Event, Event.inspection_id == Inspection.id)
                    .where(Inspection.state == "live")
                    .group_by(Inspection.id)
                    .having(last < since)
                )
            )
            return [
                found
                for found in silent
                if self._rooms.find(found) is None
                and not await registry.is_elsewhere(session, found, live.settings.worker, now)
            ]

    async def _expired(self) -> list[str]:
        """Appointments of long ago, with nobody waiting here."""
        async with self._live.database.reading() as session:
            query = select(Inspection.id).where(self._is_long_ago())
            return [found for found in await session.scalars(query) if self._rooms.find(found) is None]

    def _is_long_ago(self) -> ColumnElement[bool]:
        since = self._live.clock.now() - timedelta(days=self._live.settings.expire_days)
        return and_(
            Inspection.state == "scheduled", Inspection.starts_at < since, Inspection.created_at < since
        )

    async def _call_off(self, inspection_id: str) -> None:
        """In the office's language, for it stands in the log."""
        days = self._live.settings.expire_days
        with speaking(self._live.settings.language):
            reason = translate(N_("It was not held within {days} days of its appointed time."), days=days)
        try:
            async with self._live.database.transaction() as session:
                if not await self._is_expired(session, inspection_id):
                    return
                await cancel(session, self._live.journal, system_actor(), inspection_id, reason)
        except Exception:
            log.exception("expired", inspection=inspection_id)
        else:
            log.info("expired", inspection=inspection_id)

    async def _is_expired(self, session: AsyncSession, inspection_id: str) -> bool:
        """Still, with its row locked: since it was found it may have been put off, or somebody waits in its room."""
        live = self._live
        query = select(Inspection.id).where(Inspection.id == inspection_id, self._is_long_ago())
        return (
            await session.scalar(query.with_for_update()) is not None
            and self._rooms.find(inspection_id) is None
            and not await registry.is_elsewhere(
                session, inspection_id, live.settings.worker, live.clock.now()
            )
        )

    async def _end(self, inspection_id: str) -> None:
        log.warning("abandoned", inspection=inspection_id)
        try:
            await end(self._live, self._rooms, system_actor(), inspection_id, "abandoned")
        except AlreadyEnded:
            return
        except Exception:
            log.exception("abandoned", inspection=inspection_id)

"""Who works on an inspection's folder holds its lease, in its row of `seals`: sealing, stamping, disposal, copies.

A lease is of one claim, not of a worker: the name is the worker's with something random behind it, so that neither
another process of the same name nor an earlier claim of one's own can be taken for it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import ColumnElement, exists, or_, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.archive.models import Disposal, Seal
from server.clock import Clock
from server.db import Database

log = structlog.get_logger("leases")

LEASE = timedelta(minutes=2)
"""Renewed while the work goes on. What a killed process held is free after it."""
RENEW_EVERY_S = 20.0
LONGEST_WORKER = 20
"""Letters of the worker's name that fit into the row."""


class LeaseLost(Exception):
    """Somebody else has it by now: nothing more may be written."""


class Lease:
    """One claim to an inspection's folder."""

    def __init__(self, database: Database, clock: Clock, inspection_id: str, holder: str) -> None:
        self.inspection_id = inspection_id
        self.holder = holder
        self._database = database
        self._clock = clock
        self._loop = asyncio.get_running_loop()

    async def renew(self) -> None:
        """LeaseLost."""
        async with self._database.transaction() as session:
            await self.hold(session)

    async def hold(self, session: AsyncSession) -> None:
        """Renews it within a transaction, which nobody who claims it meanwhile can overtake. LeaseLost."""
        await self._update(session, lease_until=self._clock.now() + LEASE)

    def renew_from_thread(self) -> None:
        """The same from the thread that writes the files, between two steps. LeaseLost."""
        asyncio.run_coroutine_threadsafe(self.renew(), self._loop).result()

    async def release(self, **values: Any) -> None:
        """Gives it up, with what is to be said of the work in the same row. LeaseLost."""
        async with self._database.transaction() as session:
            await self._update(session, lease_until=None, lease_by="", **values)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Renews it all the time, for steps that take long. Whoever is stopped meanwhile gives it up."""
        task = asyncio.create_task(self._renew_on(), name=f"lease of {self.inspection_id}")
        try:
            yield
        except asyncio.CancelledError:
            with suppress(LeaseLost):
                await self.release()
            raise
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _renew_on(self) -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            try:
                await self.renew()
            except LeaseLost:
                return  # the work hears of it at its next step
            except Exception:
                log.exception("lease", inspection=self.inspection_id)

    async def _update(self, session: AsyncSession, **values: Any) -> None:
        kept = await session.execute(
            update(Seal)
            .where(Seal.inspection_id == self.inspection_id, Seal.lease_by == self.holder)
            .values(**values)
            .execution_options(synchronize_session=False)
        )
        if kept.rowcount != 1:  # type: ignore[attr-defined]
            raise LeaseLost(self.inspection_id)


async def claim(
    database: Database, clock: Clock, worker: str, inspection_id: str, *due: ColumnElement[bool]
) -> Lease | None:
    """The lease, if nobody has it and the conditions hold; None otherwise."""
    holder = f"{worker[:LONGEST_WORKER]}:{secrets.token_hex(8)}"
    now = clock.now()
    async with database.transaction() as session:
        taken = await session.execute(
            update(Seal)
            .where(Seal.inspection_id == inspection_id, is_free(clock), *due)
            .values(lease_until=now + LEASE, lease_by=holder)
            .execution_options(synchronize_session=False)
        )
    if taken.rowcount != 1:  # type: ignore[attr-defined]
        return None
    return Lease(database, clock, inspection_id, holder)


def is_to_end() -> ColumnElement[bool]:
    """Two people have decided that the evidence of a row of `seals` ends: nothing is added to it or taken from it."""
    return exists().where(Disposal.inspection_id == Seal.inspection_id, Disposal.approved_at.is_not(None))


def is_free(clock: Clock) -> ColumnElement[bool]:
    """Nobody has the lease, or it is over."""
    return or_(Seal.lease_until.is_(None), Seal.lease_until < clock.now())

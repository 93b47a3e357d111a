"""Digests of all recordings of a worker, gathered and written in one transaction about every second.

Each alone would be a transaction every two seconds for each slot: with eight inspections a tenth of all that they cost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from server.db import Database
from server.errors import Unavailable
from server.inspections.log import Addition, Journal

GATHER_S = 1.0


@dataclass(frozen=True, slots=True)
class _Waiting:
    inspection_id: str
    additions: Sequence[Addition]
    written: asyncio.Future[int]


class Digests:
    """One fails alone: a log that is closed, or locked by somebody else, does not hold up the others."""

    def __init__(self, database: Database, journal: Journal) -> None:
        self._database = database
        # No page shows them: what is told next brings them along.
        self._journal = Journal(journal.clock, lambda _: None)
        self._waiting: list[_Waiting] = []
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def write(self, inspection_id: str, additions: Sequence[Addition]) -> asyncio.Future[int]:
        """The last seq, once all are durable: within `GATHER_S`, or after `hurry`.

        Unavailable if this log cannot be appended to now, and none was written; otherwise what the database raises,
        and then they may have been written.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(inspection_id, additions, loop.create_future())
        self._waiting.append(waiting)
        if self._timer is None:
            self._timer = loop.call_later(GATHER_S, self.hurry)
        return waiting.written

    def hurry(self) -> None:
        """Write now what was gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, []
        if waiting:
            task = asyncio.get_running_loop().create_task(self._write(waiting), name="digests")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _write(self, waiting: list[_Waiting]) -> None:
        additions: dict[str, list[Addition]] = {}
        for each in waiting:
            if not each.written.done():  # else nobody waits for it any more
                additions.setdefault(each.inspection_id, []).extend(each.additions)
        try:
            async with self._database.transaction() as session:
                written = await self._journal.append_to_many(session, additions)
        except Exception as error:
            for each in waiting:
                if not each.written.done():
                    each.written.set_exception(error)
            return
        for each in waiting:
            if each.written.done():
                continue
            if each.inspection_id in written:
                each.written.set_result(written[each.inspection_id])
            else:
                each.written.set_exception(Unavailable())

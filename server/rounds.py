"""Work that nobody orders: looked for again and again, by a task of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger("rounds")


class Rounds:
    """One task: a round, a pause, the next round. What goes wrong in one is logged, and no end of it."""

    def __init__(self, name: str, round_: Callable[[], Awaitable[object]], pause_s: float) -> None:
        self._name = name
        self._round = round_
        self._pause_s = pause_s
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def close(self) -> None:
        """Wherever it is; what it guards against being cancelled is finished first."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                await self._round()
            except Exception:
                log.exception(self._name)
            await asyncio.sleep(self._pause_s)

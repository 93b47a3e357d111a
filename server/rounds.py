"""Work that nobody orders: looked for again and again, by a task of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import structlog

log = structlog.get_logger("rounds")


@contextmanager
def cancellation_first() -> Iterator[None]:
    """An error out of work that is being cancelled is the cancellation's: who outlives errors must not outlive that.

    What a cancellation meets may fail in its turn while it lets go of things, and then only that failure comes out.
    """
    try:
        yield
    except Exception as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError from error
        raise


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
                with cancellation_first():
                    await self._round()
            except Exception:
                log.exception(self._name)
            await asyncio.sleep(self._pause_s)

"""The recorder's side on the event loop: packets are gathered and handed to a thread, which writes the parts.

The threads are those of all recorders; one recorder is never in two of them at once.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from .codecs import Kind
from .memory import give_back
from .model import Container, Digester, Part, PartSegment
from .part import FRAGMENT_S, sha256_of
from .recording import Begin, Recording
from .repair import repair_part
from .threads import WorkThreads

logger = logging.getLogger(__name__)

# About a minute and a half of one 720p stream: a disk that is slower for longer will not catch up.
MAX_WAITING_PACKETS = 16_000
_MAX_BATCH = 1000


@dataclass(frozen=True, slots=True)
class _Report:
    kind: Kind
    timestamp: int
    ntp: int


class _Cut:
    """Ends the part in hand."""


_Item: TypeAlias = tuple[Kind, bytes, float] | Begin | _Report | _Cut


@dataclass(frozen=True, slots=True)
class _Batch:
    items: list[_Item]
    now: float


def free_bytes(folder: Path) -> int:
    """Free disk where `folder` is, or will be."""
    existing = next(item for item in (folder, *folder.absolute().parents) if item.is_dir())
    return shutil.disk_usage(existing).free


@dataclass(frozen=True, slots=True)
class RecorderThreads:
    """What all recorders of an engine share."""

    writing: WorkThreads
    closing: WorkThreads
    "Hashing a long part must not keep the next one waiting, nor the parts of others."

    @classmethod
    def make(cls) -> RecorderThreads:
        return cls(WorkThreads("recorder"), WorkThreads("part-hash"))


class Recorder:
    """Bounded: when the thread falls behind, the recording fails and says so, and forwarding goes on."""

    def __init__(
        self,
        directory: Path,
        part_stem: Callable[[int], str],
        first_index: int,
        *,
        on_opened: Callable[[Part], None],
        on_closed: Callable[[Part], None],
        on_failed: Callable[[str], None],
        on_segment: Callable[[Part, PartSegment], None] | None = None,
        digester: Callable[[Container], Digester] | None = None,
        threads: RecorderThreads | None = None,
        max_waiting: int = MAX_WAITING_PACKETS,
        reserve_bytes: int = 0,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        self.failed = False
        self._loop = asyncio.get_running_loop()
        self._on_opened, self._on_closed, self._on_failed = on_opened, on_closed, on_failed
        self._on_segment = on_segment
        self._items: list[_Item] = []
        self._max_waiting = max_waiting
        self._directory = directory
        self._reserve_bytes, self._free = reserve_bytes, free
        self._look_at = float("-inf")
        self._given = 0
        self._done = 0  # written by the thread only
        self._lock = threading.Lock()
        self._batches: deque[_Batch | None] = deque()
        self._scheduled = False
        self._broken = False
        self._unfinished = 1  # the recording itself, and every part that is being hashed
        self._closing = False
        self._threads = threads or RecorderThreads.make()
        self._recording = Recording(
            directory,
            part_stem,
            first_index,
            opened=self._part_opened,
            finished=self._part_finished,
            segment=self._part_segment if on_segment is not None else None,
            digester=digester,
        )
        self._ended: asyncio.Future[None] = self._loop.create_future()

    @property
    def bytes_written(self) -> int:
        return self._recording.bytes_written

    @property
    def frames_dropped(self) -> int:
        return self._recording.frames_dropped

    # -- on the event loop ----------------------------------------------------------------------

    def begin(self, codecs: dict[Kind, str]) -> None:
        self._items.append(Begin(codecs, time.monotonic(), datetime.now(UTC)))

    def packet(self, kind: Kind, packet: bytes, now: float) -> None:
        """One slot-form packet of the present publisher."""
        if self.failed:
            return
        self._items.append((kind, packet, now))
        if len(self._items) >= _MAX_BATCH:
            self.flush(now)

    def report(self, kind: Kind, timestamp: int, ntp: int) -> None:
        self._items.append(_Report(kind, timestamp, ntp))

    def cut(self) -> None:
        self._items.append(_Cut())

    def flush(self, now: float) -> None:
        """Hands over what has been gathered: one wake-up of the thread for many packets."""
        if self.failed:
            self._items.clear()
            return
        if not self._items:
            return
        if self._given - self._done + len(self._items) > self._max_waiting:
            self._items = [_Cut()]
            self._hand_over(now)
            self._fail("queue_overflow")
            return
        self._hand_over(now)

    async def close(self) -> None:
        """Ends the part in hand; returns when all parts are final and reported."""
        if not self._closing:
            self._closing = True
            self._items.append(_Cut())
            self._hand_over(time.monotonic())
            self._enqueue(None)
        await asyncio.shield(self._ended)

    def _hand_over(self, now: float) -> None:
        items, self._items = self._items, []
        self._given += len(items)
        self._enqueue(_Batch(items, now))

    def _enqueue(self, batch: _Batch | None) -> None:
        with self._lock:
            self._batches.append(batch)
            if self._scheduled:
                return
            self._scheduled = True
        self._threads.writing.submit(self._turn)

    def _fail(self, reason: str) -> None:
        if not self.failed:
            self.failed = True
            self._on_failed(reason)

    # -- in the thread --------------------------------------------------------------------------

    def _turn(self) -> None:
        """One batch; then the others' turn."""
        batch = self._batches.popleft()
        if batch is None:
            self._finish_one()
        else:
            if not self._broken:
                self._take(batch)
            self._done += len(batch.items)
        with self._lock:
            if not self._batches:
                self._scheduled = False
                return
        self._threads.writing.submit(self._turn)

    def _take(self, batch: _Batch) -> None:
        try:
            if self._is_short_of_room(batch.now):
                # While there is room for the index and for the books: a full disk leaves a torn file.
                self._broken = True
                self._tell(self._fail, "disk_full")
                self._recording.cut()
            else:
                self._write(batch)
        except Exception as error:
            self._broken = True
            self._broke(error)

    def _finish_one(self) -> None:
        with self._lock:
            self._unfinished -= 1
            if self._unfinished:
                return
        self._tell(self._ended.set_result, None)

    def _close_later(self, close: Callable[[], None]) -> None:
        def job() -> None:
            try:
                close()
                give_back()
            finally:
                self._finish_one()

        with self._lock:
            self._unfinished += 1
        self._threads.closing.submit(job)

    def _tell(self, callback: Callable[..., object], *values: object) -> None:
        self._loop.call_soon_threadsafe(callback, *values)

    def _write(self, batch: _Batch) -> None:
        recording = self._recording
        for item in batch.items:
            if isinstance(item, tuple):
                recording.packet(*item)
            elif isinstance(item, _Report):
                recording.report(item.kind, item.timestamp, item.ntp)
            elif isinstance(item, Begin):
                recording.begin(item)
            else:
                recording.cut()
        recording.tick(batch.now)

    def _is_short_of_room(self, now: float) -> bool:
        """Looked at once per fragment."""
        if now < self._look_at:
            return False
        self._look_at = now + FRAGMENT_S
        return self._reserve_bytes > 0 and self._free(self._directory) < self._reserve_bytes

    def _broke(self, error: Exception) -> None:
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        if not full:
            logger.error("recording failed", exc_info=error)
        self._tell(self._fail, "disk_full" if full else "muxer_error")
        part = self._recording.abandon()
        if part is not None:
            self._close_later(lambda: self._salvage(part))

    def _salvage(self, opened: Part) -> None:
        try:
            part = repair_part(opened.path)
        except OSError:
            logger.exception("%s could not be repaired", opened.path.name)
            part = None
        self._tell(self._on_closed, part or _lost(opened))

    def _part_opened(self, part: Part) -> None:
        self._tell(self._on_opened, part)

    def _part_segment(self, part: Part, segment: PartSegment) -> None:
        if self._on_segment is not None:
            self._tell(self._on_segment, part, segment)

    def _part_finished(self, part: Part) -> None:
        self._close_later(lambda: self._hash(part))

    def _hash(self, part: Part) -> None:
        try:
            digest = sha256_of(part.path)
        except OSError:
            logger.exception("%s could not be read again", part.path.name)
            self._tell(self._on_closed, _lost(part))
            return
        self._tell(self._on_closed, replace(part, sha256=digest))


def _lost(part: Part) -> Part:
    """What is said of a part of which nothing could be saved: it is over, and empty."""
    return replace(part, duration_s=0.0, size_bytes=0, sha256="")

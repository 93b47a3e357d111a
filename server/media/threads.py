"""The threads that write recordings: one for all slots, and a further one only while that is stuck."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

# Every thread that is awake takes the interpreter from the event loop, so there are as few as will do.
_STUCK_S = 0.25
_MAX_THREADS = 8
_IDLE_S = 5.0


class WorkThreads:
    """Jobs begin in the order in which they were given. Threads end when there is nothing to do for some seconds.

    When no job was begun for a quarter of a second though one waits, all threads are held up (by a slow disk):
    one more begins, so that the jobs of others do not wait for it.
    """

    def __init__(self, name: str, *, stuck_s: float = _STUCK_S, idle_s: float = _IDLE_S) -> None:
        self._name = name
        self._stuck_s, self._idle_s = stuck_s, idle_s
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._running = 0
        self._busy = 0
        self._begun_at = 0.0

    @property
    def running(self) -> int:
        return self._running

    def submit(self, job: Callable[[], None]) -> None:
        """From any thread. A job handles its own errors."""
        self._jobs.put(job)
        with self._lock:
            now = time.monotonic()
            stuck = self._busy >= self._running and now - self._begun_at > self._stuck_s
            if self._running and not (stuck and self._running < _MAX_THREADS):
                return
            self._running += 1
            self._begun_at = now  # one more for each quarter of a second, not for each job
        threading.Thread(target=self._work, name=self._name, daemon=True).start()

    def _work(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=self._idle_s)
            except queue.Empty:
                with self._lock:
                    # A job may have come after the wait was over.
                    if not self._jobs.empty():
                        continue
                    self._running -= 1
                    return
            with self._lock:
                self._busy += 1
                self._begun_at = time.monotonic()
            try:
                job()
            except Exception:
                logger.exception("%s: a job failed", self._name)
            with self._lock:
                self._busy -= 1

"""One process for each worker on a data folder: a second one would take what the first one records for left-overs."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from server.errors import N_, Unavailable


class FolderInUse(Unavailable):
    code = "folder_in_use"
    text = N_("Another process of worker {worker} is running on the data folder {folder}. Stop it first.")


@contextmanager
def hold(folder: Path, worker: str) -> Iterator[None]:
    """The folder, for this worker, until the process dies at the latest. FolderInUse if another process has it."""
    descriptor = os.open(folder / f"worker-{worker}.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FolderInUse(worker=worker, folder=folder) from error
        yield
    finally:
        os.close(descriptor)

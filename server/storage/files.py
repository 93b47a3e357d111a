"""The data folder: files written whole or not at all, and how much room is left.

Paths are relative to the folder, with `/`, as the database keeps them.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from server.errors import StorageFull

DiskRoom = Literal["ample", "low", "full"]
# The office hears of it while there is still as much again before anything is refused.
WARN_AT_RESERVES = 2


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that is durable under its name. `sha256` in hex."""

    path: str
    size_bytes: int
    sha256: str


class Files:
    """Files below one folder. All methods block: call them with `asyncio.to_thread`."""

    def __init__(self, root: Path, reserve_bytes: int) -> None:
        self.root = root.resolve()
        self.reserve_bytes = reserve_bytes

    def prepare(self) -> None:
        """Make the folder, and prove that it can be written."""
        self.root.mkdir(parents=True, exist_ok=True)
        probe = self.root / f".probe-{secrets.token_hex(4)}"
        probe.touch()
        probe.unlink()

    def absolute(self, path: str) -> Path:
        """Where `path` is on disk; ValueError if it would leave the folder."""
        absolute = (self.root / path).resolve()
        if not absolute.is_relative_to(self.root):
            raise ValueError(f"outside the data folder: {path!r}")
        return absolute

    def relative(self, absolute: Path) -> str:
        return absolute.resolve().relative_to(self.root).as_posix()

    def write(self, path: str, data: bytes) -> Stored:
        """Temporary file, fsync, rename, fsync of the folder: after this the file is there, whole.

        StorageFull if there is no room; then nothing is left behind.
        """
        target = self.absolute(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        try:
            with partial.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
            sync_folder(target.parent)
        except OSError as error:
            partial.unlink(missing_ok=True)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFull from error
            raise
        return Stored(path, len(data), hashlib.sha256(data).hexdigest())

    def free_bytes(self) -> int:
        return shutil.disk_usage(self.root).free

    def room_left(self) -> DiskRoom:
        """`full` when new inspections are refused, `low` when that is near."""
        free = self.free_bytes()
        if free < self.reserve_bytes:
            return "full"
        return "low" if free < WARN_AT_RESERVES * self.reserve_bytes else "ample"

    def require_room(self, needed_bytes: int = 0) -> None:
        """StorageFull if less than the reserve is left, or would be with so much more."""
        if self.free_bytes() - needed_bytes < self.reserve_bytes:
            raise StorageFull


def sha256_of(path: Path) -> str:
    """In hex. Blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Make a rename or a new name in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

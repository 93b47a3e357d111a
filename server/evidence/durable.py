"""Small files that are there whole or not at all, also after a power cut."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

_INTERIM = re.compile(r"\..+\.[0-9a-f]{8}")


def write(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Interim file with the mode from its first byte on, fsync, rename, fsync of the folder. Makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    interim = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(interim, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        interim.replace(path)
    except OSError:
        interim.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a new name in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(folder: Path) -> None:
    """Removes the interim files that a kill left behind, in all folders below. Nobody else may be writing there."""
    for path in folder.rglob(".*"):
        if _INTERIM.fullmatch(path.name) and path.is_file() and not path.is_symlink():
            path.unlink(missing_ok=True)

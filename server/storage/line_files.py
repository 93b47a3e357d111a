"""Files of lines that are only added to, in one folder, by several workers: what the database holds, once more."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


class LineFiles:
    """All methods block. A lock file keeps workers apart."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[str, tuple[int, int]] = {}
        """File -> (its bytes, its lines), so that it is not counted anew each time."""

    def end(self, name: str) -> tuple[int, bytes]:
        """How many whole lines the file has, and the last of them. A line that a kill cut short is taken away."""
        with self._alone():
            return self._count(name)

    def append(self, name: str, after: int, lines: Sequence[bytes]) -> None:
        """Durable. Nothing if the file has not `after` lines any more: another worker was first."""
        with self._alone():
            if self._count(name)[0] != after:
                return
            with (self.folder / name).open("ab") as file:
                file.write(b"".join(line + b"\n" for line in lines))
                file.flush()
                os.fsync(file.fileno())

    def _count(self, name: str) -> tuple[int, bytes]:
        path = self.folder / name
        if not path.exists():
            return 0, b""
        size = path.stat().st_size
        known_size, lines = self._known.get(name, (0, 0))
        with path.open("r+b") as file:
            if known_size > size:
                known_size, lines = 0, 0
            file.seek(known_size)
            rest = file.read()
            whole = rest.rfind(b"\n") + 1
            if whole < len(rest):
                file.truncate(known_size + whole)
            lines += rest.count(b"\n")
            self._known[name] = (known_size + whole, lines)
            return lines, _last_line(file, known_size + whole)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def read_lines(path: Path) -> list[bytes]:
    """All whole lines of a file, none if it is not there. One without a newline is being written, or was cut short."""
    data = path.read_bytes() if path.exists() else b""
    return data[: data.rfind(b"\n") + 1].splitlines()


def _last_line(file: BinaryIO, end: int) -> bytes:
    """The last whole line before `end`, without its newline."""
    step, begin, tail = 1 << 12, end, b""
    while begin > 0 and tail.count(b"\n") < 2:
        begin = max(0, begin - step)
        file.seek(begin)
        tail = file.read(end - begin)
    return tail.rstrip(b"\n").rpartition(b"\n")[2]

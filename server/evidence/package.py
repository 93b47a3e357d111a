"""An inspection's folder as one zip, made while it is sent: in constant memory, whatever its size."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from server.evidence import bag

BLOCK = 1 << 20
_FILE_MODE = 0o100644 << 16
_ZIP64_FROM = 1 << 31


class _Sink(io.RawIOBase):
    """Takes what the zip writer gives, until it is fetched. It cannot be sought in, so the zip is made in one go."""

    def __init__(self) -> None:
        self._held: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        taken = bytes(data)  # type: ignore[call-overload]
        self._held.append(taken)
        return len(taken)

    def fetch(self) -> bytes:
        held, self._held = b"".join(self._held), []
        return held


def stream(folder: Path, top: str, at: datetime) -> Iterator[bytes]:
    """The zip's bytes, in pieces of about a megabyte.

    `top` is the name of the folder within, `at` the time of all files.
    Stored, not compressed: pictures and sound do not shrink, and a stored file can be cut out of a damaged zip.
    The same folder gives the same bytes. Blocks: step it in a thread.
    """
    sink = _Sink()
    moment = at.astimezone(UTC)
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for path in bag.walk(folder):
            entry = zipfile.ZipInfo(
                f"{top}/{path}",
                (moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second),
            )
            entry.external_attr = _FILE_MODE
            entry.create_system = 3
            size = (folder / path).stat().st_size
            large = size >= _ZIP64_FROM
            with (folder / path).open("rb") as source, archive.open(entry, "w", force_zip64=large) as target:
                while block := source.read(BLOCK):
                    target.write(block)
                    yield sink.fetch()
    yield sink.fetch()

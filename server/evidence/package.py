"""A package as one zip, made while it is sent: as it was at one moment, in constant memory, whatever its size."""

from __future__ import annotations

import hashlib
import io
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from server.evidence import bag
from server.evidence.errors import N_, EvidenceError

BLOCK = 1 << 20
ATTEMPTS, PAUSE_S = 40, 0.1
"""Between a changed file and the tag manifest that names it lie some milliseconds."""
_FILE_MODE = 0o100644 << 16
_ZIP64_FROM = 1 << 31


class BeingChanged(EvidenceError):
    code = "being_changed"
    text = N_("The package is being changed: {detail}")


@dataclass(frozen=True, slots=True)
class Held:
    """A package at one moment: the bytes of all that lies beside the payload, and the payload's paths.

    The payload is not held: nothing writes to it once there is a manifest, until it is destroyed.
    """

    folder: Path
    tags: Mapping[str, bytes]
    payload: Sequence[str]


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
    """The zip's bytes, in pieces of about a megabyte: exactly the files that the manifests of this moment name.

    Whatever another process adds meanwhile (a stamp, a report) is in the next zip. BeingChanged, at once, if manifests
    and files do not come to agree. `top` is the name of the folder within, `at` the time of all files.
    Stored, not compressed: pictures and sound do not shrink, and a stored file can be cut out of a damaged zip.
    The same folder gives the same bytes. Blocks: call and step it in a thread.
    """
    return _zip(hold(folder), top, at)


def hold(folder: Path) -> Held:
    """Waits for who is changing it just now. BeingChanged."""
    reason = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE_S)
        try:
            tags = _read_tags(folder)
            # One whose content was disposed of has no manifest any more.
            payload = list(bag.parse_manifest(tags[bag.MANIFEST])) if bag.MANIFEST in tags else []
        except (OSError, ValueError) as error:
            reason = str(error)
            continue
        gone = [path for path in payload if not (folder / path).is_file()]
        if not gone:
            return Held(folder, tags, payload)
        reason = gone[0]
    raise BeingChanged(detail=reason)


def _read_tags(folder: Path) -> dict[str, bytes]:
    """By the tag manifest, which is written last whenever something changes. ValueError where they differ."""
    content = (folder / bag.TAG_MANIFEST).read_bytes()
    found = {bag.TAG_MANIFEST: content}
    for path, sha256 in bag.parse_manifest(content).items():
        found[path] = (folder / path).read_bytes()
        if hashlib.sha256(found[path]).hexdigest() != sha256:
            raise ValueError(path)
    return found


def _zip(held: Held, top: str, at: datetime) -> Iterator[bytes]:
    sink = _Sink()
    moment = at.astimezone(UTC)
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for path in sorted([*held.tags, *held.payload]):
            entry = zipfile.ZipInfo(
                f"{top}/{path}",
                (moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second),
            )
            entry.external_attr = _FILE_MODE
            entry.create_system = 3
            if path in held.tags:
                archive.writestr(entry, held.tags[path])
                yield sink.fetch()
                continue
            size = (held.folder / path).stat().st_size
            large = size >= _ZIP64_FROM
            with (
                (held.folder / path).open("rb") as source,
                archive.open(entry, "w", force_zip64=large) as target,
            ):
                while block := source.read(BLOCK):
                    target.write(block)
                    yield sink.fetch()
    yield sink.fetch()

"""What the benchmark wants of a server under test, and what it finds of its recordings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import av

from server.bench.peer import Peer


class Unavailable(Exception):
    """This server cannot be measured here; the message says why."""


@dataclass(frozen=True, slots=True)
class RecordingState:
    """The recording of one inspection when its last packet was in."""

    playable: bool
    "Whether a player can open the file as it was at that moment."
    held_s: float
    "How much of the picture a player found then."
    final_s: float
    "How long until the file was final, from the last packet (closing, conversion)."
    remark: str = ""


class Subject(Protocol):
    """`index` counts inspections from 0."""

    name: str
    encoded: bool
    "Whether viewers get pictures that were encoded anew."
    address: str
    "Where its media sockets are, once open; the load's are there too."

    @property
    def pid(self) -> int: ...

    async def open(self) -> None:
        """Raises Unavailable, or ServerFailed."""

    async def publish(self, index: int, peer: Peer) -> None: ...

    async def view(self, index: int, peer: Peer) -> None: ...

    async def recording(self, index: int) -> RecordingState:
        """Called when the last packet is in and the publisher is still connected; ends its recording."""
        ...

    async def close(self) -> None: ...


def playable_s(path: Path) -> float | None:
    """Seconds of picture that a demuxer finds in the file; None when it cannot open it."""
    first = last = None
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                return None
            for packet in container.demux(video=0):
                if packet.pts is not None and packet.time_base is not None:
                    at = float(packet.pts * packet.time_base)
                    first = at if first is None else min(first, at)
                    last = at if last is None else max(last, at)
    except av.FFmpegError:
        return None
    return None if first is None or last is None else last - first

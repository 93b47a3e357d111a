"""Which kind of media stopped while the other goes on. Pure: told byte counts and times, asks no clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from .codecs import Kind

LACKING_AFTER_S = 2.0


class Heard(NamedTuple):
    """`lacking`: the kind stopped at `at_s`; otherwise it is there again from `at_s` on."""

    kind: Kind
    lacking: bool
    at_s: float


class Hearing:
    """Looked at several times a second; times are exact to the pause between two looks."""

    def __init__(self) -> None:
        self._bytes: dict[Kind, int] = {}
        self._heard_at: dict[Kind, float] = {}
        self._lacking: set[Kind] = set()

    def restart(self, now: float) -> None:
        """The slot is live (again): what was ever heard of it is expected from now on."""
        self._lacking.clear()
        self._heard_at = dict.fromkeys(self._heard_at, now)

    def look(self, received: Mapping[Kind, int], keyframe_at: float, now: float) -> Iterator[Heard]:
        """`received`: bytes of each kind so far. A picture is there again with a keyframe: none can be shown before."""
        for kind, count in received.items():
            if count == self._bytes.get(kind, 0):
                continue
            self._bytes[kind] = count
            stopped_at = self._heard_at.get(kind, now)
            if kind not in self._lacking:
                self._heard_at[kind] = now
            elif kind == "audio" or keyframe_at > stopped_at:
                self._lacking.discard(kind)
                self._heard_at[kind] = now
                yield Heard(kind, False, now if kind == "audio" else keyframe_at)
        newest = max(self._heard_at.values(), default=now)
        for kind, heard_at in self._heard_at.items():
            # Measured against the other kind: a slot of which nothing comes any more is interrupted, not lacking.
            if kind not in self._lacking and newest - heard_at >= LACKING_AFTER_S:
                self._lacking.add(kind)
                yield Heard(kind, True, heard_at)

    def wants_keyframe(self) -> bool:
        return "video" in self._lacking

"""Where in the recording a snapshot's frame is shown. Pure.

A snapshot's own time is that of its arrival; recordings are placed by the sender's clock. Only its RTP timestamp
tells exactly.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from server.live.models import Part, Snapshot
from server.media import moment_of


@dataclass(frozen=True, slots=True)
class Moment:
    """`at_s` seconds of part `part`'s own time."""

    part: str
    at_s: float


def find_moment(snapshot: Snapshot, parts: Iterable[Part]) -> Moment | None:
    """Of the inspection's parts the one that has the frame; None where none does. A phone's part knows no RTP time."""
    found = [
        Moment(part.id, at_s)
        for part in parts
        if part.slot_id == snapshot.slot_id
        and (at_s := moment_of([(place[0], place[1]) for place in part.places or ()], snapshot.rtp_timestamp))
        is not None
        and at_s <= (part.duration_s or 0.0)
    ]
    # A slot's timestamps come round after 13 hours: the part that began last before the frame is the one.
    return min(found, key=lambda moment: moment.at_s, default=None)

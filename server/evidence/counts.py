"""What an event log says was made, as numbers: committed by its last event, recounted by every verifier. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

CLOSE = "evidence.closed"
"""The last event of a log; its body is `{"counts": …}`."""
SEGMENT = "part.segment"
"""One segment digest: `Segment.as_body()` with `slot` and `part`."""
PART = "part.closed"
ANNOUNCED, PHOTO = "photo.announced", "photo.added"
"""A phone says a photo's digest before it sends it; the photo is there, whole."""
FOLDER_OF = {PART: "media", "snapshot.taken": "snapshots", PHOTO: "photos"}
"""Events whose `sha256` is that of a file, and the folder below `data/` in which it lies."""
ORIGINALS = "originals"
"""Folder of the files that phones recorded: the part's event has their digest as `original`."""
GAPS = frozenset({"slot.gap", "recording.failed"})


@dataclass(slots=True)
class SlotCounts:
    parts: int = 0
    ms: int = 0
    size_bytes: int = 0
    segments: int = 0


@dataclass(slots=True)
class Counts:
    """`events` are those before the close. Durations are whole milliseconds, each part's rounded for itself."""

    events: int = 0
    snapshots: int = 0
    photos: int = 0
    photos_announced: int = 0
    gaps: int = 0
    slots: dict[str, SlotCounts] = field(default_factory=dict)

    def as_body(self) -> dict[str, Any]:
        return {
            "events": self.events,
            "snapshots": self.snapshots,
            "photos": self.photos,
            "photos_announced": self.photos_announced,
            "gaps": self.gaps,
            "slots": {
                slot: {"parts": c.parts, "ms": c.ms, "size_bytes": c.size_bytes, "segments": c.segments}
                for slot, c in self.slots.items()
            },
        }


def count(events: Iterable[tuple[str, Mapping[str, Any]]]) -> Counts:
    """Of (type, body) in the log's order, up to the close.

    KeyError, TypeError or ValueError for a body that lacks what counts.
    """
    counts = Counts()
    for type_, body in events:
        if type_ == CLOSE:
            break
        counts.events += 1
        counts.snapshots += type_ == "snapshot.taken"
        counts.photos += type_ == PHOTO
        counts.photos_announced += type_ == ANNOUNCED
        counts.gaps += type_ in GAPS
        if type_ in (PART, SEGMENT):
            slot = counts.slots.setdefault(str(body["slot"]), SlotCounts())
            if type_ == SEGMENT:
                slot.segments += 1
            else:
                slot.parts += 1
                slot.ms += milliseconds(body["duration_s"])
                slot.size_bytes += int(body["size_bytes"])
    return counts


def milliseconds(seconds: Any) -> int:
    return round(float(seconds) * 1000)


def vouched(events: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, list[str]]:
    """Folder below `data/` -> the digests of the files that events say were put there, each as often as it was.

    A part of which nothing was left after a kill has an empty digest, and no file.
    """
    digests: dict[str, list[str]] = {folder: [] for folder in (*FOLDER_OF.values(), ORIGINALS)}
    for type_, body in events:
        if type_ in FOLDER_OF and body["sha256"]:
            digests[FOLDER_OF[type_]].append(str(body["sha256"]))
        if type_ == PART and body.get("original"):
            digests[ORIGINALS].append(str(body["original"]["sha256"]))
    return digests


def exchanged_photos(
    events: Iterable[tuple[str, Mapping[str, Any]]], *, may_be_withheld: bool = False
) -> list[str]:
    """Photos of which something else came than their phone had announced before, or was never announced, by id.

    `may_be_withheld`: an announcement that is not there is none that was never made. KeyError, TypeError.
    """
    announced: dict[str, str] = {}
    exchanged = []
    for type_, body in events:
        if type_ == ANNOUNCED:
            announced.setdefault(str(body["photo"]), str(body["sha256"]))
        elif type_ == PHOTO:
            said = announced.get(str(body["photo"]))
            if said != body["sha256"] and not (said is None and may_be_withheld):
                exchanged.append(str(body["photo"]))
    return exchanged

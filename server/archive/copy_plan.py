"""Which files, pieces and events somebody wants left out of a package, and what else would tell of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from server.archive.index import PATH as INDEX_PATH
from server.archive.index import RECORD_PATH
from server.errors import N_, Invalid
from server.evidence import sealing
from server.evidence.canonical import dump, parse, parse_time
from server.evidence.counts import PART, PHOTO, SEGMENT
from server.evidence.metadata import BASE_PATH, PROCESS_PATH
from server.evidence.redaction import RedactionOrder
from server.evidence.seal import parse_leaves

GUESTS = ("enterprise", "expert", "observer")
PERSONAL = ("people", "messages", "positions")
"""What can be left out of the log: who the guests are and what they did, chat, positions."""
SNAPSHOT = "snapshot.taken"
CLOCKS_DIFFER_BY = timedelta(seconds=1)
"""A snapshot's time and its recording's are those of one frame within this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be left out. `parts`, `snapshots` and `photos`: ids; `spans`: part -> (from, to) in ms of it."""

    reason: str
    snapshots: frozenset[str] = frozenset()
    photos: frozenset[str] = frozenset()
    parts: frozenset[str] = frozenset()
    spans: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict)
    personal: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Film:
    """A recording as the log tells of it. `paths`: it, and what the phone sent for it; `pieces`: (from, to) in ms."""

    id: str
    slot: str
    is_phones: bool
    line: int
    path: str
    paths: frozenset[str]
    start: datetime
    end: datetime
    pieces: Sequence[tuple[int, int]]

    def blanked(self, spans: Sequence[tuple[int, int]]) -> Iterator[tuple[datetime, datetime]]:
        """The times of the pieces that are emptied."""
        for from_ms, to_ms in self.pieces:
            if any(from_ms < to and from_ < to_ms for from_, to in spans):
                yield self.start + timedelta(milliseconds=from_ms), self.start + timedelta(milliseconds=to_ms)


@dataclass(slots=True)
class _Hidden:
    """Times of slots that nobody is to see."""

    times: list[tuple[str, datetime, datetime]] = field(default_factory=list)

    def holds(self, slot: str, start: datetime, end: datetime) -> bool:
        return any(slot == s and start <= until and since <= end for s, since, until in self.times)


def plan(source: Path, target: Path, wanted: Wanted, by: str, at: datetime) -> RedactionOrder:
    """What is chosen, and with it: the same bytes under another name, snapshots and photos of what is blanked or left
    out, a phone's recording of the same time, the record that shows them. Invalid for what is not there. Blocks.
    """
    lines = (source / sealing.EVENTS).read_bytes().splitlines()
    events = [parse(line) for line in lines]
    leaves = parse_leaves((source / sealing.LEAVES).read_bytes())
    files = [leaf.file for leaf in leaves if leaf.file is not None]
    by_digest: dict[str, set[str]] = {}
    for file in files:
        by_digest.setdefault(file.sha256, set()).add(file.path)
    films = _films(events, by_digest)
    _require_known(wanted, events, films)
    withhold = _withheld(lines, events, wanted.personal)
    omit: set[str] = {file.path for file in files if file.path.startswith("data/unclaimed/")}
    spans: dict[str, Sequence[tuple[int, int]]] = {}
    hidden = _Hidden()
    for film in films:
        blanked = list(film.blanked(wanted.spans.get(film.id, ())))
        # Of a recording that is emptied throughout nothing is left to play.
        is_empty = bool(blanked) and len(blanked) == len(film.pieces)
        if film.id in wanted.parts or film.line in withhold or is_empty:
            omit |= film.paths
            hidden.times += [] if film.is_phones else [(film.slot, film.start, film.end)]
        elif film.id in wanted.spans:
            spans[film.path] = wanted.spans[film.id]
            omit |= film.paths - {film.path}  # the same film, as the phone sent it
            hidden.times += [(film.slot, *times) for times in blanked]
    for film in films:
        if film.is_phones and hidden.holds(film.slot, film.start, film.end):
            omit |= film.paths
    pictures = _pictures(events, by_digest, wanted.snapshots, hidden)
    omit |= pictures | _photos(events, by_digest, wanted.photos, hidden, withhold, pictures)
    if pictures or wanted.personal:
        omit.add(RECORD_PATH)
    if "people" in wanted.personal:
        omit |= {INDEX_PATH, BASE_PATH, PROCESS_PATH}
    known = {file.path for file in files} | {BASE_PATH, PROCESS_PATH}
    return RedactionOrder(
        source=source,
        target=target,
        omit=frozenset(omit & known),
        spans={path: times for path, times in spans.items() if path not in omit},
        withhold=frozenset(withhold),
        by=by,
        reason=wanted.reason,
        at=at,
    )


def _films(events: Sequence[dict[str, Any]], by_digest: Mapping[str, set[str]]) -> list[_Film]:
    pieces: dict[str, list[tuple[int, int]]] = {}
    for event in events:
        if event["type"] == SEGMENT:
            body = event["body"]
            pieces.setdefault(body["part"], []).append((body["from_ms"], body["to_ms"]))
    films = []
    for event in events:
        body = event["body"]
        if event["type"] != PART or not body["sha256"]:
            continue
        media = sorted(path for path in by_digest[body["sha256"]] if path.startswith("data/media/"))
        original = by_digest.get(body.get("original", {}).get("sha256", ""), set())
        start = parse_time(body["started_at"])
        end = start + timedelta(seconds=body["duration_s"])
        films.append(
            _Film(
                id=body["part"],
                slot=body["slot"],
                is_phones=body.get("source") == "phone",
                line=event["seq"],
                path=media[0],
                paths=frozenset({*by_digest[body["sha256"]], *original}),
                start=start,
                end=end,
                pieces=pieces.get(body["part"], []),
            )
        )
    return films


def _require_known(wanted: Wanted, events: Sequence[dict[str, Any]], films: Sequence[_Film]) -> None:
    """Invalid by the fields of the form. What is not found would be shown without anybody noticing."""
    problems: dict[str, str] = {}
    if wanted.snapshots - {event["body"]["snapshot"] for event in events if event["type"] == SNAPSHOT}:
        problems["snapshots"] = N_("One of the snapshots is not in this package.")
    if wanted.photos - {event["body"]["photo"] for event in events if event["type"] == PHOTO}:
        problems["photos"] = N_("One of the photos is not in this package.")
    known = {film.id: film for film in films}
    if (wanted.parts | wanted.spans.keys()) - known.keys():
        problems["parts"] = N_("One of the recordings is not in this package.")
    for part in wanted.spans.keys() & known.keys():
        if not known[part].pieces:
            problems[f"spans-{part}"] = N_("This recording can only be left out as a whole.")
        elif not all(any(known[part].blanked([span])) for span in wanted.spans[part]):
            problems[f"spans-{part}"] = N_("The recording has nothing at one of these times.")
    if problems:
        raise Invalid(problems)


def _pictures(
    events: Sequence[dict[str, Any]],
    by_digest: Mapping[str, set[str]],
    chosen: frozenset[str],
    hidden: _Hidden,
) -> set[str]:
    """Files of the snapshots that are chosen, or were taken at times that nobody is to see."""
    found: set[str] = set()
    for event in events:
        if event["type"] != SNAPSHOT:
            continue
        body = event["body"]
        if body["snapshot"] in chosen or _is_hidden(body, "captured_at", hidden):
            found |= by_digest[body["sha256"]]
    return found


def _photos(
    events: Sequence[dict[str, Any]],
    by_digest: Mapping[str, set[str]],
    chosen: frozenset[str],
    hidden: _Hidden,
    withhold: set[int],
    pictures: set[str],
) -> set[str]:
    """Files of the photos that are chosen, that nobody is told of, that belong to a snapshot of `pictures`, which are
    left out, or were taken at times that nobody is to see."""
    unseen = {
        event["body"]["snapshot"]
        for event in events
        if event["type"] == SNAPSHOT and by_digest[event["body"]["sha256"]] & pictures
    }
    found: set[str] = set()
    for event in events:
        if event["type"] != PHOTO:
            continue
        body = event["body"]
        if (
            body["photo"] in chosen
            or body["snapshot"] in unseen
            or event["seq"] in withhold
            or _is_hidden(body, "taken_at", hidden)
        ):
            found |= by_digest[body["sha256"]]
    return found


def _is_hidden(body: Mapping[str, Any], when: str, hidden: _Hidden) -> bool:
    at = parse_time(body[when])
    return hidden.holds(body["slot"], at - CLOCKS_DIFFER_BY, at + CLOCKS_DIFFER_BY)


def _withheld(lines: Sequence[bytes], events: Sequence[dict[str, Any]], personal: frozenset[str]) -> set[int]:
    """Numbers of the lines that are not to be shown. With the people goes every line in which a guest's name stands."""
    names: set[bytes] = set()
    if "people" in personal:
        for event in events:
            told = [event["body"]] if event["type"] in ("participant.joined", "invitation.created") else []
            told += [event["actor"]] if event["actor"]["kind"] == "participant" else []
            names |= {dump(each["name"])[1:-1] for each in told if each["role"] in GUESTS}
    kinds = {"chat.sent": {"messages", "people"}, "location.fixed": {"positions", "people"}}
    return {
        number
        for number, (line, event) in enumerate(zip(lines, events, strict=True), start=1)
        if kinds.get(event["type"], set()) & personal or any(name in line for name in names if name)
    }

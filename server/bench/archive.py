"""`yunkan bench archive`: how long the archive's pages wait for their data, with so many ended inspections."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.rules import system_actor
from server.archive.service import Filter, Listing, Recording, get_recording, list_ended
from server.bench.events import databases
from server.bench.figures import percentile
from server.bench.output import add_outputs, working_folder, write_outputs
from server.bench.rows import Matter, filled, new_case, new_office
from server.clock import TIME_ZONE, rfc3339
from server.db import Base, Database
from server.evidence.chain import GENESIS, Entry, canonical_line, link_of
from server.ids import new_id
from server.inspections.models import Event, Inspection
from server.live.models import Part, Participant, Slot, Snapshot
from server.settings import Settings

INSPECTIONS = 2000
REPEATS = 30
PER_CASE = 2
PARTS, SNAPSHOTS, REPORTS = 6, 10, 40
"""Of each inspection: files, pictures, and other events between them."""
_MADE_AT_ONCE = 100
_PART_S = 300.0

Asks = Callable[[AsyncSession], Awaitable[Listing | Recording]]


@dataclass(frozen=True, slots=True)
class Asked:
    """One question, asked `REPEATS` times in turn with the others. `found`: rows of the list, or parts to replay."""

    database: str
    what: str
    found: int
    median_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class Figures:
    inspections: int
    events: int
    asked: tuple[Asked, ...]


def add_to(what: Any) -> None:
    """Adds `bench archive` to the things that can be measured."""
    parser = what.add_parser("archive", help="the archive's list, its search, and a replay's data")
    parser.add_argument("--database-url", default="", help="a PostgreSQL to ask as well; an empty one")
    parser.add_argument("--inspections", type=int, default=INSPECTIONS, metavar="N", help="that have ended")
    add_outputs(parser)
    parser.set_defaults(run=run)


def run(_settings: Settings, options: argparse.Namespace) -> int:
    with working_folder(options) as folder:
        figures = measure(folder, options.database_url, options.inspections)
    write_outputs(options, figures, describe(figures))
    return 0


def measure(folder: Path, database_url: str, inspections: int) -> Figures:
    asked: list[Asked] = []
    for name, url in databases(folder, database_url).items():
        events, answers = asyncio.run(_measure(name, url, inspections))
        asked += answers
    return Figures(inspections, events, tuple(asked))


def describe(figures: Figures) -> str:
    """As a table in Markdown."""
    lines = [
        f"{figures.inspections} ended inspections, {figures.events} events.",
        "",
        "| database | question | found | median ms | p95 ms |",
        "|---|---|--:|--:|--:|",
    ]
    lines += [
        f"| {item.database} | {item.what} | {item.found} | {item.median_ms:.1f} | {item.p95_ms:.1f} |"
        for item in figures.asked
    ]
    return "\n".join(lines)


async def _measure(name: str, url: str, inspections: int) -> tuple[int, list[Asked]]:
    """(events there are, answers)."""
    database = Database(url)
    try:
        matter, newest, events = await _fill(database, inspections)
        return events, await _ask(database, name, questions(matter, newest, inspections))
    finally:
        await database.close()


def questions(matter: Matter, newest: str, inspections: int) -> dict[str, Asks]:
    """What people ask of the archive; `newest` is the inspection to replay."""
    actor = matter.auditor

    def listed(asked: Filter) -> Asks:
        return lambda session: list_ended(session, actor, asked)

    today = datetime.now(TIME_ZONE).date()
    return {
        "the list, its first page": listed(Filter()),
        "the list, its last page": listed(Filter(page=inspections)),
        "search: a word in one enterprise's name": listed(Filter(text=_enterprise(0))),
        "search: a word that is nowhere": listed(Filter(text="nowhere")),
        "filter: concluded, the last week": listed(
            Filter(state="concluded", since=today - timedelta(days=7), until=today)
        ),
        "a replay's data": lambda session: get_recording(session, actor, newest, datetime.now(UTC)),
    }


async def _ask(database: Database, name: str, asks: dict[str, Asks]) -> list[Asked]:
    """Each once unmeasured, then in turns, so that what else the machine does hits all alike."""
    found: dict[str, int] = {}
    took: dict[str, list[float]] = {what: [] for what in asks}
    for round_ in range(REPEATS + 1):
        for what, ask in asks.items():
            began = time.perf_counter()
            async with database.reading() as session:
                answer = await ask(session)
            if round_:
                took[what].append((time.perf_counter() - began) * 1000)
            found[what] = answer.total if isinstance(answer, Listing) else len(answer.parts)
    return [
        Asked(
            name,
            what,
            found[what],
            percentile(sorted(times), 0.5) or 0.0,
            percentile(sorted(times), 0.95) or 0.0,
        )
        for what, times in took.items()
    ]


async def _fill(database: Database, inspections: int) -> tuple[Matter, str, int]:
    """(a case, the inspection that ended last, how many events there are)."""
    office_id, now, events = await new_office(database), datetime.now(UTC), 0
    for first in range(0, inspections, _MADE_AT_ONCE):
        rows: dict[type[Base], list[dict[str, Any]]] = {}
        for number in range(first, min(first + _MADE_AT_ONCE, inspections)):
            if number % PER_CASE == 0:
                matter = await new_case(
                    database,
                    office_id,
                    enterprise_name=_enterprise(number // PER_CASE),
                    number=f"2026-{number:05d}",
                )
            newest = _inspection(rows, matter, number, now - timedelta(hours=inspections - number))
        async with database.transaction() as session:
            for kind, values in rows.items():
                await session.execute(insert(kind), values)
        events += len(rows[Event])
    return matter, newest, events


def _enterprise(number: int) -> str:
    return f"Seeds-{number:05d}"


def _inspection(
    rows: dict[type[Base], list[dict[str, Any]]], matter: Matter, number: int, ended: datetime
) -> str:
    """Adds to `rows` what an hour's inspection leaves behind; its id."""
    inspection, person, slot = new_id(), new_id(), new_id()
    began = ended - timedelta(hours=1)
    own: dict[str, Any] = {"inspection_id": inspection}

    def add(kind: type[Base], **known: Any) -> dict[str, Any]:
        row = filled(kind, **known)
        rows.setdefault(kind, []).append(row)
        return row

    told = list(_told(person, slot, began, ended))
    lines = _chain(inspection, told)
    add(
        Inspection, id=inspection, case_id=matter.case_id, office_id=matter.office_id, number=f"2026-{number:05d}-1",
        state="ended" if number % 10 == 0 else "concluded", result=None if number % 10 == 0 else "pass",
        starts_at=began, started_at=began, ended_at=ended, created_at=began, last_seq=len(lines),
        head=lines[-1]["link"],
    )  # fmt: skip
    add(
        Participant, id=person, role="enterprise", name="bench", token_hash=new_id(), token_expires_at=ended,
        joined_at=began, **own,
    )  # fmt: skip
    add(Slot, id=slot, participant_id=person, source="camera", opened_at=began, **own)
    for _, type_, body in told:
        if type_ == "part.closed":
            add(
                Part, id=body["part"], slot_id=slot, media_type="video/mp4", closed=True,
                started_at=datetime.fromisoformat(body["started_at"]), duration_s=body["duration_s"],
                size_bytes=body["size_bytes"], sha256=body["sha256"], width=1280, height=720, **own,
            )  # fmt: skip
        elif type_ == "snapshot.taken":
            add(
                Snapshot, id=body["snapshot"], slot_id=slot, participant_id=person, request=body["snapshot"],
                captured_at=began, taken_at=began, **own,
            )  # fmt: skip
    rows.setdefault(Event, []).extend(lines)
    return inspection


def _told(
    person: str, slot: str, began: datetime, ended: datetime
) -> Iterator[tuple[datetime, str, dict[str, Any]]]:
    """(when, type, body) of the log."""
    yield began, "inspection.started", {"epoch": 1}
    yield began, "participant.joined", {"participant": person, "name": "bench", "role": "enterprise"}
    yield began, "slot.opened", {"slot": slot, "participant": person, "source": "camera"}
    for index in range(PARTS):
        start = began + timedelta(seconds=index * (_PART_S + 10))
        part = {"part": new_id(), "slot": slot, "started_at": rfc3339(start)}
        yield start, "part.opened", part
        yield (
            start + timedelta(seconds=_PART_S),
            "part.closed",
            {**part, "duration_s": _PART_S, "size_bytes": 57_000_000, "sha256": new_id(), "index": index},
        )
    for _ in range(SNAPSHOTS):
        yield began, "snapshot.taken", {"snapshot": new_id(), "item": None, "sha256": new_id()}
    for _ in range(REPORTS):
        yield began, "device.reported", {"participant": person, "state": "visible", "detail": ""}
    yield ended, "inspection.ended", {"reason": "finished"}


def _chain(inspection: str, told: list[tuple[datetime, str, dict[str, Any]]]) -> list[dict[str, Any]]:
    actor, prev, rows = system_actor().as_record(), GENESIS, []
    for seq, (at, type_, body) in enumerate(told, start=1):
        line = canonical_line(Entry(inspection, seq, type_, actor, rfc3339(at), float(seq), None, body, prev))
        link = link_of(line)
        rows.append(
            {
                "inspection_id": inspection, "seq": seq, "type": type_, "at": at, "actor": actor, "body": body,
                "prev": prev, "link": link, "line": line.decode(),
            }
        )  # fmt: skip
        prev = link
    return rows

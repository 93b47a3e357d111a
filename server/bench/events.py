"""`yunkan bench events`: how many events a second are appended for good, on SQLite and on a PostgreSQL."""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.accounts.rules import system_actor
from server.bench.output import add_outputs, working_folder, write_outputs
from server.bench.rows import durability, new_inspection
from server.clock import SystemClock
from server.db import Database
from server.db.migrate import upgrade
from server.inspections.log import Journal
from server.settings import Settings

WRITERS = (1, 4)
SECONDS = 5


@dataclass(frozen=True, slots=True)
class Appending:
    """One database with so many inspections that append at the same time."""

    database: str
    durability: str
    writers: int
    events: int
    events_per_s: float
    cpu_ms_per_event: float
    """Of the service's process; what a busy machine makes slower, this does not hide."""


@dataclass(frozen=True, slots=True)
class Figures:
    fsyncs_per_s: float
    """A line written and synced, one after the other, to a file of that folder: what the disk allows."""
    appending: tuple[Appending, ...]


def add_to(what: Any) -> None:
    """Adds `bench events` to the things that can be measured."""
    parser = what.add_parser("events", help="events appended a second, each durable")
    parser.add_argument("--database-url", default="", help="a PostgreSQL to append to as well; an empty one")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each measurement")
    add_outputs(parser)
    parser.set_defaults(run=run)


def run(_settings: Settings, options: argparse.Namespace) -> int:
    with working_folder(options) as folder:
        figures = measure(folder, options.database_url, options.seconds)
    write_outputs(options, figures, describe(figures))
    return 0


def databases(folder: Path, database_url: str) -> dict[str, str]:
    """Name -> URL, each brought to the newest revision."""
    found = {"SQLite": f"sqlite+aiosqlite:///{folder / 'bench.sqlite3'}"}
    if database_url:
        found["PostgreSQL"] = Settings(database_url=database_url).database
    for url in found.values():
        upgrade(url)
    return found


def measure(folder: Path, database_url: str, seconds: float) -> Figures:
    appending = [
        asyncio.run(_append_for(name, url, writers, seconds))
        for name, url in databases(folder, database_url).items()
        for writers in WRITERS
    ]
    return Figures(_fsyncs_for(folder / "synced", seconds), tuple(appending))


def describe(figures: Figures) -> str:
    """As a table in Markdown."""
    lines = ["| database | inspections at a time | events a second | processor ms an event | durable by |"]
    lines.append("|---|--:|--:|--:|---|")
    lines += [
        f"| {item.database} | {item.writers} | {item.events_per_s:.0f} | {item.cpu_ms_per_event:.1f} "
        f"| {item.durability} |"
        for item in figures.appending
    ]
    lines += [
        "",
        f"A line written and synced to a file of the same disk: {figures.fsyncs_per_s:.0f} a second.",
    ]
    return "\n".join(lines)


async def _append_for(name: str, url: str, writers: int, seconds: float) -> Appending:
    """Each event is in a transaction of its own, durable before the next of its inspection."""
    database, journal = Database(url), Journal(SystemClock(), lambda _: None)
    ids = [await new_inspection(database) for _ in range(writers)]
    how = await durability(database)
    until, began, spent = time.perf_counter() + seconds, time.perf_counter(), time.process_time()

    async def append(inspection_id: str) -> int:
        count = 0
        while time.perf_counter() < until:
            async with database.transaction() as session:
                body = {"state": "visible", "participant": inspection_id, "detail": "a line of usual length"}
                await journal.append(session, inspection_id, "device.reported", system_actor(), body)
            count += 1
        return count

    count = sum(await asyncio.gather(*map(append, ids)))
    took, spent = time.perf_counter() - began, time.process_time() - spent
    await database.close()
    return Appending(name, how, writers, count, count / took, spent * 1000 / max(1, count))


def _fsyncs_for(path: Path, seconds: float) -> float:
    count, began = 0, time.perf_counter()
    with path.open("wb", buffering=0) as file:
        while time.perf_counter() - began < seconds:
            file.write(b"x" * 500)
            os.fsync(file.fileno())
            count += 1
    return count / (time.perf_counter() - began)

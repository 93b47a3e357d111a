"""`yunkan bench evidence`: what keeping evidence costs on this machine, with nothing simulated but the pictures."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from server.accounts.models import Office
from server.accounts.rules import system_actor
from server.cases.models import Case, Enterprise
from server.clock import SystemClock, rfc3339
from server.db import Database
from server.db.migrate import upgrade
from server.evidence import bag, keys, metadata, package, sealing
from server.evidence.chain import GENESIS, Entry, canonical_line, link_of
from server.evidence.verify import Trust, verify
from server.ids import new_id
from server.inspections.log import Journal
from server.inspections.models import Inspection
from server.settings import Settings

WRITERS = (1, 4)
EVENTS_S = 5.0
PARTS = 17
"""Files of 20 MB, as two minutes of a good picture make them, in a folder of 340 MB."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Rates in events or megabytes (10**6) a second, times in seconds, memory in megabytes."""

    fsyncs_per_s: float
    """A line written and synced, one after the other, to a file of that folder: what the disk allows."""
    events_per_s: dict[str, float]
    cpu_ms_per_event: dict[str, float]
    """Of the service's process; what a busy machine makes slower, this does not hide."""
    folder_mb: float
    seal_s: float
    sha256sum_s: float
    verify_s: float
    verify_share: float
    """Of the speed of `sha256sum` on the same files in the same run."""
    zip_mb: float
    zip_s: float
    zip_memory_mb: float
    """What the process that zipped grew by, at its highest."""


def add_to(what: Any) -> None:
    """Adds `bench evidence` to the things that can be measured."""
    parser = what.add_parser("evidence", help="appending, sealing, verifying and zipping evidence")
    parser.add_argument("--database-url", default="", help="a PostgreSQL to append to as well; an empty one")
    parser.add_argument("--folder", type=Path, help="where to work (default: the system's temporary folder)")
    parser.add_argument("--megabytes", type=int, default=340, help="of the folder to be sealed")
    parser.add_argument("--zip-megabytes", type=int, default=2000, help="of the folder to be zipped")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.set_defaults(run=run)


def run(_settings: Settings, options: argparse.Namespace) -> int:
    folder = Path(tempfile.mkdtemp(prefix="yunkan-bench-", dir=options.folder))
    try:
        figures = measure(folder, options.database_url, options.megabytes, options.zip_megabytes, EVENTS_S)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(describe(figures))
    if options.json:
        options.json.write_text(json.dumps(asdict(figures), indent=1) + "\n", encoding="utf-8")
    return 0


def measure(folder: Path, database_url: str, megabytes: int, zip_megabytes: int, events_s: float) -> Figures:
    databases = {"SQLite": f"sqlite+aiosqlite:///{folder / 'bench.sqlite3'}"}
    if database_url:
        databases["PostgreSQL"] = Settings(database_url=database_url).database
    events: dict[str, float] = {}
    cpu_ms: dict[str, float] = {}
    for name, url in databases.items():
        upgrade(url)
        for writers in WRITERS:
            kind = f"{name}, {writers} inspection{'s' if writers > 1 else ''} at a time"
            events[kind], cpu_ms[kind] = asyncio.run(_append_for(url, writers, events_s))
    fsyncs = _fsyncs_for(folder / "synced", events_s)
    sealed = folder / "inspection"
    order, office = _inspection(sealed, folder / "keys", megabytes)
    seal_s = _timed(lambda: sealing.seal_folder(order, office))
    trust = Trust(now=datetime.now(UTC), roots=[office.root])
    report = verify(sealed, trust)
    if report.exit_code:
        raise RuntimeError(f"the package does not verify: {report.to_json()}")
    stock, ours = [], []
    for _ in range(3):  # in turns, so that what else the machine does hits both alike
        stock.append(_timed(lambda: _sha256sum(sealed)))
        ours.append(_timed(lambda: verify(sealed, trust)))
    zip_s, memory = _zip(folder / "large", zip_megabytes)
    return Figures(
        fsyncs_per_s=fsyncs,
        events_per_s=events,
        cpu_ms_per_event=cpu_ms,
        folder_mb=megabytes,
        seal_s=seal_s,
        sha256sum_s=min(stock),
        verify_s=min(ours),
        verify_share=min(stock) / min(ours),
        zip_mb=zip_megabytes,
        zip_s=zip_s,
        zip_memory_mb=memory,
    )


def describe(figures: Figures) -> str:
    """As a table in Markdown."""
    lines = ["| what | measured |", "|---|--:|"]
    lines.append(f"| lines a second, written and synced to a file | {figures.fsyncs_per_s:.0f} |")
    lines += [
        f"| processor time of an event: {name} | {ms:.1f} ms |"
        for name, ms in figures.cpu_ms_per_event.items()
    ]
    lines += [
        f"| events a second, durable: {name} | {rate:.0f} |" for name, rate in figures.events_per_s.items()
    ]
    lines += [
        f"| sealing {figures.folder_mb:.0f} MB | {figures.seal_s:.2f} s |",
        f"| `sha256sum` over the same files | {figures.sha256sum_s:.2f} s |",
        f"| `yunkan verify` over the package | {figures.verify_s:.2f} s |",
        f"| speed of verify against `sha256sum` | {figures.verify_share:.0%} |",
        f"| zipping {figures.zip_mb:.0f} MB | {figures.zip_s:.1f} s |",
        f"| memory that this took | {figures.zip_memory_mb:.1f} MB |",
    ]
    return "\n".join(lines)


async def _append_for(url: str, writers: int, seconds: float) -> tuple[float, float]:
    """(events a second, milliseconds of processor time for one).

    Each is in a transaction of its own, durable before the next of its inspection.
    """
    database, clock = Database(url), SystemClock()
    journal = Journal(clock, lambda _: None)
    ids = [await _new_inspection(database) for _ in range(writers)]
    until, began, spent = time.perf_counter() + seconds, time.perf_counter(), time.process_time()

    async def append(inspection_id: str) -> int:
        count = 0
        while time.perf_counter() < until:
            async with database.transaction() as session:
                body = {"state": "visible", "participant": inspection_id, "detail": "a line of usual length"}
                await journal.append(session, inspection_id, "device.reported", system_actor(), body)
            count += 1
        return count

    counts = await asyncio.gather(*map(append, ids))
    took, spent = time.perf_counter() - began, time.process_time() - spent
    await database.close()
    return sum(counts) / took, spent * 1000 / max(1, sum(counts))


def _fsyncs_for(path: Path, seconds: float) -> float:
    count, began = 0, time.perf_counter()
    with path.open("wb", buffering=0) as file:
        while time.perf_counter() - began < seconds:
            file.write(b"x" * 500)
            os.fsync(file.fileno())
            count += 1
    return count / (time.perf_counter() - began)


async def _new_inspection(database: Database) -> str:
    """The rows that an event log hangs on, without the rules by which people make them."""
    now, office_id, enterprise_id, case_id, inspection_id = datetime.now(UTC), *(new_id() for _ in range(4))
    async with database.transaction() as session:
        session.add(Office(id=office_id, name="bench", created_at=now))
        await session.flush()
        session.add(_filled(Enterprise, id=enterprise_id, office_id=office_id, created_at=now))
        await session.flush()
        session.add(
            _filled(Case, id=case_id, office_id=office_id, enterprise_id=enterprise_id, created_at=now)
        )
        await session.flush()
        session.add(
            _filled(
                Inspection, id=inspection_id, case_id=case_id, office_id=office_id, head=GENESIS,
                starts_at=now, created_at=now, last_seq=0,
            )
        )  # fmt: skip
    return inspection_id


def _filled(kind: Any, **known: Any) -> Any:
    """A row whose other texts and numbers are there but say nothing."""
    blank: dict[type, Any] = {str: "", int: 0, float: 0.0, bool: False, dict: {}, list: []}
    values = dict(known)
    for column in kind.__table__.columns:
        if column.name not in values and not column.nullable and column.default is None:
            plain = column.type.python_type
            values[column.name] = new_id()[: column.type.length] if plain is str else blank.get(plain)
    return kind(**values)


def _inspection(
    folder: Path, key_folder: Path, megabytes: int
) -> tuple[sealing.SealingOrder, keys.OfficeKeys]:
    """A folder to seal: parts of random bytes, and the closed log that vouches for them."""
    inspection, now = new_id(), datetime.now(UTC)
    office = keys.init(key_folder, "bench", now)
    (folder / "data/media").mkdir(parents=True)
    events: list[tuple[str, dict[str, Any]]] = [("inspection.started", {"epoch": 1})]
    for index in range(PARTS):
        data = os.urandom(megabytes * 10**6 // PARTS)
        (folder / f"data/media/slot-e1-{index:04d}.mp4").write_bytes(data)
        body = {
            "part": f"p{index}", "slot": "slot", "index": index, "media_type": "video/mp4", "duration_s": 106,
            "size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "repaired": False,
        }  # fmt: skip
        events += [("device.reported", {"state": "visible"})] * 100 + [("part.closed", body)]
    events.append(("evidence.closed", sealing.close_body(events)))
    lines: list[bytes] = []
    for seq, (type_, body) in enumerate(events, start=1):
        prev = link_of(lines[-1]) if lines else GENESIS
        actor = system_actor().as_record()
        lines.append(
            canonical_line(Entry(inspection, seq, type_, actor, rfc3339(now), float(seq), None, body, prev))
        )
    base = metadata.BaseMetadata(
        **dict.fromkeys(metadata.BaseMetadata.__dataclass_fields__, "bench") | {"inspection": inspection}
    )
    order = sealing.SealingOrder(
        folder=folder,
        inspection=inspection,
        lines=lines,
        metadata=lambda files: {metadata.BASE_PATH: metadata.base_xml(base, files)},
        open_index=0,
        at=now,
    )
    return order, office


def _sha256sum(folder: Path) -> None:
    command = ["sha256sum", "--quiet", "-c", "manifest-sha256.txt"]
    subprocess.run(command, cwd=folder, check=True)  # noqa: S603 - a command of the benchmark's own


def _zip(folder: Path, megabytes: int) -> tuple[float, float]:
    """(seconds, megabytes that memory grew by) of zipping one large file, in a process of its own."""
    (folder / "data").mkdir(parents=True)
    with (folder / "data/large.mp4").open("wb") as file:
        file.truncate(megabytes * 10**6)
    large = bag.FileDigest("data/large.mp4", megabytes * 10**6, "0" * 64)
    (folder / bag.MANIFEST).write_bytes(bag.manifest([large]))
    bag.write_tag_manifest(folder)
    code = "import sys; from server.bench.evidence import zip_here; zip_here(sys.argv[1])"
    done = subprocess.run(  # noqa: S603 - this very program
        [sys.executable, "-c", code, str(folder)], capture_output=True, check=True, text=True
    )
    seconds, memory = json.loads(done.stdout)
    return seconds, memory


def zip_here(folder: str) -> None:
    """In the child: zips, throws the bytes away, prints `[seconds, megabytes]`."""
    before = _memory_mb("VmRSS")
    now = datetime.now(UTC)

    def whole() -> None:
        for _piece in package.stream(Path(folder), "bench", now):
            pass

    took = _timed(whole)
    print(json.dumps([took, _memory_mb("VmHWM") - before]))


def _memory_mb(name: str) -> float:
    """Of this process: `VmRSS` now, `VmHWM` at its highest."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / 10**6
    raise LookupError(name)


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began

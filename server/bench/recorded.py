"""A concluded inspection to be sealed: rows and log by the service's own verbs, files of random bytes."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.rules import Actor, system_actor
from server.accounts.service import create_office
from server.archive.index import Index, read_index
from server.archive.package_metadata import PackageMetadata, read_metadata
from server.bench.rows import filled
from server.cases.new_case import NewCase
from server.cases.rules import RetentionPolicy
from server.cases.service import create_case
from server.clock import SystemClock, rfc3339
from server.db import Database
from server.db.migrate import upgrade
from server.evidence import keys
from server.evidence.segments import Segment
from server.ids import new_id
from server.inspections.closing import close_log, read_lines
from server.inspections.log import Journal
from server.inspections.models import Inspection
from server.inspections.service import schedule
from server.live.models import Part, Participant, Slot, Snapshot

PARTS = 17
"""Files of 20 MB, as two minutes of a good picture make them, in a folder of 340 MB."""
SEGMENT_MS = 2000
PART_MS = 106_000
SNAPSHOTS = 12
REPORTS = 100
"""Other events between two parts."""
LANGUAGE = "zh-CN"

_HEAD_BYTES = 1000
_MAGIC = b"\0\0\0\x18ftypmp42"
_PICTURE = (720, 1280)
_CASE = NewCase(
    matter="seed-licence-address",
    enterprise_name="Seed company",
    credit_code="91370503MA3C0FHY70",
    licence_kind="seed-b",
    licence_number="0007",
    old_address="Old street 18",
    new_address="New road 6",
    latitude=None,
    longitude=None,
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What sealing needs. `folder` holds what was recorded, `lines` the closed log that vouches for it."""

    folder: Path
    inspection: str
    lines: Sequence[bytes]
    index: Index
    metadata: PackageMetadata
    office: keys.OfficeKeys
    segments: int
    recorded_bytes: int


def make(folder: Path, megabytes: int, parts: int = PARTS) -> Recorded:
    """In `folder`: `inspection/`, keys and a database."""
    url = f"sqlite+aiosqlite:///{folder / 'recorded.sqlite3'}"
    upgrade(url)
    return asyncio.run(_make(Database(url), folder, parts, megabytes * 10**6 // parts))


async def _make(database: Database, folder: Path, parts: int, part_bytes: int) -> Recorded:
    clock = SystemClock()
    journal = Journal(clock, lambda _: None)
    maker = _Maker(folder / "inspection", journal)
    office = keys.init(folder / "keys", "bench", clock.now())
    async with database.transaction() as session:
        made = await create_office(session, name="bench", now=clock.now())
        reviewer = Actor(kind="token", id=new_id(), name="Reviewer", role="reviewer", office_id=made.id)
        case = await create_case(session, reviewer, _CASE, clock.now())
        inspection = (await schedule(session, journal, reviewer, case.id, reviewers=[])).id
        await maker.record(session, inspection, parts, part_bytes)
        await _conclude(session, journal, inspection)
        await close_log(session, journal, inspection)
    async with database.reading() as session:
        row = await session.get_one(Inspection, inspection)
        found = Recorded(
            folder / "inspection",
            inspection,
            await read_lines(session, inspection),
            await read_index(session, row, LANGUAGE),
            await read_metadata(session, row, RetentionPolicy()),
            office,
            maker.segments,
            maker.recorded_bytes,
        )
    await database.close()
    return found


class _Maker:
    """Writes files and says so in the log."""

    def __init__(self, folder: Path, journal: Journal) -> None:
        self._folder = folder
        self._journal = journal
        self.segments = self.recorded_bytes = 0

    async def record(self, session: AsyncSession, inspection: str, parts: int, part_bytes: int) -> None:
        began, own = self._journal.clock.now() - timedelta(hours=1), {"inspection_id": inspection}
        person, slot = new_id(), new_id()

        async def tell(type_: str, **body: Any) -> None:
            await self._journal.append(session, inspection, type_, system_actor(), body)

        async def add(kind: Any, **known: Any) -> None:
            session.add(kind(**filled(kind, **own, **known)))
            await session.flush()

        await tell("inspection.started", epoch=1)
        await add(
            Participant, id=person, role="enterprise", name="Phone", token_hash=new_id(), joined_at=began,
            token_expires_at=began,
        )  # fmt: skip
        await tell("participant.joined", participant=person, name="Phone", role="enterprise")
        await add(Slot, id=slot, participant_id=person, source="camera", opened_at=began)
        await tell("slot.opened", slot=slot, participant=person, source="camera")
        for number in range(parts):
            part, started = new_id(), began + timedelta(milliseconds=number * (PART_MS + 1000))
            path, digest, segments = self._write_part(slot, number, part_bytes)
            for segment in segments:
                await tell("part.segment", slot=slot, part=part, **segment.as_body())
            for _ in range(REPORTS):
                await tell("device.reported", participant=person, state="visible")
            known = {"media_type": "video/mp4", "duration_s": PART_MS / 1000, "size_bytes": part_bytes}
            await tell(
                "part.closed", part=part, slot=slot, index=number, started_at=rfc3339(started), sha256=digest,
                repaired=False, **known,
            )  # fmt: skip
            await add(
                Part, id=part, slot_id=slot, epoch=1, index=number, path=path, started_at=started, closed=True,
                sha256=digest, **known,
            )  # fmt: skip
        for number in range(SNAPSHOTS):
            snapshot = new_id()
            data = _picture(number)
            path, digest = self._write(f"snapshots/{snapshot}.png", data), hashlib.sha256(data).hexdigest()
            await tell(
                "snapshot.taken", snapshot=snapshot, slot=slot, item=None, sha256=digest,
                captured_at=rfc3339(began), rtp_timestamp=number, named="screen", width=1280, height=720,
                size_bytes=len(data), quality={},
            )  # fmt: skip
            await add(
                Snapshot, id=snapshot, slot_id=slot, participant_id=person, request=snapshot, path=path,
                captured_at=began, taken_at=began, size_bytes=len(data), sha256=digest,
            )  # fmt: skip

    def _write_part(self, slot: str, number: int, size: int) -> tuple[str, str, list[Segment]]:
        """(path, digest, digests of its pieces as they are taken while a part is written)."""
        data = _MAGIC + os.urandom(size - len(_MAGIC))
        segments = list(_segments(data))
        self.segments += len(segments)
        path = self._write(f"media/{slot}-e1-{number:04d}.mp4", data)
        return path, hashlib.sha256(data).hexdigest(), segments

    def _write(self, name: str, data: bytes) -> str:
        path = self._folder / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self.recorded_bytes += len(data)
        return f"inspections/bench/data/{name}"


def _segments(data: bytes) -> Iterator[Segment]:
    """Pieces of two seconds from behind the head to the end."""
    count = PART_MS // SEGMENT_MS
    edges = [_HEAD_BYTES + (len(data) - _HEAD_BYTES) * index // count for index in range(count + 1)]
    for index, (start, end) in enumerate(pairwise(edges)):
        digest = hashlib.sha256(data[start:end]).hexdigest()
        yield Segment(index, start, end, index * SEGMENT_MS, (index + 1) * SEGMENT_MS, digest)


def _picture(number: int) -> bytes:
    """A frame with some noise, as a sensor has: a PNG of about a megabyte."""
    chance = np.random.default_rng(number)
    slope = np.linspace(0, 200, _PICTURE[1], dtype=np.uint8)
    image = np.repeat(slope[None, :, None], _PICTURE[0], 0).repeat(3, 2) + chance.integers(
        0, 8, (*_PICTURE, 1), np.uint8
    )
    _, encoded = cv2.imencode(".png", image)
    return encoded.tobytes()


async def _conclude(session: AsyncSession, journal: Journal, inspection: str) -> None:
    now = journal.clock.now()
    values = {
        "state": "concluded", "started_at": now - timedelta(hours=1), "ended_at": now, "concluded_at": now,
        "concluded_by_name": "Reviewer", "result": "pass",
    }  # fmt: skip
    await session.execute(update(Inspection).where(Inspection.id == inspection).values(**values))
    await journal.append(session, inspection, "inspection.ended", system_actor(), {"reason": "finished"})
    await journal.append(session, inspection, "inspection.concluded", system_actor(), {"result": "pass"})

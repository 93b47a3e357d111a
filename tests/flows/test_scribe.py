"""The scribe of a room: what was recorded is written down in order, however long the database is away."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from server import media
from server.accounts.rules import system_actor
from server.db import Database
from server.errors import Unavailable
from server.evidence.segments import Segment
from server.inspections.keys import JOURNAL
from server.inspections.log import UNTOLD, Addition, check, events_after
from server.inspections.models import Inspection
from server.live import digests, recording
from server.live.digests import Digests
from server.live.keys import LIVE
from server.live.models import Part
from server.live.recording import Scribe
from server.web.keys import DATABASE, FILES
from tests.cast import Appointment, Office, appoint
from tests.flows.cameras import add_camera, add_participant

AWAY = OperationalError("BEGIN", None, ConnectionError("the database is away"))


class Camera:
    """What the scribe wants to know of a slot."""

    def __init__(self, slot_id: str) -> None:
        self.id = slot_id

    def as_slot(self) -> Any:
        return self


@pytest.fixture
async def camera(app: web.Application, appointment: Appointment) -> Camera:
    now = app[JOURNAL].clock.now()
    async with app[DATABASE].transaction() as session:
        participant = await add_participant(session, appointment.id, now)
        return Camera(await add_camera(session, appointment.id, participant, now))


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(recording, "FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(recording, "LONGEST_PAUSE_S", 0.0)
    with capture_logs():
        yield


def part_of(app: web.Application, appointment: Appointment) -> media.Part:
    path = app[FILES].absolute(f"inspections/{appointment.id}/data/media/x-e1-0001.mp4")
    return media.Part(index=1, path=Path(path), media_type="video/mp4", started_at=datetime.now(UTC))


def segment(index: int) -> Segment:
    return Segment(index, index * 10, index * 10 + 10, index * 2000, index * 2000 + 2000, "ab" * 32)


def failing(
    monkeypatch: pytest.MonkeyPatch, fails: Callable[[int], bool], *, after_commit: bool = False
) -> list[int]:
    """Transactions fail while `fails(number of the try)`; the numbers are kept in the list."""
    tries: list[int] = []
    whole = Database.transaction

    @asynccontextmanager
    async def transaction(self: Database) -> AsyncIterator[AsyncSession]:
        tries.append(len(tries) + 1)
        bad = fails(tries[-1])
        if bad and not after_commit:
            raise AWAY
        async with whole(self) as session:
            yield session
        if bad:
            raise AWAY

    monkeypatch.setattr(Database, "transaction", transaction)
    return tries


async def written(app: web.Application, appointment: Appointment) -> list[tuple[str, Any]]:
    async with app[DATABASE].reading() as session:
        events = await events_after(session, appointment.id, 0)
        assert await check(session, appointment.id) is None
    return [
        (event.type, event.body.get("index")) for event in events if event.type.startswith(("part.", "slot."))
    ]


async def test_nothing_is_lost_while_the_database_is_away_for_long(
    app: web.Application, appointment: Appointment, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    scribe = Scribe(app[LIVE], appointment.id, 1)
    part = part_of(app, appointment)
    tries = failing(monkeypatch, lambda number: number < 50)
    scribe.part_opened(camera.as_slot(), part)
    for index in range(5):
        scribe.part_segment(camera.as_slot(), part, segment(index))
    scribe.part_closed(camera.as_slot(), part)
    await scribe.finish()
    assert len(tries) > 50
    assert await written(app, appointment) == [
        ("part.opened", 1),
        *(("part.segment", index) for index in range(5)),
        ("part.closed", 1),
    ]


async def test_hours_of_digests_may_wait_for_the_database(
    app: web.Application, appointment: Appointment, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    scribe = Scribe(app[LIVE], appointment.id, 1)
    part = part_of(app, appointment)
    tries = failing(monkeypatch, lambda number: number in (2, 3, 4))
    scribe.part_opened(camera.as_slot(), part)
    for index in range(1000):
        scribe.part_segment(camera.as_slot(), part, segment(index))
    await scribe.finish()
    assert await written(app, appointment) == [
        ("part.opened", 1),
        *(("part.segment", index) for index in range(1000)),
    ]
    assert len(tries) < 200  # those that were tried again go one by one, the others all at once


async def test_digests_of_all_rooms_are_written_together_and_each_in_its_own_log(
    app: web.Application,
    appointment: Appointment,
    office: Office,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    others = [(await appoint(app[DATABASE], app[JOURNAL], office)).id for _ in range(3)]
    closed = others[-1]
    async with app[DATABASE].transaction() as session:
        (await session.get_one(Inspection, closed)).log_closed = True
    writer = app[LIVE].digests
    tries = failing(monkeypatch, lambda _: False)
    additions = {
        inspection: [Addition("part.segment", system_actor(), {"index": index}) for index in range(2)]
        for inspection in (appointment.id, *others)
    }
    results = [writer.write(inspection, each) for inspection, each in additions.items()]
    results.append(writer.write(appointment.id, [Addition("part.segment", system_actor(), {"index": 2})]))
    writer.hurry()
    answers = await asyncio.gather(*results, return_exceptions=True)
    assert len(tries) == 1
    assert isinstance(answers[3], Unavailable)
    monkeypatch.undo()
    for inspection, count in ((appointment.id, 3), (others[0], 2), (others[1], 2), (closed, 0)):
        async with app[DATABASE].reading() as session:
            found = [event for event in await events_after(session, inspection, 0) if event.type in UNTOLD]
            assert await check(session, inspection) is None
            assert [event.body["index"] for event in found] == list(range(count))


async def test_what_is_told_after_a_digest_does_not_wait_for_other_rooms(
    app: web.Application, appointment: Appointment, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits, write = asyncio.Event(), Digests.write

    def noticed(self: Digests, inspection: str, additions: Sequence[Addition]) -> asyncio.Future[int]:
        waits.set()
        return write(self, inspection, additions)

    monkeypatch.setattr(Digests, "write", noticed)
    monkeypatch.setattr(digests, "GATHER_S", 3600.0)
    scribe = Scribe(app[LIVE], appointment.id, 1)
    part = part_of(app, appointment)
    scribe.part_opened(camera.as_slot(), part)
    assert await scribe.drain()
    scribe.part_segment(camera.as_slot(), part, segment(0))
    await waits.wait()
    assert scribe.is_idle  # a digest that waits keeps nobody from a new part
    scribe.slot_live(camera.as_slot())
    assert not scribe.is_idle
    async with asyncio.timeout(20):
        await scribe._queue.join()
    scribe.part_segment(camera.as_slot(), part, segment(1))
    assert await scribe.drain()
    await scribe.close()
    assert await written(app, appointment) == [
        ("part.opened", 1),
        ("part.segment", 0),
        ("slot.live", None),
        ("part.segment", 1),
    ]


async def test_what_was_committed_although_the_answer_was_lost_is_not_written_twice(
    app: web.Application, appointment: Appointment, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    scribe = Scribe(app[LIVE], appointment.id, 1)
    part = part_of(app, appointment)
    failing(monkeypatch, lambda number: number % 2 == 1, after_commit=True)
    scribe.part_opened(camera.as_slot(), part)
    scribe.slot_live(camera.as_slot())
    for index in range(3):
        scribe.part_segment(camera.as_slot(), part, segment(index))
    scribe.part_closed(camera.as_slot(), part)
    scribe.slot_interrupted(camera.as_slot(), "closed")
    scribe.slot_live(camera.as_slot())
    await scribe.finish()
    assert await written(app, appointment) == [
        ("part.opened", 1),
        ("slot.live", None),
        *(("part.segment", index) for index in range(3)),
        ("part.closed", 1),
        ("slot.interrupted", None),
        ("slot.live", None),
    ]


async def test_a_stop_does_not_wait_for_ever_and_leaves_the_part_open(
    app: web.Application, appointment: Appointment, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    scribe = Scribe(app[LIVE], appointment.id, 1)
    part = part_of(app, appointment)
    scribe.part_opened(camera.as_slot(), part)
    scribe.part_segment(camera.as_slot(), part, segment(0))
    assert await scribe.drain()
    assert scribe.is_idle
    failing(monkeypatch, lambda _: True)
    monkeypatch.setattr(recording, "DRAIN_S", 0.01)
    scribe.part_segment(camera.as_slot(), part, segment(1))
    scribe.part_segment(camera.as_slot(), part, segment(2))
    scribe.part_closed(camera.as_slot(), part)
    assert not await scribe.drain()
    async with asyncio.timeout(20):
        await scribe.close()
    monkeypatch.undo()
    assert await written(app, appointment) == [("part.opened", 1), ("part.segment", 0)]
    async with app[DATABASE].reading() as session:
        assert list(await session.scalars(select(Part.closed))) == [False]


async def test_into_a_closed_log_nothing_is_tried_again(
    app: web.Application, appointment: Appointment, camera: Camera
) -> None:
    async with app[DATABASE].transaction() as session:
        (await session.get_one(Inspection, appointment.id)).log_closed = True
    scribe = Scribe(app[LIVE], appointment.id, 1)
    scribe.slot_live(camera.as_slot())
    assert await scribe.drain()
    await scribe.close()

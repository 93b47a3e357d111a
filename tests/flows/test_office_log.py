"""The office's log: what enters it, in which order, and what the database refuses."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from aiortc import RTCConfiguration, RTCPeerConnection
from sqlalchemy import select

from server.db import Database
from server.errors import Unavailable
from server.evidence import merkle
from server.evidence.canonical import parse_canonical
from server.evidence.officelog import CLOSE, OPEN
from server.inspections import service as inspections
from server.inspections.closing import close_log
from server.inspections.keys import JOURNAL
from server.inspections.models import Inspection
from server.officelog.entries import append_entry, read_leaves
from server.officelog.models import OfficeEntry
from server.web.keys import DATABASE
from tests.cast import Appointment, Office
from tests.flows.conftest import Client
from tests.flows.rooms import bearer, join

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)


async def entries_of(database: Database) -> list[OfficeEntry]:
    async with database.reading() as session:
        return list(await session.scalars(select(OfficeEntry).order_by(OfficeEntry.index)))


async def test_an_inspection_enters_the_log_when_it_starts_and_when_its_log_is_closed(
    app: web.Application, office: Office, appointment: Appointment
) -> None:
    journal = app[JOURNAL]
    async with app[DATABASE].transaction() as session:
        assert await inspections.start(session, journal, office.zhou, appointment.id, 1)
        assert not await inspections.start(session, journal, office.zhou, appointment.id, 1)
        await inspections.end(session, journal, office.zhou, appointment.id, "completed")
        await inspections.conclude(session, journal, office.zhou, appointment.id, "pass", "")
        await close_log(session, journal, appointment.id)
        await close_log(session, journal, appointment.id)
    entries = await entries_of(app[DATABASE])
    told = [parse_canonical(entry.record.encode()) for entry in entries if entry.inspection_id]
    assert [(each["kind"], each["inspection"]) for each in told] == [
        (OPEN, appointment.id),
        (CLOSE, appointment.id),
    ]
    assert told[1]["seq"] == entries[-1].seq


async def test_appending_at_the_same_time_loses_nothing_and_makes_one_tree(database_url: str) -> None:
    workers = [Database(database_url), Database(database_url)]

    async def append(worker: Database, name: str) -> None:
        for number in range(8):
            async with worker.transaction() as session:
                await append_entry(session, OPEN, f"{name}{number}", NOW)

    await asyncio.gather(append(workers[0], "a"), append(workers[1], "b"))
    entries = await entries_of(workers[0])
    assert [entry.index for entry in entries] == list(range(16))
    assert {entry.inspection_id for entry in entries} == {f"{name}{n}" for name in "ab" for n in range(8)}
    async with workers[0].reading() as session:
        leaves = await read_leaves(session, 16)
    tree = merkle.Frontier.resume(16, map(bytes.fromhex, entries[-1].peaks))
    assert tree.root() == merkle.root(leaves)
    for worker in workers:
        await worker.close()


async def test_what_is_rolled_back_leaves_no_hole(database_url: str) -> None:
    database = Database(database_url)
    for name, fails in (("x", False), ("y", True), ("z", False)):
        try:
            async with database.transaction() as session:
                await append_entry(session, OPEN, name, NOW)
                if fails:
                    raise LookupError
        except LookupError:
            continue
    assert [entry.index for entry in await entries_of(database)] == [0, 1]
    await database.close()


async def test_no_camera_comes_in_before_the_opening_is_in_the_log(
    client: Client, app: web.Application, appointment: Appointment, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = await join(client, appointment.invitations["enterprise"])
    camera = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    camera.addTransceiver("video", "sendonly")
    await camera.setLocalDescription(await camera.createOffer())
    sent: dict[str, Any] = {
        "data": camera.localDescription.sdp,
        "headers": bearer(phone) | {"Content-Type": "application/sdp"},
    }

    async def refuse(*_: Any, **__: Any) -> None:
        raise Unavailable

    async def state() -> str:
        async with app[DATABASE].reading() as session:
            return (await session.get_one(Inspection, appointment.id)).state

    with monkeypatch.context() as broken:
        broken.setattr(inspections, "append_entry", refuse)
        async with client.post(f"{phone['base']}/whip", **sent) as response:
            assert response.status == 503
            assert "Location" not in response.headers
    assert await state() == "scheduled"
    assert [entry.kind for entry in await entries_of(app[DATABASE]) if entry.inspection_id] == []
    async with client.post(f"{phone['base']}/whip", **sent) as response:
        assert response.status == 201
    assert await state() == "live"
    assert [entry.kind for entry in await entries_of(app[DATABASE]) if entry.inspection_id] == [OPEN]
    await camera.close()

"""A log of some hours: most of it are digests of recordings, and what comes after them must not be lost."""

import json
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import insert, update
from yarl import URL

from server.accounts.rules import system_actor
from server.clock import rfc3339
from server.inspections.continuity import read_ledgers
from server.inspections.keys import JOURNAL
from server.inspections.log import events_after, told_events
from server.inspections.models import Event, Inspection
from server.live import room as live_room
from server.live.keys import ROOMS
from server.web.keys import DATABASE
from tests.cast import Appointment, Office
from tests.flows.browsing import look
from tests.flows.conftest import Client
from tests.flows.held import hold_whole
from tests.flows.programs import get
from tests.flows.rooms import RoomClient, join

DIGESTS = 10_001


async def add_digests(app: web.Application, inspection_id: str, count: int) -> None:
    """As many as hours of recording leave; only their number matters here, so they are no links of the chain."""
    now = app[JOURNAL].clock.now()
    line = json.dumps({"t_mono": 0.0, "t_client": None})
    async with app[DATABASE].transaction() as session:
        inspection = await session.get_one(Inspection, inspection_id)
        last = inspection.last_seq
        await session.execute(
            insert(Event),
            [
                {
                    "inspection_id": inspection_id,
                    "seq": last + number,
                    "type": "part.segment",
                    "at": now,
                    "actor": system_actor().as_record(),
                    "body": {"slot": "s", "part": "p"},
                    "prev": "0" * 64,
                    "link": "0" * 64,
                    "line": line,
                }
                for number in range(1, count + 1)
            ],
        )
        await session.execute(
            update(Inspection).where(Inspection.id == inspection_id).values(last_seq=last + count)
        )


async def test_what_happens_after_hours_of_recording_still_counts(
    client: Client, app: web.Application, office: Office, appointment: Appointment
) -> None:
    await add_digests(app, appointment.id, DIGESTS)
    held = await hold_whole(app, office, appointment)
    page = await look(client, f"/inspections/{held.id}", who=office.bearer("auditor"))
    assert "1 of 14 items answered" in page
    async with app[DATABASE].reading() as session:
        (ledger,) = await read_ledgers(session, held.id, app[JOURNAL].clock.now())
        told = await told_events(session, held.id)
    assert (ledger.slot, ledger.gaps) == (held.slot, ())
    # The ledger, gaps and results do not drag the digests along.
    assert "part.segment" not in {event.type for event in told}
    assert told[-1].type == "inspection.concluded"


async def test_a_room_that_opens_late_knows_the_whole_log(
    client: Client, app: web.Application, appointment: Appointment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_room, "CATCH_UP", 7)
    await add_digests(app, appointment.id, 30)
    joined = await join(client, appointment.invitations["reviewer"])
    socket = await RoomClient.connect(client, joined)
    hello = await socket.hear("hello")
    async with app[DATABASE].reading() as session:
        everything = await events_after(session, appointment.id, 0)
    assert hello["seq"] == everything[-1].seq > 30
    (entered,) = [event.seq for event in everything if event.type == "participant.joined"]
    assert (await socket.hear_event("participant.joined"))["seq"] == entered > 30
    room = app[ROOMS].find(appointment.id)
    assert room is not None
    assert len(room.hub.events) == hello["seq"]


async def test_the_log_is_read_page_by_page_to_its_end(
    client: Client, office: Office, appointment: Appointment
) -> None:
    await join(client, appointment.invitations["reviewer"])
    path = f"/api/v1/inspections/{appointment.id}/events"
    who = office.bearer("auditor")
    whole = await get(client, path, who)
    assert len(whole) > 4
    found: list[dict[str, Any]] = []
    url = f"{path}?limit=2"
    while url:
        async with client.get(url, headers=who) as response:
            page = await response.json()
            assert 0 < len(page) <= 2
            url = URL(response.links["next"]["url"]).path_qs if "next" in response.links else ""
        found += page
    assert found == whole
    await get(client, f"{path}?limit=0", who, status=422)
    await get(client, f"{path}?limit=10001", who, status=422)


async def test_a_gap_after_hours_of_recording_is_found(
    app: web.Application, appointment: Appointment
) -> None:
    await add_digests(app, appointment.id, DIGESTS)
    journal = app[JOURNAL]
    began = journal.clock.now()

    def file(part: str, index: int, start: float) -> list[tuple[str, dict[str, Any]]]:
        body = {"part": part, "slot": "camera", "index": index, "media_type": "video/mp4"}
        body["started_at"] = rfc3339(began + timedelta(seconds=start))
        return [
            ("part.opened", {**body, "epoch": 1}),
            ("part.closed", {**body, "duration_s": 4.0, "source": "received"}),
        ]

    async with app[DATABASE].transaction() as session:
        for type_, body in (
            ("slot.opened", {"slot": "camera", "participant": "p", "source": "camera"}),
            *file("a", 1, 0),
            *file("b", 2, 10),
        ):
            await journal.append(session, appointment.id, type_, system_actor(), body)
    async with app[DATABASE].reading() as session:
        (ledger,) = await read_ledgers(session, appointment.id, began + timedelta(seconds=14))
    assert [round(gap.seconds) for gap in ledger.gaps] == [6]

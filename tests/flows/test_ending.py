"""The end of an inspection: what it leaves to do is done, whatever happens in between."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import select

from server.accounts.rules import system_actor
from server.app import build
from server.archive.keys import SEALER
from server.clock import rfc3339
from server.errors import StorageFull
from server.ids import new_id
from server.inspections import service as inspections
from server.inspections.keys import JOURNAL
from server.inspections.log import check, events_after
from server.inspections.models import Event, Inspection
from server.live import caretaker
from server.live import room as live_room
from server.live.keys import CARETAKER, ROOMS
from server.live.models import Participant, RoomLease
from server.live.uploads import UPLOAD_LIFE
from server.settings import Settings
from server.storage.files import Files, Stored
from server.web.keys import DATABASE
from tests.cast import Appointment, Office
from tests.clock import SettableClock
from tests.flows.cameras import add_camera
from tests.flows.conftest import Client
from tests.flows.programs import get, post
from tests.flows.rooms import RoomClient, bearer, join
from tests.flows.signing import Signer
from tests.flows.test_receipts import set_up
from tests.flows.test_sealing import until

PATIENCE_S = 20


async def begin(app: web.Application, office: Office, appointment: Appointment) -> None:
    """As if the first camera were on."""
    async with app[DATABASE].transaction() as session:
        await inspections.start(session, app[JOURNAL], office.zhou, appointment.id, 1)


async def film_with_a_gap(app: web.Application, appointment: Appointment, participant: str) -> None:
    """Two files of a camera with six seconds of nothing between them."""
    journal = app[JOURNAL]
    began = journal.clock.now()
    async with app[DATABASE].transaction() as session:
        slot = await add_camera(session, appointment.id, participant, began)

        async def add(type_: str, body: dict[str, Any]) -> None:
            await journal.append(session, appointment.id, type_, system_actor(), {"slot": slot, **body})

        await add("slot.opened", {"participant": participant, "source": "camera"})
        for index, start in ((1, 0), (2, 10)):
            file = {"part": new_id(), "index": index, "media_type": "video/mp4"}
            file["started_at"] = rfc3339(began + timedelta(seconds=start))
            await add("part.opened", {**file, "epoch": 1})
            await add("part.closed", {**file, "duration_s": 4.0, "source": "received"})


async def types_of(app: web.Application, inspection_id: str) -> list[str]:
    async with app[DATABASE].reading() as session:
        assert await check(session, inspection_id) is None
        return [event.type for event in await events_after(session, inspection_id, 0)]


async def checklist_of(client: Client, office: Office, appointment: Appointment) -> list[dict[str, Any]]:
    who = office.bearer("auditor")
    evidence = await get(client, f"/api/v1/cases/{appointment.case_id}/evidence", who)
    found = [piece for piece in evidence if piece["kind"] == "checklist"]
    if not found:
        return []
    async with client.get(found[0]["url"], headers=who) as response:
        answers: list[dict[str, Any]] = json.loads(await response.read())["answers"]
    return answers


async def checklist_comes(client: Client, office: Office, appointment: Appointment) -> list[dict[str, Any]]:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if answers := await checklist_of(client, office, appointment):
                return answers
            await asyncio.sleep(0.02)


@asynccontextmanager
async def restarted(
    settings: Settings, clock: SettableClock
) -> AsyncIterator[tuple[web.Application, Client]]:
    """Another process of the service on the same data."""
    app = build(settings, clock)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    client: Client = TestClient(server)
    try:
        yield app, client
    finally:
        await client.close()


async def test_what_a_kill_during_the_end_left_undone_is_done_after_the_next_start(
    settings: Settings,
    clock: SettableClock,
    server: TestServer,
    client: Client,
    app: web.Application,
    office: Office,
    appointment: Appointment,
) -> None:
    clock.advance(hours=1)
    phone = await join(client, appointment.invitations["enterprise"])
    reviewer = await join(client, appointment.invitations["reviewer"])
    await begin(app, office, appointment)
    desk = await RoomClient.connect(client, reviewer)
    assert (await desk.say(type="answer", item="doorplate", result="pass"))["type"] == "ack"
    await film_with_a_gap(app, appointment, phone["participant"])
    clock.advance(hours=5)
    async with app[DATABASE].transaction() as session:  # the verb alone: the process dies right after it
        ended = await inspections.end(session, app[JOURNAL], office.zhou, appointment.id, "completed")
    await server.close()

    async with restarted(settings, clock) as (second, again):
        answers = await checklist_comes(again, office, appointment)
        assert [(answer["item"], answer["result"]) for answer in answers] == [("doorplate", "pass")]
        types = await types_of(second, appointment.id)
        assert types.count("slot.gap") == 2  # between the files, and from the last one to the end
        async with second[DATABASE].reading() as session:
            person = await session.get_one(Participant, phone["participant"])
        assert ended.ended_at is not None
        assert person.token_expires_at == ended.ended_at + UPLOAD_LIFE
        # However often it is done.
        await second[CARETAKER].run_once()
    async with restarted(settings, clock) as (third, again):
        await third[CARETAKER].run_once()
        assert await types_of(third, appointment.id) == types
        assert len(await checklist_of(again, office, appointment)) == 1


async def test_with_a_full_disk_the_end_is_heard_all_the_same_and_the_checklist_follows(
    client: Client,
    app: web.Application,
    office: Office,
    appointment: Appointment,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = await set_up(client, app, office, appointment)
    assert (await stage.desk.say(type="answer", item="doorplate", result="pass"))["type"] == "ack"
    write = Files.write

    def full(files: Files, path: str, data: bytes) -> Stored:
        if path.endswith("checklist.json"):
            raise StorageFull
        return write(files, path, data)

    monkeypatch.setattr(Files, "write", full)
    await stage.end()
    for person in (stage.phone, stage.desk):
        await person.hear("bye", code="ended")
    assert app[ROOMS].find(appointment.id) is None
    await app[CARETAKER].run_once()
    assert await checklist_of(client, office, appointment) == []
    monkeypatch.undo()
    await app[CARETAKER].run_once()
    assert len(await checklist_of(client, office, appointment)) == 1


async def test_a_seal_waits_for_what_the_end_left_undone(
    client: Client, app: web.Application, office: Office, appointment: Appointment
) -> None:
    reviewer = await join(client, appointment.invitations["reviewer"])
    await begin(app, office, appointment)
    desk = await RoomClient.connect(client, reviewer)
    assert (await desk.say(type="answer", item="doorplate", result="pass"))["type"] == "ack"
    async with app[DATABASE].transaction() as session:
        await inspections.end(session, app[JOURNAL], office.zhou, appointment.id, "completed")
        await inspections.conclude(session, app[JOURNAL], office.zhou, appointment.id, "pass", "")
    await app[ROOMS].finish(appointment.id)
    await until(app, office, client, appointment.id, state="sealed")
    assert len(await checklist_of(client, office, appointment)) == 1


async def test_the_last_signature_is_taken_although_the_result_is_there_already(
    client: Client, app: web.Application, office: Office, appointment: Appointment
) -> None:
    stage = await set_up(client, app, office, appointment)
    await app[SEALER].run_once()  # which makes the office's keys
    phone = Signer(stage.phone)
    await phone.bring()
    ending = asyncio.create_task(stage.end())
    await stage.phone.hear_event("inspection.ended")
    await post(
        client,
        f"/api/v1/inspections/{appointment.id}/result",
        {"result": "pass", "note": ""},
        office.bearer("reviewer"),
        status=200,
    )
    await app[SEALER].run_once()
    head = await phone.head(least=phone.seq + 1)
    assert (await phone.sign(head))["type"] == "ack"
    await stage.phone.hear("bye", code="ended")
    await ending
    assert head["signature"] in {each.signature for each in await stage.receipts()}


async def test_a_result_that_is_there_before_the_room_closes_leaves_the_last_head_to_be_signed(
    client: Client, app: web.Application, office: Office, appointment: Appointment
) -> None:
    stage = await set_up(client, app, office, appointment)
    await app[SEALER].run_once()  # which makes the office's keys
    phone = Signer(stage.phone)
    await phone.bring()
    async with app[DATABASE].transaction() as session:
        await inspections.end(session, app[JOURNAL], office.zhou, appointment.id, "completed")
        await inspections.conclude(session, app[JOURNAL], office.zhou, appointment.id, "pass", "")
    closing = asyncio.create_task(app[ROOMS].finish(appointment.id))
    assert (await phone.sign(await phone.head(least=phone.seq + 2)))["type"] == "ack"
    await stage.phone.hear("bye", code="ended")
    await closing


async def test_a_room_closes_although_the_database_does_not_answer(
    client: Client,
    app: web.Application,
    office: Office,
    appointment: Appointment,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = await set_up(client, app, office, appointment)

    async def away(*_: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(live_room, "events_after", away)
    await app[ROOMS].finish(appointment.id)
    for person in (stage.phone, stage.desk):
        await person.hear("bye", code="ended")


async def state_of(app: web.Application, inspection_id: str) -> tuple[str, str | None]:
    async with app[DATABASE].reading() as session:
        inspection = await session.get_one(Inspection, inspection_id)
    return inspection.state, inspection.end_reason


async def test_an_inspection_that_everybody_has_left_ends_by_itself(
    client: Client, app: web.Application, office: Office, appointment: Appointment, clock: SettableClock
) -> None:
    await begin(app, office, appointment)
    clock.advance(hours=3)
    await app[CARETAKER].run_once()
    assert await state_of(app, appointment.id) == ("live", None)
    clock.advance(hours=2)
    await app[CARETAKER].run_once()
    assert await state_of(app, appointment.id) == ("ended", "abandoned")
    async with app[DATABASE].reading() as session:
        (event,) = await session.scalars(
            select(Event).where(Event.inspection_id == appointment.id, Event.type == "inspection.ended")
        )
    assert (event.body, event.actor["kind"]) == ({"reason": "abandoned"}, "system")
    assert "everybody had left" in await page_of(client, office, appointment)


async def page_of(client: Client, office: Office, appointment: Appointment) -> str:
    headers = {"Accept": "text/html", "Accept-Language": "en", **office.bearer("auditor")}
    async with client.get(f"/inspections/{appointment.id}", headers=headers) as response:
        return await response.text()


async def test_who_sits_in_the_room_in_silence_keeps_it_open(
    client: Client, app: web.Application, office: Office, appointment: Appointment, clock: SettableClock
) -> None:
    await begin(app, office, appointment)
    joined = await join(client, appointment.invitations["reviewer"])
    desk = await RoomClient.connect(client, joined)
    await desk.hear("hello")
    clock.advance(hours=9)
    await app[CARETAKER].run_once()
    assert await state_of(app, appointment.id) == ("live", None)


async def test_after_a_start_everybody_may_first_come_back(
    settings: Settings,
    clock: SettableClock,
    server: TestServer,
    app: web.Application,
    office: Office,
    appointment: Appointment,
) -> None:
    await begin(app, office, appointment)
    await server.close()
    clock.advance(hours=9)
    async with restarted(settings, clock) as (second, _):
        await second[CARETAKER].run_once()
        assert await state_of(second, appointment.id) == ("live", None)
        clock.advance(seconds=caretaker.RETURN_S)
        await second[CARETAKER].run_once()
        assert await state_of(second, appointment.id) == ("ended", "abandoned")


def lease_of_another(appointment: Appointment, clock: SettableClock) -> RoomLease:
    until = clock.now() + timedelta(seconds=30)
    return RoomLease(inspection_id=appointment.id, worker="another", epoch=3, expires_at=until)


async def test_another_workers_room_is_left_to_that_worker(
    app: web.Application, office: Office, appointment: Appointment, clock: SettableClock
) -> None:
    await begin(app, office, appointment)
    clock.advance(hours=9)
    async with app[DATABASE].transaction() as session:
        session.add(lease_of_another(appointment, clock))
    await app[CARETAKER].run_once()
    assert await state_of(app, appointment.id) == ("live", None)
    clock.advance(minutes=1)
    await app[CARETAKER].run_once()
    assert await state_of(app, appointment.id) == ("ended", "abandoned")


async def test_an_old_appointment_for_which_somebody_waits_at_another_worker_is_not_called_off(
    app: web.Application, appointment: Appointment, clock: SettableClock
) -> None:
    clock.advance(hours=24 * 31)
    async with app[DATABASE].transaction() as session:
        session.add(lease_of_another(appointment, clock))
    await app[CARETAKER].run_once()
    assert await state_of(app, appointment.id) == ("scheduled", None)
    clock.advance(minutes=1)
    await app[CARETAKER].run_once()
    assert await state_of(app, appointment.id) == ("cancelled", None)


@pytest.mark.parametrize("meanwhile", ["put off", "entered"])
async def test_an_old_appointment_is_called_off_only_if_it_still_is_one_when_its_turn_comes(
    app: web.Application, office: Office, appointment: Appointment, clock: SettableClock, meanwhile: str
) -> None:
    clock.advance(hours=24 * 31)
    assert await app[CARETAKER]._expired() == [appointment.id]
    if meanwhile == "entered":
        await app[ROOMS].open(appointment.id)
    else:
        later = clock.now() + timedelta(days=1)
        async with app[DATABASE].transaction() as session:
            await inspections.reschedule(session, app[JOURNAL], office.zhou, appointment.id, later)
    await app[CARETAKER]._call_off(appointment.id)
    assert await state_of(app, appointment.id) == ("scheduled", None)


async def test_an_end_that_belongs_to_another_worker_changes_nothing_here(
    client: Client, app: web.Application, office: Office, appointment: Appointment, clock: SettableClock
) -> None:
    reviewer = await join(client, appointment.invitations["reviewer"])
    await begin(app, office, appointment)
    async with app[DATABASE].transaction() as session:
        session.add(lease_of_another(appointment, clock))
    async with client.post(f"/api/v1/inspections/{appointment.id}/end", headers=bearer(reviewer)) as response:
        assert response.status == 503
    assert await state_of(app, appointment.id) == ("live", None)

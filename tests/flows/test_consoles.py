"""Ways into a running inspection for staff and guests, and who may end it."""

from collections.abc import Callable

import pytest
from aiohttp import ClientSession, web

from server.inspections import service as inspections
from server.inspections.checklists import default_template
from server.inspections.keys import JOURNAL
from server.live import rooms as live_rooms
from server.live.models import RoomLease
from server.live.room import Room
from server.storage.files import Files
from server.web.keys import DATABASE, FILES
from tests.cast import Appointment, Office
from tests.flows.browsing import PAGE, csrf_of, look, sign_in
from tests.flows.conftest import Client
from tests.flows.rooms import LANGUAGE, RoomClient, bearer, join
from tests.peers.clients import counter_tracks, publishing


async def staff_join(client: Client, appointment: Appointment) -> dict[str, str]:
    headers = {"X-CSRF-Token": await csrf_of(client), **LANGUAGE}
    async with client.post(f"/inspections/{appointment.id}/join", headers=headers) as response:
        assert response.status == 201, await response.text()
        joined: dict[str, str] = await response.json()
    return joined


async def test_a_reviewer_enters_from_the_console_page(client: Client, appointment: Appointment) -> None:
    await sign_in(client)
    assert "page-data" in await look(client, f"/inspections/{appointment.id}/console")
    joined = await staff_join(client, appointment)
    assert joined["role"] == "reviewer"
    room = await RoomClient.connect(client, joined)
    assert (await room.hear_event("participant.joined"))["body"]["name"] == "周敏"


async def test_the_console_of_what_is_over_leads_to_the_inspections_page(
    client: Client, app: web.Application, office: Office, appointment: Appointment
) -> None:
    async with app[DATABASE].transaction() as session:
        await inspections.cancel(session, app[JOURNAL], office.zhou, appointment.id, "thunderstorm")
    await sign_in(client)
    path = f"/inspections/{appointment.id}/console"
    async with client.get(path, headers=PAGE, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, f"/inspections/{appointment.id}")


async def test_a_second_tab_goes_on_in_place_of_the_first(client: Client, appointment: Appointment) -> None:
    await sign_in(client)
    first = await staff_join(client, appointment)
    room = await RoomClient.connect(client, first)
    await room.hear("hello")
    second = await staff_join(client, appointment)
    assert second["participant"] == first["participant"]
    assert (await room.hear("bye"))["code"] == "replaced"


async def test_an_auditor_may_watch_but_not_act(
    client: Client, office: Office, appointment: Appointment
) -> None:
    await sign_in(client, "zheng")
    joined = await staff_join(client, appointment)
    assert joined["role"] == "observer"
    room = await RoomClient.connect(client, joined)
    assert (await room.say(type="chat", text="hello"))["code"] == "forbidden"


async def test_joining_from_another_site_is_refused(client: Client, appointment: Appointment) -> None:
    await sign_in(client)
    async with client.post(f"/inspections/{appointment.id}/join", headers=LANGUAGE) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (403, "csrf")


@pytest.mark.parametrize("role", ["reviewer", "expert", "observer"])
async def test_a_guest_gets_a_way_in_and_the_console(
    client: Client, appointment: Appointment, role: str
) -> None:
    token = appointment.invitations[role]
    assert f"{role} 田" in await look(client, f"/i/{token}")
    assert "page-data" in await look(client, f"/i/{token}/console")


async def test_an_enterprise_is_sent_from_the_console_to_its_own_page(
    client: Client, appointment: Appointment
) -> None:
    token = appointment.invitations["enterprise"]
    async with client.get(f"/i/{token}/console", headers=PAGE, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, f"/i/{token}")


@pytest.mark.parametrize("role", ["enterprise", "expert", "observer"])
async def test_only_a_reviewer_may_end_it(client: Client, appointment: Appointment, role: str) -> None:
    joined = await join(client, appointment.invitations[role])
    async with client.post(f"/api/v1/inspections/{appointment.id}/end", headers=bearer(joined)) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (403, "forbidden")


async def test_what_never_began_cannot_be_ended(
    client: Client, office: Office, appointment: Appointment
) -> None:
    async with client.post(
        f"/api/v1/inspections/{appointment.id}/end", headers={**office.bearer("reviewer"), **LANGUAGE}
    ) as response:
        assert response.status == 409


async def test_a_full_disk_stops_the_start_in_words_and_the_office_is_told(
    client: Client, app: web.Application, appointment: Appointment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Files, "free_bytes", lambda _self: 5)
    app[FILES].reserve_bytes = 1000
    reviewer = await join(client, appointment.invitations["reviewer"])
    room = await RoomClient.connect(client, reviewer)
    phone = await join(client, appointment.invitations["enterprise"])
    headers = {**bearer(phone), "Content-Type": "application/sdp"}
    async with client.post(f"{phone['base']}/whip", data="v=0", headers=headers) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (507, "storage_full")
    event = await room.hear_event("office.warned")
    assert event["body"] == {"code": "storage_full", "detail": "5"}
    # The phone asks again and again; the log says it once.
    async with client.post(f"{phone['base']}/whip", data="v=0", headers=headers) as response:
        assert response.status == 507
    assert (await room.say(type="ping"))["type"] == "ack"
    assert [one["event"]["type"] for one in room.heard if one["type"] == "event"].count("office.warned") == 1


async def test_a_checklist_answered_is_evidence_after_the_end(
    client: Client, office: Office, appointment: Appointment
) -> None:
    reviewer = await join(client, appointment.invitations["reviewer"])
    room = await RoomClient.connect(client, reviewer)
    item = default_template("seed-licence-address").items[0].key
    address = str(client.make_url("/")).rstrip("/")
    async with (
        ClientSession() as session,
        publishing(session, address, appointment.invitations["enterprise"], "田", counter_tracks()),
    ):
        await room.hear_event("slot.live")
        assert (await room.say(type="answer", item=item, result="pass", note="清楚"))["type"] == "ack"
        async with client.post(
            f"/api/v1/inspections/{appointment.id}/end", headers=bearer(reviewer)
        ) as response:
            assert response.status == 200
    headers = office.bearer("auditor")
    async with client.get(f"/api/v1/cases/{appointment.case_id}/evidence", headers=headers) as response:
        (checklist,) = [piece for piece in await response.json() if piece["kind"] == "checklist"]
    async with client.get(checklist["url"], headers=headers) as response:
        kept = await response.json()
    assert [(answer["item"], answer["result"], answer["note"]) for answer in kept["answers"]] == [
        (item, "pass", "清楚")
    ]


def fails(_room: Room) -> None:
    raise RuntimeError("this room's trouble")


@pytest.mark.parametrize("tick", [Room.tick, fails], ids=["all is well", "a room's own tick fails"])
async def test_a_room_that_another_worker_took_is_given_up(
    client: Client,
    app: web.Application,
    appointment: Appointment,
    monkeypatch: pytest.MonkeyPatch,
    tick: Callable[[Room], None],
) -> None:
    monkeypatch.setattr(Room, "tick", tick)
    reviewer = await join(client, appointment.invitations["reviewer"])
    room = await RoomClient.connect(client, reviewer)
    await room.hear("hello")
    async with app[DATABASE].transaction() as session:
        lease = await session.get_one(RoomLease, appointment.id)
        lease.worker, lease.epoch = "other", lease.epoch + 1
    monkeypatch.setattr(live_rooms, "RENEW_TICKS", 1)
    monkeypatch.setattr(live_rooms, "TICK_S", 0.05)
    assert (await room.hear("bye"))["code"] == "restarting"


async def test_a_participant_sees_no_recording_and_a_stranger_nothing(
    client: Client, office: Office, appointment: Appointment
) -> None:
    phone = await join(client, appointment.invitations["enterprise"])
    async with client.get(f"/api/v1/inspections/{appointment.id}", headers=bearer(phone)) as response:
        assert response.status == 200
    async with client.get("/api/v1/parts/nothing/file", headers=bearer(phone)) as response:
        assert response.status == 404
    async with client.get(f"/api/v1/inspections/{appointment.id}") as response:
        assert response.status == 401

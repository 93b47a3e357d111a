"""A pause: by the first who asks, with a reason; nothing is kept or shown until somebody resumes it."""

import asyncio
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from server import media
from server.clock import SystemClock
from server.inspections import pausing
from server.inspections.keys import JOURNAL
from server.inspections.log import check, events_after
from server.live.keys import ROOMS
from server.live.room import Room
from server.settings import Settings
from server.web.keys import DATABASE
from tests.cast import Appointment, Office
from tests.flows.conftest import Client
from tests.flows.programs import get, post
from tests.flows.rooms import RoomClient, bearer, join
from tests.flows.test_ending import begin, restarted
from tests.flows.test_recorded_inspection import video_is_live
from tests.peers.clients import counter_tracks, publishing

LUNCH = {"reason": "午休"}


@pytest.fixture
def clock() -> SystemClock:
    """The engine's times are real ones, and the ledger compares them with the log's."""
    return SystemClock()


def address_of(appointment: Appointment, verb: str) -> str:
    return f"/api/v1/inspections/{appointment.id}/{verb}"


async def camera(room: RoomClient, **fields: Any) -> dict[str, Any]:
    """The next word of the room about its one camera that says this."""
    while True:
        for slot in (await room.hear("media"))["slots"]:
            if all(slot[name] == value for name, value in fields.items()):
                found: dict[str, Any] = slot
                return found


async def log_of(app: web.Application, appointment: Appointment) -> list[tuple[str, dict[str, Any]]]:
    async with app[DATABASE].reading() as session:
        assert await check(session, appointment.id) is None
        return [(event.type, event.body) for event in await events_after(session, appointment.id, 0)]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_pause_ends_the_part_and_keeps_nothing_of_what_is_sent_until_it_is_resumed(
    client: Client, server: TestServer, app: web.Application, office: Office, appointment: Appointment
) -> None:
    reviewer = await join(client, appointment.invitations["reviewer"])
    desk = bearer(reviewer)
    room = await RoomClient.connect(client, reviewer)
    url = str(server.make_url("/")).rstrip("/")
    async with (
        ClientSession() as session,
        publishing(session, url, appointment.invitations["enterprise"], "田", counter_tracks()),
    ):
        slot = await video_is_live(room, 0.5)
        paused = await post(client, address_of(appointment, "pause"), LUNCH, desk, 200)
        assert (paused["paused"]["by"], paused["paused"]["reason"]) == ("田继业", "午休")
        # When the answer is there the part is closed, and its row is being written.
        assert (await room.hear_event("inspection.paused"))["body"] == LUNCH
        first = (await room.hear_event("part.closed"))["body"]
        held = await camera(room, recording=False)
        later = [await camera(room), await camera(room)]
        assert all(one["live"] and one["last_packet_age_s"] < 2 for one in later)
        assert {one["recorded_bytes"] for one in (held, *later)} == {held["recorded_bytes"]}
        body = {"slot": slot["id"], "item": "doorplate"}
        refused = await post(client, f"{reviewer['base']}/snapshots", body, desk, 409)
        assert (refused["error"]["code"], "paused" in refused["error"]["message"]) == (
            "inspection_paused",
            True,
        )
        assert (await room.say(type="chat", text="马上继续"))["type"] == "ack"

        assert (await post(client, address_of(appointment, "resume"), {}, desk, 200))["paused"] is None
        second = (await room.hear_event("part.opened"))["body"]
        assert (first["index"], second["index"], second["slot"]) == (1, 2, slot["id"])
        assert (await camera(room, recording=True))["id"] == slot["id"]
        taken = await post(client, f"{reviewer['base']}/snapshots", body, desk)
        assert taken["width"] == 640
        await post(client, address_of(appointment, "end"), {}, desk, 200)

    seen = await get(client, address_of(appointment, "continuity"), office.bearer("auditor"))
    before, gap, after = seen["slots"][0]["intervals"]
    assert (before["kind"], after["kind"]) == ("received", "received")
    assert (gap["kind"], gap["cause"], gap["by"], gap["reason"]) == ("gap", "paused", "田继业", "午休")
    told = await log_of(app, appointment)
    noted = [body for type_, body in told if type_ == "slot.gap"]
    assert [(body["cause"], body["reason"]) for body in noted] == [("paused", "午休")]
    types = [type_ for type_, _ in told]
    assert not {"slot.interrupted", "slot.lacking"} & set(types[: types.index("inspection.resumed")])


async def test_only_who_leads_the_inspection_pauses_it_once_and_says_why(
    client: Client, app: web.Application, office: Office, appointment: Appointment
) -> None:
    who = office.bearer("reviewer")
    pause, resume = address_of(appointment, "pause"), address_of(appointment, "resume")
    early = await post(client, pause, LUNCH, who, 409)
    assert early["error"]["code"] == "inspection_not_live"
    await begin(app, office, appointment)
    for role in ("enterprise", "expert", "observer"):
        guest = bearer(await join(client, appointment.invitations[role]))
        await post(client, pause, LUNCH, guest, 403)
        await post(client, resume, {}, guest, 403)
    await post(client, pause, {"reason": "  "}, who, 422)
    await post(client, pause, {}, who, 422)
    assert (await post(client, resume, {}, who, 409))["error"]["code"] == "not_paused"

    other = bearer(await join(client, appointment.invitations["reviewer"], name="高远"))

    async def one_pauses(headers: dict[str, str]) -> tuple[int, Any]:
        async with client.post(pause, json=LUNCH, headers=headers) as response:
            return response.status, await response.json()

    answers = sorted(await asyncio.gather(one_pauses(who), one_pauses(other)), key=lambda one: one[0])
    assert [status for status, _ in answers] == [200, 409]
    error = answers[1][1]["error"]
    assert (error["code"], error["reason"]) == ("already_paused", "午休")
    assert error["by"] == answers[0][1]["paused"]["by"]
    seen = await get(client, f"/api/v1/inspections/{appointment.id}", who)
    assert (seen["state"], seen["paused"]["reason"]) == ("live", "午休")

    await post(client, resume, {}, other, 200)
    assert (await post(client, resume, {}, who, 409))["error"]["code"] == "not_paused"
    await post(client, pause, {"reason": "找人"}, who, 200)
    await post(client, address_of(appointment, "end"), {}, who, 200)
    seen = await get(client, f"/api/v1/inspections/{appointment.id}", who)
    assert (seen["state"], seen["paused"]) == ("ended", None)
    assert (await post(client, resume, {}, who, 409))["error"]["code"] == "inspection_not_live"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_was_paused_before_a_kill_is_paused_after_it(
    server: TestServer,
    app: web.Application,
    settings: Settings,
    clock: Any,
    office: Office,
    appointment: Appointment,
) -> None:
    await begin(app, office, appointment)
    async with app[DATABASE].transaction() as session:  # the verb alone: the process dies right after it
        await pausing.pause(session, app[JOURNAL], office.zhou, appointment.id, "午休")
    await server.close()
    async with restarted(settings, clock) as (second, again):
        room = await second[ROOMS].open(appointment.id)
        slot = room.open_slot("01JDXCAMERA000000000000001", first_index=3)
        assert slot.held
        assert not slot.stats().recording
        await room.note_disk("ample")  # what looks after recordings that failed leaves it alone
        assert not slot.stats().recording
        await post(again, address_of(appointment, "resume"), {}, office.bearer("reviewer"), 200)
        assert slot.stats().recording
        assert not slot.held


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_in_a_pause_people_may_write_but_nobody_takes_down_where_they_are(
    client: Client, app: web.Application, office: Office, appointment: Appointment
) -> None:
    await begin(app, office, appointment)
    joined = await join(client, appointment.invitations["enterprise"])
    phone, who = await RoomClient.connect(client, joined), office.bearer("reviewer")
    fix = {"lat": 37.5, "lon": 118.5, "accuracy_m": 9, "taken_at": "x", "permission": "granted"}
    await post(client, address_of(appointment, "pause"), LUNCH, who, 200)
    answer = await phone.say(type="location", **fix)
    assert (answer["type"], answer["seq"]) == ("ack", None)
    assert (await phone.say(type="chat", text="好的"))["seq"] > 0
    await post(client, address_of(appointment, "resume"), {}, who, 200)
    assert (await phone.say(type="location", **fix))["seq"] > 0
    types = [type_ for type_, _ in await log_of(app, appointment)]
    assert types.count("location.fixed") == 1
    await phone.close()

    seen = await get(client, f"{joined['base']}/continuity", bearer(joined))
    assert seen == {"slots": []}  # of a camera that never sent anything nothing is told


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_pause_that_was_not_obeyed_at_once_is_obeyed_soon_after(
    client: Client,
    app: web.Application,
    office: Office,
    appointment: Appointment,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await begin(app, office, appointment)
    room = await app[ROOMS].open(appointment.id)
    slots = [room.open_slot(f"01JDXCAMERA00000000000000{number}", first_index=1) for number in range(2)]
    obey = Room.obey_pause

    async def fails(_room: Room) -> None:
        raise OSError("the database is away")

    monkeypatch.setattr(Room, "obey_pause", fails)
    await post(client, address_of(appointment, "pause"), LUNCH, office.bearer("reviewer"), 500)
    await room.catch_up()
    assert not any(slot.held for slot in slots)
    monkeypatch.setattr(Room, "obey_pause", obey)
    room.tick()
    await asyncio.gather(*room._tasks)
    assert all(slot.held and not slot.stats().recording for slot in slots)

    # A camera that cannot be recorded again just now does not keep the others waiting.
    start = room._start_recording

    def refuses(slot: media.Slot, first_index: int) -> None:
        if slot is slots[0]:
            raise OSError("no such folder")
        start(slot, first_index)

    monkeypatch.setattr(room, "_start_recording", refuses)
    await post(client, address_of(appointment, "resume"), {}, office.bearer("reviewer"), 200)
    assert [slot.stats().recording for slot in slots] == [False, True]
    assert not any(slot.held for slot in slots)

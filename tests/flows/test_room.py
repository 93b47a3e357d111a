"""The room's WebSocket: who hears what, what is refused, and what a client that comes back is told."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSServerHandshakeError, web

from server.accounts.rules import system_actor
from server.inspections.keys import JOURNAL
from server.inspections.log import check
from server.inspections.service import cancel_invitation, invite, renew_invitation
from server.live.keys import ROOMS
from server.live.models import Participant
from server.live.network import HOLDS_S
from server.live.room import CONNECTIONS_AT_ONCE, MOST_VIEWS
from server.live.state import SlotState
from server.media import SlotStats
from server.web.keys import DATABASE, FILES
from tests.cast import Appointment, Office
from tests.clock import SettableClock
from tests.flows.conftest import Client
from tests.flows.rooms import RoomClient, bearer, join
from tests.media.peers import until
from tests.unit.media import offers


async def enter(client: Client, appointment: Appointment, role: str, after: int = 0) -> RoomClient:
    joined = await join(client, appointment.invitations[role])
    room = await RoomClient.connect(client, joined, after)
    await room.hear("hello")
    return room


async def test_what_one_says_the_others_hear_as_an_event_of_the_chain(
    client: Client, app: web.Application, appointment: Appointment
) -> None:
    reviewer = await enter(client, appointment, "reviewer")
    phone = await enter(client, appointment, "enterprise")
    answer = await phone.say(type="chat", text="你好")
    assert answer["type"] == "ack"
    event = await reviewer.hear_event("chat.sent")
    assert (event["seq"], event["body"]["text"]) == (answer["seq"], "你好")
    assert event["actor"]["role"] == "enterprise"
    async with app[DATABASE].reading() as session:
        assert await check(session, appointment.id) is None


async def test_a_client_that_comes_back_gets_exactly_the_events_it_missed(
    client: Client, appointment: Appointment
) -> None:
    reviewer = await enter(client, appointment, "reviewer")
    joined = await join(client, appointment.invitations["enterprise"])
    phone = await RoomClient.connect(client, joined)
    seqs = [(await phone.say(type="chat", text=str(number)))["seq"] for number in range(3)]
    await phone.close()
    last = (await reviewer.say(type="chat", text="still there?"))["seq"]
    phone = await RoomClient.connect(client, joined, after=seqs[1])
    hello = await phone.hear("hello")
    heard: list[int] = []
    while not heard or heard[-1] < max(last, hello["seq"]):
        heard.append((await phone.hear("event"))["event"]["seq"])
    assert heard == list(range(seqs[1] + 1, heard[-1] + 1))


async def test_a_client_that_is_ahead_of_the_room_hears_nothing_twice(
    client: Client, appointment: Appointment, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviewer = await enter(client, appointment, "reviewer")
    joined = await join(client, appointment.invitations["enterprise"])
    phone = await RoomClient.connect(client, joined)
    await phone.hear("hello")
    with monkeypatch.context() as slow:
        slow.setattr("server.live.room.Room.grown", lambda _room: None)
        known = (await phone.say(type="chat", text="1"))["seq"]
        await phone.close()
        phone = await RoomClient.connect(client, joined, after=known)
        assert (await phone.hear("hello"))["seq"] >= known
    await reviewer.say(type="chat", text="2")
    assert (await phone.hear("event"))["event"]["seq"] == known + 1


async def test_a_camera_that_falls_silent_is_announced_at_once(
    client: Client, app: web.Application, appointment: Appointment, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviewer = await enter(client, appointment, "reviewer")
    phone = await join(client, appointment.invitations["enterprise"])
    room = app[ROOMS].find(appointment.id)
    assert room is not None
    announced: list[bool] = []
    monkeypatch.setattr(
        room, "announce_media", lambda: announced.append(room.hub.state.slots["camera-1"].live)
    )
    for type_, body in (
        ("slot.opened", {"participant": phone["participant"], "source": "camera"}),
        ("slot.live", {}),
        ("slot.interrupted", {"cause": "no_media"}),
    ):
        await room._append(type_, system_actor(), {"slot": "camera-1", **body})
        await reviewer.hear_event(type_)
    assert True in announced
    assert announced[-1] is False


async def enter_by_link(
    client: Client, app: web.Application, appointment: Appointment
) -> tuple[dict[str, Any], RoomClient, str]:
    """The phone's answer to its join, its room, and the id of the invitation that let it in."""
    phone = await join(client, appointment.invitations["enterprise"])
    room = await RoomClient.connect(client, phone)
    await room.hear("hello")
    async with app[DATABASE].reading() as session:
        person = await session.get_one(Participant, phone["participant"])
    assert person.invitation_id is not None
    return phone, room, person.invitation_id


async def test_whose_invitation_is_withdrawn_has_to_leave_at_once(
    client: Client, app: web.Application, appointment: Appointment, office: Office
) -> None:
    phone, room, invitation = await enter_by_link(client, app, appointment)
    async with app[DATABASE].transaction() as session:
        await renew_invitation(session, app[JOURNAL], office.zhou, appointment.id, invitation)
    # A new link for the same person: who is in stays in.
    assert (await room.say(type="ping"))["type"] == "ack"
    async with app[DATABASE].transaction() as session:
        await cancel_invitation(
            session, app[JOURNAL], office.zhou, appointment.id, invitation, "联系人已更换"
        )
    while "reason" not in (withdrawn := (await room.hear_event("invitation.cancelled"))["body"]):
        pass
    assert withdrawn["reason"] == "联系人已更换"
    bye = await room.hear("bye")
    assert (bye["code"], bye["by"], bye["reason"]) == ("removed", "周敏", "联系人已更换")
    with pytest.raises(WSServerHandshakeError, match="401"):
        await RoomClient.connect(client, phone)


async def test_who_was_given_a_new_link_that_is_withdrawn_at_once_is_told_why(
    client: Client, app: web.Application, appointment: Appointment, office: Office
) -> None:
    _, room, invitation = await enter_by_link(client, app, appointment)
    # Both are in the log before the room reads on.
    async with app[DATABASE].transaction() as session:
        await renew_invitation(session, app[JOURNAL], office.zhou, appointment.id, invitation)
        await cancel_invitation(
            session, app[JOURNAL], office.zhou, appointment.id, invitation, "联系人已更换"
        )
    bye = await room.hear("bye")
    assert (bye["code"], bye["by"], bye["reason"]) == ("removed", "周敏", "联系人已更换")


class FailedSlot:
    """A camera that sends and whose recording has failed."""

    id = "camera-1"
    live = True
    held = False

    def __init__(self) -> None:
        self.recording_from: list[int] = []

    def stats(self) -> SlotStats:
        return SlotStats(
            live=True,
            bitrate_bps=0,
            loss=0.0,
            jitter_s=0.0,
            width=None,
            height=None,
            fps=0.0,
            video_codec=None,
            audio_codec=None,
            viewers=0,
            last_packet_age_s=0.0,
            recording=bool(self.recording_from),
            bytes_recorded=0,
            packets_repaired=0,
            packets_unrepaired=0,
            frames_unrecorded=0,
        )

    def start_recording(self, _folder: Path, _stem: Any, first_index: int) -> None:
        self.recording_from.append(first_index)

    async def close(self) -> None:
        pass


async def test_a_filling_disk_is_told_and_with_room_again_what_failed_is_recorded_again(
    client: Client, app: web.Application, appointment: Appointment, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviewer = await enter(client, appointment, "reviewer")
    rooms = app[ROOMS]
    room = rooms.find(appointment.id)
    assert room is not None
    slot = FailedSlot()
    room._slots[slot.id] = slot  # type: ignore[assignment]
    room.hub.state.state = "live"
    free = {"bytes": 500}
    monkeypatch.setattr(app[FILES], "reserve_bytes", 1000)
    monkeypatch.setattr(app[FILES], "free_bytes", lambda: free["bytes"])
    await rooms.look_at_disk()
    assert (await reviewer.hear_event("office.warned"))["body"] == {"code": "disk_low", "detail": "500"}
    assert '"disk": "full"' in room.hub.latest["media"]
    assert slot.recording_from == []
    free["bytes"] = 5000
    await rooms.look_at_disk()
    assert slot.recording_from == [1]
    await rooms.look_at_disk()
    assert slot.recording_from == [1]


async def test_a_disk_that_was_low_before_the_start_is_told_once_the_inspection_is_live(
    client: Client, app: web.Application, appointment: Appointment, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviewer = await enter(client, appointment, "reviewer")
    rooms = app[ROOMS]
    room = rooms.find(appointment.id)
    assert room is not None
    free = {"bytes": 1500}
    monkeypatch.setattr(app[FILES], "reserve_bytes", 1000)
    monkeypatch.setattr(app[FILES], "free_bytes", lambda: free["bytes"])
    await rooms.look_at_disk()
    room.hub.state.state = "live"
    for left in (1500, 1400, 900, 5000, 1500):
        free["bytes"] = left
        await rooms.look_at_disk()
    for detail in ("1500", "1500"):  # at the start, and when it was low again after there had been room
        warned = (await reviewer.hear_event("office.warned"))["body"]
        assert warned == {"code": "disk_low", "detail": detail}


async def test_a_grade_of_the_network_that_holds_enters_the_log_once(
    client: Client, app: web.Application, appointment: Appointment, clock: SettableClock
) -> None:
    phone = await enter(client, appointment, "enterprise")
    rooms = app[ROOMS]
    room = rooms.find(appointment.id)
    assert room is not None
    slot = FailedSlot()
    room._slots[slot.id] = slot  # type: ignore[assignment]
    person = next(iter(room.hub.state.people))
    room.hub.state.state = "live"
    room.hub.state.slots[slot.id] = SlotState(slot.id, person, "camera", live=True)

    async def after(seconds: float) -> None:
        clock.advance(seconds=seconds)
        room.tick()

    await after(0)
    await after(HOLDS_S - 1)
    await phone.say(type="network", rtt_s=0.9)  # it flickers
    await after(1)
    await phone.say(type="network", rtt_s=0.01)
    for _ in range(4):
        await after(2)
    good = (await phone.hear_event("network.graded"))["body"]
    assert (good["participant"], good["grade"], good["reasons"]) == (person, "good", [])
    await phone.say(type="network", rtt_s=0.9)
    since = clock.now()
    await after(0)
    await after(HOLDS_S)
    poor = (await phone.hear_event("network.graded"))["body"]
    assert (poor["grade"], poor["reasons"]) == ("poor", ["delay"])
    assert abs(datetime.fromisoformat(poor["from"]) - since).total_seconds() < 1


class SilentSlot(FailedSlot):
    """A camera from which nothing has come for a while."""

    id = "camera-0"
    live = False

    def stats(self) -> SlotStats:
        return replace(super().stats(), live=False, last_packet_age_s=60.0)


async def test_who_sends_with_another_camera_is_not_graded_as_lost(
    client: Client, app: web.Application, appointment: Appointment, clock: SettableClock
) -> None:
    phone = await enter(client, appointment, "enterprise")
    room = app[ROOMS].find(appointment.id)
    assert room is not None
    person = next(iter(room.hub.state.people))
    room.hub.state.state = "live"
    silent, sends = SilentSlot(), FailedSlot()
    for slot in (silent, sends):
        room._slots[slot.id] = slot  # type: ignore[assignment]
        room.hub.state.slots[slot.id] = SlotState(slot.id, person, "camera", live=slot.live)
    room.tick()
    clock.advance(seconds=HOLDS_S)
    room.tick()
    graded = (await phone.hear_event("network.graded"))["body"]
    assert (graded["participant"], graded["grade"], graded["reasons"]) == (person, "good", [])

    async def shown() -> dict[str, Any]:
        room.announce_presence()
        (found,) = (await phone.hear("presence"))["participants"]
        network: dict[str, Any] = found["network"]
        return network

    del room._slots[sends.id]
    while (network := await shown())["grade"] != "lost":
        assert network == {"grade": "good", "reasons": []}
    assert network["reasons"] == ["no_media"]


async def test_presence_says_who_is_online(client: Client, appointment: Appointment) -> None:
    reviewer = await enter(client, appointment, "reviewer")
    phone = await enter(client, appointment, "enterprise")

    async def online(count: int) -> dict[str, Any]:
        while True:
            message = await reviewer.hear("presence")
            if sum(person["online"] for person in message["participants"]) == count:
                return message

    everybody = await online(2)
    assert {person["role"] for person in everybody["participants"]} == {"reviewer", "enterprise"}
    await phone.close()
    await online(1)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"type": "sing"}, "unknown_message"),
        ({"type": "chat", "text": ""}, "unknown_message"),
        ({"type": "chat", "text": "x" * 2001}, "unknown_message"),
        ({"type": "answer", "item": "no-such-item", "result": "pass"}, "item_unknown"),
        ({"type": "mute", "slot": "nobody's", "kind": "audio", "muted": True}, "slot_unknown"),
        (
            {"type": "location", "lat": 91, "lon": 0, "accuracy_m": 1, "taken_at": "", "permission": ""},
            "unknown_message",
        ),
    ],
)
async def test_a_message_that_cannot_be_is_answered_in_words_and_the_room_goes_on(
    client: Client, appointment: Appointment, message: dict[str, Any], code: str
) -> None:
    reviewer = await enter(client, appointment, "reviewer")
    answer = await reviewer.say(**message)
    assert (answer["type"], answer["code"]) == ("error", code)
    assert answer["message"]
    assert (await reviewer.say(type="ping"))["type"] == "ack"


async def test_what_is_no_json_is_answered_and_the_room_goes_on(
    client: Client, appointment: Appointment
) -> None:
    reviewer = await enter(client, appointment, "reviewer")
    await reviewer.socket.send_str("{not json")
    assert (await reviewer.hear("error"))["code"] == "unknown_message"
    assert (await reviewer.say(type="ping"))["type"] == "ack"


async def test_who_talks_too_fast_is_slowed_down(client: Client, appointment: Appointment) -> None:
    reviewer = await enter(client, appointment, "reviewer")
    for number in range(200):
        await reviewer.socket.send_json({"type": "ping", "id": str(number)})
    assert (await reviewer.hear("error"))["code"] == "throttled"


async def test_an_observer_only_watches(client: Client, appointment: Appointment) -> None:
    observer = await enter(client, appointment, "observer")
    for message in (
        {"type": "chat", "text": "hello"},
        {"type": "answer", "item": "doorplate", "result": "pass"},
    ):
        assert (await observer.say(**message))["code"] == "forbidden"


async def test_an_enterprise_cannot_answer_the_checklist(client: Client, appointment: Appointment) -> None:
    phone = await enter(client, appointment, "enterprise")
    answer = await phone.say(type="answer", item="doorplate", result="pass")
    assert answer["code"] == "forbidden"


async def test_of_two_reviewers_the_first_answer_wins_and_the_second_is_told(
    client: Client, app: web.Application, office: Office, appointment: Appointment
) -> None:
    async with app[DATABASE].transaction() as session:
        guest = await invite(session, app[JOURNAL], office.zhou, appointment.id, "reviewer", "李静")
    zhou = await enter(client, appointment, "reviewer")
    li = await RoomClient.connect(client, await join(client, guest.token, name="李静"))
    first = await zhou.say(type="answer", item="doorplate", result="pass", note="清楚", was=0)
    assert first["type"] == "ack"
    second = await li.say(type="answer", item="doorplate", result="fail", was=0)
    assert (second["type"], second["code"]) == ("error", "answered_meanwhile")
    assert (second["result"], second["note"], second["seq"]) == ("pass", "清楚", first["seq"])
    assert second["by"] == "田继业"
    assert "田继业" in second["message"]
    # Somebody else's answer to another item is no reason, and who has seen this one may replace it.
    assert (await zhou.say(type="answer", item="signboard", result="pass", was=0))["type"] == "ack"
    third = await li.say(type="answer", item="doorplate", result="fail", was=first["seq"])
    assert third["type"] == "ack"
    # An answer that was taken back stands in nobody's way.
    assert (await li.say(type="answer", item="doorplate", result="none", was=third["seq"]))["type"] == "ack"
    assert (await zhou.say(type="answer", item="doorplate", result="pass", was=0))["type"] == "ack"
    # A client that says nothing of it takes what comes.
    assert (await li.say(type="answer", item="doorplate", result="minor"))["type"] == "ack"


async def test_without_a_token_the_room_stays_shut(client: Client, appointment: Appointment) -> None:
    joined = await join(client, appointment.invitations["reviewer"])
    with pytest.raises(WSServerHandshakeError) as refused:
        await client.ws_connect(f"{joined['base']}/room", protocols=("yunkan.v1", "bearer.yp_wrong"))
    assert refused.value.status == 401


async def test_an_api_token_is_no_participant(
    client: Client, office: Office, appointment: Appointment
) -> None:
    path = f"/live/0/{appointment.id}/whip"
    headers = {**office.bearer("administrator"), "Content-Type": "application/sdp"}
    async with client.post(path, data="v=0", headers=headers) as response:
        assert response.status == 401


async def test_a_bad_offer_is_refused_in_words(client: Client, appointment: Appointment) -> None:
    joined = await join(client, appointment.invitations["enterprise"])
    headers = {**bearer(joined), "Content-Type": "application/sdp"}
    async with client.post(f"{joined['base']}/whip", data="hello", headers=headers) as response:
        assert response.status == 422
        assert (await response.json())["error"]["code"] == "bad_offer"


async def test_who_opens_connections_without_end_keeps_a_few_and_is_slowed_down(
    client: Client, appointment: Appointment
) -> None:
    phone = await join(client, appointment.invitations["enterprise"])
    sdp = {"Content-Type": "application/sdp"}
    async with client.post(
        f"{phone['base']}/whip", data=offers.typical(), headers=bearer(phone) | sdp
    ) as response:
        assert response.status == 201
        slot = response.headers["Yunkan-Slot"]
    observer = await join(client, appointment.invitations["observer"])

    async def look() -> tuple[int, str, dict[str, Any]]:
        async with client.post(
            f"{observer['base']}/whep/{slot}",
            data=offers.typical("recvonly"),
            headers=bearer(observer) | sdp,
        ) as response:
            if response.status == 201:
                return 201, response.headers["Location"], {}
            return response.status, response.headers["Retry-After"], (await response.json())["error"]

    room = client.app[ROOMS].find(appointment.id)
    assert room is not None
    made = [await look() for _ in range(CONNECTIONS_AT_ONCE)]
    assert {status for status, _, _ in made} == {201}

    def kept() -> list[str]:
        return [at for _, at, _ in made if room.find_session(at.rpartition("/")[2], observer["participant"])]

    await until(lambda: len(kept()) <= MOST_VIEWS)
    assert kept() == [at for _, at, _ in made[-MOST_VIEWS:]]
    # Whose way loses what is sent to them is shown beside their name.
    viewing: Any = room.find_session(kept()[-1].rpartition("/")[2], observer["participant"])
    viewing.downlink("video").loss = 0.2
    watching = await RoomClient.connect(client, observer)
    await watching.hear("hello")
    network = {
        person["id"]: person["network"] for person in (await watching.hear("presence"))["participants"]
    }
    assert network[observer["participant"]] == {"grade": "poor", "reasons": ["loss_down"]}
    status, retry_after, error = await look()
    assert (status, error["code"], 1 <= int(retry_after) <= 2) == (429, "throttled", True)
    assert "wait" in error["message"]
    # The phone, and whoever else there is, may go on.
    async with client.post(
        f"{phone['base']}/whip", data=offers.typical(), headers=bearer(phone) | sdp
    ) as response:
        assert response.status == 201


async def test_an_offer_of_absurd_size_is_refused(client: Client, appointment: Appointment) -> None:
    joined = await join(client, appointment.invitations["enterprise"])
    headers = {**bearer(joined), "Content-Type": "application/sdp"}
    async with client.post(f"{joined['base']}/whip", data="v" * 200_000, headers=headers) as response:
        assert response.status == 413


async def test_a_restart_tells_clients_to_come_back(
    client: Client, app: web.Application, appointment: Appointment
) -> None:
    reviewer = await enter(client, appointment, "reviewer")
    await app[ROOMS].close()
    assert (await reviewer.hear("bye"))["code"] == "restarting"


async def test_a_participant_who_says_goodbye_has_left(client: Client, appointment: Appointment) -> None:
    reviewer = await enter(client, appointment, "reviewer")
    phone = await enter(client, appointment, "enterprise")
    assert (await phone.say(type="leave"))["type"] == "ack"
    event = await reviewer.hear_event("participant.left")
    assert event["body"]["cause"] == "left"


async def test_a_position_is_kept_with_what_it_is_worth_at_the_place_of_the_case(
    client: Client, office: Office, appointment: Appointment
) -> None:
    phone = await enter(client, appointment, "enterprise")
    reviewer = await enter(client, appointment, "reviewer")
    fix = {"lat": 37.5878, "lon": 118.5473, "accuracy_m": 11.5, "taken_at": "2026-03-01T02:00:00Z"}
    await phone.say(type="location", permission="granted", **fix)
    near = (await reviewer.hear_event("location.fixed"))["body"]
    assert {name: near[name] for name in fix} == fix
    assert (near["distance_m"], near["grade"], near["permission"]) == (0, "near", "granted")
    assert near["reasons"] == ["within", "claimed"]
    await phone.say(type="location", permission="granted", **{**fix, "lat": 37.7})
    assert (await reviewer.hear_event("location.fixed"))["body"]["grade"] == "far"
    refused = await reviewer.say(type="location", permission="granted", **fix)
    assert refused["type"] == "error"


@pytest.mark.parametrize("state", ["camera_asking", "camera_denied", "location_denied"])
async def test_what_the_phone_was_refused_is_an_event(
    client: Client, appointment: Appointment, state: str
) -> None:
    phone = await enter(client, appointment, "enterprise")
    assert (await phone.say(type="device", state=state))["type"] == "ack"
    assert (await phone.hear_event("device.reported"))["body"]["state"] == state

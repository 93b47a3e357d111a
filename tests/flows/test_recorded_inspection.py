"""The main job without a browser: publish by WHIP, look, take a snapshot, end; recording and evidence are there."""

import hashlib
import io
from datetime import datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from aiortc import RTCConfiguration, RTCPeerConnection

from server.archive.moments import find_moment
from server.evidence.segments import Segment
from server.evidence.segments import check as segment_check
from server.inspections.log import check, events_after
from server.live.models import Part, Snapshot
from server.web.keys import DATABASE, FILES
from tests.cast import Appointment, Office
from tests.flows.conftest import Client
from tests.flows.rooms import RoomClient, bearer, join
from tests.peers import counter
from tests.peers.clients import counter_tracks, numbers_in, publishing


async def video_is_live(reviewer: RoomClient, pictures: float = 1.5) -> dict[str, Any]:
    """Until the room says that video is coming in and being recorded; the slot."""
    while True:
        message = await reviewer.hear("media")
        for slot in message["slots"]:
            if slot["live"] and slot["width"] and slot["recorded_bytes"] > 100_000 * pictures:
                found: dict[str, Any] = slot
                return found


async def test_an_inspection_from_the_first_picture_to_the_evidence(
    client: Client,
    server: TestServer,
    app: web.Application,
    office: Office,
    appointment: Appointment,
    tmp_path: Path,
) -> None:
    address = str(server.make_url("/")).rstrip("/")
    reviewer = await join(client, appointment.invitations["reviewer"])
    room = await RoomClient.connect(client, reviewer)
    async with ClientSession() as session:
        tracks = counter_tracks()
        async with publishing(session, address, appointment.invitations["enterprise"], "田", tracks):
            assert (await room.hear_event("inspection.started"))["body"]["epoch"] == 1
            slot = await video_is_live(room)
            body = {"slot": slot["id"], "item": "doorplate", "request": "click-1"}
            async with client.post(
                f"{reviewer['base']}/snapshots", json=body, headers=bearer(reviewer)
            ) as response:
                assert response.status == 201, await response.text()
                snapshot = await response.json()
            async with client.post(
                f"{reviewer['base']}/snapshots", json=body, headers=bearer(reviewer)
            ) as response:
                assert response.status == 200
                assert (await response.json())["id"] == snapshot["id"]
            # Named by its time, it is the very same frame again.
            body |= {"request": "click-2", "rtp_timestamp": snapshot["rtp_timestamp"]}
            async with client.post(
                f"{reviewer['base']}/snapshots", json=body, headers=bearer(reviewer)
            ) as response:
                assert response.status == 201, await response.text()
                again = await response.json()
            assert (again["sha256"], again["rtp_timestamp"]) == (
                snapshot["sha256"],
                snapshot["rtp_timestamp"],
            )
            async with client.post(
                f"/api/v1/inspections/{appointment.id}/end", headers=bearer(reviewer)
            ) as response:
                assert response.status == 200, await response.text()
            assert (await room.hear("bye"))["code"] == "ended"

    # A second end, and a snapshot after the end, are told so.
    async with client.post(
        f"/api/v1/inspections/{appointment.id}/end", headers=office.bearer("reviewer")
    ) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (409, "already_ended")
    async with client.post(
        f"{reviewer['base']}/snapshots", json={**body, "request": "late"}, headers=bearer(reviewer)
    ) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (409, "inspection_not_live")

    # The snapshot is a frame of the very stream, at its full size, and its digest is true.
    async with client.get(snapshot["url"], headers=bearer(reviewer)) as response:
        png = await response.read()
    assert hashlib.sha256(png).hexdigest() == snapshot["sha256"]
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape[:2] == (snapshot["height"], snapshot["width"]) == (360, 640)
    shown = counter.read(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
    assert shown is not None

    # The recording plays right after the end, without a gap, and holds that frame.
    auditor = office.bearer("auditor")
    async with client.get(f"/api/v1/inspections/{appointment.id}", headers=auditor) as response:
        inspection = await response.json()
    assert inspection["state"] == "ended"
    (part,) = [part for part in inspection["parts"] if part["slot"] == slot["id"]]
    async with client.get(part["url"], headers=auditor) as response:
        assert response.headers["Accept-Ranges"] == "bytes"
        recorded = await response.read()
    assert hashlib.sha256(recorded).hexdigest() == part["sha256"]
    path = tmp_path / "part.mp4"
    path.write_bytes(recorded)
    numbers = [number for _, number in numbers_in(path)]
    assert None not in numbers
    assert numbers == list(range(numbers[0] or 0, (numbers[0] or 0) + len(numbers)))
    assert shown in numbers

    # Who took it, for which item, when, and at which time of the stream: as the log and the rows have it.
    async with app[DATABASE].reading() as reading:
        first, second = [
            event
            for event in await events_after(reading, appointment.id, 0)
            if event.type == "snapshot.taken"
        ]
        row = await reading.get_one(Part, part["id"])
        taken = await reading.get_one(Snapshot, snapshot["id"])
    assert (first.actor["name"], first.actor["role"]) == ("田继业", "reviewer")
    assert (first.body["snapshot"], second.body["snapshot"]) == (snapshot["id"], again["id"])
    assert (first.body["item"], first.body["slot"]) == ("doorplate", slot["id"])
    assert (first.body["named"], second.body["named"]) == ("newest", "screen")
    assert first.body["captured_at"] == second.body["captured_at"]
    assert row.first_rtp_timestamp is not None
    # The file's times are drawn to the sender's clock, by a frame and more where it was busy: the part tells how.
    in_file_s = next(time_s for time_s, number in numbers_in(path) if number == shown)
    moment = find_moment(taken, [row])
    assert moment is not None
    assert moment.part == part["id"]
    assert 0 <= moment.at_s - in_file_s < 0.011
    captured_at = datetime.fromisoformat(first.body["captured_at"])
    # The time of day is that of the arrival, the file's that of the sender: a busy sender is late, never early.
    assert -0.1 < (captured_at - row.started_at).total_seconds() - in_file_s < 3
    assert [taken["item"] for taken in inspection["snapshots"]] == ["doorplate", "doorplate"]

    # Everything hangs on the case, and the log is whole.
    async with client.get(f"/api/v1/cases/{appointment.case_id}/evidence", headers=auditor) as response:
        evidence = await response.json()
    assert {(piece["kind"], piece["sha256"]) for piece in evidence} >= {
        ("part", part["sha256"]),
        ("snapshot", snapshot["sha256"]),
    }
    async with app[DATABASE].reading() as reading:
        assert await check(reading, appointment.id) is None
        events = await events_after(reading, appointment.id, 0)

    # What was hashed while it was recorded holds for the closed file, and covers all of its fragments.
    logged = [event for event in events if event.type == "part.segment"]
    segments = [Segment.from_body(event.body) for event in logged]
    assert {(event.body["slot"], event.body["part"]) for event in logged} == {(slot["id"], part["id"])}
    assert segment_check(io.BytesIO(recorded), segments).bad == []
    assert b"moof" not in recorded[: segments[0].start]
    assert b"moof" not in recorded[segments[-1].end :]
    assert segments[-1].to_ms == round(part["duration_s"] * 1000)
    # Pages are not told of them.
    told = {heard["event"]["type"] for heard in room.heard if heard["type"] == "event"}
    assert "part.closed" in told
    assert "part.segment" not in told


async def test_a_snapshot_that_cannot_be_taken_says_why_and_leaves_nothing_behind(
    client: Client, server: TestServer, app: web.Application, appointment: Appointment
) -> None:
    address = str(server.make_url("/")).rstrip("/")
    reviewer = await join(client, appointment.invitations["reviewer"])
    room = await RoomClient.connect(client, reviewer)

    async def refusal(**body: Any) -> tuple[int, str]:
        async with client.post(
            f"{reviewer['base']}/snapshots", json=body, headers=bearer(reviewer)
        ) as response:
            error = (await response.json())["error"]
            assert error["message"]
            return response.status, error["code"]

    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.addTransceiver("video", direction="sendonly")
    await connection.setLocalDescription(await connection.createOffer())
    async with (
        ClientSession() as session,
        publishing(session, address, appointment.invitations["enterprise"], "田", counter_tracks()),
    ):
        slot = await video_is_live(room, 0.5)
        async with client.post(
            f"{reviewer['base']}/whip",
            data=connection.localDescription.sdp,
            headers={**bearer(reviewer), "Content-Type": "application/sdp"},
        ) as response:
            assert response.status == 201, await response.text()
            silent = response.headers["Yunkan-Slot"]
        async with client.post(
            f"{reviewer['base']}/snapshots", json={"slot": slot["id"]}, headers=bearer(reviewer)
        ) as response:
            now = (await response.json())["rtp_timestamp"]
        gone = (now - 600 * 90_000) % 2**32
        assert await refusal(slot=slot["id"], rtp_timestamp=gone) == (410, "frame_gone")
        assert await refusal(slot=silent) == (409, "no_picture")
        assert await refusal(slot=slot["id"], item="no-such-item") == (422, "item_unknown")
        assert await refusal(slot="nobody's") == (404, "slot_unknown")
    await connection.close()
    assert len(list(app[FILES].absolute(f"inspections/{appointment.id}/data/snapshots").iterdir())) == 1


async def test_a_new_connection_of_the_same_phone_continues_the_slot_as_a_new_part(
    client: Client, server: TestServer, office: Office, appointment: Appointment
) -> None:
    address = str(server.make_url("/")).rstrip("/")
    reviewer = await join(client, appointment.invitations["reviewer"])
    room = await RoomClient.connect(client, reviewer)
    invitation = appointment.invitations["enterprise"]
    async with ClientSession() as session:
        async with publishing(session, address, invitation, "田", counter_tracks()):
            await video_is_live(room, 0.5)
        await room.hear_event("slot.interrupted")
        async with publishing(session, address, invitation, "田", counter_tracks()):
            await room.hear_event("slot.live")
            while (await room.hear_event("part.opened"))["body"]["index"] != 2:
                pass
            async with client.post(
                f"/api/v1/inspections/{appointment.id}/end", headers=bearer(reviewer)
            ) as response:
                assert response.status == 200
    async with client.get(
        f"/api/v1/inspections/{appointment.id}", headers=office.bearer("auditor")
    ) as response:
        inspection = await response.json()
    assert len(inspection["slots"]) == 1
    assert [part["slot"] for part in inspection["parts"]] == [inspection["slots"][0]["id"]] * 2


async def test_an_observer_may_not_publish(client: Client, appointment: Appointment) -> None:
    joined = await join(client, appointment.invitations["observer"])
    headers = {**bearer(joined), "Content-Type": "application/sdp"}
    async with client.post(f"{joined['base']}/whip", data="v=0", headers=headers) as response:
        assert response.status == 403


async def test_a_bad_fragment_is_refused_in_words_and_an_unknown_session_is_named(
    client: Client, appointment: Appointment
) -> None:
    phone = await join(client, appointment.invitations["enterprise"])
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.addTransceiver("audio", direction="sendonly")
    await connection.setLocalDescription(await connection.createOffer())
    headers = {**bearer(phone), "Content-Type": "application/sdp"}
    offer = connection.localDescription.sdp
    async with client.post(f"{phone['base']}/whip", data=offer, headers=headers) as response:
        assert response.status == 201, await response.text()
        resource = response.headers["Location"]
        assert response.headers["ETag"].startswith('"')
    await connection.close()
    headers["Content-Type"] = "application/trickle-ice-sdpfrag"
    async with client.patch(resource, data="a=ice-ufrag:new", headers=headers) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (422, "bad_offer")
    async with client.delete(resource, headers=headers) as response:
        assert response.status == 200
    async with client.delete(resource, headers=headers) as response:
        assert response.status == 204
    async with client.patch(resource, data="a=x", headers=headers) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (404, "session_unknown")

"""Two at once, and what comes while an inspection ends: one is first, the other is told, nothing is left over."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from aiohttp import web
from sqlalchemy import func, select

from server import media
from server.accounts.rules import system_actor
from server.inspections import service as inspections
from server.inspections.keys import JOURNAL
from server.live import ending, service
from server.live.join import actor_of, join_as_staff
from server.live.keys import LIVE, ROOMS
from server.live.models import Participant, Slot, Snapshot
from server.media import Picture
from server.web.keys import DATABASE, FILES
from tests.cast import Appointment, Office
from tests.flows.conftest import Client
from tests.flows.rooms import LANGUAGE, RoomClient, bearer, consent, join


async def test_of_two_first_joins_at_once_one_joins_and_the_other_is_told(
    client: Client, app: web.Application, appointment: Appointment
) -> None:
    body = {"invitation": appointment.invitations["enterprise"], "name": "田", "consent": consent()}

    async def attempt() -> tuple[int, str]:
        async with client.post("/api/v1/join", json=body, headers=LANGUAGE) as response:
            answer = await response.json()
            return response.status, answer.get("error", {}).get("code", "")

    found = await asyncio.gather(*(attempt() for _ in range(6)))
    assert sorted(found) == [(201, "")] + [(409, "already_joined")] * 5
    async with app[DATABASE].reading() as session:
        assert await session.scalar(select(func.count()).select_from(Participant)) == 1


async def test_a_reviewer_who_opens_several_consoles_at_once_is_one_participant(
    app: web.Application, office: Office, appointment: Appointment
) -> None:
    joined = await asyncio.gather(
        *(join_as_staff(app[LIVE], app[ROOMS], office.zhou, appointment.id, f"tab {n}") for n in range(4))
    )
    assert len({one.participant.id for one in joined}) == 1


async def test_two_first_publications_at_once_are_one_slot(
    client: Client, app: web.Application, office: Office, appointment: Appointment
) -> None:
    phone = await join(client, appointment.invitations["enterprise"])
    async with app[DATABASE].reading() as session:
        person = await session.get_one(Participant, phone["participant"])
    actor = actor_of(person, office.id)
    found = await asyncio.gather(*(service._slot_row(app[LIVE], actor, "camera") for _ in range(4)))
    assert len({slot for slot, _ in found}) == 1
    async with app[DATABASE].reading() as session:
        assert await session.scalar(select(func.count()).select_from(Slot)) == 1


class Camera:
    """A camera with one grey picture."""

    id = "camera-1"
    live = True
    held = False
    heard_at = None

    def __init__(self) -> None:
        self.asked = 0
        self.fails: Exception | None = None

    async def snapshot(self, rtp_timestamp: int | None) -> Picture:
        self.asked += 1
        if self.fails is not None:
            raise self.fails
        image = np.full((36, 64, 3), 90, np.uint8)
        return Picture(
            image=image, rtp_timestamp=rtp_timestamp or 1, width=64, height=36, captured_at=datetime.now(UTC)
        )

    async def close(self) -> None:
        pass


class Stage:
    """A running inspection with a camera in its room, and the reviewer's seat."""

    def __init__(self, client: Client, app: web.Application, appointment: Appointment) -> None:
        self.client, self.app, self.appointment = client, app, appointment
        self.camera = Camera()
        self.reviewer: dict[str, Any] = {}

    async def set_up(self, office: Office) -> None:
        phone = await join(self.client, self.appointment.invitations["enterprise"])
        self.reviewer = await join(self.client, self.appointment.invitations["reviewer"])
        journal, id_ = self.app[JOURNAL], self.appointment.id
        async with self.app[DATABASE].transaction() as session:
            await inspections.start(session, journal, office.zhou, id_, 1)
            session.add(
                Slot(
                    id="camera-1",
                    inspection_id=id_,
                    participant_id=phone["participant"],
                    source="camera",
                    opened_at=journal.clock.now(),
                )
            )
            body = {"slot": "camera-1", "participant": phone["participant"], "source": "camera"}
            await journal.append(session, id_, "slot.opened", system_actor(), body)
        room = await self.app[ROOMS].open(id_)
        await room.catch_up()
        camera: Any = self.camera
        room._slots["camera-1"] = camera

    async def snap(self, **fields: Any) -> tuple[int, str]:
        body = {"slot": "camera-1", **fields}
        url = f"{self.reviewer['base']}/snapshots"
        async with self.client.post(url, json=body, headers=bearer(self.reviewer)) as response:
            answer = await response.json()
            return response.status, answer.get("error", {}).get("code", "")

    def files(self) -> list[str]:
        folder = self.app[FILES].absolute(f"inspections/{self.appointment.id}/data/snapshots")
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


@pytest.fixture
async def stage(client: Client, app: web.Application, office: Office, appointment: Appointment) -> Stage:
    made = Stage(client, app, appointment)
    await made.set_up(office)
    return made


async def test_a_snapshot_of_an_unknown_item_is_refused_before_anything_is_decoded(stage: Stage) -> None:
    assert await stage.snap(item="no-such-item") == (422, "item_unknown")
    assert (stage.camera.asked, stage.files()) == (0, [])
    assert await stage.snap(item="doorplate") == (201, "")
    assert len(stage.files()) == 1


async def test_a_snapshot_that_cannot_be_recorded_leaves_no_picture(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = service._record_snapshot

    async def fails(*_: object) -> None:
        raise service.NotRunning

    monkeypatch.setattr(service, "_record_snapshot", fails)
    assert await stage.snap() == (409, "inspection_not_live")
    assert stage.files() == []

    async def is_not_heard_of(*told: Any) -> None:
        await record(*told)
        raise service.NotRunning

    # Committed after all: then the picture is evidence and stays.
    monkeypatch.setattr(service, "_record_snapshot", is_not_heard_of)
    assert await stage.snap() == (409, "inspection_not_live")
    async with stage.app[DATABASE].reading() as session:
        recorded = await session.scalar(select(Snapshot.id))
    assert stage.files() == [f"{recorded}.png"]


async def test_a_picture_of_absurd_size_is_refused_in_words(stage: Stage) -> None:
    stage.camera.fails = media.NotSupported("a picture of 90000 x 90000 is too large")
    assert await stage.snap() == (409, "picture_too_large")


async def test_after_the_end_nobody_watches_a_slot(stage: Stage, office: Office) -> None:
    await ending.end(stage.app[LIVE], stage.app[ROOMS], office.zhou, stage.appointment.id)
    headers = {**bearer(stage.reviewer), "Content-Type": "application/sdp"}
    url = f"{stage.reviewer['base']}/whep/camera-1"
    async with stage.client.post(url, data="v=0", headers=headers) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (409, "inspection_not_live")
    room = stage.app[ROOMS].find(stage.appointment.id)
    assert room is None or room.find_slot("camera-1") is None


async def test_who_publishes_while_the_inspection_ends_is_told_so_and_nothing_is_recorded(
    client: Client, app: web.Application, appointment: Appointment, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = await join(client, appointment.invitations["enterprise"])
    socket = await RoomClient.connect(client, phone)
    await socket.hear("hello")
    room = app[ROOMS].find(appointment.id)
    assert room is not None
    slot_row = service._slot_row

    async def ends_meanwhile(*told: Any) -> tuple[str, int]:
        found = await slot_row(*told)
        await room.finish_media()
        return found

    monkeypatch.setattr(service, "_slot_row", ends_meanwhile)
    headers = {**bearer(phone), "Content-Type": "application/sdp"}
    async with client.post(f"{phone['base']}/whip", data="v=0", headers=headers) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (409, "inspection_not_live")
    assert room._slots == {}

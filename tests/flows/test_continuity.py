"""From what happens to a camera, through the room and its scribe, to the gap and its cause in log, ledger and pages."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web

from server import media
from server.accounts.rules import system_actor
from server.clock import rfc3339
from server.ids import new_id
from server.inspections import pausing
from server.inspections import service as inspections
from server.inspections.keys import JOURNAL
from server.inspections.models import Inspection
from server.live.keys import ROOMS
from server.live.models import Slot
from server.live.recording import part_stem
from server.live.room import Room
from server.web.keys import DATABASE, FILES
from tests.cast import Appointment, Office
from tests.clock import SettableClock
from tests.flows.conftest import Client
from tests.flows.rooms import RoomClient, bearer, join

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(START)


@dataclass
class Site:
    """An enterprise's phone in its room; what its camera does is told by the test in the engine's place."""

    client: Client
    app: web.Application
    clock: SettableClock
    appointment: Appointment
    joined: dict[str, Any]
    room: Room
    phone: RoomClient
    slot: str
    parts: int = 0

    @property
    def engine_slot(self) -> media.Slot:
        return cast(media.Slot, SimpleNamespace(id=self.slot))

    def go_to(self, second: float) -> None:
        self.clock.advance(seconds=(START + timedelta(seconds=second) - self.clock.now()).total_seconds())

    def opens(self, second: float) -> media.Part:
        self.parts += 1
        folder = self.app[FILES].absolute(f"inspections/{self.appointment.id}/data/media")
        part = media.Part(
            index=self.parts,
            path=folder / f"{part_stem(self.slot, self.room.epoch, self.parts)}.mp4",
            media_type="video/mp4",
            started_at=START + timedelta(seconds=second),
        )
        self.room.scribe.part_opened(self.engine_slot, part)
        return part

    def closes(self, part: media.Part, second: float) -> None:
        duration_s = (START + timedelta(seconds=second) - part.started_at).total_seconds()
        final = media.Part(
            index=part.index,
            path=part.path,
            media_type=part.media_type,
            started_at=part.started_at,
            duration_s=duration_s,
            size_bytes=1000,
            sha256="ab" * 32,
        )
        self.room.scribe.part_closed(self.engine_slot, final)

    def on_disk(self, part: media.Part, second: float) -> None:
        to_ms = round((START + timedelta(seconds=second) - part.started_at).total_seconds() * 1000)
        segment = SimpleNamespace(index=0, start=0, end=100, from_ms=0, to_ms=to_ms, sha256="cd" * 32)
        self.room.scribe.part_segment(self.engine_slot, part, cast(media.PartSegment, segment))

    async def written(self) -> None:
        await self.room.scribe.drain()

    async def gaps(self) -> dict[str, Any]:
        headers = bearer(self.joined)
        async with self.client.get(f"{self.joined['base']}/gaps", headers=headers) as response:
            answer: dict[str, Any] = await response.json()
            assert response.status == 200, answer
        return {
            **answer,
            "gaps": [(seconds_of(one["from"]), seconds_of(one["to"])) for one in answer["gaps"]],
        }

    async def ledger(self, office: Office) -> list[dict[str, Any]]:
        path = f"/api/v1/inspections/{self.appointment.id}/continuity"
        async with self.client.get(path, headers=office.bearer("auditor")) as response:
            (slot,) = (await response.json())["slots"]
        intervals: list[dict[str, Any]] = slot["intervals"]
        return intervals

    async def noted(self, office: Office) -> list[dict[str, Any]]:
        """The gaps that stand in the log."""
        path = f"/api/v1/inspections/{self.appointment.id}/events"
        async with self.client.get(path, headers=office.bearer("auditor")) as response:
            return [one["body"] for one in await response.json() if one["type"] == "slot.gap"]


def seconds_of(at: str) -> float:
    return round((datetime.fromisoformat(at) - START).total_seconds(), 1)


@pytest.fixture
async def site(
    client: Client, app: web.Application, appointment: Appointment, clock: SettableClock
) -> AsyncIterator[Site]:
    joined = await join(client, appointment.invitations["enterprise"])
    phone = await RoomClient.connect(client, joined)
    await phone.hear("hello")
    room, slot = await app[ROOMS].open(appointment.id), new_id()
    async with app[DATABASE].transaction() as session:
        inspection = await session.get_one(Inspection, appointment.id)
        office = system_actor(inspection.office_id)
        await inspections.start(session, app[JOURNAL], office, appointment.id, room.epoch)
        session.add(
            Slot(
                id=slot,
                inspection_id=appointment.id,
                participant_id=joined["participant"],
                source="camera",
                opened_at=clock.now(),
            )
        )
        body = {"slot": slot, "participant": joined["participant"], "source": "camera"}
        await app[JOURNAL].append(session, appointment.id, "slot.opened", system_actor(), body)
    await room.catch_up()
    yield Site(client, app, clock, appointment, joined, room, phone, slot)


async def test_what_is_not_on_the_disk_yet_is_not_settled(site: Site, office: Office) -> None:
    assert (await site.gaps())["settled"] is None
    site.go_to(10)
    site.room.scribe.slot_live(site.engine_slot)
    part = site.opens(10)
    site.go_to(100)  # a disk that is slow: the recorder's queue has most of it
    site.on_disk(part, 14.5)
    await site.written()
    assert seconds_of((await site.gaps())["settled"]) == 14.5
    site.on_disk(part, 97)
    await site.written()
    assert seconds_of((await site.gaps())["settled"]) == pytest.approx(90, abs=5)


async def test_after_the_end_the_backlog_of_a_recorder_is_not_settled_either(
    site: Site, office: Office, app: web.Application, appointment: Appointment
) -> None:
    part = site.opens(0)
    site.go_to(60)
    site.on_disk(part, 20)
    await site.written()
    async with app[DATABASE].transaction() as session:
        inspection = await session.get_one(Inspection, appointment.id)
        actor = system_actor(inspection.office_id)
        await inspections.end(session, app[JOURNAL], actor, appointment.id, "completed")
    assert seconds_of((await site.gaps())["settled"]) == 20
    site.closes(part, 60)
    await site.written()
    assert seconds_of((await site.gaps())["settled"]) >= 60


async def test_a_camera_of_which_nothing_was_recorded_is_asked_for_from_its_beginning(site: Site) -> None:
    site.go_to(5)
    site.room.scribe.slot_live(site.engine_slot)
    part = site.opens(5)
    site.room.scribe.recording_failed(site.engine_slot, "disk_full")
    site.closes(part, 5)
    site.go_to(40)
    await site.written()
    ((start, _),) = (await site.gaps())["gaps"]
    assert start == 5


async def test_a_picture_that_stops_while_the_sound_goes_on_is_a_gap_that_the_phone_fills(
    site: Site, office: Office
) -> None:
    site.room.scribe.slot_live(site.engine_slot)
    site.opens(0)
    site.go_to(12)
    site.room.scribe.slot_lacking(site.engine_slot, "video", START + timedelta(seconds=10))
    await site.phone.hear_event("slot.lacking")
    await site.room.catch_up()
    assert site.room.hub.state.slots[site.slot].lacking == {"video"}
    site.go_to(40)
    site.room.scribe.slot_complete(site.engine_slot, "video", START + timedelta(seconds=40))
    gap = (await site.phone.hear_event("slot.gap"))["body"]
    assert (seconds_of(gap["from"]), seconds_of(gap["to"]), gap["cause"]) == (10, 40, "picture_stopped")
    assert site.room.hub.state.slots[site.slot].lacking == set()
    assert (10, 40) in (await site.gaps())["gaps"]
    assert [(one["kind"], one["lacks"]) for one in await site.ledger(office)][:2] == [
        ("received", []),
        ("gap", ["picture"]),
    ]


async def test_a_pause_is_no_gap_that_a_phone_fills(
    site: Site, office: Office, app: web.Application, appointment: Appointment
) -> None:
    scribe, reviewer = site.room.scribe, office.zhou
    scribe.slot_live(site.engine_slot)
    part = site.opens(0)
    site.go_to(10)
    site.closes(part, 10)
    scribe.slot_interrupted(site.engine_slot, "no_media")
    await site.written()
    for second, verb in ((30, "pause"), (60, "resume")):
        site.go_to(second)
        async with app[DATABASE].transaction() as session:
            if verb == "pause":
                await pausing.pause(session, app[JOURNAL], reviewer, appointment.id, "午休")
            else:
                await pausing.resume(session, app[JOURNAL], reviewer, appointment.id)
    site.go_to(61)
    site.opens(61)
    await site.written()
    answer = await site.gaps()
    assert answer["gaps"] == [(10, 30)]
    assert [(seconds_of(one["from"]), seconds_of(one["to"])) for one in answer["pauses"]] == [(30, 60)]

    async def announced(start: float, duration_s: float) -> tuple[int, str]:
        body = {
            "run": f"run-{start}-{duration_s}",
            "media_type": "video/webm",
            "started_at": rfc3339(START + timedelta(seconds=start)),
            "duration_s": duration_s,
            "chunks": [{"size": 10, "sha256": "ab" * 32}],
        }
        url, headers = f"{site.joined['base']}/recordings", bearer(site.joined)
        async with site.client.post(url, json=body, headers=headers) as response:
            answer = await response.json()
            return response.status, answer.get("error", answer).get("code", "")

    assert await announced(12, 19) == (201, "")  # its last second was on the way when the pause began
    assert await announced(20, 20) == (409, "recording_of_a_pause")
    assert await announced(35, 20) == (409, "recording_not_needed")


Happening = Callable[[Site], Awaitable[object]]


def says(**message: Any) -> Happening:
    async def say(site: Site) -> None:
        values = {name: site.slot if value is ... else value for name, value in message.items()}
        assert (await site.phone.say(**values))["type"] == "ack"

    return say


def interrupted(cause: str) -> Happening:
    async def interrupt(site: Site) -> None:
        site.room.scribe.slot_interrupted(site.engine_slot, cause)
        await site.written()

    return interrupt


async def recording_fails(site: Site) -> None:
    site.room.scribe.recording_failed(site.engine_slot, "queue_overflow")
    await site.written()


async def another_device_goes_on(site: Site) -> None:
    site.joined = await join(site.client, site.appointment.invitations["enterprise"], takeover=True)
    site.phone = await RoomClient.connect(site.client, site.joined)


@pytest.mark.parametrize(
    ("happenings", "cause", "by", "is_asked_for"),
    [
        ((interrupted("no_media"),), "network_lost", None, True),
        ((says(type="device", state="hidden"), interrupted("no_media")), "page_hidden", "田继业", True),
        (
            (says(type="device", state="camera_ended"), interrupted("no_media")),
            "camera_ended",
            "田继业",
            True,
        ),
        (
            (says(type="device", state="camera_black"), interrupted("no_media")),
            "camera_black",
            "田继业",
            True,
        ),
        (
            (says(type="mute", slot=..., kind="video", muted=True), interrupted("no_media")),
            "muted",
            "田继业",
            False,
        ),
        ((recording_fails,), "recording_failed", None, True),
        ((another_device_goes_on, interrupted("closed")), "replaced", "田继业", True),
        ((interrupted("closed"), says(type="leave")), "left", "田继业", False),
        ((interrupted("closed"),), "closed", "田继业", True),
        ((interrupted("worker_restarted"),), "worker_restarted", None, True),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_gap_has_the_cause_that_the_room_heard_of(
    site: Site,
    office: Office,
    happenings: tuple[Happening, ...],
    cause: str,
    by: str | None,
    is_asked_for: bool,
) -> None:
    site.room.scribe.slot_live(site.engine_slot)
    part = site.opens(0)
    await site.written()
    site.go_to(10)
    for happening in happenings:
        await happening(site)
    site.closes(part, 10)
    site.go_to(40)
    site.room.scribe.slot_live(site.engine_slot)
    site.opens(40)
    await site.written()
    (gap,) = await site.noted(office)
    assert (seconds_of(gap["from"]), seconds_of(gap["to"])) == (10, 40)
    assert (gap["cause"], gap["by"]) == (cause, by)
    (told,) = [one for one in await site.ledger(office) if one["kind"] == "gap"]
    assert (told["cause"], told["by"]) == (cause, by)
    assert ((10, 40) in (await site.gaps())["gaps"]) is is_asked_for


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("zh-CN", ("已收到，但无声音", "画面中断，声音仍在")),
        ("en", ("received without sound", "The picture stopped")),
    ],
)
async def test_the_inspections_page_tells_what_received_stretches_lacked(
    site: Site, office: Office, language: str, words: tuple[str, ...]
) -> None:
    site.room.scribe.slot_live(site.engine_slot)
    part = site.opens(0)
    await site.written()
    site.go_to(10)
    await says(type="mute", slot=..., kind="audio", muted=True)(site)
    site.go_to(20)
    await says(type="mute", slot=..., kind="audio", muted=False)(site)
    site.go_to(32)
    site.room.scribe.slot_lacking(site.engine_slot, "video", START + timedelta(seconds=30))
    site.go_to(40)
    site.room.scribe.slot_complete(site.engine_slot, "video", START + timedelta(seconds=40))
    site.closes(part, 60)
    await site.written()
    headers = {**office.bearer("reviewer"), "Accept-Language": language}
    async with site.client.get(f"/inspections/{site.appointment.id}", headers=headers) as response:
        page = await response.text()
    row = page.partition('data-lacks="sound"')[2].partition("</tr>")[0]
    assert "16:00:10 – 16:00:20" in row
    assert "田继业" in row
    row = page.partition('data-cause="picture_stopped"')[2].partition("</tr>")[0]
    assert "16:00:30 – 16:00:40" in row
    for word in words:
        assert word in page

"""The simulated phone from the link to the end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import av
import pytest

from server.demo import lines, phone
from server.demo.errors import Refused
from tests.unit.demo.service import Service, refused

REVIEWER = {"type": "presence", "participants": [{"id": "r", "role": "reviewer", "online": True}]}
HELLO = {"type": "hello", "seq": 3, "state": "live"}


def chat(seq: int, actor: str) -> dict[str, Any]:
    return {
        "type": "event",
        "event": {"seq": seq, "type": "chat.sent", "actor": {"id": actor}, "body": {"text": "?"}},
    }


@asynccontextmanager
async def running_phone(address: str) -> AsyncIterator[tuple[asyncio.Event, asyncio.Task[None]]]:
    stop = asyncio.Event()
    task = asyncio.create_task(phone.run(address, "link", "王芳", verify_tls=True, stop=stop, language="en"))
    try:
        yield stop, task
    finally:
        stop.set()
        await asyncio.wait_for(asyncio.gather(task, return_exceptions=True), 20)


async def test_it_publishes_at_once_and_goes_when_the_inspection_ends(service: Service, address: str) -> None:
    async with running_phone(address) as (_, task):
        await service.until(lambda: len(service.tracks) == 2 and bool(service.heard("location")))
        video = next(track for track in service.tracks if track.kind == "video")
        frame = await asyncio.wait_for(video.recv(), 20)
        assert isinstance(frame, av.VideoFrame)
        assert (frame.width, frame.height) == (1280, 720)
        await service.tell(type="bye", code="ended")
        await asyncio.wait_for(task, 20)
    assert service.deleted == ["1"]
    assert service.heard("leave") == []


async def test_it_tells_where_it_is(service: Service, address: str) -> None:
    async with running_phone(address):
        await service.until(lambda: bool(service.heard("location")))
    fix = service.heard("location")[0]
    assert (fix["lat"], fix["lon"], fix["accuracy_m"]) == phone.SITE.fix(0)
    assert fix["permission"] == "granted"
    assert fix["taken_at"].endswith("Z")


async def test_it_greets_a_reviewer_and_answers_only_what_is_new_and_not_its_own(
    service: Service, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phone, "ANSWER_AFTER_S", 0.0)
    service.greeting = [HELLO, chat(2, "r"), chat(3, "r"), chat(4, "me"), REVIEWER]
    async with running_phone(address):
        await service.until(lambda: len(service.heard("chat")) == 1)
        await service.tell(**chat(5, "r"))
        await service.until(lambda: len(service.heard("chat")) == 2)
    greeting, answer = (message["text"] for message in service.heard("chat"))
    assert greeting == lines.GREETING
    assert answer in {lines.answer(0, place, str) for place in lines.PLACES}


async def test_it_says_nothing_to_an_empty_room(service: Service, address: str) -> None:
    async with running_phone(address):
        await service.until(lambda: bool(service.heard("location")) and bool(service.tracks))
    assert service.heard("chat") == []


async def test_stopping_it_leaves_the_room_and_the_slot(service: Service, address: str) -> None:
    async with running_phone(address) as (stop, task):
        await service.until(lambda: bool(service.tracks) and bool(service.sockets))
        stop.set()
        await asyncio.wait_for(task, 20)
    assert len(service.heard("leave")) == 1


async def test_a_lost_connection_is_published_anew(service: Service, address: str) -> None:
    async with running_phone(address):
        await service.until(lambda: len(service.tracks) == 2)
        await service.until_connected()
        await service.connections[0].close()
        await service.until(lambda: len(service.tracks) == 4)


async def test_a_picture_that_the_service_does_not_receive_is_published_anew(
    service: Service, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.demo.watch.PATIENCE_S", 0.0)
    monkeypatch.setattr("server.demo.watch.GRACE_S", 0.0)
    monkeypatch.setattr(phone, "CHECK_EVERY_S", 0.02)
    async with running_phone(address):
        await service.until(lambda: len(service.tracks) == 2 and bool(service.sockets))
        await service.until_connected()
        # Once is enough: the service says a thing again only when it changes.
        await service.tell(type="media", slots=[{"participant": "me", "live": False}])
        await service.until(lambda: len(service.connections) == 2)
        assert service.deleted[0] == "1"
        await service.tell(type="media", slots=[{"participant": "me", "live": True}])


async def test_a_service_that_declines_the_camera_is_asked_again(service: Service, address: str) -> None:
    service.whip_refusal = refused(503, "restarting")
    async with running_phone(address):
        await service.until(lambda: bool(service.heard("location")))
        service.whip_refusal = None
        await service.until(lambda: len(service.tracks) == 2)


async def test_an_invitation_that_is_void_is_told_at_once(service: Service, address: str) -> None:
    service.join_answers = [refused(404, "invitation_unknown")]
    with pytest.raises(Refused, match="invitation_unknown"):
        await phone.run(address, "link", "王芳", verify_tls=True, stop=asyncio.Event())

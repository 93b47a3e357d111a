"""The room's WebSocket as the phone sees it."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import ClientSession

from server.demo.errors import Refused, ServiceUnreachable
from server.demo.joining import Joined
from server.demo.room import Bye, Happened, Hello, Lost, Media, Presence, RoomClient, parse
from tests.unit.demo.service import Service

HELLO = {
    "type": "hello",
    "seq": 4,
    "state": "live",
    "now": "",
    "participant": "me",
    "role": "",
    "inspection": "",
}
BYE = {"type": "bye", "code": "ended"}


def event(seq: int) -> dict[str, Any]:
    inner = {
        "seq": seq,
        "type": "chat.sent",
        "actor": {"id": "r"},
        "at": "",
        "body": {"text": "x"},
        "prev": "",
        "link": "",
    }
    return {"type": "event", "event": inner}


def no_waits() -> Iterator[float]:
    return iter([0.0] * 3)


@pytest.mark.parametrize(
    ("message", "value"),
    [
        (HELLO, Hello(4, "live")),
        (event(7), Happened(7, "chat.sent", {"id": "r"}, {"text": "x"})),
        ({"type": "presence", "participants": [{"id": "a"}]}, Presence(({"id": "a"},))),
        ({"type": "media", "slots": []}, Media(())),
        ({"type": "bye", "code": "ended"}, Bye("ended")),
        ({"type": "bye", "code": "restarting"}, Lost()),
        ({"type": "tomorrow", "x": 1}, None),
        ({"type": "ack", "re": "1"}, None),
        ({}, None),
    ],
)
def test_server_messages_become_values(message: dict[str, Any], value: object) -> None:
    assert parse(message) == value


@pytest.mark.parametrize(
    ("online", "role", "here"),
    [(True, "reviewer", True), (False, "reviewer", False), (True, "observer", False)],
)
def test_presence_tells_whether_a_reviewer_is_here(online: bool, role: str, here: bool) -> None:
    assert Presence(({"online": online, "role": role},)).has_reviewer() is here


def test_media_tells_whether_what_we_publish_arrives() -> None:
    media = Media(({"participant": "me", "live": True}, {"participant": "you", "live": False}))
    assert media.is_live("me")
    assert not media.is_live("you")
    assert not media.is_live("nobody")


async def test_messages_come_in_order_until_the_bye(
    session: ClientSession, service: Service, joined: Joined
) -> None:
    service.greeting = [HELLO, event(1), event(2), BYE]
    async with asyncio.timeout(10), RoomClient(session, joined) as room:
        seen = [message async for message in room]
    assert [type(message) for message in seen] == [Hello, Happened, Happened, Bye]
    assert [p.replace(" ", "") for p in service.protocols] == ["yunkan.v1,bearer.participant-token"]


async def test_a_client_that_comes_back_asks_for_what_it_missed(
    session: ClientSession, service: Service, joined: Joined
) -> None:
    service.greeting = [HELLO, event(5)]
    async with asyncio.timeout(10), RoomClient(session, joined, waits=no_waits) as room:
        async for message in room:
            match message:
                case Happened() if len(service.sockets) == 1:
                    service.greeting = [HELLO, BYE]
                    await service.sockets[0].close()
                case Bye():
                    break
    assert service.after == [0, 5]


async def test_a_restarting_service_is_come_back_to(
    session: ClientSession, service: Service, joined: Joined
) -> None:
    service.greeting = [{"type": "bye", "code": "restarting"}]
    async with asyncio.timeout(10), RoomClient(session, joined, waits=no_waits) as room:
        await service.until(lambda: len(service.sockets) == 1)
        service.greeting = [BYE]
        await service.sockets[0].close()
        seen = [message async for message in room]
    assert seen == [Lost(), Bye("ended")]


@pytest.mark.parametrize(
    ("status", "code"), [(410, "ended"), (401, "removed"), (403, "removed"), (404, "removed")]
)
async def test_a_room_that_does_not_let_us_in_again_is_the_end(
    session: ClientSession, service: Service, joined: Joined, status: int, code: str
) -> None:
    service.room_status = status
    async with asyncio.timeout(10), RoomClient(session, joined, waits=no_waits) as room:
        assert [message async for message in room] == [Bye(code)]


async def test_a_service_that_stays_away_ends_the_waiting(
    session: ClientSession, service: Service, joined: Joined
) -> None:
    service.room_status = 503
    async with asyncio.timeout(10), RoomClient(session, joined, waits=no_waits) as room:
        with pytest.raises(ServiceUnreachable):
            async for message in room:
                assert message == Lost()


async def test_an_ack_answers_its_own_message(
    session: ClientSession, service: Service, joined: Joined
) -> None:
    service.answer = lambda m: {"type": "ack", "re": m["id"], "seq": 10 + int(m["id"])}
    async with asyncio.timeout(10), RoomClient(session, joined) as room:
        await service.until(lambda: len(service.sockets) == 1)
        assert await anext(aiter(room)) == Hello(0, "live")
        answers = await asyncio.gather(room.send("chat", text="a"), room.send("ping"))
    assert list(answers) == [11, 12]
    assert service.said[0] == {"type": "chat", "id": "1", "text": "a"}


async def test_a_message_the_room_refuses_says_why(
    session: ClientSession, service: Service, joined: Joined
) -> None:
    service.answer = lambda m: {"type": "error", "re": m["id"], "code": "forbidden", "message": "no"}
    async with asyncio.timeout(10), RoomClient(session, joined) as room:
        assert await anext(aiter(room)) == Hello(0, "live")
        with pytest.raises(Refused, match="forbidden"):
            await room.send("chat", text="a")


async def test_nothing_can_be_said_without_a_connection(session: ClientSession, joined: Joined) -> None:
    with pytest.raises(ConnectionError):
        await RoomClient(session, joined).send("ping")


async def test_a_connection_that_breaks_fails_what_was_being_said(
    session: ClientSession, service: Service, joined: Joined
) -> None:
    service.answer = lambda m: {"type": "nothing"}
    async with asyncio.timeout(10), RoomClient(session, joined, waits=no_waits) as room:
        assert await anext(aiter(room)) == Hello(0, "live")
        saying = asyncio.create_task(room.send("chat", text="a"))
        await service.until(lambda: bool(service.said))
        await service.sockets[0].close()
        with pytest.raises(ConnectionError):
            await saying

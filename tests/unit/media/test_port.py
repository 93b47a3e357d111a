"""The one socket: who gets a datagram, and what strangers can do with it."""

import asyncio
import random
import socket
import time
from collections.abc import AsyncIterator

import pytest
from aioice import stun

from server.media.bridge import BindingRequest
from server.media.ice import Address, IceLite
from server.media.port import MediaPort


class Peer:
    def __init__(self) -> None:
        self.ice = IceLite()
        self.media: list[bytes] = []
        self.dtls: list[bytes] = []
        self.arrived = asyncio.Event()
        self.breaks = False
        self.heard_at = 0.0

    def media_received(self, datagram: bytes, now: float) -> None:
        if self.breaks:
            raise RuntimeError("on purpose")
        self.media.append(datagram)
        self.arrived.set()

    def dtls_received(self, datagram: bytes) -> None:
        self.dtls.append(datagram)
        self.arrived.set()

    def was_heard_since(self, moment: float) -> bool:
        return self.heard_at > moment

    def checked(self, request: BindingRequest, source: Address, now: float) -> tuple[bytes | None, bool]:
        return self.ice.check(request, source, now)


@pytest.fixture
async def port() -> AsyncIterator[MediaPort]:
    opened = await MediaPort.open("127.0.0.1", 0)
    yield opened
    opened.close()


@pytest.fixture
async def peer(port: MediaPort) -> Peer:
    made = Peer()
    port.register(made.ice.credentials.ufrag, made)
    return made


class Client:
    """A bare UDP socket of somebody."""

    def __init__(self, port: MediaPort) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind(("127.0.0.1", 0))
        self._to = port.address

    def send(self, datagram: bytes) -> None:
        self.socket.sendto(datagram, self._to)

    async def receive(self) -> bytes:
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.socket, 2048), 5)

    async def check(self, ice: IceLite, password: str | None = None) -> None:
        message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        message.attributes["USERNAME"] = f"{ice.credentials.ufrag}:x"
        message.add_message_integrity((password or ice.credentials.password).encode())
        self.send(bytes(message))

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


async def handled(port: MediaPort, count: int) -> None:
    while port.counters.received < count:  # noqa: ASYNC110 - the port counts, it does not signal
        await asyncio.sleep(0.001)


async def test_datagrams_are_told_apart_by_their_first_byte(port: MediaPort, peer: Peer) -> None:
    with Client(port) as client:
        await client.check(peer.ice)
        assert stun.parse_message(await client.receive()).message_class == stun.Class.RESPONSE
        client.send(b"\x80media")
        client.send(b"\x16dtls")
        client.send(b"\xff?")
        client.send(b"\x40?")
        client.send(b"x")
        await handled(port, 6)
        assert peer.media == [b"\x80media"]
        assert peer.dtls == [b"\x16dtls"]
        assert port.counters.unknown == 3


async def test_media_from_an_address_that_was_not_checked_reaches_nobody(port: MediaPort, peer: Peer) -> None:
    with Client(port) as client:
        client.send(b"\x80media")
        await client.check(peer.ice, password="x" * 24)
        client.send(b"\x80media")
        await handled(port, 3)
    assert peer.media == []
    assert (port.counters.unknown, port.counters.rejected_checks) == (2, 1)


async def test_a_session_that_ended_gets_nothing_more(port: MediaPort, peer: Peer) -> None:
    with Client(port) as client:
        await client.check(peer.ice)
        await client.receive()
        port.unregister(peer)
        client.send(b"\x80media")
        await client.check(peer.ice)
        await handled(port, 3)
    assert peer.media == []
    assert port.counters.rejected_checks == 1


async def test_an_error_in_one_session_does_not_reach_the_others(
    port: MediaPort, peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    other = Peer()
    port.register(other.ice.credentials.ufrag, other)
    with Client(port) as first, Client(port) as second:
        await first.check(peer.ice)
        await second.check(other.ice)
        await first.receive()
        await second.receive()
        peer.breaks = True
        first.send(b"\x80one")
        second.send(b"\x80two")
        await asyncio.wait_for(other.arrived.wait(), 5)
    assert other.media == [b"\x80two"]
    assert port.counters.failures == 1
    assert "on purpose" in caplog.text


async def test_random_datagrams_harm_nobody(port: MediaPort, peer: Peer) -> None:
    chance = random.Random(7)
    with Client(port) as client:
        await client.check(peer.ice)
        await client.receive()
        sent = 1
        for _ in range(3000):
            size = chance.choice((1, 2, 5, 20, 28, 60, 1400))
            datagram = chance.randbytes(size)
            if chance.random() < 0.5:
                datagram = (
                    b"\x00\x01" + (size & 0xFFFC).to_bytes(2, "big") + b"\x21\x12\xa4\x42" + datagram
                )[:1400]
            client.send(datagram)
            sent += 1
            if sent % 50 == 0:
                await handled(port, sent)
        await handled(port, sent)
        assert port.counters.failures == 0
        await client.check(peer.ice)
        while stun.parse_message(await client.receive()).message_class != stun.Class.RESPONSE:
            pass


async def test_an_address_from_which_somebody_is_heard_is_not_given_to_another(
    port: MediaPort, peer: Peer
) -> None:
    other = Peer()
    port.register(other.ice.credentials.ufrag, other)
    with Client(port) as client:
        await client.check(peer.ice)
        await client.receive()
        peer.heard_at = time.monotonic()
        await client.check(other.ice)  # as if somebody with a link of their own forged the source
        client.send(b"\x80media")
        await asyncio.wait_for(peer.arrived.wait(), 5)
        assert (peer.media, other.media) == ([b"\x80media"], [])
        assert port.counters.rejected_checks == 1
        peer.heard_at = time.monotonic() - 6
        await client.check(other.ice)
        client.send(b"\x80again")
        await asyncio.wait_for(other.arrived.wait(), 5)
        assert other.media == [b"\x80again"]


async def test_an_address_that_is_dropped_is_its_peers_no_more(port: MediaPort, peer: Peer) -> None:
    with Client(port) as client:
        await client.check(peer.ice)
        await client.receive()
        port.forget_address(client.socket.getsockname(), Peer())
        client.send(b"\x80one")
        await handled(port, 2)
        port.forget_address(client.socket.getsockname(), peer)
        client.send(b"\x80two")
        await handled(port, 3)
    assert peer.media == [b"\x80one"]


async def test_many_datagrams_are_gathered_and_few_are_handled_as_they_come(
    port: MediaPort, peer: Peer
) -> None:
    with Client(port) as client:
        await client.check(peer.ice)
        await client.receive()
        assert port._gathering is None
        sent = 1
        while port._gathering is None:
            for _ in range(20):
                client.send(b"\x80media")
                sent += 1
            await handled(port, sent)
        client.send(b"\x80last")
        await handled(port, sent + 1)
        assert peer.media == [b"\x80media"] * (sent - 1) + [b"\x80last"]
        while port._gathering is not None:  # noqa: ASYNC110 - nothing comes any more
            await asyncio.sleep(0.005)
        client.send(b"\x80one")
        await handled(port, sent + 2)
        assert peer.media[-1] == b"\x80one"


async def test_sending_to_nowhere_is_a_lost_packet(port: MediaPort) -> None:
    port.send(b"x", ("203.0.113.1", 0))
    assert port.counters.unsent == 1


async def test_a_port_that_is_taken_is_an_error(port: MediaPort) -> None:
    with pytest.raises(OSError, match="in use"):
        await MediaPort.open("127.0.0.1", port.address[1])


async def test_closing_twice_is_harmless(port: MediaPort) -> None:
    port.close()
    port.close()

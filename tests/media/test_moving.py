"""A phone behind a NAT that gives it another address in mid-stream."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator

import pytest
from aiortc import RTCSessionDescription

from server.media import MediaEngine, Slot
from tests.media.conftest import Peers
from tests.media.peers import Observer, until
from tests.peers.flash_beep import BeepTrack
from tests.peers.pacing import Epoch


class Nat:
    """Passes datagrams between one peer and the engine; `rebind` changes the address that the engine sees."""

    def __init__(self, engine: MediaEngine) -> None:
        self._loop = asyncio.get_running_loop()
        self._engine = ("127.0.0.1", engine.port)
        self._inner = self._bound(self._outward)
        self._outer = self._bound(self._inward)
        self._peer: tuple[str, int] | None = None
        self.port: int = self._inner.getsockname()[1]

    def _bound(self, handler: object) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setblocking(False)
        made.bind(("127.0.0.1", 0))
        self._loop.add_reader(made.fileno(), handler)  # type: ignore[arg-type]
        return made

    def _outward(self) -> None:
        datagram, self._peer = self._inner.recvfrom(2048)
        self._outer.sendto(datagram, self._engine)

    def _inward(self) -> None:
        datagram, _ = self._outer.recvfrom(2048)
        if self._peer is not None:
            self._inner.sendto(datagram, self._peer)

    def rebind(self) -> None:
        self._loop.remove_reader(self._outer.fileno())
        self._outer.close()
        self._outer = self._bound(self._inward)

    def close(self) -> None:
        for item in (self._inner, self._outer):
            self._loop.remove_reader(item.fileno())
            item.close()


@pytest.fixture
async def nat(engine: MediaEngine) -> AsyncIterator[Nat]:
    made = Nat(engine)
    yield made
    made.close()


async def test_a_phone_whose_address_changes_goes_on_in_the_same_session(
    slot: Slot, observer: Observer, peers: Peers, nat: Nat
) -> None:
    phone = peers.phone(BeepTrack(Epoch()))
    await phone.connection.setLocalDescription(await phone.connection.createOffer())
    session = await slot.publish(phone.connection.localDescription.sdp)
    answer = re.sub(r"127\.0\.0\.1 \d+ typ host", f"127.0.0.1 {nat.port} typ host", session.answer_sdp)
    await phone.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    await observer.wait_for("live")
    before = session.transport.selected
    nat.rebind()
    await observer.wait_for("live", 2, timeout_s=30)
    await until(lambda: session.transport.selected != before)
    assert not session.closed
    assert slot.publisher is session

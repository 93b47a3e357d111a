"""A piece of network between a browser and the service that a test can cut or move: TCP for HTTP, UDP for media.

A cut is silent, as that of a phone out of coverage: nothing is refused or closed, packets just do not arrive.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from types import TracebackType

from tests.peers.weather import Way, Weather

Address = tuple[str, int]

BLOCK = 1 << 16
QUEUE_S = 0.4
"""What a narrow way holds back before it drops: as a home router or a base station does."""

REWRITE_PORTS = """
globalThis.relayPort = %d;
const real = RTCPeerConnection.prototype.setRemoteDescription;
RTCPeerConnection.prototype.setRemoteDescription = function (description) {
  const sdp = description.sdp.replaceAll(" %d typ host", ` ${relayPort} typ host`);
  return real.call(this, {type: description.type, sdp});
};
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """The header of a media packet, which SRTP leaves in clear, and whether it got through."""

    at: float
    payload_type: int
    timestamp: int
    lost: bool


class Relay:
    """`async with Relay(http, media) as relay`: `relay.address` for the browser, `relay.script` for its pages.

    The weather of `up` (from the browser) and `down` is clear until a test says otherwise.
    """

    def __init__(self, http: Address, media: Address, *, seed: int = 1) -> None:
        self.up, self.down = Way(seed), Way(seed + 1)
        self.seen_up: list[Seen] = []
        self.seen_down: list[Seen] = []
        self._http = http
        self._media = media
        self._passing = asyncio.Event()
        self._passing.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._inside: dict[Address, asyncio.DatagramTransport] = {}
        self._deserted: list[asyncio.DatagramTransport] = []
        self.datagrams_dropped = 0
        self.uplink_bps: float | None = None
        "What the way from the browser carries; None for anything."
        self._free_at = 0.0
        self.offered: list[tuple[float, int]] = []
        "When the browser sent, and how many bytes."
        self.passed: list[tuple[float, int]] = []
        "When media left the narrow way, and its payload type."
        self.media_up: list[float] = []
        self.media_down: list[float] = []
        "When media datagrams went through, towards the service and from it (the loop's time)."

    async def __aenter__(self) -> "Relay":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self._outside = await self._open_outside()
        return self

    async def _open_outside(self) -> asyncio.DatagramTransport:
        opened: list[asyncio.DatagramTransport] = []
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Datagrams(lambda data, source: self._from_browser(opened[0], data, source)),
            local_addr=("127.0.0.1", 0),
        )
        opened.append(transport)
        return transport

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        for transport in (self._outside, *self._deserted, *self._inside.values()):
            transport.close()
        # Sockets close in the next turn of the loop.
        await asyncio.sleep(0)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def script(self) -> str:
        """For `add_init_script`: media goes to the relay's port instead of the service's."""
        return REWRITE_PORTS % (self.port, self._media[1])

    @property
    def port(self) -> int:
        """Where media goes in now; pages read it from `relayPort`."""
        port: int = self._outside.get_extra_info("sockname")[1]
        return port

    async def move(self) -> None:
        """Media goes another way: what still comes to the port before, or back on its behalf, is lost."""
        self._deserted.append(self._outside)
        self._outside = await self._open_outside()

    def change_weather(self, weather: Weather, now: float) -> None:
        """In both directions, from `now` on (the loop's time)."""
        self.up.change(weather, now)
        self.down.change(weather, now)

    def cut(self) -> None:
        self._passing.clear()

    def mend(self) -> None:
        self._passing.set()

    # -- TCP ---------------------------------------------------------------------------------------

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._passing.wait()
            with suppress(OSError):
                await self._join(reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(*self._http)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, inner_writer))
                group.create_task(self._pump(inner_reader, writer))
        except* OSError:
            pass
        finally:
            inner_writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while block := await reader.read(BLOCK):
            await self._passing.wait()
            writer.write(block)
            await writer.drain()
        with suppress(OSError):
            writer.write_eof()

    # -- UDP ---------------------------------------------------------------------------------------

    def _from_browser(self, outside: asyncio.DatagramTransport, data: bytes, source: Address) -> None:
        if not self._passing.is_set() or outside is not self._outside:
            self.datagrams_dropped += 1
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        self.offered.append((now, len(data)))
        leaves = self.up.leaves_at(now)
        _note(self.seen_up, data, now, leaves)
        if leaves is None:
            self.datagrams_dropped += 1
            return
        if is_media(data):
            self.media_up.append(now)
        if self.uplink_bps is None:
            if leaves > now:
                loop.call_at(leaves, self._to_service, outside, data, source)
            else:
                self._to_service(outside, data, source)
            return
        starts = max(now, self._free_at)
        if starts - now > QUEUE_S:
            self.datagrams_dropped += 1
            return
        self._free_at = starts + len(data) * 8 / self.uplink_bps
        if is_media(data):
            self.passed.append((self._free_at, data[1] & 0x7F))
        loop.call_at(self._free_at, self._to_service, outside, data, source)

    def offered_bps(self, seconds: float = 2.0) -> float:
        """What the browser sent over the last seconds."""
        begin = asyncio.get_running_loop().time() - seconds
        return sum(size for at, size in self.offered if at >= begin) * 8 / seconds

    def _to_service(self, outside: asyncio.DatagramTransport, data: bytes, source: Address) -> None:
        if (transport := self._inside.get(source)) is not None:
            if not transport.is_closing():
                transport.sendto(data, self._media)
            return
        task = asyncio.ensure_future(self._open(outside, data, source))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open(self, outside: asyncio.DatagramTransport, data: bytes, source: Address) -> None:
        """Each of the browser's sockets gets one of its own towards the service."""

        def back(answer: bytes, _: Address) -> None:
            if not self._passing.is_set() or outside is not self._outside:
                return
            now = loop.time()
            leaves = self.down.leaves_at(now)
            _note(self.seen_down, answer, now, leaves)
            if leaves is None:
                self.datagrams_dropped += 1
                return
            if is_media(answer):
                self.media_down.append(now)
            if leaves > now:
                loop.call_at(leaves, send, answer)
            else:
                send(answer)

        def send(answer: bytes) -> None:
            if not outside.is_closing():
                outside.sendto(answer, source)

        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(back), local_addr=("127.0.0.1", 0)
        )
        if source in self._inside:
            transport.close()
        self._inside.setdefault(source, transport).sendto(data, self._media)


def _note(seen: list[Seen], datagram: bytes, at: float, leaves: float | None) -> None:
    if is_media(datagram) and len(datagram) >= 12:
        timestamp = int.from_bytes(datagram[4:8], "big")
        seen.append(Seen(at, datagram[1] & 0x7F, timestamp, leaves is None))


def is_media(datagram: bytes) -> bool:
    """SRTP, not SRTCP."""
    return len(datagram) > 1 and 127 < datagram[0] < 192 and not 192 <= datagram[1] <= 223


def longest_gap(times: list[float], after: float) -> float:
    """Seconds of the longest pause that ended after `after`."""
    return max((late - early for early, late in pairwise(times) if late >= after), default=float("inf"))


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, take: Callable[[bytes, Address], None]) -> None:
        self._take = take

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._take(data, addr)

    def error_received(self, exc: Exception) -> None:
        """The service is down for a moment: an ICMP error, nothing to do."""

"""The load: one thread that sends every publisher's packets when they are due and counts every viewer's."""

from __future__ import annotations

import contextlib
import gc
import heapq
import select
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from server.bench.clip import Clip, Kind
from server.bench.peer import SO_TIMESTAMPNS, Peer
from server.bench.sdp import H264, OPUS
from server.bench.streams import EncodedStream, ForwardedStream, Source, Stream
from server.media.rtcp import (
    Packet,
    ReceiverReport,
    ReportBlock,
    SenderReport,
    SourceDescription,
    compound,
    ntp_from_seconds,
)

T = TypeVar("T")

_REPORT_EVERY_S = 1.0
_REPORTS_PER_CHECK = 4
_MAX_DATAGRAM = 2048
_ANCILLARY = 64
_TIMESPEC = struct.Struct("qq")
# Publishers begin at different moments of the clip, as phones do: their keyframes do not coincide.
_GOLDEN = 0.618034
_SPREAD_S = 2.0
_IDLE_S = 0.05


class Timed(Protocol):
    def run(self, now: float) -> float: ...


class Connection:
    """What a peer needs while media flows: answers to checks, its own checks, its reports once a second."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self._pulse = 0

    def received(self, datagram: bytes, arrived_ns: int) -> None:
        if datagram and datagram[0] < 4:
            self.peer.stun_received(datagram)

    def run(self, now: float) -> float:
        self._pulse += 1
        if self._pulse % _REPORTS_PER_CHECK == 0:
            self.peer.check()
        packets = self.reports(now)
        if packets and self.peer.secure is not None:
            _send(self.peer, self.peer.secure.protect_rtcp(compound(packets)))
        return now + _REPORT_EVERY_S

    def reports(self, now: float) -> list[Packet]:
        raise NotImplementedError


class Publisher(Connection):
    """Plays the clip. Sends nothing twice: what is lost stays lost and is counted. Made of a connected peer; what the
    other side tells it of arrivals it reads and leaves at that: the clip's bitrate is fixed."""

    def __init__(self, peer: Peer, clip: Clip) -> None:
        super().__init__(peer)
        self.sources: dict[Kind, Source] = {
            "audio": Source(clip, "audio", peer.local.ssrcs["audio"], OPUS),
            "video": Source(clip, "video", peer.local.ssrcs["video"], H264),
        }
        self.clip = clip
        assert peer.remote is not None  # noqa: S101
        self.extensions = peer.remote.extensions
        self.packets_numbered = 0
        self.started_s = 0.0
        self.stopped = False

    def extension(self, kind: Kind, now_ns: int) -> bytes:
        """Of the next packet; numbers count the connection's packets, whatever their stream."""
        extensions = self.extensions.get(kind)
        if not extensions:
            return b""
        number = self.packets_numbered
        self.packets_numbered += extensions.transport_number is not None
        return extensions.header(number, now_ns)

    def reports(self, now: float) -> list[Packet]:
        packets: list[Packet] = []
        ntp = ntp_from_seconds(time.time())
        for source in self.sources.values():
            if source.octets and not self.stopped:
                stamp = source.timestamp_at(now - self.started_s)
                sent = source.next_number - source.first_number
                packets += [
                    SenderReport(source.ssrc, ntp, stamp, sent, source.octets),
                    SourceDescription(source.ssrc, "bench"),
                ]
        return packets


class _Playing:
    """The publisher's place in the clip."""

    def __init__(self, publisher: Publisher) -> None:
        self.publisher = publisher
        self._place = 0
        self._loops = 0

    def run(self, now: float) -> float:
        publisher = self.publisher
        clip, peer = publisher.clip, publisher.peer
        secure = peer.secure
        if publisher.stopped or secure is None:
            return float("inf")
        begun = publisher.started_s
        while True:
            packet = clip.packets[self._place]
            due = begun + self._loops * clip.seconds + packet.at_s
            if due > now:
                return due
            source = publisher.sources[packet.kind]
            stamp = time.time_ns()
            extension = publisher.extension(packet.kind, stamp)
            _send(peer, secure.protect(source.packet(packet, self._loops, stamp, extension)))
            self._place += 1
            if self._place == len(clip.packets):
                self._place, self._loops = 0, self._loops + 1


class Viewer(Connection):
    """Counts; asks for nothing again."""

    def __init__(self, peer: Peer, publisher: Publisher, *, encoded: bool) -> None:
        super().__init__(peer)
        assert peer.secure is not None and peer.remote is not None  # noqa: S101
        make = EncodedStream if encoded else ForwardedStream
        self.streams: dict[Kind, Stream] = {
            kind: make(source, peer.secure.unprotect) for kind, source in publisher.sources.items()
        }
        self._routes: list[Stream | None] = [None] * 256
        for payload_type, kind in peer.remote.kinds.items():
            self._routes[payload_type] = self._routes[payload_type | 0x80] = self.streams[kind]

    def received(self, datagram: bytes, arrived_ns: int) -> None:
        if len(datagram) < 12:
            return
        if datagram[0] >> 6 == 2:
            stream = self._routes[datagram[1]]
            if stream is not None:
                stream.received(datagram, arrived_ns)
        else:
            super().received(datagram, arrived_ns)

    def reports(self, now: float) -> list[Packet]:
        blocks = [
            ReportBlock(stream.ssrc, highest_sequence=stream.highest)
            for stream in self.streams.values()
            if stream.ssrc
        ]
        return [ReceiverReport(1, tuple(blocks))] if blocks else []


@dataclass(frozen=True, slots=True)
class Inspection:
    """One publisher and who watches it."""

    publisher: Publisher
    viewers: tuple[Viewer, ...]


class Traffic(threading.Thread):
    """Starts at once; inspections may join while it runs. `stop` ends it."""

    def __init__(self) -> None:
        super().__init__(name="traffic", daemon=True)
        self.inspections: list[Inspection] = []
        self.failure: BaseException | None = None
        self._calls: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._due: list[tuple[float, int, Timed]] = []
        self._order = 0
        self._poll = select.epoll()
        self._by_descriptor: dict[int, tuple[Any, Callable[[bytes, int], None]]] = {}
        self._stopping = False
        self.start()

    # -- from other threads ----------------------------------------------------------------------

    def call(self, work: Callable[[], T], timeout_s: float = 5.0) -> T:
        """Runs `work` between two packets, in the traffic's own thread."""
        future: Future[T] = Future()
        self._calls.append((work, future))
        return future.result(timeout_s)

    def add(self, inspection: Inspection) -> None:
        self.call(lambda: self._add(inspection))

    def open_windows(self) -> None:
        self.call(lambda: [stream.open() for stream in self.streams()])

    def close_windows(self) -> None:
        self.call(self._close_windows)

    def stop_publishing(self) -> None:
        self.call(self._stop_publishing)

    def streams(self) -> list[Stream]:
        return [s for item in self.inspections for viewer in item.viewers for s in viewer.streams.values()]

    @property
    def ready(self) -> bool:
        """Whether every viewer's streams flow and are matched to their publisher's."""
        return all(stream.ready for stream in self.streams())

    def stop(self) -> None:
        self._stopping = True
        self.join(10)
        self._poll.close()

    # -- in the thread ---------------------------------------------------------------------------

    def run(self) -> None:
        gc.disable()
        try:
            while not self._stopping:
                self._turn()
        except BaseException as error:
            self.failure = error
            raise
        finally:
            gc.enable()

    def _turn(self) -> None:
        while self._calls:
            work, future = self._calls.popleft()
            try:
                future.set_result(work())
            except Exception as error:
                future.set_exception(error)
        now = time.monotonic()
        due = self._due
        while due and due[0][0] <= now:
            _, order, timed = due[0]
            heapq.heapreplace(due, (timed.run(now), order, timed))
            now = time.monotonic()
        wait = min(_IDLE_S, due[0][0] - now) if due else _IDLE_S
        for descriptor, _ in self._poll.poll(max(0.0, wait)):
            self._receive(descriptor)

    def _receive(self, descriptor: int) -> None:
        receive, received = self._by_descriptor[descriptor]
        try:
            datagram, ancillary, _, _ = receive(_MAX_DATAGRAM, _ANCILLARY)
        except OSError:
            return
        if ancillary and ancillary[0][1] == SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2])
            received(datagram, seconds * 1_000_000_000 + nanoseconds)
        else:
            received(datagram, time.time_ns())

    def _add(self, inspection: Inspection) -> None:
        now = time.monotonic()
        publisher = inspection.publisher
        publisher.started_s = now + 0.05 + len(self.inspections) * _GOLDEN % 1 * _SPREAD_S
        self.inspections.append(inspection)
        self._schedule(publisher.started_s, _Playing(publisher))
        for index, connection in enumerate((publisher, *inspection.viewers)):
            descriptor = connection.peer.socket.fileno()
            self._by_descriptor[descriptor] = (connection.peer.socket.recvmsg, connection.received)
            self._poll.register(descriptor, select.EPOLLIN)
            self._schedule(now + 0.1 * (1 + index), connection)

    def _schedule(self, due: float, timed: Timed) -> None:
        self._order += 1
        heapq.heappush(self._due, (due, self._order, timed))

    def _close_windows(self) -> None:
        for stream in self.streams():
            if stream.window is not None:
                stream.window.close()

    def _stop_publishing(self) -> None:
        for item in self.inspections:
            item.publisher.stopped = True


def _send(peer: Peer, datagram: bytes) -> None:
    # A full buffer is a lost packet, and is counted as one because it never arrives.
    with contextlib.suppress(OSError):
        peer.socket.send(datagram)

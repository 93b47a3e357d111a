"""One server under one load: connect, settle, measure, look at the recording."""

from __future__ import annotations

import asyncio
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from server.bench import accounting
from server.bench.accounting import Usage
from server.bench.clip import Clip
from server.bench.figures import MachineTimes, percentile
from server.bench.peer import Peer
from server.bench.processes import ServerFailed
from server.bench.report import Row
from server.bench.streams import EncodedStream, Stream
from server.bench.subject import Subject
from server.bench.traffic import Inspection, Publisher, Traffic, Viewer
from server.media.bridge import Certificate

READY_TIMEOUT_S = 30.0
SETTLE_S = 2.0
# What is still on its way when the window closes has this long to arrive.
DRAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class _Reading:
    at_s: float
    server: Usage
    load_s: float
    load_drops: int
    machine: MachineTimes


class Bench:
    """A subject with its load. `close` ends both; use `add`, then `measure` as often as wanted."""

    def __init__(self, subject: Subject, clip: Clip, viewers: int, *, plain: bool = False) -> None:
        self.subject = subject
        self.clip = clip
        self.viewers = viewers
        self.plain = plain
        self.traffic: Traffic | None = None
        self._peers: list[Peer] = []
        self._certificate: Certificate | None = None

    @property
    def inspections(self) -> int:
        return len(self.traffic.inspections) if self.traffic is not None else 0

    async def open(self) -> None:
        self._certificate = await asyncio.to_thread(Certificate.generateCertificate)
        await self.subject.open()
        self.traffic = Traffic()

    async def add(self, count: int) -> None:
        """Further inspections, one after the other; returns when all viewers get pictures. Raises ServerFailed."""
        assert self.traffic is not None and self._certificate is not None  # noqa: S101
        for index in range(self.inspections, self.inspections + count):
            phone = self._peer("sendonly")
            await self.subject.publish(index, phone)
            publisher = Publisher(phone, self.clip)
            viewers = []
            for _ in range(self.viewers):
                peer = self._peer("recvonly")
                await self.subject.view(index, peer)
                viewers.append(Viewer(peer, publisher, encoded=self.subject.encoded))
            self.traffic.add(Inspection(publisher, tuple(viewers)))
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not self.traffic.ready:
            if time.monotonic() > deadline:
                waiting = sum(not stream.ready for stream in self.traffic.streams())
                raise ServerFailed(f"{waiting} streams did not reach their viewers")
            await self._sleep(0.1)

    async def measure(self, seconds: float, settle_s: float = SETTLE_S) -> Row:
        assert self.traffic is not None  # noqa: S101
        await self._sleep(settle_s)
        await asyncio.to_thread(self.traffic.open_windows)
        before = self._read()
        await self._sleep(seconds)
        after = self._read()
        await asyncio.to_thread(self.traffic.close_windows)
        await self._sleep(DRAIN_S)
        return self._row(before, after, seconds)

    async def stop_publishing(self) -> None:
        """The last packet of every publisher is in when this returns."""
        assert self.traffic is not None  # noqa: S101
        await asyncio.to_thread(self.traffic.stop_publishing)
        await self._sleep(0.05)

    async def close(self) -> None:
        traffic = self.traffic
        if traffic is not None:
            await asyncio.to_thread(traffic.stop)
        try:
            await self.subject.close()
        finally:
            for peer in self._peers:
                await peer.close()

    def resident_bytes(self) -> int:
        return accounting.usage(self.subject.pid).resident_bytes

    def _peer(self, direction: str) -> Peer:
        assert self._certificate is not None  # noqa: S101
        peer = Peer(
            self._certificate,
            "sendonly" if direction == "sendonly" else "recvonly",
            self.subject.address,
            plain=self.plain,
        )
        self._peers.append(peer)
        return peer

    async def _sleep(self, seconds: float) -> None:
        """Raises ServerFailed when the load generator broke meanwhile."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            await asyncio.sleep(min(left, 0.5))
            failure = self.traffic.failure if self.traffic is not None else None
            if failure is not None:
                raise ServerFailed("the load generator broke") from failure

    def _read(self) -> _Reading:
        own = accounting.own_drops()
        return _Reading(
            time.monotonic(),
            accounting.usage(self.subject.pid),
            time.process_time(),
            own,
            accounting.machine(),
        )

    def _row(self, before: _Reading, after: _Reading, seconds: float) -> Row:
        assert self.traffic is not None  # noqa: S101
        elapsed = after.at_s - before.at_s
        streams = self.traffic.streams()
        delays = _delays(streams)
        counts = [counted(stream) for stream in streams]
        machine = after.machine.total - before.machine.total
        return Row(
            name=self.subject.name,
            inspections=self.inspections,
            viewers=self.viewers,
            seconds=seconds,
            cpu_percent=(after.server.cpu_s - before.server.cpu_s) / elapsed * 100,
            main_thread_percent=(after.server.main_thread_s - before.server.main_thread_s) / elapsed * 100,
            load_cpu_percent=(after.load_s - before.load_s) / elapsed * 100,
            machine_percent=(after.machine.busy - before.machine.busy) / machine * 100 if machine else 0.0,
            sent=sum(sent for sent, _, _ in counts),
            lost=sum(lost for _, lost, _ in counts),
            delivered=sum(delivered for _, _, delivered in counts),
            extensions=self._extensions(),
            server_drops=after.server.drops - before.server.drops,
            load_drops=after.load_drops - before.load_drops,
            mismatches=sum(stream.mismatches for stream in streams),
            p50_ms=_in_ms(percentile(delays, 0.5)),
            p99_ms=_in_ms(percentile(delays, 0.99)),
            resident_bytes=after.server.resident_bytes,
        )

    def _extensions(self) -> tuple[str, ...]:
        assert self.traffic is not None  # noqa: S101
        (taken,) = {item.publisher.extensions.get("video") for item in self.traffic.inspections}
        return taken.names if taken is not None else ()


def counted(stream: Stream) -> tuple[int, int, int]:
    """(sent, lost, delivered) in packets, or in frames of picture where the server encodes anew."""
    window = stream.window
    if window is None:
        return 0, 0, 0
    if isinstance(stream, EncodedStream):
        if stream.source.kind == "audio":
            return 0, 0, 0
        return window.frames_sent, max(0, window.frames_sent - stream.frames), stream.delivered
    return window.sent, window.lost, window.sent - window.lost


def _delays(streams: Sequence[Stream]) -> array[int]:
    merged = array("I")
    for stream in streams:
        if stream.window is not None:
            merged.extend(stream.window.delays_us)
    return array("I", sorted(merged))


def _in_ms(microseconds: float | None) -> float | None:
    return None if microseconds is None else microseconds / 1000

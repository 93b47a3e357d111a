"""Random and mutated datagrams at the engine's port: from strangers, from peers that passed the handshake, from peers
in the middle of it, and in the name of a neighbour. The neighbour's inspection runs beside them, with real SRTP, and
must not notice: not by what the others send, nor by what bears its own address, its own packets once more among them.

    python -m tests.fuzz.datagrams [COUNT [SEED]]
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import sys
import tempfile
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aioice import stun
from pylibsrtp import Policy
from pylibsrtp import Session as Srtp

from server.media import MediaEngine, Slot
from server.media.bridge import Certificate, SecureTransport
from server.media.ice import Address
from server.media.port import MediaPort
from server.media.publish import PublishSession
from server.media.rtcp import (
    BitrateLimit,
    Goodbye,
    Nack,
    PictureLoss,
    ReceiverReport,
    ReportBlock,
    SenderReport,
    SourceDescription,
    compound,
)
from server.media.rtp import retransmission, slot_form
from server.media.session import Host, Session
from server.media.view import ViewSession
from tests.fuzz.mutation import Mutator
from tests.media.peers import Observer
from tests.unit.media import offers
from tests.unit.media.material import FRAME_RTP, video_packets
from tests.unit.media.test_hostile_peers import AUDIO, RTX, VIDEO, Clear, in_clear, rtp

STEP_S = 0.001
NEIGHBOUR_EVERY = 20
SPEAK_EVERY = 4
PULSE_EVERY = 100
REPORT_EVERY = 50_000
DEFAULT_COUNT = 1_000_000
MAX_GROWTH_BYTES = 16 << 20
"""Of the second half, when everything that has a bound is full."""
SPOOFED_SHARE = 0.1
NEIGHBOUR_PHONE, NEIGHBOUR_DESK = ("198.51.100.1", 1), ("198.51.100.2", 1)
_CAPTURED = 64
_FRAMES = 6
_FAR_BEHIND = 4000


class Feed:
    """The engine's socket as far as the port sees it: what it reads is put in by hand, what it sends is counted."""

    def __init__(self) -> None:
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", 0))
        self._waiting: deque[tuple[bytes, Address]] = deque()
        self.sent = 0
        self.to_neighbour: list[bytes] = []

    def put(self, datagram: bytes, source: Address) -> None:
        self._waiting.append((datagram, source))

    def recvfrom(self, _size: int) -> tuple[bytes, Address]:
        if not self._waiting:
            raise BlockingIOError
        return self._waiting.popleft()

    def sendto(self, datagram: bytes, address: Address) -> int:
        self.sent += 1
        if address == NEIGHBOUR_DESK:
            self.to_neighbour.append(bytes(datagram))
        return len(datagram)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._udp, name)


class Connected(Clear):
    """Past its handshake: what looks like one now is for aiortc's DTLS, whose queue is bounded."""

    def feed(self, datagram: bytes) -> bool:
        return len(datagram) < 1000


def srtp(key: int, kind: int) -> Srtp:
    """One end of one direction, with a key that both ends know."""
    return Srtp(Policy(key=bytes([key]) * 30, ssrc_type=kind))


def keyed(inward: int, outward: int) -> SecureTransport:
    """As after a handshake: the engine's end with real SRTP."""
    made = SecureTransport(
        Certificate.generateCertificate(), "server", send=lambda _: None, on_end=lambda: None
    )
    made._adopt(srtp(inward, Policy.SSRC_ANY_INBOUND), srtp(outward, Policy.SSRC_ANY_OUTBOUND))
    return made


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it. `kept` is the resident memory in bytes after a half and after all."""

    count: int
    failures: int
    unknown: int
    neighbour_sent: int
    neighbour_seen: int
    "Of these, what reached its viewer as it was spoken."
    neighbour_refused: int
    "Datagrams in the neighbour's name that were found to be none of its."
    taken_bytes: int
    "Of media that the attacked slot took for good."
    recording_failures: list[str]
    kept: tuple[int, int]

    @property
    def grown_bytes(self) -> int:
        return self.kept[1] - self.kept[0]

    @property
    def problems(self) -> list[str]:
        """What must not be."""
        found = []
        if self.failures:
            found.append(f"{self.failures} datagrams were not handled")
        if self.neighbour_seen != self.neighbour_sent:
            found.append(f"the neighbour got {self.neighbour_seen} of {self.neighbour_sent} packets")
        if self.recording_failures:
            found.append(f"the recording failed: {self.recording_failures}")
        if self.grown_bytes > MAX_GROWTH_BYTES:
            found.append(f"memory grew by {self.grown_bytes / 2**20:.1f} MB in the second half")
        return found


class Target:
    """An engine with an attacked slot and a neighbour's, on a clock of its own."""

    def __init__(self, folder: Path) -> None:
        self.now = time.monotonic()
        self.feed = Feed()
        self.port = MediaPort(self.feed, lambda: self.now)  # type: ignore[arg-type]
        self._host = Host(self.port, Certificate.generateCertificate(), [self.port.address])
        self.engine = MediaEngine(self.port, self._host)
        self.engine._timer.cancel()  # it goes by the real clock
        self.observer = Observer()
        self.attacked = self.engine.open_slot("attacked", self.observer)
        self.attacked.start_recording(folder, "part-{}".format)
        self.neighbour = self.engine.open_slot("neighbour", Observer())
        self.sources: list[Address] = [("192.0.2.1", 9)]
        self._number = self._spoken = 0
        self._video = video_packets(count=_FRAMES)
        self.neighbour_seen = 0
        self.captured: deque[bytes] = deque(maxlen=_CAPTURED)
        """The neighbour's newest packets, as they could be seen on the way."""
        self._speaking = srtp(3, Policy.SSRC_ANY_OUTBOUND)
        self._listening = srtp(4, Policy.SSRC_ANY_INBOUND)

    async def open(self) -> None:
        self.publisher = await self._join(self.attacked, "sendonly", ("192.0.2.2", 1))
        self.viewer = await self._join(self.attacked, "recvonly", ("192.0.2.3", 1))
        self.feed.put(rtp(AUDIO, 1), ("192.0.2.2", 1))
        self.port._take()  # from now on it is the slot's publisher; another one that does not connect ends nothing
        self.pending = await self.attacked.publish(offers.typical())
        self.neighbour_phone = await self._join(self.neighbour, "sendonly", NEIGHBOUR_PHONE, keyed(3, 5))
        self.neighbour_desk = await self._join(self.neighbour, "recvonly", NEIGHBOUR_DESK, keyed(6, 4))

    async def _join(
        self, slot: Slot, direction: str, source: Address, secure: SecureTransport | None = None
    ) -> Session:
        """With a transport of its own it is a neighbour; else it is attacked, in clear."""
        offer = offers.typical(direction)
        session = await (slot.publish(offer) if direction == "sendonly" else slot.view(offer))
        assert isinstance(session, PublishSession | ViewSession)
        await in_clear(session)
        session._secure = secure or Connected()  # type: ignore[assignment]
        session._remote = source
        session._connecting = asyncio.create_task(
            asyncio.sleep(0)
        )  # a further check begins no other handshake
        self.port._by_address[source] = session
        if secure is None:
            self.sources.append(source)
        return session

    def neighbour_speaks(self) -> None:
        self._number += 1
        spoken = rtp(
            AUDIO, self._number & 0xFFFF, self._number * 960, payload=self._number.to_bytes(4, "big")
        )
        packet = self._speaking.protect(spoken)
        self.captured.append(packet)
        self.feed.put(packet, NEIGHBOUR_PHONE)

    async def recorded(self) -> None:
        """The recorder is not the target of haste: it has a real disk and the clock is ahead of it."""
        recorder = self.attacked._recorder
        while recorder is not None and recorder._given - recorder._done > _FAR_BEHIND:  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    def count_and_forget(self) -> None:
        """What went out is counted and not kept."""
        for datagram in self.feed.to_neighbour:
            if datagram[0] >> 6 == 2 and datagram[1] & 0x7F == AUDIO:
                heard = int.from_bytes(self._listening.unprotect(datagram)[12:], "big")
                # In order and none twice: so many have been heard before.
                self.neighbour_seen += heard == self.neighbour_seen + 1
        self.feed.to_neighbour.clear()
        for session in (self.publisher, self.viewer):
            secure: Any = session._secure
            if isinstance(secure, Clear):
                secure.sent.clear()

    def attacked_speaks(self) -> None:
        """A stream that goes on, so that what is mutated falls into the middle of something."""
        round_, position = divmod(self._spoken, len(self._video))
        _, packet = self._video[position]
        self._spoken += 1
        stamp = round_ * _FRAMES * FRAME_RTP + int.from_bytes(packet[4:8], "big")
        self.feed.put(
            bytes([0x80, packet[1] | VIDEO])
            + (self._spoken & 0xFFFF).to_bytes(2, "big")
            + (stamp & 0xFFFFFFFF).to_bytes(4, "big")
            + (7).to_bytes(4, "big")
            + packet[12:],
            ("192.0.2.2", 1),
        )

    @property
    def neighbour_sent(self) -> int:
        return self._number

    @property
    def neighbour_refused(self) -> int:
        return self.neighbour_phone.malformed + self.neighbour_desk.malformed

    def corpus(self) -> list[bytes]:
        """One of each kind of datagram that peers really send."""
        return [*self._media(), *self._checks(proven=False), *self._checks(proven=True)]

    def spoofed(self) -> list[bytes]:
        """What somebody could send in the neighbour's name: also with proof of a session of one's own."""
        return [
            *self._media(),
            *self._checks(proven=False),
            *self._checks(proven=True),
            *self.captured,
        ]

    def _media(self) -> list[bytes]:
        assert isinstance(self.viewer, ViewSession)
        ssrcs = [item.outgoing.ssrc for kind in ("audio", "video") if (item := self.viewer.downlink(kind))]  # type: ignore[arg-type]
        reports: list[Any] = [
            SenderReport(7, 5 << 32, 48_000, 10, 1000, (ReportBlock(ssrcs[0], 20, 3, 99, 5, 1, 2),)),
            ReceiverReport(1, tuple(ReportBlock(ssrc, 255, -1, 1 << 31, 7, 8, 9) for ssrc in ssrcs)),
            SourceDescription(7, "name"),
            Goodbye((7,)),
            BitrateLimit(1, 300_000, (7,)),
            PictureLoss(1, ssrcs[-1]),
            *(Nack(1, ssrc, tuple(range(0, 400, 7))) for ssrc in ssrcs),
        ]
        video = [
            bytes([packet[0], packet[1] | VIDEO]) + packet[2:8] + (7).to_bytes(4, "big") + packet[12:]
            for _, packet in video_packets(count=_FRAMES)
        ]
        return [
            *(bytes(report) for report in reports),
            compound(reports),
            *video,
            *(rtp(AUDIO, number, number * 960, 8) for number in (0, 1, 65_535, 40_000)),
            retransmission(slot_form(0x80, 3, 9000, b"\x65abc"), RTX, 9, 77),
            rtp(AUDIO, 5)[:1] + b"\x90" + rtp(AUDIO, 5)[2:],
            b"\x90\x6f" + rtp(AUDIO, 6)[2:12] + b"\xbe\xde\x00\x01\x10\xff\x00\x00xyz",
            b"\x16\xfe\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x40\x01" + bytes(63),
            b"\x14\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x03\x00\x01\x01",
            b"\x15\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x04\x00\x02\x01\x00",
        ]

    def _checks(self, *, proven: bool) -> list[bytes]:
        made = []
        for session in (self.publisher, self.viewer, self.pending):
            ice = session._ice
            # A check that is proven makes the address its session's; the one that waits for its handshake has none.
            good = ice.credentials.password if session is not self.pending else "wrong"
            message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
            message.attributes["USERNAME"] = f"{ice.credentials.ufrag}:x"
            message.attributes["PRIORITY"] = 1
            message.add_message_integrity((good if proven else "wrong" * 5).encode())
            made.append(bytes(message))
        return made


async def run(count: int, seed: int, folder: Path, say: Any = lambda _: None) -> Outcome:
    """Raises nothing: what broke is counted by the engine. `folder` gets the attacked slot's recording."""
    chance = random.Random(seed)
    target = Target(folder)
    await target.open()
    mutator, forger = Mutator(target.corpus(), chance), Mutator(target.spoofed(), chance)
    half = 0
    for step in range(1, count + 1):
        target.now += STEP_S
        if chance.random() < SPOOFED_SHARE:
            target.feed.put(forger.datagram(), chance.choice((NEIGHBOUR_PHONE, NEIGHBOUR_DESK)))
        else:
            target.feed.put(mutator.datagram(), chance.choice(target.sources))
        if step % SPEAK_EVERY == 0:
            target.attacked_speaks()
        if step % NEIGHBOUR_EVERY == 0:
            target.neighbour_speaks()
        target.port._take()
        if step % PULSE_EVERY == 0:
            # Nobody falls silent: what is tested are the datagrams, not the time-outs.
            for session in (target.publisher, target.viewer):
                session._heard_at = target.now
            target.attacked.pulse(target.now)
            await asyncio.sleep(0)
            target.count_and_forget()
            forger = Mutator(target.spoofed(), chance)
            await target.recorded()
        if step == count // 2:
            half = resident_bytes()
        if step % REPORT_EVERY == 0:
            say(f"{step} datagrams, {resident_bytes() >> 20} MB, {target.port.counters}")
    target.count_and_forget()
    outcome = Outcome(
        count,
        target.port.counters.failures,
        target.port.counters.unknown,
        target.neighbour_sent,
        target.neighbour_seen,
        target.neighbour_refused,
        sum(track.bytes_received for track in target.attacked.tracks.values()),
        target.observer.all("failed"),
        (half, resident_bytes()),
    )
    await target.engine.close()
    return outcome


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_COUNT
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="yunkan-fuzz-") as folder:
        outcome = asyncio.run(run(count, seed, Path(folder), print))
    took_s = time.monotonic() - begun
    print(f"{outcome}\n{took_s:.0f} s, memory since the half: {outcome.grown_bytes / 2**20:+.1f} MB")
    for problem in outcome.problems:
        print(f"FAILED: {problem}")
    return int(bool(outcome.problems))


if __name__ == "__main__":
    raise SystemExit(main())

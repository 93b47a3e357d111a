"""Chromium publishes and Chromium watches, each behind a network that loses, delays and reorders by a fixed pattern."""

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from playwright.async_api import Page

from server.media import MediaEngine, Part, Session, Slot
from tests.media.peers import Observer, until
from tests.media.test_chromium import require_chromium, serve
from tests.media.test_recording import stem
from tests.peers import build_camera
from tests.peers.chromium import chromium
from tests.peers.relay import Relay, Seen, longest_gap
from tests.peers.weather import CLEAR, Weather

pytestmark = [pytest.mark.browser, pytest.mark.alone]

VIDEO_HZ = 90_000
REPAIR_S = 0.5
"""What is lost is asked for again for so long: after that nothing is in doubt any more."""
TOLERANCE_S = 0.015
"""By so much a frame's time in the file may be off: less than half of what lies between two frames."""
FREEZE_S = 1.0

FIVE_PERCENT = Weather(loss=0.05, jitter_s=0.01, reorder=0.01)
FIFTEEN_PERCENT = Weather(loss=0.15, jitter_s=0.01, reorder=0.01)
BURSTS = Weather(burst_s=0.3, burst_every_s=10.0)

KEEP_ENCODED = """
globalThis.encoded = [];
const add = RTCPeerConnection.prototype.addTransceiver;
RTCPeerConnection.prototype.addTransceiver = function (track, init) {
  const transceiver = add.call(this, track, init);
  if (track.kind !== "video") return transceiver;
  const keep = ({transformer}) => transformer.readable.pipeThrough(new TransformStream({
    transform(frame, controller) {
      postMessage(frame.data.slice(0));
      controller.enqueue(frame);
    },
  })).pipeTo(transformer.writable);
  const worker = new Worker(URL.createObjectURL(new Blob([`onrtctransform = ${keep}`], {type: "text/javascript"})));
  worker.onmessage = ({data}) => encoded.push(btoa(String.fromCharCode(...new Uint8Array(data))));
  transceiver.sender.transform = new RTCRtpScriptTransform(worker);
  return transceiver;
};
"""
"""The phone's page keeps each frame as its encoder gave it, before it is cut into packets."""

STATS = """
async (kind) => {
  const stats = [...(await connection.getStats()).values()];
  const one = stats.find((each) => each.type === "inbound-rtp" && each.kind === kind);
  return {received: one.framesReceived, decoded: one.framesDecoded, dropped: one.framesDropped,
    packets: one.packetsReceived, samples: one.totalSamplesReceived, concealed: one.concealedSamples};
}
"""


@dataclass
class Network:
    """A phone and a desk, each behind a relay of its own."""

    phone: Page
    desk: Page
    phone_way: Relay
    desk_way: Relay

    def change_weather(self, weather: Weather, now: float) -> None:
        self.phone_way.change_weather(weather, now)
        self.desk_way.change_weather(weather, now)

    async def stats(self, kind: str) -> dict[str, Any]:
        found: dict[str, Any] = await self.desk.evaluate(STATS, kind)
        return found


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Longer than any of these tests: no number comes twice."""
    path = tmp_path_factory.mktemp("camera") / "camera.mjpeg"
    return build_camera.build(path, frames=60 * build_camera.FPS)


@pytest.fixture
async def network(engine: MediaEngine, slot: Slot, camera: Path) -> AsyncIterator[Network]:
    require_chromium()
    async with AsyncExitStack() as stack:
        sessions: dict[str, Session] = {}
        url = await serve(stack, slot, sessions)
        media = ("127.0.0.1", engine.port)
        http = ("127.0.0.1", int(url.rpartition(":")[2]))
        phone_way = await stack.enter_async_context(Relay(http, media, seed=11))
        desk_way = await stack.enter_async_context(Relay(http, media, seed=22))
        browser = await stack.enter_async_context(chromium(camera=camera))
        phones = await stack.enter_async_context(browser.phone(phone_way.address))
        desks = await stack.enter_async_context(browser.desk(desk_way.address))
        await phones.add_init_script(phone_way.script)
        await phones.add_init_script(KEEP_ENCODED)
        await desks.add_init_script(desk_way.script)
        phone, desk = await phones.new_page(), await desks.new_page()
        await phone.goto("/")
        await desk.goto("/")
        yield Network(phone, desk, phone_way, desk_way)


def payload_type(sdp: str, kind: str) -> int:
    """The first of its section: what is sent."""
    return next(int(line.split()[3]) for line in sdp.splitlines() if line.startswith(f"m={kind}"))


@dataclass(frozen=True)
class Frame:
    """`at_s` on its stream's own clock, from the first one; `sent_at` when its first packet came by."""

    at_s: float
    sent_at: float


def frames_in(seen: Sequence[Seen], number: int) -> list[Frame]:
    """Those that were sent with a payload type, whether they got through or not."""
    mine = [item for item in seen if item.payload_type == number]
    stamps = np.array([item.timestamp for item in mine], dtype=np.uint32)
    steps: list[float] = ((stamps - stamps[0]).view(np.int32) / VIDEO_HZ).tolist()
    first: dict[float, float] = {}
    for step, item in zip(steps, mine, strict=True):
        first.setdefault(step, item.at)
    return [Frame(*pair) for pair in sorted(first.items())]


def slices_of(units: Iterable[bytes]) -> bytes:
    """What is the picture itself of a frame's NAL units: parameter sets are repeated at will."""
    return b"".join(unit for unit in units if unit and unit[0] & 0x1F in (1, 5))


def encoded_slices(frame: bytes) -> bytes:
    """Of Annex B (start codes of three bytes or four; zeros before one belong to it)."""
    units = [unit.rstrip(b"\0") if number else unit for number, unit in enumerate(frame.split(b"\0\0\1"))]
    return slices_of(units[1:])


def recorded_slices(path: Path) -> list[bytes]:
    """Of each frame in a file, whose NAL units bear their lengths."""

    def units(data: bytes) -> Iterator[bytes]:
        at = 0
        while at < len(data):
            size = int.from_bytes(data[at : at + 4], "big")
            # The end of a unit bears no zeros that mean anything (ITU-T H.264 section 7.4.1.1).
            yield data[at + 4 : at + 4 + size].rstrip(b"\0")
            at += 4 + size

    with av.open(str(path)) as container:
        return [slices_of(units(bytes(packet))) for packet in container.demux(video=0) if packet.size]


def recorded_times(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        (stream,) = container.streams.video
        assert stream.time_base is not None
        times = [float(p.pts * stream.time_base) for p in container.demux(video=0) if p.pts is not None]
    return sorted(times)


def missing(sent: Sequence[Frame], recorded: Sequence[float], since: float) -> list[Frame]:
    """What was sent from `since` on and is not in the file."""
    clock = np.array(recorded)

    def unmatched(shift: float) -> list[Frame]:
        return [frame for frame in sent if np.abs(clock - (frame.at_s - shift)).min() > TOLERANCE_S]

    # The file begins with one of the first frames: which one, the times themselves say.
    fitting = min((unmatched(frame.at_s - recorded[0]) for frame in sent[:60]), key=len)
    return [frame for frame in fitting if frame.sent_at >= since]


@pytest.mark.parametrize(
    ("weather", "seconds", "repairable"),
    [(FIVE_PERCENT, 6.0, True), (FIFTEEN_PERCENT, 6.0, False), (BURSTS, 10.5, True)],
    ids=["five percent", "fifteen percent", "bursts"],
)
async def test_on_a_bad_network_nothing_repairable_is_lost_and_nothing_stands_still(
    slot: Slot,
    observer: Observer,
    network: Network,
    directory: Path,
    weather: Weather,
    seconds: float,
    repairable: bool,
) -> None:
    slot.start_recording(directory, stem)
    await network.phone.evaluate("publish('H264', 640, 360)")
    await network.desk.evaluate("view()")
    await network.desk.wait_for_function("shown.length > 30", timeout=60_000)
    offer: str = await network.phone.evaluate("connection.remoteDescription.sdp")
    answer: str = await network.desk.evaluate("connection.remoteDescription.sdp")

    before = await network.stats("audio")
    first_shown: int = await network.desk.evaluate("shownAt.length - 1")
    begun = asyncio.get_running_loop().time()
    network.change_weather(weather, begun)
    await asyncio.sleep(seconds)  # the length of the bad weather
    last_shown: int = await network.desk.evaluate("shownAt.length")
    after = await network.stats("audio")
    network.change_weather(CLEAR, asyncio.get_running_loop().time())
    lost = [
        item for way in (network.phone_way.seen_up, network.desk_way.seen_down) for item in way if item.lost
    ]
    assert len(lost) > 20

    watched = network.desk_way.seen_down
    video, audio = payload_type(answer, "video"), payload_type(answer, "audio")
    await asyncio.sleep(REPAIR_S)
    await network.phone.evaluate("connection.getSenders().forEach((sender) => sender.track?.stop())")
    sent = frames_in(network.phone_way.seen_up, payload_type(offer, "video"))
    forwarded = frames_in(watched, video)
    stats = await network.stats("video")
    shown_at: list[float] = await network.desk.evaluate("shownAt")
    encoded = [encoded_slices(b64decode(frame)) for frame in await network.phone.evaluate("encoded")]
    await network.phone.evaluate("connection.close()")
    await until(lambda: not slot.live and len(observer.all("closed")) == len(observer.all("opened")))
    parts: list[Part] = observer.all("closed")

    freeze_s = float(np.diff(shown_at[first_shown:last_shown]).max()) / 1000
    heard = [item.at for item in watched if item.payload_type == audio and not item.lost]
    silence_s = longest_gap(heard, begun)
    concealed = (after["concealed"] - before["concealed"]) / (after["samples"] - before["samples"])
    times = [recorded_times(part.path) for part in parts]
    gone = [missing(sent, one, begun) for one in times]
    (recorded,) = [recorded_slices(part.path) for part in parts]
    kept = [frame for frame in recorded if frame in set(encoded)]
    print(
        f"{weather}: sent {len(sent)}, recorded {[len(one) for one in times]}, missing {gone}, "
        f"forwarded {len(forwarded)}, viewer {stats}, freeze {freeze_s:.3f} s, "
        f"encoded {len(encoded)}, of these recorded {len(kept)}, silence {silence_s:.3f} s, concealed {concealed:.0%}"
    )
    # Whatever the encoder made of a picture, that is in the file, bit by bit, none twice and none out of order.
    assert len(encoded) == len(set(encoded))
    assert kept == recorded[len(recorded) - len(kept) :]
    assert len(encoded) >= len(sent) > 60
    places = [encoded.index(frame) for frame in kept]
    assert (np.diff(places) >= 1).all()
    assert len(parts) == 1
    assert freeze_s < FREEZE_S
    assert silence_s < FREEZE_S
    assert concealed < 0.5
    if repairable:
        assert gone == [[]]
        assert places == list(range(len(encoded)))
        assert stats["received"] >= len(forwarded)

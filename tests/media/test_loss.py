"""A network that loses packets by a fixed pattern, each way."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from server.media import MediaEngine, Part
from tests.media.conftest import Peers
from tests.media.peers import LossySocket, Observer, is_media, until
from tests.media.test_forwarding import number_of
from tests.media.test_recording import assert_unbroken, stem
from tests.peers.clients import CounterTrack, counter_tracks, numbers_in
from tests.peers.pacing import Epoch


def losing(share: float, seed: int) -> Callable[[bytes], bool]:
    """Loses that share of the media packets, the same ones every time."""
    chance = random.Random(seed)
    return lambda datagram: is_media(datagram) and chance.random() < share


@pytest.mark.parametrize("codec", ["H264", "VP8"])
async def test_a_recording_loses_no_frame_at_five_percent_loss(
    lossy: tuple[MediaEngine, LossySocket], observer: Observer, peers: Peers, directory: Path, codec: str
) -> None:
    engine, network = lossy
    slot = engine.open_slot("camera", observer)
    slot.start_recording(directory, stem)
    camera, microphone = counter_tracks()
    phone = peers.phone(camera, microphone, codec=codec)
    await phone.publish(slot)
    await observer.wait_for("opened")
    network.lose_inward = losing(0.05, seed=1)
    begun = camera.last_number
    await until(lambda: camera.last_number >= begun + 120)
    network.lose_inward = lambda _: False
    assert slot.stats().packets_repaired > 0
    await until(lambda: camera.last_number >= begun + 135)
    await phone.close()
    part: Part = await observer.wait_for("closed")
    assert_unbroken(part.path, 120)


async def test_a_viewer_loses_no_frame_at_five_percent_loss(
    lossy: tuple[MediaEngine, LossySocket], observer: Observer, peers: Peers
) -> None:
    engine, network = lossy
    slot = engine.open_slot("camera", observer)
    desk = peers.desk("video")
    await desk.view(slot)
    await peers.phone(CounterTrack(Epoch())).publish(slot)
    await desk.frames("video", 10)
    network.lose_inward = losing(0.05, seed=2)
    # aiortc asks for a lost packet only once, so the repair itself must not be lost: only originals are.
    lost: list[int] = []
    chance = random.Random(3)

    def lose(datagram: bytes) -> bool:
        if is_media(datagram) and datagram[1] & 0x7F == payload_type and chance.random() < 0.05:
            lost.append(1)
            return True
        return False

    assert desk.session is not None
    payload_type = next(
        int(line.split()[3]) for line in desk.session.answer_sdp.splitlines() if line.startswith("m=video")
    )
    network.lose_outward = lose
    seen = await desk.frames("video", 110, timeout_s=30)
    numbers = np.array([number_of(item.frame) for item in seen], dtype=int)
    assert lost
    assert (np.diff(numbers) == 1).all()


async def test_a_burst_of_loss_costs_a_gap_and_never_a_wrong_picture(
    lossy: tuple[MediaEngine, LossySocket], observer: Observer, peers: Peers, directory: Path
) -> None:
    engine, network = lossy
    slot = engine.open_slot("camera", observer)
    slot.start_recording(directory, stem)
    camera = CounterTrack(Epoch())
    phone = peers.phone(camera)
    await phone.publish(slot)
    await observer.wait_for("opened")
    # Nothing of a whole second arrives, and aiortc keeps no more than 128 packets to repair from.
    begun = camera.last_number
    network.lose_inward = is_media
    await until(lambda: camera.last_number >= begun + 30)
    network.lose_inward = lambda _: False
    await until(lambda: camera.last_number >= begun + 120)
    await phone.close()
    # On a machine so busy that the second's frames take two, the silence ends the part and the rest is another one.
    await until(lambda: not slot.live and len(observer.all("closed")) == len(observer.all("opened")))
    parts: list[Part] = observer.all("closed")
    numbers = [number for part in parts for _, number in numbers_in(part.path)]
    assert None not in numbers
    whole = np.array(numbers, dtype=int)
    steps = np.diff(whole)
    assert (steps >= 1).all()
    assert (steps > 1).sum() <= 1
    assert whole[-1] >= begun + 110
    assert steps.max() < 75

"""What ends up in the files."""

import asyncio
import hashlib
import json
import os
import resource
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import numpy as np
import pytest

from server.evidence.segments import Segment, check
from server.media import MediaEngine, Part, Slot, repair_part
from tests.media.conftest import Peers
from tests.media.peers import Observer, until
from tests.peers.clients import CounterTrack, counter_tracks, flash_beep_tracks, numbers_in, track_ends
from tests.peers.flash_beep import BeepTrack, beep_times, flash_times
from tests.peers.pacing import Epoch


def stem(index: int) -> str:
    return f"part-{index:04d}"


def assert_unbroken(path: Path, at_least: int) -> list[int]:
    """Every picture's number follows the one before; returns them."""
    numbers = [number for _, number in numbers_in(path)]
    assert None not in numbers
    whole = [int(number) for number in numbers if number is not None]
    assert len(whole) >= at_least
    assert whole == list(range(whole[0], whole[0] + len(whole)))
    return whole


def assert_ends_together(part: Part) -> None:
    ends = track_ends(part.path)
    assert set(ends) == {"video", "audio"}
    assert abs(ends["video"] - ends["audio"]) < 0.040


# Alone: the peer stamps its reports when it sends, and what a busy machine delays there moves the beginning.
@pytest.mark.alone
@pytest.mark.parametrize(
    ("codec", "media_type", "suffix"), [("H264", "video/mp4", ".mp4"), ("VP8", "video/webm", ".webm")]
)
async def test_a_recording_holds_every_frame_from_the_first_to_the_last(
    slot: Slot, observer: Observer, peers: Peers, directory: Path, codec: str, media_type: str, suffix: str
) -> None:
    slot.start_recording(directory, stem)
    before = datetime.now(UTC)
    camera, microphone = counter_tracks()
    phone = peers.phone(camera, microphone, codec=codec)
    await phone.publish(slot)
    opened: Part = await observer.wait_for("opened")
    assert opened.sha256 is None
    await until(lambda: camera.last_number >= 90)
    await phone.close()
    part: Part = await observer.wait_for("closed")
    assert part.path == directory / f"part-0001{suffix}"
    assert part.media_type == media_type
    assert part.audio
    assert part.video is not None
    assert (part.video.width, part.video.height, part.video.codec) == (640, 360, codec)
    assert part.size_bytes == part.path.stat().st_size
    assert part.sha256 == hashlib.sha256(part.path.read_bytes()).hexdigest()
    assert before < part.started_at < before + timedelta(seconds=3)
    numbers = assert_unbroken(part.path, 88)
    assert numbers[0] == 0
    with av.open(str(part.path)) as container:
        assert (container.duration or 0) / 1e6 == pytest.approx(part.duration_s, abs=0.1)
        audio = container.streams.audio[0]
        times = [float(frame.time or 0) for frame in container.decode(audio)]
        assert len(times) > 100
        assert max(np.diff(times[1:])) < 0.025
    assert_ends_together(part)


async def test_sound_and_picture_of_a_part_are_in_step(
    slot: Slot, observer: Observer, peers: Peers, directory: Path
) -> None:
    slot.start_recording(directory, stem)
    phone = peers.phone(*flash_beep_tracks())
    await phone.publish(slot)
    await observer.wait_for("opened")
    await asyncio.sleep(5)  # the length of the material
    await phone.close()
    part: Part = await observer.wait_for("closed")
    flashes, beeps = flash_times(part.path), beep_times(part.path)
    assert len(flashes) >= 4
    offsets = [min(abs(flash - beep) for beep in beeps) for flash in flashes]
    assert max(offsets) < 0.040


async def test_recording_starts_in_the_middle_of_a_stream_at_a_keyframe(
    slot: Slot, observer: Observer, peers: Peers, directory: Path
) -> None:
    camera, microphone = counter_tracks()
    await peers.phone(camera, microphone).publish(slot)
    await until(lambda: camera.last_number >= 30)
    slot.start_recording(directory, stem, first_index=7)
    await observer.wait_for("opened")
    begun = camera.last_number
    await until(lambda: camera.last_number >= begun + 30)
    await slot.stop_recording()
    part: Part = observer.all("closed")[0]
    assert part.index == 7
    numbers = assert_unbroken(part.path, 30)
    assert 25 <= numbers[0] <= 60
    assert slot.live


async def test_a_rejoin_is_the_next_part(
    slot: Slot, observer: Observer, peers: Peers, directory: Path
) -> None:
    slot.start_recording(directory, stem)
    for round_ in (1, 2):
        phone = peers.phone(*counter_tracks())
        await phone.publish(slot)
        await observer.wait_for("opened", round_)
        await asyncio.sleep(0.5)
        await phone.close()
        await observer.wait_for("closed", round_)
    first, second = observer.all("closed")
    assert [first.index, second.index] == [1, 2]
    assert second.started_at >= first.started_at + timedelta(seconds=first.duration_s - 0.1)
    assert first.first_rtp_timestamp is not None
    assert second.first_rtp_timestamp is not None
    elapsed = (second.started_at - first.started_at).total_seconds()
    stepped = ((second.first_rtp_timestamp - first.first_rtp_timestamp) & 0xFFFFFFFF) / 90_000
    # By the arrival of packets, which a busy machine delays; without a timeline it would be any of 2**32.
    assert stepped == pytest.approx(elapsed, abs=1.5)
    assert_unbroken(second.path, 10)


async def test_a_change_of_size_is_the_next_part_on_the_same_timeline(
    slot: Slot, observer: Observer, peers: Peers, directory: Path
) -> None:
    slot.start_recording(directory, stem)
    epoch = Epoch()
    upright = CounterTrack(epoch, size=(640, 360))
    phone = peers.phone(upright, BeepTrack(epoch))
    await phone.publish(slot)
    await observer.wait_for("opened")
    turned = CounterTrack(epoch, size=(360, 640), first_number=upright.last_number + 3)
    phone.connection.getSenders()[0].replaceTrack(turned)
    second: Part = await observer.wait_for("opened", 2)
    assert second.video is not None
    assert (second.video.width, second.video.height) == (360, 640)
    begun = turned.last_number
    await until(lambda: turned.last_number >= begun + 45)
    await phone.close()
    await observer.wait_for("closed", 2)
    before, after = observer.all("closed")
    assert [before.index, after.index] == [1, 2]
    ended = before.started_at + timedelta(seconds=before.duration_s)
    assert abs(after.started_at - ended) < timedelta(milliseconds=60)
    for part in (before, after):
        assert_ends_together(part)


async def test_a_publisher_with_another_codec_is_the_next_part_on_the_same_timeline(
    slot: Slot, observer: Observer, peers: Peers, directory: Path
) -> None:
    slot.start_recording(directory, stem)
    await peers.phone(*counter_tracks(), codec="H264").publish(slot)
    await observer.wait_for("opened")
    camera, microphone = counter_tracks()
    other = peers.phone(camera, microphone, codec="VP8")
    await other.publish(slot)
    await observer.wait_for("opened", 2)
    await until(lambda: camera.last_number >= 45)
    await other.close()
    await observer.wait_for("closed", 2)
    first, second = observer.all("closed")
    assert [part.path.name for part in (first, second)] == ["part-0001.mp4", "part-0002.webm"]
    assert [part.video.codec for part in (first, second)] == ["H264", "VP8"]
    ended = first.started_at + timedelta(seconds=first.duration_s)
    # They follow each other on the clock; what lies between is what the second one needed for its first keyframe.
    assert timedelta(milliseconds=-60) < second.started_at - ended < timedelta(seconds=1.5)
    elapsed = (
        (second.started_at - first.started_at).total_seconds() + second.first_video_s - first.first_video_s
    )
    stepped = ((second.first_rtp_timestamp - first.first_rtp_timestamp) & 0xFFFFFFFF) / 90_000
    # By the arrival of packets, which a busy machine delays; without a timeline it would be any of 2**32.
    assert stepped == pytest.approx(elapsed, abs=1.5)
    for part in (first, second):
        assert_ends_together(part)
        assert_unbroken(part.path, 5)


async def test_sound_alone_is_recorded(slot: Slot, observer: Observer, peers: Peers, directory: Path) -> None:
    slot.start_recording(directory, stem)
    phone = peers.phone(BeepTrack(Epoch()))
    await phone.publish(slot)
    await observer.wait_for("opened")
    await asyncio.sleep(2)  # the length of the material
    await phone.close()
    part: Part = await observer.wait_for("closed")
    assert part.media_type == "audio/mp4"
    assert part.video is None
    assert len(beep_times(part.path)) >= 1
    assert part.duration_s == pytest.approx(2, abs=0.5)


async def test_a_picture_without_sound_is_recorded(
    slot: Slot, observer: Observer, peers: Peers, directory: Path
) -> None:
    slot.start_recording(directory, stem)
    camera = CounterTrack(Epoch())
    phone = peers.phone(camera)
    await phone.publish(slot)
    await until(lambda: camera.last_number >= 45)
    await phone.close()
    part: Part = await observer.wait_for("closed")
    assert not part.audio
    assert assert_unbroken(part.path, 44)[0] == 0


async def test_a_microphone_that_stays_silent_does_not_hold_the_picture_back(
    slot: Slot, observer: Observer, peers: Peers, directory: Path
) -> None:
    slot.start_recording(directory, stem)
    camera, microphone = counter_tracks()
    phone = peers.phone(camera, microphone)
    phone.connection.getSenders()[1].replaceTrack(None)
    await phone.publish(slot)
    await until(lambda: camera.last_number >= 75)
    written = slot.stats().bytes_recorded
    assert written > 10_000
    await phone.close()
    part: Part = await observer.wait_for("closed")
    assert_unbroken(part.path, 70)


async def test_sound_that_begins_late_begins_a_part_with_sound(
    slot: Slot, observer: Observer, peers: Peers, directory: Path
) -> None:
    slot.start_recording(directory, stem)
    camera, microphone = counter_tracks()
    phone = peers.phone(camera, microphone)
    sender = phone.connection.getSenders()[1]
    sender.replaceTrack(None)
    await phone.publish(slot)
    first: Part = await observer.wait_for("opened")
    assert not first.audio
    sender.replaceTrack(microphone)
    second: Part = await observer.wait_for("opened", 2)
    assert second.audio
    begun = camera.last_number
    await until(lambda: camera.last_number >= begun + 30)
    await phone.close()
    await observer.wait_for("closed", 2)
    earlier = assert_unbroken(first.path, 5)
    later = assert_unbroken(second.path, 25)
    assert later[0] == earlier[-1] + 1


async def test_sound_that_ends_early_does_not_hold_the_picture_back(
    slot: Slot, observer: Observer, peers: Peers, directory: Path
) -> None:
    slot.start_recording(directory, stem)
    camera, microphone = counter_tracks()
    phone = peers.phone(camera, microphone)
    await phone.publish(slot)
    await observer.wait_for("opened")
    phone.connection.getSenders()[1].replaceTrack(None)
    begun = camera.last_number
    await until(lambda: camera.last_number >= begun + 45)
    opened: Part = observer.all("opened")[0]
    part = await asyncio.to_thread(repair_part, _copy(opened.path))
    assert part is not None
    assert_unbroken(part.path, begun + 20)


def _copy(path: Path) -> Path:
    """The file as a killed process would leave it now."""
    copy = path.with_stem("copy")
    copy.write_bytes(path.read_bytes())
    return copy


async def test_silence_ends_a_part_and_media_begins_the_next(
    slot: Slot, observer: Observer, peers: Peers, directory: Path
) -> None:
    slot.start_recording(directory, stem)
    phone = peers.phone(BeepTrack(Epoch()))
    await phone.publish(slot)
    await observer.wait_for("opened")
    sender = phone.connection.getSenders()[0]
    track = sender.track
    sender.replaceTrack(None)
    part: Part = await observer.wait_for("closed")
    assert part.sha256 is not None
    sender.replaceTrack(track)
    await observer.wait_for("opened", 2)


async def test_a_full_disk_ends_the_recording_once_and_forwarding_goes_on(
    slot: Slot, observer: Observer, peers: Peers, directory: Path
) -> None:
    desk = peers.desk("video")
    await desk.view(slot)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        # To a writer, a limit on the file's size looks as a full disk does: the write fails.
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
        slot.start_recording(directory, stem)
        camera = CounterTrack(Epoch())
        phone = peers.phone(camera)
        await phone.publish(slot)
        assert await observer.wait_for("failed") == "disk_full"
        part: Part = await observer.wait_for("closed")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert part.sha256 == hashlib.sha256(part.path.read_bytes()).hexdigest()
    assert_unbroken(part.path, 10)
    seen = len(desk.of("video"))
    await desk.frames("video", seen + 10)
    assert observer.all("failed") == ["disk_full"]
    assert not slot.stats().recording
    slot.start_recording(directory, stem, first_index=2)
    await observer.wait_for("opened", 2)


async def test_an_unwritable_folder_fails_the_recording_only(
    slot: Slot, observer: Observer, peers: Peers, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    slot.start_recording(blocked / "inside", stem)
    await peers.phone(BeepTrack(Epoch())).publish(slot)
    assert await observer.wait_for("failed") == "muxer_error"
    assert slot.live


_VICTIM = """
import asyncio, json, sys
from dataclasses import asdict
from pathlib import Path
from server.evidence.segments import SegmentHasher
from server.media import MediaConfig, MediaEngine
from tests.media.peers import Observer, Phone
from tests.peers.clients import counter_tracks

async def main(directory: Path) -> None:
    engine = await MediaEngine.open(MediaConfig(digester=SegmentHasher))
    observer = Observer()
    slot = engine.open_slot("victim", observer)
    slot.start_recording(directory, lambda index: f"part-{index:04d}")
    camera, microphone = counter_tracks()
    phone = Phone([camera, microphone], sys.argv[2])
    await phone.publish(slot)
    while True:
        segments = [asdict(segment) for segment in observer.all("segment")]
        print(json.dumps([camera.last_number, segments]), flush=True)
        await asyncio.sleep(0.02)

asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.mark.parametrize(("codec", "suffix"), [("H264", ".mp4"), ("VP8", ".webm")])
async def test_a_killed_recording_is_repaired_up_to_a_second_before_the_end(
    directory: Path, codec: str, suffix: str
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _VICTIM,
        str(directory),
        codec,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    newest = -1
    digested: list[dict[str, object]] = []
    while newest < 120 or not digested:
        newest, digested = json.loads(await asyncio.wait_for(process.stdout.readline(), 30))
    process.kill()
    await process.communicate()
    path = directory / f"part-0001{suffix}"
    part = await asyncio.to_thread(repair_part, path)
    assert part is not None
    assert part.index == 1
    numbers = assert_unbroken(path, 60)
    assert numbers[0] == 0
    assert numbers[-1] >= newest - 30
    assert part.duration_s > len(numbers) / 30 - 0.1
    assert part.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert abs(datetime.now(UTC) - part.started_at) < timedelta(minutes=1)
    assert _names(directory) == [path.name]
    # What was hashed before the kill is still true.
    segments = [Segment.from_body(body) for body in digested]
    with path.open("rb") as file:
        assert check(file, segments).bad == []
    with av.open(str(path)) as container:
        assert (container.duration or 0) / 1e6 == pytest.approx(part.duration_s, abs=0.1)
    again = await asyncio.to_thread(repair_part, path)
    assert again is not None
    assert again.index == 1


def _names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def test_closing_the_engine_finalises_the_parts(
    engine: MediaEngine, slot: Slot, observer: Observer, peers: Peers, directory: Path
) -> None:
    slot.start_recording(directory, stem)
    await peers.phone(*counter_tracks()).publish(slot)
    await observer.wait_for("opened")
    await engine.close()
    part: Part = observer.all("closed")[0]
    assert part.sha256 is not None
    assert np.diff(assert_unbroken(part.path, 5)).max() == 1

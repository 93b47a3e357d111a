"""The analysers find flashes and beeps where they are, also when they are apart."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.peers import flash_beep
from tests.peers.pacing import AUDIO_FRAME, AUDIO_RATE_HZ, Epoch

SECONDS = 3
EXPECTED = [0.5, 1.5, 2.5]


def record(path: Path, *, audio_later_s: float = 0.0, gap: range | None = None) -> Path:
    """A file with H.264 and lossless sound, the sound shifted by `audio_later_s` and without the frames in `gap`."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=flash_beep.FPS)
        video.width, video.height, video.pix_fmt = 320, 180, "yuv420p"
        video.options = {"tune": "zerolatency"}
        audio = container.add_stream("pcm_s16le", rate=AUDIO_RATE_HZ, layout="mono")
        for number in range(SECONDS * flash_beep.FPS):
            grey = flash_beep.flash(number / flash_beep.FPS, (320, 180))
            frame = av.VideoFrame.from_ndarray(grey, format="gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, flash_beep.FPS)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        shift = round(audio_later_s * AUDIO_RATE_HZ)
        for index in range(SECONDS * AUDIO_RATE_HZ // AUDIO_FRAME):
            if gap is not None and index in gap:
                continue
            sound = av.AudioFrame.from_ndarray(
                flash_beep.beep(index * AUDIO_FRAME)[None, :], format="s16", layout="mono"
            )
            sound.sample_rate = AUDIO_RATE_HZ
            sound.pts, sound.time_base = index * AUDIO_FRAME + shift, Fraction(1, AUDIO_RATE_HZ)
            container.mux(audio.encode(sound))
        container.mux(audio.encode())
    return path


def test_flashes_are_found_to_the_frame(tmp_path: Path) -> None:
    found = flash_beep.flash_times(record(tmp_path / "a.mkv"))
    assert found == pytest.approx(EXPECTED, abs=1 / flash_beep.FPS / 2)


def test_beeps_are_found_to_a_few_milliseconds(tmp_path: Path) -> None:
    found = flash_beep.beep_times(record(tmp_path / "a.mkv"))
    assert found == pytest.approx(EXPECTED, abs=0.006)


def test_sound_that_comes_late_is_measured_as_late(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mkv", audio_later_s=0.12)
    offset = np.subtract(flash_beep.beep_times(path), flash_beep.flash_times(path))
    assert offset == pytest.approx([0.12] * 3, abs=0.02)


def test_a_gap_in_the_sound_does_not_move_what_comes_after(tmp_path: Path) -> None:
    found = flash_beep.beep_times(record(tmp_path / "a.mkv", gap=range(40, 60)))
    assert found == pytest.approx(EXPECTED, abs=0.006)


def test_a_beep_that_was_lost_is_not_found(tmp_path: Path) -> None:
    found = flash_beep.beep_times(record(tmp_path / "a.mkv", gap=range(70, 85)))
    assert found == pytest.approx([0.5, 2.5], abs=0.006)


def test_sound_and_picture_switch_at_the_same_instants() -> None:
    on = [n / flash_beep.FPS for n in range(90) if flash_beep.is_on(n / flash_beep.FPS)]
    loud = flash_beep.beep(0, SECONDS * AUDIO_RATE_HZ)
    for time in on:
        first = round(time * AUDIO_RATE_HZ)
        assert np.abs(loud[first : first + 96]).max() > 10_000
    assert len(on) == 9


async def test_the_track_s_frames_flash_by_their_own_timestamps_and_none_comes_before_its_time() -> None:
    epoch = Epoch()
    track = flash_beep.FlashTrack(epoch, (320, 180))
    decoder = av.CodecContext.create("h264", "r")
    seen: list[tuple[float, bool]] = []
    for _ in range(24):
        packet = await track.recv()
        assert packet.pts is not None
        assert epoch.now_s() >= packet.pts / 90_000 - 0.001
        for frame in decoder.decode(packet):
            assert isinstance(frame, av.VideoFrame)
            seen.append(
                (packet.pts / 90_000, bool(frame.to_ndarray(format="gray").mean() > flash_beep.BRIGHT))
            )
    assert [bright for _, bright in seen] == [flash_beep.is_on(time) for time, _ in seen]
    assert len(seen) >= 20


async def test_the_track_s_sound_beeps_by_its_own_timestamps() -> None:
    track = flash_beep.BeepTrack(Epoch())
    for _ in range(30):
        frame = await track.recv()
        assert frame.pts is not None
        assert np.array_equal(frame.to_ndarray()[0], flash_beep.beep(frame.pts))

"""Packets in, files out, with times that the tests make up: no network, no waiting."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from aiortc.codecs.h264 import H264Encoder

from server.media.codecs import Kind
from server.media.model import Container, Part, PartSegment
from server.media.part import PartFile
from server.media.places import moment_of
from server.media.recording import Begin, Recording, _Run
from server.media.repair import repair_part
from server.media.rtcp import ntp_from_seconds
from server.media.rtp import slot_form
from tests.peers.clients import numbers_in, track_ends
from tests.unit.media.material import encoded, opus, payloads_of

STARTED = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
MONOTONIC_S = 500.0
ENDS_TOGETHER_S = 0.040


class Studio:
    """Feeds a recording as a slot would."""

    def __init__(self, directory: Path) -> None:
        self.opened: list[Part] = []
        self.finished: list[Part] = []
        self.recording = Recording(
            directory, "part-{:03d}".format, 1, opened=self.opened.append, finished=self.finished.append
        )
        self.number = {"audio": 65_500, "video": 65_500}
        self.lost: set[tuple[Kind, int]] = set()

    def begin(self, *kinds: Kind, video: str = "H264") -> None:
        codecs: dict[Kind, str] = {kind: "opus" if kind == "audio" else video for kind in kinds}
        self.recording.begin(Begin(codecs, MONOTONIC_S, STARTED))

    def _push(self, kind: Kind, index: int, timestamp: int, payload: bytes, marker: int, at_s: float) -> None:
        number = self.number[kind]
        self.number[kind] += 1
        if (kind, index) not in self.lost:
            packet = slot_form(marker, number, timestamp, payload)
            self.recording.packet(kind, packet, MONOTONIC_S + at_s)

    def picture(
        self, index: int, frame: bytes, at_s: float, *, codec: str = "H264", timestamp: int | None = None
    ) -> None:
        payloads = payloads_of(codec, frame)
        stamp = 2**32 - 9000 + index * 3000 if timestamp is None else timestamp
        for position, payload in enumerate(payloads):
            self._push("video", index, stamp, payload, 0x80 * (position == len(payloads) - 1), at_s)

    def sound(self, index: int, at_s: float) -> None:
        self._push("audio", index, 2**32 - 960 + index * 960, opus()[index % 50], 0, at_s)

    def play(self, seconds: float, *, first_s: float = 0.0, sound: bool = True, delay_s: float = 0.0) -> None:
        """Picture (by `delay_s` late) and sound from `first_s` on, in the order of their arrival."""
        frames = encoded(count=round((first_s + seconds) * 30) + 1, keyframe_every=30)
        events = [
            (i / 30 + delay_s, i, True) for i in range(round(first_s * 30), round((first_s + seconds) * 30))
        ]
        if sound:
            events += [
                (i / 50, i, False) for i in range(round(first_s * 50), round((first_s + seconds) * 50))
            ]
        for at_s, index, is_picture in sorted(events):
            if is_picture:
                self.picture(index, frames[index], at_s)
            else:
                self.sound(index, at_s)

    def end(self) -> Part:
        self.recording.cut()
        return self.finished[-1]


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


def pictures(part: Part) -> list[int | None]:
    return [number for _, number in numbers_in(part.path)]


def sound_times(part: Part) -> list[float]:
    with av.open(str(part.path)) as container:
        (stream,) = container.streams.audio
        packets = list(container.demux(stream))
    return [float(p.pts * p.time_base) for p in packets if p.pts is not None and p.time_base is not None]


def copied(path: Path) -> Path:
    """The file as a killed process would leave it now."""
    copy = path.with_stem("copy")
    copy.write_bytes(path.read_bytes())
    return copy


def start_times(part: Part) -> tuple[float, float]:
    """When the first picture and the first sound of the file are due."""
    with av.open(str(part.path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert video.time_base is not None
        assert audio.time_base is not None
        return float((video.start_time or 0) * video.time_base), float(
            (audio.start_time or 0) * audio.time_base
        )


def test_numbers_and_timestamps_may_wrap_in_the_middle_of_a_part(studio: Studio) -> None:
    studio.begin("audio", "video")
    studio.play(4)
    part = studio.end()
    assert pictures(part) == list(range(120))
    assert part.duration_s == pytest.approx(4.0, abs=0.03)
    times = np.diff([time for time, _ in numbers_in(part.path)])
    assert times == pytest.approx(np.full(119, 1 / 30), abs=0.001)


def test_a_part_starts_at_the_wall_time_of_its_first_sample(studio: Studio) -> None:
    studio.begin("video")
    studio.play(2, first_s=1.0, sound=False)
    part = studio.end()
    # The material has a keyframe each second, so the one at 1 s is the first.
    assert part.started_at == STARTED + timedelta(seconds=1)
    assert part.first_video_s == 0
    assert part.first_rtp_timestamp == (2**32 - 9000 + 30 * 3000) & 0xFFFFFFFF


def test_a_part_whose_first_packets_were_late_is_given_its_true_beginning_when_it_is_closed(
    studio: Studio,
) -> None:
    studio.begin("audio", "video")
    frames = encoded(count=181, keyframe_every=30)
    events = [(index / 50, index, False) for index in range(300)]
    events += [(index / 30, index, True) for index in range(180)]
    for taken_s, index, is_picture in sorted(events):
        at_s = taken_s + (0.2 if taken_s < 2 else 0.02)
        if is_picture:
            studio.picture(index, frames[index], at_s)
        else:
            studio.sound(index, at_s)
        if index % 25 == 10:
            kind: Kind = "video" if is_picture else "audio"
            stamp = (2**32 - 9000 + index * 3000) if is_picture else (2**32 - 960 + index * 960)
            studio.recording.report(kind, stamp, ntp_from_seconds(1e9 + taken_s))
    part = studio.end()
    assert studio.opened[0].started_at == STARTED + timedelta(seconds=0.2)
    assert abs(part.started_at - STARTED - timedelta(seconds=0.02)) < timedelta(milliseconds=5)


def test_what_is_known_better_later_does_not_lay_one_part_over_the_one_before(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.media.recording.PART_S", 2.0)
    studio.begin("audio", "video")
    frames = encoded(count=241, keyframe_every=30)
    events = [(index / 50, index, False) for index in range(400)]
    events += [(index / 30, index, True) for index in range(240)]
    # While the first part is recorded everything comes late, and nothing tells that it does.
    arrivals = [
        (taken_s + (0.5 if taken_s < 3 else 0.02), index, is_picture) for taken_s, index, is_picture in events
    ]
    for at_s, index, is_picture in sorted(arrivals):
        if is_picture:
            studio.picture(index, frames[index], at_s)
        else:
            studio.sound(index, at_s)
        if index % 25 == 10:
            kind: Kind = "video" if is_picture else "audio"
            stamp = (2**32 - 9000 + index * 3000) if is_picture else (2**32 - 960 + index * 960)
            taken_s = index / 30 if is_picture else index / 50
            studio.recording.report(kind, stamp, ntp_from_seconds(1e9 + taken_s))
    studio.end()
    assert len(studio.finished) >= 3
    for before, after in pairwise(studio.finished):
        ended = before.started_at + timedelta(seconds=before.duration_s)
        # One step, and a packet of sound that reaches over the turn.
        assert abs(after.started_at - ended) < timedelta(milliseconds=55)


def test_sound_from_before_the_first_keyframe_is_kept_in_its_place(studio: Studio) -> None:
    studio.begin("audio", "video")
    frames = encoded(count=90, keyframe_every=30)
    for index in range(20):
        studio.sound(index, index / 50)
    for index in range(60):
        studio.picture(index, frames[index], 0.4 + index / 30)
        studio.sound(20 + index, 0.4 + index / 50)
    part = studio.end()
    video_s, audio_s = start_times(part)
    assert video_s == pytest.approx(0.4, abs=0.002)
    assert audio_s == pytest.approx(0.0, abs=0.007)
    assert part.first_video_s == pytest.approx(0.4, abs=0.002)


def test_the_senders_clock_undoes_a_late_picture(studio: Studio) -> None:
    studio.begin("audio", "video")
    studio.sound(0, 0.0)
    studio.picture(0, encoded(count=121, keyframe_every=30)[0], 0.09)
    # At one instant of the sender's clock both streams stand at their beginning.
    studio.recording.report("audio", 2**32 - 960, ntp_from_seconds(1e9))
    studio.recording.report("video", 2**32 - 9000, ntp_from_seconds(1e9))
    studio.play(3, first_s=1 / 30, delay_s=0.09)
    video_s, audio_s = start_times(studio.end())
    assert video_s == pytest.approx(audio_s, abs=0.008)


def test_every_picture_of_a_part_is_found_by_its_rtp_timestamp_though_its_track_was_drawn_to_its_place(
    studio: Studio,
) -> None:
    studio.begin("audio", "video")
    frames = encoded(count=301, keyframe_every=30)
    events = [(index / 50, index, False) for index in range(450)]
    events += [(index / 30 + 0.3, index, True) for index in range(270)]
    for at_s, index, is_picture in sorted(events):
        if is_picture:
            studio.picture(index, frames[index], at_s)
        else:
            studio.sound(index, at_s)
        if at_s > 2 and index % 25 == 10:
            # Told only now: the picture was 0.3 s late on its way.
            kind: Kind = "video" if is_picture else "audio"
            taken_s = index / (30 if is_picture else 50)
            stamp = (2**32 - 9000 + index * 3000) if is_picture else (2**32 - 960 + index * 960)
            studio.recording.report(kind, stamp, ntp_from_seconds(1e9 + taken_s))
    part = studio.end()
    shown = numbers_in(part.path)
    assert [number for _, number in shown] == list(range(270))
    drawn_s = shown[0][0] + 269 / 30 - shown[-1][0]
    assert drawn_s > 0.2
    for begins_s, number in shown:
        assert number is not None
        found = moment_of(part.places, (2**32 - 9000 + number * 3000) & 0xFFFFFFFF)
        assert found is not None
        assert 0 <= found - begins_s <= 0.0101
    assert len(part.places) < 100
    assert studio.opened[-1].places == part.places[:1]


def test_a_lost_packet_costs_frames_up_to_the_next_keyframe_and_no_more(studio: Studio) -> None:
    studio.begin("video")
    studio.lost = {("video", 40)}
    studio.play(3, sound=False)
    studio.recording.tick(MONOTONIC_S + 3.0)
    part = studio.end()
    assert pictures(part) == [*range(40), *range(60, 90)]
    assert studio.recording.frames_dropped >= 19


def small_payloads(codec: str, frame: bytes) -> list[bytes]:
    """A picture in many payloads: parameter sets alone, slices in fragments."""
    if codec == "VP8":
        pieces = [frame[at : at + 60] for at in range(0, len(frame), 60)]
        return [bytes((0x10 * (index == 0),)) + piece for index, piece in enumerate(pieces)]
    payloads: list[bytes] = []
    for unit in H264Encoder._split_bitstream(frame):
        kind, pieces = unit[0] & 0x1F, [unit[at : at + 60] for at in range(1, len(unit), 60)]
        if kind not in (1, 5) or len(pieces) == 1:
            payloads.append(unit)
            continue
        for index, piece in enumerate(pieces):
            ends = 0x80 * (index == 0) | 0x40 * (index == len(pieces) - 1)
            payloads.append(bytes((unit[0] & 0xE0 | 28, kind | ends)) + piece)
    return payloads


@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_packets_from_within_a_picture_go_a_short_way_to_the_same_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str
) -> None:
    chance = random.Random(codec)
    packets: list[tuple[int, bytes]] = []
    for index, frame in enumerate(encoded(codec, count=120, keyframe_every=20)):
        payloads = small_payloads(codec, frame)
        for position, payload in enumerate(payloads):
            number, marker = 65_400 + len(packets), 0x80 * (position == len(payloads) - 1)
            packets.append((number, slot_form(marker, number, 2**32 - 30_000 + index * 3000, payload)))
    sent: list[tuple[float, bytes]] = []
    for number, packet in packets:
        at_s = (number - 65_400) * 0.003 + 1.0
        fate = chance.random()
        if fate > 0.998:
            continue  # lost
        late_s = 0.02 if fate > 0.96 else 0.0
        sent += [(at_s + late_s, packet)] * (2 if fate < 0.03 else 1)
    sent.sort(key=lambda item: item[0])
    written: list[tuple[Any, ...]] = []
    monkeypatch.setattr(PartFile, "write", lambda _, *values, **named: written.append((*values, named)))

    def record(folder: Path) -> list[tuple[Any, ...]]:
        written.clear()
        studio = Studio(folder)
        studio.begin("video", video=codec)
        for at_s, packet in sent:
            studio.recording.packet("video", packet, MONOTONIC_S + at_s)
            studio.recording.tick(MONOTONIC_S + at_s)
        studio.recording.cut()
        return [*written, (studio.recording.frames_dropped,)]

    taken: list[bool] = []
    whole = _Run.goes_on

    def counted(run: _Run, packet: bytes) -> bool:
        taken.append(whole(run, packet))
        return taken[-1]

    monkeypatch.setattr(_Run, "goes_on", counted)
    short = record(tmp_path / "short")
    assert sum(taken) > len(packets) / 10
    monkeypatch.setattr(_Run, "goes_on", lambda *_: False)
    assert short == record(tmp_path / "long")
    assert len(short) > 20


def test_a_lost_sound_leaves_a_gap_and_not_a_shift(studio: Studio) -> None:
    studio.begin("audio")
    studio.lost = {("audio", index) for index in range(60, 70)}
    studio.play(3)
    part = studio.end()
    with av.open(str(part.path)) as container:
        times = [float(p.pts * p.time_base) for p in container.demux() if p.pts is not None and p.time_base]
    assert times[-1] - times[0] == pytest.approx(149 / 50, abs=0.01)
    assert max(np.diff(times)) == pytest.approx(0.22, abs=0.01)


def test_another_size_is_another_part_without_a_gap(studio: Studio) -> None:
    studio.begin("video")
    for index, frame in enumerate(encoded(count=30, keyframe_every=30)):
        studio.picture(index, frame, index / 30)
    for index, frame in enumerate(encoded(count=30, keyframe_every=30, size=(180, 320))):
        studio.picture(30 + index, frame, 1 + index / 30)
    studio.end()
    first, second = studio.finished
    assert (first.index, second.index) == (1, 2)
    assert second.video is not None
    assert (second.video.width, second.video.height) == (180, 320)
    assert second.started_at - first.started_at == timedelta(seconds=1)
    assert len(pictures(first)) == len(pictures(second)) == 30


def assert_ends_together(part: Part) -> None:
    ends = track_ends(part.path)
    assert set(ends) == {"video", "audio"}
    assert abs(ends["video"] - ends["audio"]) < ENDS_TOGETHER_S
    assert max(ends.values()) == pytest.approx(part.duration_s, abs=0.01)


def turned(studio: Studio, events: list[tuple[float, int, bool]], turn: int, codec: str = "H264") -> None:
    """Plays what arrives when; from picture `turn` on they are of another size."""
    frames = [
        *encoded(codec, count=turn, keyframe_every=30),
        *encoded(codec, count=90, keyframe_every=90, size=(180, 320)),
    ]
    studio.begin("audio", "video", video=codec)
    for at_s, index, is_picture in sorted(events):
        if is_picture:
            studio.picture(index, frames[index], at_s, codec=codec)
        else:
            studio.sound(index, at_s)
        studio.recording.tick(MONOTONIC_S + at_s)
    studio.end()


# Sound that is far ahead of the picture, as by a keyframe on a thin line or a repair; sound that is far behind it.
@pytest.mark.parametrize(("picture_late_s", "sound_late_s"), [(0.4, 0.0), (0.0, 0.4), (0.0, 0.0)])
@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_picture_and_sound_end_together_where_one_part_turns_into_the_next_and_at_the_end(
    studio: Studio, codec: str, picture_late_s: float, sound_late_s: float
) -> None:
    turn = 60
    pictures_ = [(i / 30 + (picture_late_s if i > 20 else 0), i, True) for i in range(120)]
    sounds = [(i / 50 + (sound_late_s if i > 30 else 0), i, False) for i in range(200)]
    turned(studio, [*pictures_, *sounds], turn, codec)
    assert [pictures(part) for part in studio.finished] == [list(range(turn)), list(range(120 - turn))]
    for part in studio.finished:
        assert_ends_together(part)
    first, second = studio.finished
    ended = first.started_at + timedelta(seconds=first.duration_s)
    assert abs(second.started_at - ended) < timedelta(milliseconds=25)
    assert sum(len(sound_times(part)) for part in studio.finished) == 200


def test_two_sizes_at_the_very_beginning_end_their_parts_together_as_well(studio: Studio) -> None:
    pictures_ = [(i / 30 + 0.4, i, True) for i in range(60)]
    turned(studio, [*pictures_, *((i / 50, i, False) for i in range(100))], turn=3)
    assert [len(pictures(part)) for part in studio.finished] == [3, 57]
    for part in studio.finished:
        assert_ends_together(part)


@pytest.mark.parametrize("codec", ["H264", "VP8"])
@pytest.mark.parametrize(("pictures_end_s", "sounds_end_s"), [(2.0, 4.0), (4.0, 2.0), (3.0, 3.3), (3.3, 3.0)])
def test_picture_and_sound_end_together_where_a_part_is_cut_whichever_stopped_first(
    studio: Studio, codec: str, pictures_end_s: float, sounds_end_s: float
) -> None:
    events = [(i / 30, i, True) for i in range(round(pictures_end_s * 30))]
    events += [(i / 50, i, False) for i in range(round(sounds_end_s * 50))]
    turned(studio, events, turn=120, codec=codec)
    (part,) = studio.finished
    assert_ends_together(part)
    assert part.duration_s == pytest.approx(4.0 if max(pictures_end_s, sounds_end_s) > 3.5 else 3.3, abs=0.05)
    assert len(pictures(part)) == round(pictures_end_s * 30)
    assert len(sound_times(part)) == round(sounds_end_s * 50)


def test_sound_after_the_last_picture_of_a_part_that_waits_to_begin_is_kept_when_it_is_cut(
    studio: Studio,
) -> None:
    studio.begin("audio", "video")
    studio.picture(0, encoded(count=1, keyframe_every=30)[0], 0.0)
    for index in range(40):
        studio.sound(index, index / 50)
    assert studio.opened == []
    part = studio.end()
    assert pictures(part) == [0]
    assert len(sound_times(part)) == 40
    assert_ends_together(part)
    assert part.duration_s == pytest.approx(0.8, abs=0.03)


def test_sound_waits_for_no_picture_that_does_not_come(studio: Studio) -> None:
    """A kill in between costs no more of it than of anything else."""
    events = [(i / 30, i, True) for i in range(30)]
    events += [(i / 50, i, False) for i in range(500)]
    studio.begin("audio", "video")
    frames = encoded(count=30, keyframe_every=30)
    for at_s, index, is_picture in sorted(events):
        if is_picture:
            studio.picture(index, frames[index], at_s)
        else:
            studio.sound(index, at_s)
    killed = repair_part(copied(studio.opened[0].path))
    studio.end()
    assert killed is not None
    assert killed.duration_s >= 10 - 1.0


def test_a_new_session_is_a_new_part(studio: Studio) -> None:
    for round_ in range(2):
        studio.begin("video")
        for index, frame in enumerate(encoded(count=30, keyframe_every=30)):
            studio.picture(index, frame, round_ * 10 + index / 30)
    studio.end()
    assert [part.index for part in studio.finished] == [1, 2]
    assert studio.finished[1].started_at == STARTED + timedelta(seconds=10)


def test_sound_begins_a_part_when_the_picture_does_not_come(studio: Studio) -> None:
    studio.begin("audio", "video")
    studio.play(0)
    for index in range(250):
        studio.sound(index, index / 50)
        if index == 240:
            assert studio.opened[0].video is None
    frames = encoded(count=30, keyframe_every=30)
    for index in range(30):
        studio.picture(index, frames[index], 5 + index / 30)
        studio.sound(250 + index, 5 + index / 50)
    studio.end()
    sound, both = studio.finished
    assert (sound.media_type, both.media_type) == ("audio/mp4", "video/mp4")
    assert sound.duration_s == pytest.approx(5.0, abs=0.05)
    assert both.audio


def test_a_part_is_not_opened_over_a_file_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "part-001.mp4").write_bytes(b"precious")
    studio = Studio(tmp_path)
    studio.begin("video")
    studio.play(1, sound=False)
    with pytest.raises(FileExistsError):
        studio.end()
    assert (tmp_path / "part-001.mp4").read_bytes() == b"precious"


def test_a_stream_whose_clock_goes_astray_begins_a_new_part(studio: Studio) -> None:
    studio.begin("video")
    for index, frame in enumerate(encoded(count=60, keyframe_every=30)):
        stamp = index * 3000 + (90_000 * 3600 if index >= 30 else 0)
        studio.picture(index, frame, index / 30, timestamp=stamp)
    studio.end()
    assert len(studio.finished) == 2
    assert studio.finished[1].started_at < STARTED + timedelta(seconds=3)


def test_one_stray_packet_does_not_move_what_still_waits_for_an_earlier_one(studio: Studio) -> None:
    studio.begin("video")
    for index, frame in enumerate(encoded(count=60, keyframe_every=10)):
        if index == 31:
            studio.number["video"] += 1  # one is missing: what follows waits for it
        studio.picture(index, frame, index / 30)
    half_a_turn_later = 2**32 - 9000 + 59 * 3000 + 2**31 - 5
    studio._push("video", 60, half_a_turn_later, b"\x41x", 0x80, 2.0)
    studio.end()
    assert [part.duration_s < 3 for part in studio.finished] == [True]


def test_a_report_of_nonsense_moves_no_picture(studio: Studio) -> None:
    studio.begin("video")
    for index, frame in enumerate(encoded(count=60, keyframe_every=30)):
        studio.picture(index, frame, index / 30)
        if index == 40:
            studio.recording.report("video", 2**32 - 9000 + index * 3000 + 2**31 - 5, ntp_from_seconds(1e9))
            studio.recording.report("video", index * 3000 + 2**31 - 9, ntp_from_seconds(7e8))
    part = studio.end()
    assert part.duration_s == pytest.approx(2.0, abs=0.05)
    assert pictures(part) == list(range(60))


def test_vp8_goes_into_webm(studio: Studio) -> None:
    studio.begin("audio", "video", video="VP8")
    for index, frame in enumerate(encoded("VP8", count=45, keyframe_every=30)):
        studio.picture(index, frame, index / 30, codec="VP8")
        studio.sound(index, index / 50)
    part = studio.end()
    assert part.path.suffix == ".webm"
    assert pictures(part) == list(range(45))
    video_s, audio_s = start_times(part)
    assert video_s == pytest.approx(audio_s, abs=0.010)


@dataclass(frozen=True)
class Digested:
    index: int
    start: int
    end: int
    from_ms: int
    to_ms: int
    sha256: str


class Count:
    """A digester that counts: what the engine knows of one."""

    def __init__(self, container: Container) -> None:
        self.container = container
        self.disturbed = False
        self.writes: list[tuple[int, bytes]] = []
        self.cuts: list[int] = []

    def write(self, offset: int, data: bytes) -> None:
        self.writes.append((offset, bytes(data)))

    def cut(self, to_ms: int) -> Digested:
        self.cuts.append(to_ms)
        return Digested(len(self.cuts) - 1, 0, sum(len(data) for _, data in self.writes), 0, to_ms, "")


def test_a_long_part_ends_at_a_keyframe_and_the_next_goes_on_from_there(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.media.recording.PART_S", 2.5)
    studio.begin("audio", "video")
    for second in range(8):
        studio.play(1, first_s=second)
    studio.end()
    assert [pictures(part) for part in studio.finished] == [
        list(range(90)),
        list(range(90, 180)),
        list(range(180, 240)),
    ]
    for before, after in pairwise(studio.finished):
        ended = before.started_at + timedelta(seconds=before.duration_s)
        assert abs(after.started_at - ended) < timedelta(milliseconds=25)
    sounds = 0
    for part in studio.finished:
        with av.open(str(part.path)) as container:
            sounds += sum(packet.size > 0 for packet in container.demux(audio=0))
    assert sounds == 400


def test_what_the_clock_remembers_is_bounded_by_the_parts_length(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.media.recording.PART_S", 60.0)
    studio.begin("video")
    (key, *_) = encoded()
    for second in range(600):
        studio.picture(second, key, float(second), timestamp=second * 90_000)
    run = studio.recording._run
    assert run is not None
    assert len(studio.finished) >= 8
    assert len(run.clock._tracks["video"].least) <= 60 + 60 + 5
    studio.end()


class DigestingStudio(Studio):
    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.digesters: list[Count] = []
        self.segments: list[tuple[Part, PartSegment]] = []
        self.recording = Recording(
            directory,
            "part-{:03d}".format,
            1,
            opened=self.opened.append,
            finished=self.finished.append,
            segment=lambda part, segment: self.segments.append((part, segment)),
            digester=self._digester,
        )

    def _digester(self, container: Container) -> Count:
        self.digesters.append(Count(container))
        return self.digesters[-1]


def test_a_part_is_digested_every_two_seconds_and_at_its_end(tmp_path: Path) -> None:
    studio = DigestingStudio(tmp_path)
    studio.begin("audio", "video")
    studio.play(7)
    part = studio.end()
    (digester,) = studio.digesters
    assert digester.container == "mp4"
    times = [segment.to_ms for _, segment in studio.segments]
    assert times[-1] == round(part.duration_s * 1000)
    assert all(2000 <= after - before <= 2600 for before, after in pairwise([0, *times[:-1]]))
    assert len(times) == 4
    assert {of.path for of, _ in studio.segments} == {part.path}


def test_the_digester_sees_every_byte_of_the_file_where_it_is(tmp_path: Path) -> None:
    studio = DigestingStudio(tmp_path)
    studio.begin("audio", "video")
    studio.play(3)
    part = studio.end()
    image = bytearray(part.size_bytes)
    for offset, data in studio.digesters[0].writes:
        image[offset : offset + len(data)] = data
    assert bytes(image) == part.path.read_bytes()


def test_the_times_of_a_digest_are_those_of_what_it_digests(tmp_path: Path) -> None:
    """Sound is ahead of a picture that comes late: what waits in the muxer is not in the file yet."""
    studio = DigestingStudio(tmp_path)
    studio.begin("audio", "video")
    studio.sound(0, 0.0)
    studio.picture(0, encoded(count=211, keyframe_every=30)[0], 0.15)
    studio.recording.report("audio", 2**32 - 960, ntp_from_seconds(1e9))
    studio.recording.report("video", 2**32 - 9000, ntp_from_seconds(1e9))
    studio.play(7, first_s=1 / 30, delay_s=0.15)
    part = studio.end()
    digests = [segment for _, segment in studio.segments]
    with av.open(str(part.path)) as container:
        packets = [
            (packet.pos or 0, float(packet.pts * packet.time_base) * 1000)
            for packet in container.demux()
            if packet.pts is not None and packet.time_base and packet.size
        ]
    for digest in digests[:-1]:
        assert max(at for pos, at in packets if pos < digest.end) <= digest.to_ms + 35
        assert min(at for pos, at in packets if pos >= digest.end) >= digest.to_ms - 35


def test_a_muxer_that_goes_back_ends_the_digests_and_not_the_recording(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    studio = DigestingStudio(tmp_path)
    studio.begin("video")
    studio.play(2, sound=False)
    studio.digesters[0].disturbed = True
    studio.play(3, first_s=2, sound=False)
    part = studio.end()
    assert part.duration_s == pytest.approx(5.0, abs=0.05)
    assert studio.segments == []
    assert "rewrote a fragment" in caplog.text

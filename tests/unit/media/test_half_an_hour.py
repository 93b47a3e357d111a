"""Half an hour of a phone whose clocks run 200 ppm off, packet by packet into a real file, faster than it would be."""

import random
from datetime import UTC, datetime
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from server.media import recording as recording_module
from server.media.codecs import CLOCK_HZ, Kind
from server.media.model import Part
from server.media.part import _File
from server.media.recording import PART_S, Begin, Recording
from server.media.rtcp import ntp_from_seconds
from server.media.rtp import slot_form
from tests.unit.media.material import encoded, payloads_of

SECONDS = 1800
SKEW = 200e-6
# Few pictures and long sounds: what counts is how far the clocks run apart.
STEP_S: dict[Kind, float] = {"video": 0.5, "audio": 0.06}
_SILENCE_60_MS = bytes([0b00011000, 0])  # RFC 6716 section 3.1: SILK, 60 ms, one frame, mono
BEGAN_S = 5000.0


class Phone:
    """Captures at true times; its clocks say something else."""

    def __init__(self, rtp_skew: dict[Kind, float], wall_skew: float) -> None:
        self._rtp_skew, self._wall_skew = rtp_skew, wall_skew
        self._number: dict[Kind, int] = {"audio": 0, "video": 0}
        self._keyframe = payloads_of("H264", encoded()[0])

    def stamp(self, kind: Kind, taken_s: float) -> int:
        return round(taken_s * (1 + self._rtp_skew[kind]) * CLOCK_HZ[kind])

    def wall(self, at_s: float) -> int:
        return ntp_from_seconds(1e9 + at_s * (1 + self._wall_skew))

    def packets(self, kind: Kind, taken_s: float) -> list[bytes]:
        payloads = self._keyframe if kind == "video" else [_SILENCE_60_MS]
        made = []
        for position, payload in enumerate(payloads):
            marker = 0x80 if kind == "video" and position == len(payloads) - 1 else 0
            made.append(slot_form(marker, self._number[kind], self.stamp(kind, taken_s), payload))
            self._number[kind] += 1
        return made


def record(directory: Path, phone: Phone) -> list[Part]:
    finished: list[Part] = []
    made = Recording(directory, "part-{}".format, 1, opened=lambda _: None, finished=finished.append)
    made.begin(Begin({"audio": "opus", "video": "H264"}, BEGAN_S, datetime(2026, 5, 4, tzinfo=UTC)))
    chance = random.Random(3)
    taken: list[tuple[float, Kind]] = []
    for kind, step_s in STEP_S.items():
        taken += [(index * step_s, kind) for index in range(round(SECONDS / step_s))]
    late: dict[Kind, float] = {"audio": 0.0, "video": 0.0}
    report_at = 0.5
    for taken_s, kind in sorted(taken):
        # Pictures take longer through their encoder; the network delays both a little more or less.
        late[kind] = max(late[kind], taken_s + (0.06 if kind == "video" else 0.02) + chance.random() * 0.03)
        for packet in phone.packets(kind, taken_s):
            made.packet(kind, packet, BEGAN_S + late[kind])
        if taken_s >= report_at:
            report_at += 5
            made.report("audio", phone.stamp("audio", taken_s), phone.wall(taken_s))
            made.report("video", phone.stamp("video", taken_s), phone.wall(taken_s))
        made.tick(BEGAN_S + taken_s)
    made.cut()
    return finished


def times(part: Part, kind: Kind) -> NDArray[np.float64]:
    """When each packet is due, in seconds of the phone's true time if nothing were late."""
    with av.open(str(part.path)) as container:
        stream = container.streams.video[0] if kind == "video" else container.streams.audio[0]
        return np.array(
            [float(p.pts * p.time_base) for p in container.demux(stream) if p.pts is not None and p.time_base]
        )


@pytest.mark.parametrize(
    ("rtp_skew", "wall_skew", "part_s"),
    [
        pytest.param(
            {"audio": SKEW, "video": SKEW}, SKEW, PART_S, id="the whole phone is fast, in six parts"
        ),
        pytest.param({"audio": -SKEW, "video": 0.0}, 0.0, 2 * SECONDS, id="its sound is slow, in one part"),
    ],
)
def test_sound_and_picture_stay_in_step_for_half_an_hour(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rtp_skew: dict[Kind, float],
    wall_skew: float,
    part_s: float,
) -> None:
    monkeypatch.setattr(recording_module, "PART_S", part_s)
    monkeypatch.setattr(_File, "sync", lambda file: setattr(file, "dirty", False))  # not the disk's test
    parts = record(tmp_path, Phone(rtp_skew, wall_skew))
    assert len(parts) == (1 if part_s > SECONDS else 6)
    first = parts[0].started_at
    due = {
        kind: np.concatenate(
            [(part.started_at - first).total_seconds() + times(part, kind) for part in parts]
        )
        for kind in STEP_S
    }
    assert [len(due["video"]), len(due["audio"])] == [SECONDS * 2, SECONDS * 50 // 3]
    off = {kind: due[kind] - np.arange(len(due[kind])) * STEP_S[kind] for kind in STEP_S}
    of_sound = np.interp(
        np.arange(len(due["video"])) * STEP_S["video"],
        np.arange(len(due["audio"])) * STEP_S["audio"],
        off["audio"],
    )
    apart = np.abs(off["video"] - of_sound)
    assert apart.max() < 0.020, f"{apart.max() * 1000:.1f} ms"
    ends = due["video"][-1] + STEP_S["video"], due["audio"][-1] + STEP_S["audio"]
    assert abs(ends[0] - ends[1]) < 0.040
    # By the server's clock, too, it is half an hour: not longer by what the phone's clock gained.
    assert max(ends) == pytest.approx(SECONDS, abs=0.060)

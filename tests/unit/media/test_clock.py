from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.media.clock import SyncClock
from server.media.codecs import CLOCK_HZ, Kind

AUDIO_HZ, VIDEO_HZ = 48_000, 90_000


def test_a_stream_alone_is_placed_by_its_earliest_arrival() -> None:
    clock = SyncClock(["video"])
    clock.arrived("video", 0, 100.050)
    clock.arrived("video", 3000, 100.043)
    assert clock.place("video", 0, settle=True) == pytest.approx(100.0097, abs=1e-3)


def synchronised(video_delay_s: float) -> SyncClock:
    """Sound and picture taken at one instant, the picture arriving later; no report yet."""
    clock = SyncClock(["audio", "video"])
    clock.arrived("audio", 5000, 100.0)
    clock.arrived("video", 7000, 100.0 + video_delay_s)
    return clock


def test_reports_of_both_kinds_put_them_in_step() -> None:
    clock = synchronised(0.080)
    clock.reported("audio", 5000, 3_900_000_000.0)
    assert not clock.synchronised
    clock.reported("video", 7000, 3_900_000_000.0)
    assert clock.synchronised
    audio = clock.place("audio", 5000, settle=True)
    video = clock.place("video", 7000, settle=True)
    assert video == pytest.approx(audio, abs=1e-6)
    assert audio == pytest.approx(100.0)


def test_a_correction_after_the_beginning_is_slewed_and_sound_stays() -> None:
    clock = synchronised(0.080)
    assert clock.place("audio", 5000) == pytest.approx(100.0)
    assert clock.place("video", 7000) == pytest.approx(100.080)
    clock.reported("audio", 5000, 50.0)
    clock.reported("video", 7000, 50.0)
    assert clock.place("audio", 5000 + AUDIO_HZ) == pytest.approx(101.0)
    half = clock.place("video", 7000 + VIDEO_HZ // 2)
    assert half == pytest.approx(100.5 + 0.080 - 0.050, abs=1e-6)
    assert clock.place("video", 7000 + VIDEO_HZ) == pytest.approx(101.0, abs=1e-6)


def test_a_kind_that_is_not_sent_is_not_waited_for() -> None:
    clock = synchronised(0.0)
    clock.reported("video", 7000, 50.0)
    clock.forget("audio")
    assert clock.synchronised


@given(st.floats(-200e-6, 200e-6), st.floats(0.0, 0.1))
def test_sound_and_picture_stay_in_step_while_the_senders_clocks_drift(skew: float, delay_s: float) -> None:
    """The sound card's clock runs off the sender's time of day, the picture's does not."""
    clock = synchronised(delay_s)
    worst = 0.0
    for second in range(0, 1800, 2):
        audio = 5000 + round(second * AUDIO_HZ * (1 + skew))
        video = 7000 + second * VIDEO_HZ
        clock.arrived("audio", audio, 100.0 + second)
        clock.arrived("video", video, 100.0 + second + delay_s)
        clock.reported("audio", audio, 5000.0 + second)
        clock.reported("video", video, 5000.0 + second)
        apart = clock.place("video", video) - clock.place("audio", audio)
        if second > 10:
            worst = max(worst, abs(apart))
    assert worst < 0.020


def test_a_sender_that_sets_its_clock_keeps_its_place() -> None:
    clock = synchronised(0.020)
    clock.reported("audio", 5000, 50.0)
    clock.reported("video", 7000, 50.0)
    before = clock.place("audio", 5000), clock.place("video", 7000)
    assert before[0] == pytest.approx(before[1], abs=1e-6)
    clock.reported("audio", 5000 + AUDIO_HZ, 9951.0)
    assert not clock.synchronised
    clock.reported("video", 7000 + VIDEO_HZ, 9951.0)
    assert clock.place("audio", 5000 + AUDIO_HZ) == pytest.approx(101.0, abs=0.006)
    assert clock.place("video", 7000 + VIDEO_HZ) == pytest.approx(101.0, abs=0.021)


def test_places_never_run_backwards() -> None:
    clock = synchronised(0.090)
    last = clock.place("video", 7000)
    clock.reported("audio", 5000, 50.0)
    clock.reported("video", 7000, 50.0)
    for frame in range(1, 60):
        place = clock.place("video", 7000 + frame * 3000)
        assert place > last
        last = place


def test_a_report_of_an_unknown_kind_is_ignored() -> None:
    clock = SyncClock(["video"])
    clock.reported("audio", 0, 1.0)
    assert not clock.synchronised


class Sender:
    """A phone whose packets the network delays by at least 20 ms, and whose clock runs `skew` fast.

    Its media time and its time of day are both by that clock; `play` gives the error of every place so far."""

    LEAST_S = 0.020

    def __init__(self, kinds: tuple[Kind, ...] = ("audio", "video"), skew: float = 0.0) -> None:
        self.clock = SyncClock(kinds)
        self.kinds = kinds
        self.skew = skew
        self.random = Random(20260504)
        self.errors: list[float] = []

    def play(self, from_s: float, until_s: float, extra_s: float, jitter_s: float = 0.030) -> None:
        """Packets taken in [from_s, until_s) arrive late by `extra_s` and a random jitter that is hardly ever 0."""
        tick = 0.1
        for step in range(round(from_s / tick), round(until_s / tick)):
            taken_s = step * tick
            sender_s = taken_s * (1 + self.skew)
            for kind in self.kinds:
                stamp = round(sender_s * CLOCK_HZ[kind])
                delay_s = self.LEAST_S + extra_s + self.random.expovariate(1 / jitter_s)
                self.clock.arrived(kind, stamp, 1000.0 + taken_s + delay_s)
                place = self.clock.place(kind, stamp, settle=not self.errors)
                self.errors.append(place - (1000.0 + taken_s + self.LEAST_S))
                if step % 10 == 5:
                    self.clock.reported(kind, stamp, 5e8 + sender_s)

    def worst_s(self, until_s: float) -> float:
        """The largest error that is left of a part of that length once `lateness_s` is taken off."""
        late_s = self.clock.lateness_s(1000.0, 1000.0 + until_s)
        # What was slewed into the first places, before the sender's clock was known, cannot be undone by one figure.
        return max(abs(error - late_s) for error in self.errors[len(self.errors) // 20 :])


@pytest.mark.parametrize("kinds", [("audio", "video"), ("audio",), ("video",)])
@pytest.mark.parametrize("skew", [0.0, 200e-6, -200e-6])
def test_first_packets_that_are_late_are_undone_in_the_end(kinds: tuple[Kind, ...], skew: float) -> None:
    sender = Sender(kinds, skew)
    sender.play(0, 3, 0.200)
    sender.play(3, 120, 0.0)
    assert sender.worst_s(120) < 0.020


@pytest.mark.parametrize("skew", [200e-6, -200e-6])
def test_a_drifting_sender_is_followed_through_half_an_hour(skew: float) -> None:
    sender = Sender(skew=skew)
    sender.play(0, 2, 0.100)
    sender.play(2, 1800, 0.0)
    assert sender.worst_s(1800) < 0.020


def test_a_congested_minute_does_not_move_the_part() -> None:
    sender = Sender()
    sender.play(0, 120, 0.0)
    sender.play(120, 180, 0.300)
    sender.play(180, 300, 0.0)
    assert sender.worst_s(300) < 0.030


def test_a_report_that_a_busy_sender_writes_late_moves_nothing() -> None:
    sender = Sender()
    sender.play(0, 20, 0.0)
    sender.clock.reported("audio", round(20 * AUDIO_HZ), 5e8 + 20.050)
    sender.play(20, 40, 0.0)
    assert sender.worst_s(40) < 0.015


def test_a_part_without_packets_has_no_lateness() -> None:
    assert SyncClock(["video"]).lateness_s(0.0, 10.0) == 0.0


@pytest.mark.parametrize("hours", [-1000, 13, 1_000_000])
def test_reports_that_set_the_kinds_hours_apart_are_not_believed(hours: int) -> None:
    clock = SyncClock(["audio", "video"])
    for index in range(200):
        clock.arrived("audio", index * 960, 50 + index / 50)
        clock.arrived("video", index * 1800, 50 + index / 50)
    clock.reported("audio", 0, 1e9)
    clock.reported("video", 0, 1e9 + hours * 3600)
    for kind, hz in (("audio", 48_000), ("video", 90_000)):
        assert clock.place(kind, hz, settle=True) == pytest.approx(51, abs=10)  # type: ignore[arg-type]

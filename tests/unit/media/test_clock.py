import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.media.clock import SyncClock

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

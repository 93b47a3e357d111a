"""The bad network of the tests is bad in the way that is asked for, and every time in the same one."""

from tests.peers.weather import CLEAR, REORDERED_S, Way, Weather

STEP_S = 1 / 1024


def leaving(weather: Weather, count: int = 10_000, seed: int = 1) -> list[float | None]:
    way = Way(seed)
    way.change(weather, 0.0)
    return [way.leaves_at(number * STEP_S) for number in range(count)]


def test_in_clear_weather_everything_leaves_at_once() -> None:
    assert leaving(CLEAR, 5) == [number * STEP_S for number in range(5)]


def test_loss_hits_its_share_and_the_same_ones_every_time() -> None:
    lost = [at is None for at in leaving(Weather(loss=0.05))]
    assert 400 < sum(lost) < 600
    assert lost == [at is None for at in leaving(Weather(loss=0.05, jitter_s=0.01, reorder=0.1))]
    assert lost != [at is None for at in leaving(Weather(loss=0.05), seed=2)]


def test_jitter_delays_and_keeps_the_order() -> None:
    times = leaving(Weather(jitter_s=0.03))
    delays = [at - number * STEP_S for number, at in enumerate(times) if at is not None]
    assert len(delays) == len(times)
    assert min(delays) >= 0
    assert 0.025 < max(delays) <= 0.03
    assert times == sorted(times, key=lambda at: at or 0.0)


def test_reordered_ones_are_overtaken() -> None:
    times = leaving(Weather(reorder=0.02))
    late = [number for number, at in enumerate(times) if at == number * STEP_S + REORDERED_S]
    assert 150 < len(late) < 250
    assert all(at == number * STEP_S for number, at in enumerate(times) if number not in late)


def test_in_a_burst_nothing_passes_and_the_next_one_comes_after_its_time() -> None:
    times = leaving(Weather(burst_s=0.25, burst_every_s=4.0), 10_000)
    lost = [number for number, at in enumerate(times) if at is None]
    assert lost == [*range(256), *range(4096, 4352), *range(8192, 8448)]

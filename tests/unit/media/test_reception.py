import pytest

from server.media.reception import Reception


def receive(reception: Reception, number: int, now: float | None = None) -> None:
    """One packet of a stream of frames of one packet each, as the uplink tells of it."""
    reception.received += 1
    reception.highest = max(reception.highest, number)
    reception.turned(number * 3000, number / 30 if now is None else now)


def test_a_whole_stream_has_no_loss() -> None:
    reception = Reception(90_000, 0)
    for number in range(100):
        receive(reception, number)
    assert (reception.lost, reception.fraction_lost(), reception.received) == (0, 0, 100)


def test_the_fraction_is_that_of_the_interval() -> None:
    reception = Reception(90_000, 1)
    for number in range(100):
        if number % 4:
            receive(reception, number)
    assert reception.fraction_lost() == pytest.approx(64, abs=2)
    for number in range(100, 200):
        receive(reception, number)
    assert reception.fraction_lost() == 0
    assert reception.lost == 24
    assert reception.highest == 199


def test_duplicates_do_not_make_a_negative_fraction() -> None:
    reception = Reception(90_000, 1)
    for number in (1, 1, 2, 2):
        receive(reception, number)
    assert reception.fraction_lost() == 0
    assert reception.lost == -2


def test_even_arrivals_have_no_jitter_and_uneven_ones_do() -> None:
    even, uneven = Reception(90_000, 0), Reception(90_000, 0)
    for number in range(500):
        receive(even, number)
        receive(uneven, number, number / 30 + (number % 2) * 0.010)
    assert even.jitter_s == pytest.approx(0, abs=1e-6)
    assert uneven.jitter_s == pytest.approx(0.010, rel=0.05)
    assert uneven.jitter == pytest.approx(900, rel=0.05)

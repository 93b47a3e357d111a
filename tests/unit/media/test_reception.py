import pytest

from server.media.reception import Reception


def test_a_whole_stream_has_no_loss() -> None:
    reception = Reception(90_000)
    for number in range(100):
        reception.packet(number, number * 3000, number / 30)
    assert (reception.lost, reception.fraction_lost(), reception.received) == (0, 0, 100)


def test_the_fraction_is_that_of_the_interval() -> None:
    reception = Reception(90_000)
    for number in range(100):
        if number % 4:
            reception.packet(number, number * 3000, number / 30)
    assert reception.fraction_lost() == pytest.approx(64, abs=2)
    for number in range(100, 200):
        reception.packet(number, number * 3000, number / 30)
    assert reception.fraction_lost() == 0
    assert reception.lost == 24
    assert reception.highest == 199


def test_duplicates_do_not_make_a_negative_fraction() -> None:
    reception = Reception(90_000)
    for number in (1, 1, 2, 2):
        reception.packet(number, 0, 0.0)
    assert reception.fraction_lost() == 0
    assert reception.lost == -2


def test_even_arrivals_have_no_jitter_and_uneven_ones_do() -> None:
    even, uneven = Reception(90_000), Reception(90_000)
    for number in range(500):
        even.packet(number, number * 3000, number / 30)
        uneven.packet(number, number * 3000, number / 30 + (number % 2) * 0.010)
    assert even.jitter_s == pytest.approx(0, abs=1e-6)
    assert uneven.jitter_s == pytest.approx(0.010, rel=0.05)
    assert uneven.jitter == pytest.approx(900, rel=0.05)


def test_nothing_received_is_nothing_lost() -> None:
    assert (Reception(48_000).fraction_lost(), Reception(48_000).lost) == (0, 0)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.media.losses import MAX_MISSING, LossList


def fed(*numbers: int, now: float = 0.0) -> LossList:
    losses, newest = LossList(), numbers[0]
    for number in numbers[1:]:
        newest = receive(losses, newest, number, now)
    return losses


def receive(losses: LossList, newest: int, number: int, now: float) -> int:
    """Tells the list of a packet, as the uplink does; the newest number from then on."""
    if number > newest + 1:
        losses.skipped(newest + 1, number, now)
    elif number <= newest:
        losses.came(number, now)
    return max(newest, number)


def test_a_stream_in_order_has_no_losses() -> None:
    assert not fed(*range(100)).pending


def test_a_missing_packet_is_asked_for_after_the_time_that_reordering_takes() -> None:
    losses = fed(1, 3)
    assert losses.due(0.005) == []
    assert losses.due(0.011) == [2]


def test_a_missing_packet_is_asked_for_again_and_again() -> None:
    losses = fed(1, 3)
    assert losses.due(0.02) == [2]
    assert losses.due(0.03) == []
    assert losses.due(0.09) == [2]
    assert losses.due(0.16) == [2]


def test_the_pause_between_requests_follows_the_time_that_a_repair_takes() -> None:
    slow, fast = fed(1, 3), fed(1, 3)
    for losses, round_trip_s in ((slow, 0.120), (fast, 0.004)):
        assert losses.due(0.02) == [2]
        losses.came(2, 0.02 + round_trip_s)
    assert slow.retry_s == pytest.approx(0.180)
    assert fast.retry_s == 0.030
    slow.skipped(4, 5, 1.0)
    assert slow.due(1.02) == [4]
    assert slow.due(1.19) == []
    assert slow.due(1.21) == [4]


def test_a_repair_that_was_asked_for_twice_measures_nothing() -> None:
    losses = fed(1, 3)
    losses.due(0.02)
    losses.due(0.09)
    losses.came(2, 0.10)
    assert losses.retry_s == 0.060


def test_a_packet_that_comes_late_is_not_asked_for() -> None:
    losses = fed(1, 4, 2, 3)
    assert not losses.pending
    assert losses.due(1.0) == []
    assert losses.abandoned == 0


def test_a_packet_that_never_comes_is_given_up_and_counted() -> None:
    losses = fed(1, 3)
    assert losses.due(0.49) == [2]
    assert losses.due(0.51) == []
    assert losses.abandoned == 1
    assert not losses.pending


def test_a_packet_from_before_the_stream_is_no_loss() -> None:
    losses = fed(10, 9, 8)
    assert not losses.pending


def test_a_burst_beyond_repair_is_given_up_at_once() -> None:
    losses = fed(1, 2 + MAX_MISSING + 1)
    assert not losses.pending
    assert losses.abandoned == MAX_MISSING + 1


def test_the_list_stays_bounded() -> None:
    losses = fed(*range(0, 10 * MAX_MISSING, 2))
    assert len(losses.due(0.2)) == MAX_MISSING


@given(st.permutations(range(30)), st.sets(st.integers(1, 28)))
def test_exactly_what_did_not_come_is_asked_for(order: list[int], lost: set[int]) -> None:
    losses = fed(*sorted([0, 29]))
    for number in order:
        if number not in lost:
            losses.came(number, 0.0)
    assert losses.due(0.1) == sorted(lost)

"""Some at once, then one after the other."""

import pytest

from server.pace import TokenBucket


def test_so_many_at_once_and_then_one_for_each_pause() -> None:
    bucket = TokenBucket(3, 2.0, 100.0)
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.wait_s(100.5) == pytest.approx(1.5)
    assert not bucket.take(101.9)
    assert bucket.take(102.0)
    assert not bucket.take(102.0)
    taken = sum(bucket.take(102.0 + step / 10) for step in range(1, 601))
    assert taken == 30


def test_a_long_rest_earns_no_more_than_the_burst() -> None:
    bucket = TokenBucket(3, 2.0, 0.0)
    assert [bucket.take(1000.0) for _ in range(4)] == [True, True, True, False]


def test_a_clock_that_goes_back_gives_nothing() -> None:
    bucket = TokenBucket(1, 2.0, 100.0)
    assert bucket.take(100.0)
    assert not bucket.take(90.0)
    assert not bucket.take(101.0)
    assert bucket.take(102.0)

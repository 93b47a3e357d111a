"""How long somebody who keeps failing to sign in has to wait."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from server.accounts.throttle import FORGOTTEN_AFTER, LONGEST_WAIT_S, wait_s

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def test_the_first_attempts_are_free() -> None:
    assert [wait_s(count, NOW, NOW, free=5) for count in range(5)] == [0] * 5


def test_each_further_failure_doubles_the_wait() -> None:
    assert [wait_s(count, NOW, NOW, free=5) for count in (5, 6, 7, 8)] == [1, 2, 4, 8]


def test_the_wait_runs_down_with_the_clock() -> None:
    assert wait_s(8, NOW, NOW + timedelta(seconds=5), free=5) == 3
    assert wait_s(8, NOW, NOW + timedelta(seconds=8), free=5) == 0


def test_an_hour_without_failures_forgets_them() -> None:
    assert wait_s(1000, NOW, NOW + FORGOTTEN_AFTER, free=5) == 0


@settings(deadline=None)
@given(st.integers(0, 10**9), st.integers(0, 10_000))
def test_nobody_waits_longer_than_the_longest_wait(count: int, later_s: int) -> None:
    assert 0 <= wait_s(count, NOW, NOW + timedelta(seconds=later_s), free=5) <= LONGEST_WAIT_S

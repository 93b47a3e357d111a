"""Times are UTC and RFC 3339."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from server.clock import SystemClock, parse_rfc3339, rfc3339


def test_a_moment_is_written_in_utc_with_milliseconds() -> None:
    moment = datetime(2026, 11, 21, 16, 30, 0, 125999, timezone(timedelta(hours=8)))
    assert rfc3339(moment) == "2026-11-21T08:30:00.125Z"


def test_what_is_written_is_read_back() -> None:
    assert parse_rfc3339("2026-11-21T08:30:00.125Z") == datetime(2026, 11, 21, 8, 30, 0, 125000, UTC)


def test_a_time_without_an_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="offset"):
        parse_rfc3339("2026-11-21T08:30:00")


def test_the_system_clock_knows_its_zone_and_never_runs_back() -> None:
    clock = SystemClock()
    assert clock.now().utcoffset() == timedelta(0)
    assert clock.monotonic_s() <= clock.monotonic_s()

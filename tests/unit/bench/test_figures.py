"""Percentiles, loss counting, and what /proc says."""

import pytest

from server.bench.figures import (
    ProcessTimes,
    Tally,
    endless,
    family,
    parse_drops,
    parse_machine,
    parse_resident,
    parse_stat,
    percentile,
    slope,
)

STAT = "4711 (odd (name) x) S 12 4711 4711 0 -1 4194304 9 8 7 6 150 50 30 20 20 0 4 0 100 0 0"


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = list(range(1, 101))
    assert percentile(values, 0.5) == 50
    assert percentile(values, 0.99) == 99
    assert percentile(values, 1.0) == 100
    assert percentile([7], 0.01) == 7


def test_nothing_measured_has_no_percentile() -> None:
    assert percentile([], 0.5) is None


def test_what_did_not_arrive_is_lost() -> None:
    tally = Tally(100)
    for number in (100, 101, 103, 104):
        assert tally.add(number)
    assert tally.lost(105) == 1
    assert tally.lost(107) == 3
    assert tally.arrived == 4


def test_a_duplicate_makes_no_loss_undone() -> None:
    tally = Tally(0)
    assert tally.add(0)
    assert not tally.add(0)
    assert tally.lost(2) == 1


def test_packets_from_before_the_window_do_not_count() -> None:
    tally = Tally(10)
    assert not tally.add(9)
    assert tally.lost(11) == 1


def test_a_long_gap_is_lost_as_a_whole() -> None:
    tally = Tally(0)
    tally.add(0)
    tally.add(50_000)
    assert tally.lost(50_001) == 49_999


@pytest.mark.parametrize(
    ("sequence", "near", "number"),
    [(5, 3, 5), (65_535, 65_540, 65_535), (2, 65_535, 65_538), (65_530, 131_080, 131_066)],
)
def test_a_sequence_number_is_the_nearest_of_its_kind(sequence: int, near: int, number: int) -> None:
    assert endless(sequence, near) == number


def test_the_name_of_a_process_may_hold_anything() -> None:
    assert parse_stat(STAT) == ProcessTimes(pid=4711, parent=12, ticks=200, waited_ticks=50)


def test_children_of_children_belong_to_the_family() -> None:
    processes = [
        ProcessTimes(5, 3, 1, 0),
        ProcessTimes(2, 1, 1, 0),
        ProcessTimes(3, 2, 1, 0),
        ProcessTimes(4, 1, 1, 0),
    ]
    assert [process.pid for process in family(processes, 2)] == [2, 3, 5]
    assert family(processes, 99) == []


def test_resident_memory_is_told_in_bytes() -> None:
    assert parse_resident("Name:\tx\nVmRSS:\t    2048 kB\nThreads:\t1\n") == 2 * 2**20
    assert parse_resident("Name:\tzombie\n") == 0


def test_drops_are_found_by_the_socket() -> None:
    table = (
        "   sl  local_address rem_address   st tx_queue rx_queue tr when retrnsmt uid timeout inode ref pointer drops\n"
        "  101: 0100007F:A1B2 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 99123 2 0000 17\n"
    )
    assert parse_drops(table) == {99123: 17}


def test_idle_and_waiting_for_the_disk_are_not_busy() -> None:
    times = parse_machine("cpu  10 1 5 100 4 0 2 1 50 0\ncpu0 1 1 1 1\n")
    assert (times.busy, times.total) == (19, 123)


def test_the_slope_is_that_of_the_line_through_the_points() -> None:
    assert slope([(0, 1), (1, 3), (2, 5)]) == pytest.approx(2)
    assert slope([(0, 1)]) == 0
    assert slope([(1, 1), (1, 5)]) == 0

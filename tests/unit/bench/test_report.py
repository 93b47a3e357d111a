"""The table, its ratios, and what gave out."""

import dataclasses
import json
from typing import Any

import pytest

from server.bench.report import Machine, Missing, Row, as_json, markdown, ratios, table
from server.bench.run import (
    CAPACITY_TRIES,
    Capacity,
    Search,
    Soak,
    capacity_as_json,
    describe_capacity,
    describe_soak,
    first_good,
    what_gave_out,
)
from server.bench.subject import RecordingState

MACHINE = Machine("2026-11-21 20:00 UTC", "a processor", 2, "Linux 6", "3.11", 0.5, 0.9)
ROW = Row(
    name="yunkan",
    inspections=8,
    viewers=3,
    seconds=20.0,
    cpu_percent=16.0,
    main_thread_percent=14.0,
    load_cpu_percent=9.0,
    machine_percent=20.0,
    sent=1000,
    lost=0,
    server_drops=0,
    load_drops=0,
    mismatches=0,
    p50_ms=0.25,
    p99_ms=3.5,
    resident_bytes=150 * 2**20,
    recording=RecordingState(True, 19.5, 0.2),
)
JANUS = dataclasses.replace(
    ROW, name="janus", cpu_percent=20.0, recording=RecordingState(False, 0, 1.5, "pp")
)
FLOOR = dataclasses.replace(ROW, name="floor", cpu_percent=8.0, recording=None, tight_percent=0.5)
AIORTC = dataclasses.replace(ROW, name="aiortc", inspections=1, cpu_percent=120.0)


def test_per_inspection_is_a_share_of_one_core() -> None:
    assert ROW.per_inspection == 2.0


def test_ratios_compare_the_same_load_and_aiortc_at_one_inspection() -> None:
    found = {(ratio.of, ratio.load): ratio.value for ratio in ratios([ROW, JANUS, FLOOR, AIORTC])}
    assert found[("yunkan / janus", "8 x 3")] == pytest.approx(0.8)
    assert found[("yunkan / floor", "8 x 3")] == pytest.approx(2)
    assert found[("yunkan / floor's tight loop", "8 x 3")] == pytest.approx(4)
    assert found[("aiortc (N=1) / yunkan", "8 x 3")] == pytest.approx(60)


def test_a_row_under_another_load_is_not_compared() -> None:
    assert ratios([ROW, dataclasses.replace(JANUS, viewers=1)]) == []


def test_a_server_that_fell_behind_is_marked_and_not_compared() -> None:
    late = dataclasses.replace(AIORTC, sent=600, lost=590)
    assert "590 of 600 frames (fell behind)" in table([late])
    assert ratios([ROW, late]) == []


def test_what_fell_behind_is_reckoned_by_the_frames_that_it_delivered_meanwhile() -> None:
    late = dataclasses.replace(AIORTC, sent=600, lost=220, delivered=400)
    assert late.reckoned_for_all == pytest.approx(180)
    assert [ratio[:3] for ratio in ratios([ROW, late])] == [
        ("aiortc (N=1, reckoned for all frames) / yunkan", "8 x 3", pytest.approx(90))
    ]
    text = markdown([ROW, late], MACHINE)
    assert "delivered 400 frames while 600 were due, with 120 % of a core" in text
    assert "about 180 % for all of them" in text
    assert as_json([late], MACHINE)["rows"][0]["reckoned_for_all_percent"] == pytest.approx(180)


def test_markdown_says_what_the_packets_carried() -> None:
    text = markdown([dataclasses.replace(ROW, extensions=("transport-cc",)), FLOOR], MACHINE)
    assert "- Yunkan, recording: packets carry transport-cc." in text
    assert "sendto: packets carry no header extension." in text


def test_a_missing_row_says_why_and_its_columns_stay_aligned() -> None:
    lines = table([ROW, Missing("janus", 8, 3, "the program janus is not installed")]).splitlines()
    assert "not measured: the program janus is not installed" in lines[2]
    assert lines[0].index("recording") == lines[1].index("playable") == lines[2].index("not measured")


def test_what_the_load_generator_lost_is_not_hidden() -> None:
    assert "7 of 1000 (7 by the load)" in table([dataclasses.replace(ROW, lost=7, load_drops=7)])


def test_markdown_has_one_line_for_each_row_and_names_the_machine() -> None:
    text = markdown([ROW, JANUS], MACHINE)
    assert text.startswith("2026-11-21 20:00 UTC, a processor, 2 cores")
    assert text.count("\n| Yunkan") == 1
    assert "| yunkan / janus | 8 x 3 | 0.80 | 0.80 to 0.80 |" in text


def test_of_several_rounds_each_is_compared_with_its_own_and_the_middle_one_counts() -> None:
    def rounds(row: Row, *percents: float) -> list[Row]:
        return [
            dataclasses.replace(row, cpu_percent=percent, round=turn)
            for turn, percent in enumerate(percents, start=1)
        ]

    # The machine was twice as slow in the second round, for both.
    rows = [*rounds(ROW, 9.0, 22.0, 14.0), *rounds(JANUS, 10.0, 20.0, 10.0)]
    (ratio,) = ratios(rows)
    assert (ratio.value, ratio.lowest, ratio.highest) == pytest.approx((1.1, 0.9, 1.4))
    text = markdown(rows, MACHINE)
    assert text.count("\n| Yunkan") == text.count("\n| Janus") == 1
    assert "| 1.75 | 14.0 |" in text
    assert "| yunkan / janus | 8 x 3 | 1.10 | 0.90 to 1.40 |" in text
    assert [row["round"] for row in as_json(rows, MACHINE)["rows"]] == [1, 2, 3, 1, 2, 3]


def test_a_server_that_one_round_could_not_measure_is_named() -> None:
    assert "not measured: it died" in table([ROW, Missing("yunkan", 8, 3, "it died")])


def test_json_holds_rows_missing_rows_and_ratios() -> None:
    document = json.loads(json.dumps(as_json([ROW, Missing("aiortc", 1, 3, "why")], MACHINE)))
    assert document["rows"][0]["cpu_percent_per_inspection"] == 2.0
    assert document["rows"][1]["reason"] == "why"
    assert document["ratios"] == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"p99_ms": 60.0, "load_cpu_percent": 97.0}, "load generator"),
        ({"p99_ms": 60.0, "main_thread_percent": 96.0}, "event loop"),
        ({"lost": 3, "machine_percent": 99.0}, "all cores"),
        ({"lost": 3, "server_drops": 3}, "receive buffer"),
        ({"lost": 3}, "no reason"),
    ],
)
def test_the_search_for_the_capacity_says_what_gave_out(changes: dict[str, Any], reason: str) -> None:
    found = what_gave_out(dataclasses.replace(ROW, **changes))
    assert reason in found if reason else found == ""


def test_half_load_is_judged_by_the_middle_of_its_measurements() -> None:
    half = tuple(dataclasses.replace(ROW, inspections=4, p99_ms=value) for value in (9.0, 80.0, 6.0))
    found = Capacity((ROW, dataclasses.replace(ROW, inspections=12, p99_ms=60.0)), "p99 delay 60 ms", half)
    assert "one worker carries 8 inspections" in describe_capacity(found)
    assert (
        "at half load, 4 inspections: p99 delay 9.0 ms (the middle of 9.0, 80.0, 6.0)"
        in describe_capacity(found)
    )
    assert capacity_as_json(found)["half_load_p99_ms"] == 9.0


def test_memory_of_further_inspections_does_not_count_the_first() -> None:
    soak = Soak(5, 1, 100, ((0.0, 180), (3600.0, 190)), ROW)
    assert soak.further_bytes == 20
    assert soak.growth_bytes_per_hour == pytest.approx(10)


def test_a_soak_says_whose_buffers_lost_what_was_lost() -> None:
    row = dataclasses.replace(ROW, lost=9, server_drops=4, load_drops=5)
    assert "9 of 1000 packets lost (4 by full buffers of the service, 5 by the load's)" in describe_soak(
        Soak(2, 1, 100, ((0.0, 180), (60.0, 181)), row)
    )


class Rows:
    """In place of a bench: what it measures one after the other."""

    def __init__(self, *rows: Row) -> None:
        self._rows = list(rows)

    async def measure(self, _seconds: float, _settle_s: float) -> Row:
        return self._rows.pop(0)

    @property
    def left(self) -> int:
        return len(self._rows)


async def test_a_step_is_measured_again_before_the_worker_is_said_to_have_given_out() -> None:
    late = dataclasses.replace(ROW, p99_ms=80.0)
    bench = Rows(late, ROW, late)
    assert await first_good(bench, lambda _: None, Search(most=8)) == ROW
    assert bench.left == 1
    bench = Rows(*[late] * 5)
    assert await first_good(bench, lambda _: None, Search(most=8)) == late
    assert bench.left == 5 - CAPACITY_TRIES

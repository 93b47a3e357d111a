"""What the record says of the recording's continuity: what was received, what was not, what of that came later."""

from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from server.archive.record import _continuity
from server.evidence.document import Table
from server.web.languages import speaking
from tests.unit.inspections.test_ledger import (
    CUT,
    Told,
    at,
    complete,
    ended,
    lacking,
    live,
    log,
    muted,
    part,
    paused,
    reported,
    resumed,
)


def rows_of(*told: Told, language: str = "zh-CN") -> list[list[str]]:
    """The table's rows, of a log that was closed when the inspection ended."""
    events = [SimpleNamespace(**{**event, "at": datetime.fromisoformat(event["at"])}) for event in log(*told)]
    record: Any = SimpleNamespace(events=events, closed_at=at(max(seconds for seconds, *_ in told)))
    with speaking(language):
        _, table = _continuity(record)
    assert isinstance(table, Table)
    return [list(row) for row in table.rows]


def test_a_gap_is_told_with_what_came_later_and_what_is_still_missing() -> None:
    phone = part("c", 12, 25, source="phone")
    assert rows_of(*CUT, phone) == [
        ["田", "已接收", "0:19", "中断 0:20，其中事后补传 0:13"],
        ["田", "16:00:10 – 16:00:30", "0:20", "网络中断；事后补传：0:13；仍缺：0:07"],
    ]
    _, gap = rows_of(*CUT, phone, language="en")
    assert gap[3] == "The network was lost; uploaded later: 0:13; still missing: 0:07"


def test_a_gap_that_nothing_fills_is_told_as_missing_whole() -> None:
    assert rows_of(*CUT)[1][3] == "网络中断；事后补传：0:00；仍缺：0:20"


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ((muted(10, "audio"), muted(20, "audio", on=False)), "已收到，但无声音：田将其关闭"),
        ((muted(10, "video"), muted(20, "video", on=False)), "已收到，但无画面：田将其关闭"),
        (
            (
                muted(10, "video"),
                muted(10, "audio"),
                muted(20, "video", on=False),
                muted(20, "audio", on=False),
            ),
            "已收到，但无画面和声音：田将其关闭",
        ),
        ((lacking(10, "audio"), complete(20, "audio")), "已收到，但无声音：声音中断，画面仍在"),
        ((reported(10, "camera_black"), reported(20, "camera_back")), "已收到，但无画面：画面全黑"),
    ],
)
def test_what_was_received_without_something_is_told_with_why(told: tuple[Told, ...], words: str) -> None:
    assert rows_of(part("a", 0, 30), *told, ended(30)) == [
        ["田", "已接收", "0:30", "中断 0:00，其中事后补传 0:00"],
        ["田", "16:00:10 – 16:00:20", "0:10", words],
    ]


def test_a_picture_that_stopped_is_missing_although_the_sound_went_on() -> None:
    rows = rows_of(part("a", 0, 30), lacking(10), complete(20), ended(30))
    assert rows[1] == ["田", "16:00:10 – 16:00:20", "0:10", "画面中断，声音仍在；事后补传：0:00；仍缺：0:10"]


def test_the_record_names_who_paused_the_inspection_and_why() -> None:
    _, gap = rows_of(
        live(0), part("a", 0, 10), paused(10, "等候原件"), resumed(70), part("b", 71, 90), ended(90)
    )
    assert gap[2] == "1:01"
    assert gap[3].startswith("田暂停了勘验 (等候原件)")

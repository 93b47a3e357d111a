"""What the record says of a pause."""

from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast

from server.archive.record import _continuity
from server.archive.record_told import Told
from server.evidence.document import Table
from server.inspections.models import Event
from server.web.languages import speaking
from tests.unit.inspections.test_ledger import ended, live, log, part, paused, resumed


def told(*happened: Any) -> Told:
    """A log of which only the events are asked for."""
    events = [
        SimpleNamespace(**{**event, "at": datetime.fromisoformat(event["at"])}) for event in log(*happened)
    ]
    index: Any = None
    return Told(lines=[], events=cast(list[Event], events), index=index, language="zh-CN")


def test_the_record_names_who_paused_the_inspection_and_why() -> None:
    with speaking("zh-CN"):
        _, rows = _continuity(
            told(live(0), part("a", 0, 10), paused(10, "等候原件"), resumed(70), part("b", 71, 90), ended(90))
        )
    assert isinstance(rows, Table)
    (gap,) = [row for row in rows.rows if "–" in row[1]]
    assert gap[2] == "1:01"
    assert gap[3].startswith("田暂停了勘验 (等候原件)")

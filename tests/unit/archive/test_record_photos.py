"""What the record says of photos: a phone that sent what it had announced is not said to have sent something else."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from server.archive.record_photos import photos
from server.evidence.document import Table
from server.web.languages import speaking

SAID = {
    "photo": "p1",
    "snapshot": None,
    "taken_at": "2026-11-21T08:00:00.000Z",
    "width": 1920,
    "height": 1080,
    "how": "photo",
    "sha256": "ab" * 32,
}


def arrived(*later: tuple[str, dict[str, Any]], language: str = "zh-CN") -> str:
    """The cell of a photo that was announced, after what is `later` in the log."""
    at, actor = datetime(2026, 11, 21, 8, tzinfo=UTC), {"name": "田海"}
    events = [
        SimpleNamespace(type=type_, at=at, actor=actor, body=body)
        for type_, body in (("photo.announced", SAID), *later)
    ]
    told: Any = SimpleNamespace(events=events)
    with speaking(language):
        _, _, table = photos(told)
    assert isinstance(table, Table)
    ((*_, cell, _),) = table.rows
    return cell


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("digest", "已拒收：收到的并非所声明的照片"),
        ("unreadable", "已拒收：收到的正是所声明的文件，但不是能打开的该格式图片"),
    ],
)
def test_a_refused_photo_is_told_with_its_reason(reason: str, words: str) -> None:
    refused = {"photo": "p1", "snapshot": None, "reason": reason, "sha256": "ab" * 32}
    assert arrived(("photo.refused", refused)) == words


def test_a_photo_that_came_or_never_came_is_told_as_that() -> None:
    assert arrived(("photo.added", SAID), language="en") == "Yes"
    assert arrived(language="en") == "No, it never came"

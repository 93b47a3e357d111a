"""What happened in an inspection, folded from its events."""

from datetime import UTC, datetime
from typing import Any

from server.inspections.models import Event
from server.inspections.summary import summarise

AT = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def event(type_: str, name: str = "周敏", **body: Any) -> Event:
    return Event(type=type_, at=AT, actor={"name": name}, body=body)


def test_the_last_answer_to_an_item_stands() -> None:
    summary = summarise(
        [
            event("checklist.answered", item="street", result="pass", note=""),
            event("checklist.answered", "李四", item="street", result="fail", note="wrong road"),
        ]
    )
    assert summary.answers["street"].result == "fail"
    assert summary.answers["street"].by == "李四"
    assert summary.count_of("fail") == 1
    assert summary.count_of("pass") == 0


def test_an_answer_taken_back_is_no_answer() -> None:
    summary = summarise(
        [
            event("checklist.answered", item="street", result="pass", note=""),
            event("checklist.answered", item="street", result="none", note=""),
        ]
    )
    assert not summary.answers


def test_somebody_who_comes_twice_is_one_person() -> None:
    joined = Event(
        type="participant.joined",
        at=AT,
        actor={"name": "田"},
        body={"participant": "p", "name": "田", "role": "enterprise"},
    )
    assert [person.name for person in summarise([joined, joined]).people] == ["田"]


def test_snapshots_parts_messages_and_breaks_are_counted() -> None:
    summary = summarise(
        [
            event("snapshot.taken"),
            event("snapshot.taken"),
            event("part.closed", duration_s=10.5),
            event("part.closed", duration_s=None),
            event("chat.sent", text="hello"),
            event("slot.interrupted", cause="no_media"),
            event("recording.failed", reason="disk"),
            event("something.new"),
        ]
    )
    assert (summary.snapshots, summary.parts, summary.messages) == (2, 2, 1)
    assert summary.recorded_s == 10.5
    assert (summary.interruptions, summary.warnings) == (1, 1)


def test_what_a_phone_uploaded_later_is_a_part_that_adds_no_time() -> None:
    summary = summarise(
        [event("part.closed", duration_s=10.5), event("part.closed", duration_s=20, source="phone")]
    )
    assert (summary.parts, summary.recorded_s) == (2, 10.5)


def test_what_the_end_cut_off_is_no_interruption() -> None:
    summary = summarise(
        [event("inspection.ended", reason="completed"), event("slot.interrupted", cause="closed")]
    )
    assert summary.interruptions == 0

"""However much is tried, the lines are few, and the counts are whole."""

from datetime import UTC, datetime, timedelta

from server.archive import attempts
from server.archive.attempts import Attempts

AT = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def test_the_first_attempts_have_lines_and_the_others_are_counted() -> None:
    kept = Attempts()
    admitted = [kept.admit("visitor", number, "access.refused", AT) for number in range(500)]
    assert admitted == [True] * attempts.LINES + [False] * (500 - attempts.LINES)
    assert kept.take(AT + timedelta(minutes=1)) == []
    (counted,) = kept.take(AT + attempts.TOLD_EVERY)
    assert (counted.who, counted.since) == ("visitor", AT)
    assert counted.by_type == {"access.refused": 500 - attempts.LINES}
    assert kept.take(AT + attempts.TOLD_EVERY * 2) == [], "told once"


def test_the_same_attempt_again_is_counted_and_one_persons_flood_is_not_anothers() -> None:
    kept = Attempts()
    assert [kept.admit("a", "x", "sign_in.failed", AT) for _ in range(3)] == [True, False, False]
    assert kept.admit("b", "x", "sign_in.failed", AT)
    assert [each.by_type for each in kept.take(AT, all_=True)] == [{"sign_in.failed": 2}]


def test_after_an_hour_there_are_lines_again() -> None:
    kept = Attempts()
    for number in range(attempts.LINES + 5):
        kept.admit("visitor", number, "access.refused", AT)
    later = AT + attempts.WINDOW
    assert kept.admit("visitor", 0, "access.refused", later)
    assert kept.take(later)[0].by_type == {"access.refused": 5}


def test_what_could_not_be_written_is_told_with_what_came_meanwhile() -> None:
    kept = Attempts()
    for _ in range(4):
        kept.admit("a", "x", "access.refused", AT)
    (counted,) = kept.take(AT, all_=True)
    kept.admit("a", "x", "access.refused", AT + timedelta(minutes=5))
    kept.give_back(counted)
    (again,) = kept.take(AT + timedelta(minutes=10), all_=True)
    assert (again.by_type, again.since) == ({"access.refused": 4}, AT)


def test_only_so_many_people_are_remembered_and_no_count_is_lost() -> None:
    kept = Attempts()
    for number in range(attempts.MOST_PEOPLE + 100):
        for _ in range(2):
            kept.admit(str(number), "x", "access.refused", AT)
    assert len(kept._people) == attempts.MOST_PEOPLE
    assert (
        sum(each.by_type["access.refused"] for each in kept.take(AT, all_=True)) == attempts.MOST_PEOPLE + 100
    )

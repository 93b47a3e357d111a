"""States and results of an inspection."""

from server.inspections.rules import (
    DECIDING,
    JOINABLE,
    NOTE_NEEDED,
    RESULTS,
    STATES,
    TRANSITIONS,
    UNDER_WAY,
    source_of,
)


def test_an_inspection_ends_before_it_is_concluded_and_is_live_before_it_ends() -> None:
    assert source_of("live") == "scheduled"
    assert source_of("ended") == "live"
    assert source_of("concluded") == "ended"


def test_only_a_scheduled_inspection_can_be_cancelled() -> None:
    assert source_of("cancelled") == "scheduled"


def test_what_is_concluded_or_cancelled_stays_so() -> None:
    assert not TRANSITIONS["concluded"]
    assert not TRANSITIONS["cancelled"]


def test_every_transition_leads_to_a_state_that_exists() -> None:
    assert {target for targets in TRANSITIONS.values() for target in targets} <= set(STATES)


def test_people_join_before_and_during_never_after() -> None:
    assert set(JOINABLE) == {"scheduled", "live"}
    assert set(UNDER_WAY) == {"scheduled", "live", "ended"}


def test_each_result_either_decides_or_needs_a_note() -> None:
    assert set(RESULTS) == DECIDING | NOTE_NEEDED
    assert not DECIDING & NOTE_NEEDED

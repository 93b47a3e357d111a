"""What an inspection may be: states, transitions, results, answers. Pure."""

from __future__ import annotations

from typing import Literal

from server.errors import N_, Invalid

InspectionState = Literal["scheduled", "live", "ended", "concluded", "cancelled"]
Result = Literal["pass", "rectify", "fail", "unverifiable"]
Answer = Literal["pass", "minor", "fail", "unverifiable", "none"]
EndReason = Literal["completed", "abandoned"]

TRANSITIONS: dict[InspectionState, frozenset[InspectionState]] = {
    "scheduled": frozenset({"live", "cancelled"}),
    "live": frozenset({"ended"}),
    "ended": frozenset({"concluded"}),
    "concluded": frozenset(),
    "cancelled": frozenset(),
}
STATES: tuple[InspectionState, ...] = tuple(TRANSITIONS)

UNDER_WAY: tuple[InspectionState, ...] = ("scheduled", "live", "ended")
"""States in which the case waits for this inspection."""
JOINABLE: tuple[InspectionState, ...] = ("scheduled", "live")

RESULTS: tuple[Result, ...] = ("pass", "rectify", "fail", "unverifiable")
NOTE_NEEDED: frozenset[Result] = frozenset({"rectify", "unverifiable"})
"""Results that make work for somebody, who has to be told what to do."""
DECIDING: frozenset[Result] = frozenset({"pass", "fail"})
"""Results after which the case can be decided; the others ask for something more."""

ANSWERS: tuple[Answer, ...] = ("pass", "minor", "fail", "unverifiable", "none")
END_REASONS: tuple[EndReason, ...] = ("completed", "abandoned")

LONGEST_NOTE = 2000


def check_note(field: str, text: str, problem: str) -> str:
    """What somebody wrote, stripped; Invalid with `problem` (a message id) if that is nothing, or if it is too long."""
    text = text.strip()
    if not text:
        raise Invalid({field: problem})
    if len(text) > LONGEST_NOTE:
        raise Invalid({field: N_("This is too long.")})
    return text


def source_of(target: InspectionState) -> InspectionState:
    """The one state from which an inspection comes to `target`."""
    (source,) = (state for state, targets in TRANSITIONS.items() if target in targets)
    return source

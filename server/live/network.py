"""The grade of a participant's network and its reasons: pure, from what the server measured and the phone reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Grade = Literal["good", "fair", "poor", "lost", "unknown"]
HOLDS_S = 4.0
"""What is graded so for so long is entered into the log. That bounds how many entries a flickering network makes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Loss as a share, times in seconds, bitrate in bit/s; None where nothing is known.

    `loss` is of what the participant sends, `loss_down` of what is sent to them. `last_packet_age_s` is None when
    nothing is published.
    """

    loss: float | None = None
    loss_down: float | None = None
    rtt_s: float | None = None
    bitrate_bps: float | None = None
    last_packet_age_s: float | None = None
    limited: str | None = None


def grade(measured: Measured) -> tuple[Grade, tuple[str, ...]]:
    """The worst of all signs decides; reasons are codes that the console puts into words."""
    known = (measured.last_packet_age_s, measured.rtt_s, measured.loss, measured.loss_down)
    if all(value is None for value in known):
        return "unknown", ()
    if measured.last_packet_age_s is not None and measured.last_packet_age_s > 2:
        return "lost", ("no_media",)
    poor: list[str] = []
    fair: list[str] = []
    for value, fair_above, poor_above, reason in (
        (measured.loss, 0.02, 0.08, "loss"),
        (measured.loss_down, 0.02, 0.08, "loss_down"),
        (measured.rtt_s, 0.25, 0.6, "delay"),
    ):
        if value is not None and value > poor_above:
            poor.append(reason)
        elif value is not None and value > fair_above:
            fair.append(reason)
    if measured.limited == "bandwidth":
        fair.append("bandwidth")
    if measured.limited == "cpu":
        fair.append("cpu")
    if (
        measured.bitrate_bps is not None
        and measured.bitrate_bps < 150_000
        and measured.limited == "bandwidth"
    ):
        poor.append("bitrate")
    if poor:
        return "poor", (*poor, *fair)
    return ("fair", tuple(fair)) if fair else ("good", ())


@dataclass(slots=True)
class SteadyGrade:
    """One participant's grade as the log tells it: a change counts once it has held."""

    _told: Grade = "unknown"
    _seen: Grade = "unknown"
    _seen_since_s: float = 0.0

    def held_s(self, verdict: Grade, at_s: float) -> float | None:
        """For how long `verdict` has held, if it is to be told now, else None. What is not known is not told."""
        if verdict != self._seen:
            self._seen, self._seen_since_s = verdict, at_s
        held_s = at_s - self._seen_since_s
        if verdict in ("unknown", self._told) or held_s < HOLDS_S:
            return None
        self._told = verdict
        return held_s

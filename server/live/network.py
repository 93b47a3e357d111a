"""The grade of a participant's network and its reasons: pure, from what the server measured and the phone reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Grade = Literal["good", "fair", "poor", "lost", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Loss as a share, times in seconds, bitrate in bit/s; None where nothing is known.

    `last_packet_age_s` is None when nothing is published.
    """

    loss: float | None = None
    rtt_s: float | None = None
    bitrate_bps: float | None = None
    last_packet_age_s: float | None = None
    limited: str | None = None


def grade(measured: Measured) -> tuple[Grade, tuple[str, ...]]:
    """The worst of all signs decides; reasons are codes that the console puts into words."""
    if measured.last_packet_age_s is None and measured.rtt_s is None and measured.loss is None:
        return "unknown", ()
    if measured.last_packet_age_s is not None and measured.last_packet_age_s > 2:
        return "lost", ("no_media",)
    poor: list[str] = []
    fair: list[str] = []
    for value, fair_above, poor_above, reason in (
        (measured.loss, 0.02, 0.08, "loss"),
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

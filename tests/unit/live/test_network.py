"""The grade of a network is that of its worst sign."""

import pytest

from server.live.network import HOLDS_S, Grade, Measured, SteadyGrade, grade


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        (Measured(), ("unknown", ())),
        (Measured(loss=0.0, last_packet_age_s=0.1), ("good", ())),
        (Measured(loss=0.03, last_packet_age_s=0.1), ("fair", ("loss",))),
        (Measured(loss=0.2, last_packet_age_s=0.1), ("poor", ("loss",))),
        (Measured(loss_down=0.0), ("good", ())),
        (Measured(loss=0.0, loss_down=0.03, last_packet_age_s=0.1), ("fair", ("loss_down",))),
        (Measured(loss=0.03, loss_down=0.2), ("poor", ("loss_down", "loss"))),
        (Measured(rtt_s=0.3), ("fair", ("delay",))),
        (Measured(rtt_s=0.9, loss=0.03), ("poor", ("delay", "loss"))),
        (Measured(loss=0.0, limited="bandwidth", bitrate_bps=800_000), ("fair", ("bandwidth",))),
        (Measured(loss=0.0, limited="bandwidth", bitrate_bps=90_000), ("poor", ("bitrate", "bandwidth"))),
        (Measured(loss=0.0, bitrate_bps=90_000), ("good", ())),
        (Measured(loss=0.0, limited="cpu"), ("fair", ("cpu",))),
        (Measured(loss=0.0, last_packet_age_s=2.5), ("lost", ("no_media",))),
    ],
)
def test_the_worst_sign_decides(measured: Measured, expected: tuple[str, tuple[str, ...]]) -> None:
    assert grade(measured) == expected


def test_only_a_grade_that_has_held_is_told_and_only_once() -> None:
    seen: list[tuple[float, Grade]] = [
        (0, "unknown"),
        (2, "good"),
        (4, "poor"),
        (6, "good"),
        (8, "good"),
        (10, "good"),
        (12, "good"),
        (14, "fair"),
        (16, "good"),
        (18, "fair"),
        (20, "fair"),
        (22, "fair"),
    ]
    steady = SteadyGrade()
    told = [(at_s, verdict, steady.held_s(verdict, at_s)) for at_s, verdict in seen]
    assert [one for one in told if one[2] is not None] == [(10, "good", HOLDS_S), (22, "fair", HOLDS_S)]

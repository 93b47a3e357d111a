"""The grade of a network is that of its worst sign."""

import pytest

from server.live.network import Measured, grade


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        (Measured(), ("unknown", ())),
        (Measured(loss=0.0, last_packet_age_s=0.1), ("good", ())),
        (Measured(loss=0.03, last_packet_age_s=0.1), ("fair", ("loss",))),
        (Measured(loss=0.2, last_packet_age_s=0.1), ("poor", ("loss",))),
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

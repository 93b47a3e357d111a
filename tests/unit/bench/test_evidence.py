"""The benchmark of evidence measures something, with small amounts."""

from pathlib import Path

from server.bench.evidence import describe, measure


def test_small_amounts_give_every_figure(tmp_path: Path) -> None:
    figures = measure(tmp_path, "", 1, 3, 0.2)
    assert all(rate > 0 for rate in figures.events_per_s.values())
    assert len(figures.events_per_s) == 2
    assert 0 <= figures.zip_memory_mb < 30
    table = describe(figures)
    for words in ("events a second", "sealing 1 MB", "sha256sum", "zipping 3 MB"):
        assert words in table

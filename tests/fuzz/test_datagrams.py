"""A short run of the fuzz target; the long one is `python -m tests.fuzz.datagrams`."""

from pathlib import Path

from tests.fuzz.datagrams import run


async def test_hostile_datagrams_break_nothing_and_the_neighbour_notices_nothing(tmp_path: Path) -> None:
    outcome = await run(30_000, 7, tmp_path)
    assert outcome.failures == 0
    assert outcome.neighbour_seen == outcome.neighbour_sent == 1500
    assert outcome.taken_bytes > 500_000  # enough of it passes for media
    assert outcome.recording_failures == []
    assert outcome.kept[1] - outcome.kept[0] < 16 << 20

"""A short run of the fuzz target; the long one is `python -m tests.fuzz.datagrams`."""

import dataclasses
from pathlib import Path

import pytest

from tests.fuzz import datagrams
from tests.fuzz.datagrams import MAX_GROWTH_BYTES, Outcome, run

GOOD = Outcome(1000, 0, 5, 50, 50, 9, 10_000, [], (100 << 20, 101 << 20))


async def test_hostile_datagrams_break_nothing_and_the_neighbour_notices_nothing(tmp_path: Path) -> None:
    outcome = await run(30_000, 7, tmp_path)
    assert outcome.problems == []
    assert outcome.neighbour_seen == outcome.neighbour_sent == 1500
    assert outcome.neighbour_refused > 1000  # enough of it looks as if it were the neighbour's
    assert outcome.taken_bytes > 500_000  # enough of it passes for media


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"failures": 1}, "1 datagrams were not handled"),
        ({"neighbour_seen": 49}, "the neighbour got 49 of 50 packets"),
        ({"recording_failures": ["disk"]}, "the recording failed"),
        ({"kept": (0, MAX_GROWTH_BYTES + 1)}, "memory grew by 16.0 MB in the second half"),
    ],
)
def test_the_long_run_fails_for_each_thing_that_must_not_be(
    changes: dict[str, object],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    outcome = GOOD

    async def ran(*_: object) -> Outcome:
        return outcome

    monkeypatch.setattr(datagrams, "run", ran)
    monkeypatch.setattr("sys.argv", ["datagrams"])
    assert datagrams.main() == 0
    outcome = dataclasses.replace(GOOD, **changes)  # type: ignore[arg-type]
    assert datagrams.main() == 1
    assert said in capsys.readouterr().out

"""A clock that was changed is seen: against the second clock, against itself, against the time stamp."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from server.evidence import keys, sealing, timestamps
from tests.evidence.authority import Authority, ask
from tests.evidence.inspection import INSPECTION, Log, make_package
from tests.evidence.verifiers import ask_both, ask_ours, problems_of, warnings_of

SAID = {
    "drift": "the two clocks part company at event",
    "backwards": "is earlier than one before it",
    "after_seal": "the last event is later than the seal",
}


def sealed(folder: Path, office: keys.OfficeKeys, shifts: list[float]) -> set[str]:
    """The findings about the clocks of a log whose wall clock was set back and forth: the same by both verifiers."""
    log = Log(INSPECTION, datetime.now(UTC) - timedelta(hours=2))
    folder.mkdir()
    for shift in shifts:
        log.shift_s = shift
        log.add("chat.sent", text="x")
    log.close()
    make_package(folder, office, log)
    report = ask_ours(folder, office)
    assert problems_of(report) == []
    ours = [f for step in report.steps if step.kind.code == "clock" for f in step.findings]
    theirs = [w for w in warnings_of(folder, office) if any(said in w for said in SAID.values())]
    assert ask_both(folder, office).their_problems == []
    assert [f.message() for f in ours] == [w.strip() for w in theirs]
    assert all(SAID[f.code] in f.message() for f in ours)
    return {f.code for f in ours}


@pytest.mark.parametrize(
    ("shifts", "codes"),
    [
        ([0, 0, 0], set()),
        ([0, 2, 1], set()),
        ([0, 600, 600], {"drift"}),
        ([0, -600, -600], {"drift", "backwards"}),
        ([0, -8, 0], {"backwards"}),
        ([0, 3 * 3600], {"drift", "after_seal"}),
    ],
)
def test_a_wall_clock_that_was_set_is_told(
    tmp_path: Path, office: keys.OfficeKeys, shifts: list[float], codes: set[str]
) -> None:
    assert sealed(tmp_path / "inspection", office, shifts) == codes


def test_a_log_that_claims_to_be_from_after_its_stamp_fails(
    tmp_path: Path, office: keys.OfficeKeys, authority: Authority
) -> None:
    folder = tmp_path / "inspection"
    sealed(folder, office, [0, 3 * 3600])
    asked = timestamps.request((folder / "seal.p7s").read_bytes())
    reply = ask(authority, asked.body)
    sealing.add_stamp(folder, 1, reply, asked, authority.root, datetime.now(UTC))
    found = ask_both(folder, office)
    assert found.our_problems == ["the last event is later than the time stamp"]
    assert found.their_problems == [" the last event is later than the time stamp"]


def test_a_seal_that_claims_to_be_from_after_its_stamp_fails(
    tmp_path: Path, office: keys.OfficeKeys, authority: Authority
) -> None:
    folder = tmp_path / "inspection"
    log = Log(INSPECTION, datetime.now(UTC) - timedelta(hours=2))
    log.close()
    folder.mkdir()
    make_package(folder, office, log, now=datetime.now(UTC) + timedelta(hours=1))
    asked = timestamps.request((folder / "seal.p7s").read_bytes())
    reply = ask(authority, asked.body)
    sealing.add_stamp(folder, 1, reply, asked, authority.root, datetime.now(UTC))
    found = ask_both(folder, office)
    assert any("seal.tsr: is from before the sealing" in p for p in found.our_problems)
    assert any("seal.tsr is from before the sealing" in p for p in found.their_problems)

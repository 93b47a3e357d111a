"""A viewing copy shows less, says what is missing, and still leads to what was sealed."""

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from server.evidence import keys, metadata, redaction, sealing
from server.evidence.canonical import dump, parse
from server.evidence.redaction import CannotRedact, Redaction, RedactionOrder
from tests.evidence import tampering
from tests.evidence.inspection import OFFICE, Made
from tests.evidence.verifiers import ask_both, ask_ours, problems_of

MP4 = "data/media/SLOTMP4-e1-0001.mp4"
WEBM = "data/media/SLOTWEBM-e1-0001.webm"


def order(original: Made, target: Path, **changes: Any) -> RedactionOrder:
    given: dict[str, Any] = {"omit": frozenset({WEBM, "data/photos/0001.png"}), "withhold": frozenset({1, 9})}
    given |= {"spans": {MP4: [(1500, 1800)]}, "by": "staff-1", "reason": "business secret"}
    return RedactionOrder(source=original.folder, target=target, at=datetime.now(UTC), **(given | changes))


@pytest.fixture
def copy(original: Made, tmp_path: Path) -> Path:
    redaction.make_copy(order(original, tmp_path / "copy"), original.office)
    return tmp_path / "copy"


def test_a_copy_passes_and_says_what_is_missing(original: Made, copy: Path) -> None:
    report = ask_ours(copy, original.office)
    assert problems_of(report) == []
    told = [
        f.message() for s in report.steps for f in s.findings if f.code in ("omitted", "blanked", "withheld")
    ]
    assert "data/media: a file was left out" in told
    assert "data/photos: a file was left out" in told
    assert f"{MP4}: 1 pieces were blanked" in told
    assert "2 events were withheld" in told
    assert report.exit_code == 0
    assert report.verdict == "passed_with_warnings"


def test_what_is_left_out_is_not_in_the_copy(original: Made, copy: Path) -> None:
    assert not (copy / WEBM).exists()
    leaves = (copy / sealing.LEAVES).read_text()
    assert "0001.png" not in leaves
    assert "SLOTWEBM" not in leaves
    lines = (copy / sealing.EVENTS).read_bytes().splitlines()
    assert set(parse(lines[8])) == {"link", "seq"}
    blanked = (copy / MP4).read_bytes()
    assert len(blanked) == (original.folder / MP4).stat().st_size
    piece = next(e["body"] for e in tampering.read_events(original.folder) if e["type"] == "part.segment")
    emptied, sealed = blanked[piece["start"] : piece["end"]], (original.folder / MP4).read_bytes()
    assert not any(sealed[at : at + 16] in emptied for at in range(piece["start"], piece["end"] - 16, 16))
    assert any(blanked[piece["end"] :])


def test_the_seal_and_its_signature_and_stamp_are_those_of_the_original(original: Made, copy: Path) -> None:
    for name in ("seal.json", "seal.p7s", "seal.tsr", "proofs/office-log.json"):
        assert (copy / name).read_bytes() == (original.folder / name).read_bytes()


@pytest.mark.parametrize(
    "changes",
    [
        {"omit": frozenset(), "spans": {}},
        {"withhold": frozenset(), "spans": {}},
        {"withhold": frozenset(), "omit": frozenset()},
        {"withhold": frozenset(), "omit": frozenset({MP4, WEBM}), "spans": {}},
        {"omit": frozenset(), "spans": {WEBM: [(0, 9000)], MP4: [(0, 1), (4500, 4600)]}},
        {"omit": frozenset({metadata.BASE_PATH, metadata.PROCESS_PATH}), "spans": {}},
    ],
)
def test_any_mixture_of_redactions_passes(original: Made, tmp_path: Path, changes: dict[str, Any]) -> None:
    redaction.make_copy(order(original, tmp_path / "copy", **changes), original.office)
    verdicts = ask_both(tmp_path / "copy", original.office)
    assert (verdicts.our_problems, verdicts.their_problems) == ([], [])


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_instructions_hold_for_a_copy_too(copy: Path, language: str) -> None:
    text = (copy / f"VERIFY.{language}.md").read_text()
    (command,) = (line.strip() for line in text.splitlines() if "-in redaction.p7s" in line)
    assert subprocess.run(["bash", "-c", command], cwd=copy, capture_output=True, check=False).returncode == 0
    listed = subprocess.run(["sha256sum", "manifest-sha256.txt"], cwd=copy, capture_output=True, check=True)
    assert parse((copy / redaction.REDACTION).read_bytes())["manifest"] == listed.stdout.decode().split()[0]
    edit_redaction(lambda value: value.update(reason="x"))(copy)
    assert subprocess.run(["bash", "-c", command], cwd=copy, capture_output=True, check=False).returncode != 0


def edit_redaction(change: Callable[[dict[str, Any]], None]) -> tampering.Tamper:
    def tamper(folder: Path) -> None:
        path = folder / redaction.REDACTION
        value = parse(path.read_bytes())
        change(value)
        path.write_bytes(dump(value))

    return tamper


def edit_line(number: int, data: bytes) -> tampering.Tamper:
    def tamper(folder: Path) -> None:
        path = folder / sealing.EVENTS
        lines = path.read_bytes().splitlines()
        lines[number - 1] = data
        path.write_bytes(b"".join(line + b"\n" for line in lines))

    return tamper


def put(name: str, data: bytes) -> tampering.Tamper:
    def tamper(folder: Path) -> None:
        (folder / name).write_bytes(data)

    return tamper


TAMPERS: dict[str, tampering.Tamper] = {
    "another piece changed": lambda folder: tampering.flip(folder / MP4, -40_000),
    "another file dropped": lambda folder: (folder / "data/snapshots/0000.png").unlink(),
    "a file added": put("data/snapshots/x.png", b"x"),
    "a withheld line replaced": edit_line(9, dump({"link": "ab" * 32, "seq": 9})),
    "a withheld line made up": edit_line(9, dump({"seq": 9, "prev": "00"})),
    "a shown line withheld": edit_line(5, dump({"link": "ab" * 32, "seq": 5})),
    "less said to be missing": edit_redaction(lambda value: value["omissions"].pop()),
    "more said to be missing": edit_redaction(lambda value: value["withheld"].append(3)),
    "another reason": edit_redaction(lambda value: value.update(reason="x")),
    "of another package": edit_redaction(lambda value: value.update(original="00" * 32)),
    "a sealed file beside the payload dropped": lambda folder: (folder / metadata.BASE_PATH).unlink(),
    "unsigned": lambda folder: (folder / redaction.REDACTION_SIGNATURE).unlink(),
    "not told at all": lambda folder: (folder / redaction.REDACTION).unlink(),
    "not JSON": put(redaction.REDACTION, b"[" * 9999),
}


@pytest.mark.parametrize("what", TAMPERS)
def test_a_copy_that_was_changed_does_not_pass(original: Made, copy: Path, what: str) -> None:
    TAMPERS[what](copy)
    tampering.relist(copy)
    verdicts = ask_both(copy, original.office)
    assert verdicts.our_problems != []
    assert verdicts.their_problems != []


def test_a_copy_signed_by_another_does_not_pass(original: Made, tmp_path: Path) -> None:
    other = keys.init(tmp_path / "other", OFFICE, datetime.now(UTC))
    redaction.make_copy(order(original, tmp_path / "copy"), other)
    problems = problems_of(ask_ours(tmp_path / "copy", original.office))
    assert len(problems) == 1
    assert "redaction.p7s: is not under a trusted root" in problems[0]


def test_the_list_of_what_is_missing_survives_its_file(copy: Path) -> None:
    data = (copy / redaction.REDACTION).read_bytes()
    assert Redaction.parse(data).to_bytes() == data


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"omit": frozenset({"data/nothing"})}, "data/nothing"),
        ({"omit": frozenset({"data/events.jsonl"})}, "log itself"),
        ({"withhold": frozenset({9999})}, "no such event"),
        ({"omit": frozenset({"root.pem"})}, "root.pem"),
        ({"spans": {MP4: [(90_000, 99_000)]}}, "no piece"),
        ({"spans": {MP4: [(0, 500), (90_000, 99_000)]}}, "no piece"),
        ({"spans": {"data/snapshots/0000.png": [(0, 1)]}}, "no event speaks"),
    ],
)
def test_a_copy_that_cannot_be_made_says_why(
    original: Made, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(CannotRedact, match=reason):
        redaction.make_copy(order(original, tmp_path / "copy", **changes), original.office)
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("what", ["blank", "_copy", "_beside"])
def test_a_copy_that_was_not_finished_is_not_there(
    original: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def fail(*_: object) -> None:
        assert (tmp_path / "copy").exists() or what == "_copy"
        raise OSError("no space left on the device")

    monkeypatch.setattr(redaction, what, fail)
    with pytest.raises(OSError, match="no space"):
        redaction.make_copy(order(original, tmp_path / "copy"), original.office)
    assert not (tmp_path / "copy").exists()


def test_the_original_is_left_alone(original: Made, copy: Path) -> None:
    assert problems_of(ask_ours(original.folder, original.office)) == []
    with pytest.raises(CannotRedact, match="there already"):
        redaction.make_copy(order(original, copy), original.office)
    with pytest.raises(CannotRedact, match="redacted copy itself"):
        redaction.make_copy(order(Made(copy, *_rest(original)), copy / "again"), original.office)


def _rest(made: Made) -> tuple[Any, Any, Any, Any]:
    return made.office, made.log, made.office_log, made.seal

"""Every file of a package, changed in every way: both verifiers, whole, see it and name it.

The package holds every kind of file that the product writes. It is changed twice over: once as it lies there, where the
lists of digests must tell, and once with all lists made to fit by somebody careful, where what was signed must tell.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from server.evidence import keys
from tests.evidence import tampering
from tests.evidence.conftest import Parts
from tests.evidence.inspection import Made, make_package, write_inspection
from tests.evidence.sweep import Sweep
from tests.evidence.tampering import Tamper
from tests.evidence.verifiers import Verdicts, ask_both, ask_ours, warnings_of

STRIDE = 1009
NAMES = [
    "VERIFY.en.md",
    "VERIFY.zh.md",
    "bag-info.txt",
    "bagit.txt",
    "certs/chain.pem",
    "certs/sm2.pem",
    "data/checklist.json",
    "data/events.jsonl",
    "data/index.json",
    "data/media/SLOTMP4-e1-0001.mp4",
    "data/media/SLOTWEBM-e1-0001.webm",
    "data/originals/phone.mp4",
    "data/photos/0001.png",
    "data/receipts.json",
    "data/record.pdf",
    "data/snapshots/0000.png",
    "data/unclaimed/left-over.mp4",
    "manifest-sha256.txt",
    "metadata/基本信息元数据.xml",
    "metadata/过程信息.xml",
    "proofs/four-properties.json",
    "proofs/four-properties.p7s",
    "proofs/four-properties.txt",
    "proofs/keys.jsonl",
    "proofs/leaves.json",
    "proofs/office-log.json",
    "proofs/sm3.txt",
    "root.pem",
    "seal.2.tsr",
    "seal.json",
    "seal.p7s",
    "seal.sm2.sig",
    "seal.tsr",
    "tagmanifest-sha256.txt",
    "tsa-root.2.pem",
    "tsa-root.pem",
    "verify.py",
]
MADE_ANEW = ("manifest-sha256.txt", "tagmanifest-sha256.txt")
"""By somebody careful, from what is there."""
MAY_BE_MISSING = "proofs/office-log.json"
"""It comes after the seal, so a package without it is one that waits for it: a remark."""


@pytest.fixture(scope="module")
def sweep(complete: Made, tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    return Sweep(complete, tmp_path_factory.mktemp("sweep") / "inspection")


def refused_naming(found: Verdicts | None, name: str, what: str) -> None:
    assert found is not None, f"{what}: {name}: nothing was done"
    assert not found.ours, f"{what}: {name}: our verifier saw nothing"
    assert not found.theirs, f"{what}: {name}: the enclosed verifier saw nothing"
    for problems in (found.our_problems, found.their_problems):
        assert any(name in problem for problem in problems), f"{what}: {name}: not named in {problems}"


def changes_of(sweep: Sweep, name: str) -> Iterator[tuple[str, str, Tamper]]:
    """(what is done, the name that a verifier must mention, how): everything that can be done to one file."""
    for position in range(0, sweep.size(name), STRIDE):
        yield f"flipped at {position}", name, partial(flipped, name, position)
    yield from tampering.of_one_file(name, NAMES)


def flipped(name: str, position: int, folder: Path) -> None:
    tampering.flip(folder / name, position)


def listed_anew(tamper: Tamper, folder: Path) -> None:
    tamper(folder)
    tampering.relist(folder)


def test_the_swept_package_holds_these_files_and_passes(complete: Made, sweep: Sweep) -> None:
    assert tampering.names_of(complete.folder) == NAMES
    assert sweep.ask(lambda _: None) is None
    # Twice: the second time every answer of openssl is known from before.
    asked = [ask_both(complete.folder, complete.office), sweep.ask_untouched(), sweep.ask_untouched()]
    for found in asked:
        assert (found.our_problems, found.their_problems) == ([], [])
    assert all(step.performed for step in ask_ours(complete.folder, complete.office).steps)


@pytest.mark.parametrize("name", NAMES)
def test_whatever_is_done_to_a_file_is_seen_and_the_file_named(sweep: Sweep, name: str) -> None:
    for what, named, tamper in changes_of(sweep, name):
        refused_naming(sweep.ask(tamper), named, what)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in MADE_ANEW])
def test_fitting_lists_hide_nothing_that_is_done_to_a_file(sweep: Sweep, name: str) -> None:
    for what, _, tamper in changes_of(sweep, name):
        found = sweep.ask(partial(listed_anew, tamper))
        if found is None:
            assert name == "bag-info.txt", "somebody careful writes it anew"
        elif name.endswith(".tsr") and what.startswith("flipped"):
            # A stamp has bytes that nobody signed: tests/evidence/test_stamps.py shows that they tell nothing.
            continue
        elif tells_nothing(name, what):
            assert (found.ours, found.theirs) == (True, True), (what, name, found)
        else:
            assert (found.ours, found.theirs) == (False, False), (what, name, found)
            assert found.our_problems and found.their_problems


def tells_nothing(name: str, what: str) -> bool:
    """What may be done to a file that nobody signed: the same certificate with another end of its last line, and no
    proof of the office's log yet, which is a remark."""
    if name.startswith("tsa-root"):
        return what in ("cut by a byte", "grown")
    return (name, what) == (MAY_BE_MISSING, "dropped")


def test_a_missing_proof_of_the_office_log_is_a_remark_of_both(package: Made) -> None:
    (package.folder / MAY_BE_MISSING).unlink()
    tampering.relist(package.folder)
    report = ask_ours(package.folder, package.office)
    assert "no_proof" in {f.code for step in report.steps for f in step.findings}
    assert any(w.startswith(MAY_BE_MISSING) for w in warnings_of(package.folder, package.office))


@pytest.mark.parametrize(
    "stranger", ["extra", "data/extra", "data/media/extra.mp4", "proofs/extra", ".hidden"]
)
def test_an_added_file_is_named_whatever_the_lists_say(sweep: Sweep, stranger: str) -> None:
    tamper = partial(tampering.copy, "bagit.txt", stranger)
    refused_naming(sweep.ask(tamper), stranger, "added")
    found = sweep.ask(partial(listed_anew, tamper))
    assert found is not None
    assert (found.ours, found.theirs) == (False, False), found


LINES: dict[str, Callable[[list[dict[str, object]], int], None]] = {
    "dropped": lambda events, at: events.pop(at) and None,
    "edited": lambda events, at: events[at].update(type="chat.sent", body={"text": "never said"}),
    "dated back": lambda events, at: events[at].update(t_utc="2025-01-01T00:00:00Z"),
    "swapped with the next": lambda events, at: events.insert(at, events.pop((at + 1) % len(events))),
    "doubled": lambda events, at: events.insert(at, dict(events[at])),
}


@pytest.mark.parametrize("rechain", [False, True], ids=["left as it is", "chained anew"])
@pytest.mark.parametrize("what", LINES)
def test_whatever_is_done_to_any_line_of_the_log_is_seen(sweep: Sweep, what: str, rechain: bool) -> None:
    def tamper(at: int, folder: Path) -> None:
        events = tampering.read_events(folder)
        LINES[what](events, at)
        tampering.write_events(folder, events, rechain=rechain)
        tampering.relist(folder)

    for at in range(len(tampering.read_events(sweep.folder))):
        refused_naming(sweep.ask(partial(tamper, at)), "data/events.jsonl", f"line {at + 1} {what}")


@pytest.mark.parametrize("slot", ["SLOTMP4", "SLOTWEBM"])
def test_a_fragment_cut_out_of_a_part_is_seen_though_players_do_not_mind(sweep: Sweep, slot: str) -> None:
    (path,) = (sweep.folder / "data/media").glob(f"{slot}-*")
    events = tampering.read_events(sweep.folder)
    pieces = [e["body"] for e in events if e["type"] == "part.segment" and e["body"]["slot"] == slot]
    assert len(pieces) == 3

    def tamper(piece: dict[str, int], _: Path) -> None:
        data = path.read_bytes()
        path.write_bytes(data[: piece["start"]] + data[piece["end"] :])

    for piece in pieces:
        cut = partial(tamper, piece)
        refused_naming(sweep.ask(cut), path.name, "cut")
        refused_naming(sweep.ask(partial(listed_anew, cut)), "manifest-sha256.txt", "cut and listed anew")


def test_that_a_part_was_repaired_excuses_no_piece(
    parts: Parts, office: keys.OfficeKeys, tmp_path: Path
) -> None:
    """The office itself closes another file than the one that it hashed while it recorded."""
    path, segments = parts["SLOTMP4"]
    changed = [segments[0], replace(segments[1], sha256="ab" * 32), *segments[2:]]
    folder = tmp_path / "inspection"
    log = write_inspection(folder, parts={"SLOTMP4": (path, changed)}, chance=random.Random(8), repaired=True)
    made = make_package(folder, office, log)
    verdicts = ask_both(made.folder, made.office)
    assert (verdicts.ours, verdicts.theirs) == (False, False)
    assert "part-0" in str(verdicts.our_problems) and "part-0" in str(verdicts.their_problems)


def test_a_link_in_a_package_is_refused(package: Made) -> None:
    (package.folder / "data/link").symlink_to("/etc/passwd")
    refused_naming(ask_both(package.folder, package.office), "data/link", "linked")

"""Photos of a phone: what is in the package is what the phone announced before, or both verifiers say so."""

import hashlib
import random
from pathlib import Path

import pytest

from server.evidence import keys
from tests.evidence import tampering
from tests.evidence.inspection import Log, Made, make_package, write_inspection
from tests.evidence.verifiers import ask_both

PHOTO = "data/photos/P1.jpg"
TAKEN, OTHER = b"\xff\xd8\xff what the camera saw", b"\xff\xd8\xff what somebody wants seen"


def photographed(folder: Path, announced: bytes | None, kept: bytes | None) -> Log:
    """The log of an inspection with one photo: what the phone announced, and what was entered and is there."""
    log = write_inspection(folder, parts={}, chance=random.Random(5), snapshots=1, chats=1)
    log.lines.pop()
    log.events.pop()
    if announced is not None:
        log.add("photo.announced", photo="P1", sha256=hashlib.sha256(announced).hexdigest())
    if kept is not None:
        (folder / PHOTO).parent.mkdir(parents=True)
        (folder / PHOTO).write_bytes(kept)
        log.add("photo.added", photo="P1", sha256=hashlib.sha256(kept).hexdigest())
    log.close()
    return log


def sealed(folder: Path, office: keys.OfficeKeys, announced: bytes | None, kept: bytes | None) -> Made:
    return make_package(folder, office, photographed(folder, announced, kept))


def test_a_photo_as_announced_passes_both(office: keys.OfficeKeys, tmp_path: Path) -> None:
    made = sealed(tmp_path, office, TAKEN, TAKEN)
    verdicts = ask_both(made.folder, made.office)
    assert (verdicts.our_problems, verdicts.their_problems) == ([], [])
    assert (made.seal.counts["photos"], made.seal.counts["photos_announced"]) == (1, 1)


def test_a_photo_that_was_announced_and_never_came_is_counted_and_no_fault(
    office: keys.OfficeKeys, tmp_path: Path
) -> None:
    made = sealed(tmp_path, office, TAKEN, None)
    verdicts = ask_both(made.folder, made.office)
    assert (verdicts.our_problems, verdicts.their_problems) == ([], [])
    assert (made.seal.counts["photos"], made.seal.counts["photos_announced"]) == (0, 1)


@pytest.mark.parametrize("announced", [OTHER, None], ids=["another", "none"])
def test_a_photo_that_the_phone_did_not_announce_is_named_by_both_whoever_sealed_it(
    office: keys.OfficeKeys, tmp_path: Path, announced: bytes | None
) -> None:
    made = sealed(tmp_path, office, announced, TAKEN)
    verdicts = ask_both(made.folder, made.office)
    for problems in (verdicts.our_problems, verdicts.their_problems):
        assert any(
            "P1" in problem and "not the photo that the phone announced" in problem for problem in problems
        )


def test_a_photo_that_is_exchanged_in_the_package_is_named_by_both(
    office: keys.OfficeKeys, tmp_path: Path
) -> None:
    made = sealed(tmp_path, office, TAKEN, TAKEN)
    (made.folder / PHOTO).write_bytes(OTHER)
    tampering.relist(made.folder)
    verdicts = ask_both(made.folder, made.office)
    for problems in (verdicts.our_problems, verdicts.their_problems):
        assert any(PHOTO in problem and "no event speaks of it" in problem for problem in problems)

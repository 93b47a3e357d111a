"""Recordings that a phone sent later: the part and the file as it came are both vouched for by the log."""

import hashlib
import random
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from server.evidence import keys, sealing
from server.evidence.redaction import RedactionOrder, make_copy
from tests.evidence import tampering
from tests.evidence.inspection import Log, Made, make_package, order_of, write_inspection
from tests.evidence.verifiers import ask_both

PART, ORIGINAL = "data/media/SLOT-phone-R1.webm", "data/originals/R1.webm"


def filmed(folder: Path, office: keys.OfficeKeys) -> Log:
    """Only what the phone sent, which has no pieces: it was hashed on the phone."""
    chance = random.Random(5)
    log = write_inspection(folder, parts={}, chance=chance, snapshots=1, chats=1)
    log.lines.pop()
    log.events.pop()
    digests = {}
    for path in (PART, ORIGINAL):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        data = b"\x1a\x45\xdf\xa3" + chance.randbytes(5000)
        (folder / path).write_bytes(data)
        digests[path] = hashlib.sha256(data).hexdigest()
    log.add(
        "part.closed",
        part="P1",
        slot="SLOT",
        index=0,
        media_type="video/webm",
        duration_s=20.0,
        size_bytes=5004,
        sha256=digests[PART],
        repaired=False,
        source="phone",
        recording="R1",
        original={"sha256": digests[ORIGINAL], "size_bytes": 5004},
    )
    log.close()
    return log


@pytest.fixture
def made(office: keys.OfficeKeys, tmp_path: Path) -> Made:
    folder = tmp_path / "inspection"
    return make_package(folder, office, filmed(folder, office))


def test_a_package_with_a_phones_recording_passes_both(made: Made) -> None:
    verdicts = ask_both(made.folder, made.office)
    assert (verdicts.our_problems, verdicts.their_problems) == ([], [])


@pytest.mark.parametrize("path", [PART, ORIGINAL])
def test_a_file_of_the_phone_that_is_gone_is_named_by_both(made: Made, path: str) -> None:
    (made.folder / path).unlink()
    tampering.relist(made.folder)
    verdicts = ask_both(made.folder, made.office)
    place = "/".join(path.split("/")[:2])
    for problems in (verdicts.our_problems, verdicts.their_problems):
        assert any(place in problem and "file of an event is not there" in problem for problem in problems)


def test_an_original_that_no_event_names_is_named_by_both(made: Made) -> None:
    shutil.copy(made.folder / ORIGINAL, made.folder / "data/originals/R2.webm")
    tampering.relist(made.folder)
    verdicts = ask_both(made.folder, made.office)
    for problems in (verdicts.our_problems, verdicts.their_problems):
        assert any("R2.webm" in problem and "no event speaks of it" in problem for problem in problems)


def test_an_original_that_no_event_names_is_not_sealed(office: keys.OfficeKeys, tmp_path: Path) -> None:
    log = filmed(tmp_path, office)
    (tmp_path / "data/originals/R2.webm").write_bytes(b"stray")
    with pytest.raises(sealing.PayloadMismatch, match=r"R2\.webm"):
        sealing.seal_folder(order_of(tmp_path, log, None, datetime.now(UTC)), office)


def test_a_copy_without_the_phones_files_passes_both(made: Made, tmp_path: Path) -> None:
    order = RedactionOrder(
        source=made.folder,
        target=tmp_path / "copy",
        omit=frozenset({PART, ORIGINAL}),
        spans={},
        by="x",
        reason="y",
        at=datetime.now(UTC),
    )
    make_copy(order, made.office)
    verdicts = ask_both(tmp_path / "copy", made.office)
    assert (verdicts.our_problems, verdicts.their_problems) == ([], [])

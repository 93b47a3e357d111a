"""Every file of a package, changed in every way: both verifiers see it and name it.

`YUNKAN_FULL_SWEEP=1` flips at every 1,009th byte of every file and lets both verifiers run all their steps.
"""

import os
import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from server.evidence import keys
from tests.evidence import tampering
from tests.evidence.conftest import Parts
from tests.evidence.inspection import Made, make_package, write_inspection
from tests.evidence.verifiers import Verdicts, ask_both

FULL = bool(os.environ.get("YUNKAN_FULL_SWEEP"))
STRIDE = 1009
MOST_FLIPS = 6


def refused_naming(found: Verdicts, name: str, what: str) -> None:
    assert not found.ours, f"{what}: {name}: our verifier saw nothing"
    assert not found.theirs, f"{what}: {name}: the enclosed verifier saw nothing"
    for problems in (found.our_problems, found.their_problems):
        assert any(name in problem for problem in problems), f"{what}: {name}: not named in {problems}"


def positions(size: int) -> list[int]:
    every = list(range(0, size, STRIDE))
    if FULL or len(every) <= MOST_FLIPS:
        return every
    return every[:: len(every) // MOST_FLIPS]


def test_a_flipped_byte_anywhere_is_seen_and_its_file_named(package: Made) -> None:
    for name in tampering.names_of(package.folder):
        path = package.folder / name
        for position in positions(path.stat().st_size):
            tampering.flip(path, position)
            found = ask_both(package.folder, package.office)
            refused_naming(found, name, f"flipped at {position}")
            tampering.flip(path, position)
    assert ask_both(package.folder, package.office).ours


def test_a_file_cut_emptied_grown_dropped_renamed_doubled_swapped_or_added_is_named(
    package: Made, tmp_path: Path
) -> None:
    names = tampering.names_of(package.folder)
    work = tmp_path / "work"
    for what, name, tamper in tampering.one_file_at_a_time(names):
        if what in ("cut in half", "grown") and not FULL:
            continue
        shutil.copytree(package.folder, work)
        tamper(work)
        refused_naming(ask_both(work, package.office), name, what)
        shutil.rmtree(work)


def unsealed(name: str) -> bool:
    """Made after the seal: not covered by it, but each by a signature of its own; or made anew by `relist`."""
    lists = ("manifest-sha256.txt", "tagmanifest-sha256.txt", "bag-info.txt")
    return name in ("seal.tsr", "tsa-root.pem", *lists) or name.startswith("proofs/")


def test_fitting_lists_do_not_hide_a_change_of_what_was_sealed(package: Made, tmp_path: Path) -> None:
    names = [n for n in tampering.names_of(package.folder) if not unsealed(n)]
    if not FULL:
        names = [n for n in names if n.startswith("data/") or n in ("root.pem", "verify.py", "seal.json")]
    work = tmp_path / "work"
    for what, name, tamper in tampering.one_file_at_a_time(names):
        if what in ("swapped", "cut by a byte", "grown") and not FULL:
            continue
        shutil.copytree(package.folder, work)
        tamper(work)
        tampering.relist(work)
        found = ask_both(work, package.office)
        assert (found.ours, found.theirs) == (False, False), (what, name, found)
        shutil.rmtree(work)


@pytest.mark.parametrize("slot", ["SLOTMP4-e1-0001.mp4", "SLOTWEBM-e1-0001.webm"])
def test_a_fragment_cut_out_of_a_part_is_seen_though_players_do_not_mind(package: Made, slot: str) -> None:
    path = package.folder / "data/media" / slot
    pieces = [e["body"] for e in tampering.read_events(package.folder) if e["type"] == "part.segment"]
    piece = [p for p in pieces if slot.startswith(p["slot"])][1]
    data = path.read_bytes()
    path.write_bytes(data[: piece["start"]] + data[piece["end"] :])
    refused_naming(ask_both(package.folder, package.office), slot, "cut")
    tampering.relist(package.folder)
    refused_naming(ask_both(package.folder, package.office), "manifest-sha256.txt", "cut and listed anew")


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

"""Sealing: what it refuses, what it leaves as it is, and that a kill at any step still ends in one seal."""

import json
import os
import random
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from server.evidence import bag, keys, sealing
from server.evidence.seal import parse_leaves
from server.evidence.sealing import LogNotClosed, PayloadMismatch
from tests.evidence.conftest import Parts
from tests.evidence.inspection import INSPECTION, OFFICE, Log, make_package, order_of, write_inspection
from tests.evidence.sweep import asking_once
from tests.evidence.verifiers import ask_both

STEPS = ("events", "leaves", "manifest", "tags", "seal", "keys", "signature", "tagmanifest")


@pytest.fixture
def unsealed(tmp_path: Path, parts: Parts) -> tuple[Path, Log]:
    folder = tmp_path / "inspection"
    return folder, write_inspection(folder, parts=parts, chance=random.Random(3))


def killed_at(folder: Path, log: Log, key_folder: Path, step: str) -> None:
    """Seals in another process, which kills itself hard once `step` is on disk."""
    told = {"lines": [line.decode() for line in log.lines], "folder": str(folder), "keys": str(key_folder)}
    program = (
        "import json, os, signal, sys\n"
        "from datetime import datetime, UTC\n"
        "from pathlib import Path\n"
        "from server.evidence import keys, sealing\n"
        "from tests.evidence.inspection import Log, order_of\n"
        "told = json.load(sys.stdin)\n"
        "log = Log(told['inspection'], datetime.now(UTC), [line.encode() for line in told['lines']])\n"
        "def reached(step):\n"
        "    if step == told['step']: os.kill(os.getpid(), signal.SIGKILL)\n"
        "order = order_of(Path(told['folder']), log, None, datetime.now(UTC))\n"
        "sealing.seal_folder(order, keys.load(Path(told['keys'])), reached=reached)\n"
    )
    told |= {"inspection": log.inspection, "step": step}
    result = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(told),
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        check=False,
    )
    assert result.returncode == -signal.SIGKILL, result.stderr


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_any_step_still_ends_in_one_seal(
    unsealed: tuple[Path, Log], tmp_path: Path, step: str
) -> None:
    folder, log = unsealed
    office = keys.init(tmp_path / "keys", OFFICE, datetime.now(UTC))
    killed_at(folder, log, tmp_path / "keys", step)
    # What a kill within a write leaves behind.
    (folder / "data/.events.jsonl.0a1b2c3d").write_bytes(b"half a li")
    (folder / ".seal.json.0a1b2c3d").write_bytes(b"{")
    (folder / "data/media/.part.mp4.0a1b2c3d").write_bytes(b"half")
    before = sealing.find_sealed(folder)
    sealed = sealing.seal_folder(order_of(folder, log, None, datetime.now(UTC)), office)
    assert before is None or before == sealed
    assert (before is not None) == (step in ("signature", "tagmanifest"))
    again = sealing.seal_folder(order_of(folder, log, None, datetime.now(UTC) + timedelta(hours=1)), office)
    assert again == sealed
    found = ask_both(folder, office)
    assert (found.our_problems, found.their_problems) == ([], [])


def test_every_step_is_reached_once(unsealed: tuple[Path, Log], office: keys.OfficeKeys) -> None:
    folder, log = unsealed
    reached: list[str] = []
    sealing.seal_folder(order_of(folder, log, None, datetime.now(UTC)), office, reached=reached.append)
    assert tuple(reached) == STEPS


def test_salts_survive_an_attempt_that_was_cut_short(
    unsealed: tuple[Path, Log], office: keys.OfficeKeys
) -> None:
    class Cut(Exception):
        pass

    def cut(step: str) -> None:
        if step == "leaves":
            raise Cut

    folder, log = unsealed
    order = order_of(folder, log, None, datetime.now(UTC))
    with pytest.raises(Cut):
        sealing.seal_folder(order, office, reached=cut)
    leaves = (folder / sealing.LEAVES).read_bytes()
    sealing.seal_folder(order, office)
    assert (folder / sealing.LEAVES).read_bytes() == leaves


def test_every_salt_is_fresh(unsealed: tuple[Path, Log], office: keys.OfficeKeys) -> None:
    folder, log = unsealed
    sealing.seal_folder(order_of(folder, log, None, datetime.now(UTC)), office)
    salts = [leaf.salt for leaf in parse_leaves((folder / sealing.LEAVES).read_bytes())]
    assert len(set(salts)) == len(salts) == 5


def test_a_log_that_is_not_closed_is_not_sealed(unsealed: tuple[Path, Log], office: keys.OfficeKeys) -> None:
    folder, log = unsealed
    del log.lines[-1]
    with pytest.raises(LogNotClosed, match="not the close"):
        sealing.seal_folder(order_of(folder, log, None, datetime.now(UTC)), office)
    assert not (folder / "seal.json").exists()


def test_a_log_that_miscounts_is_not_sealed(unsealed: tuple[Path, Log], office: keys.OfficeKeys) -> None:
    folder, log = unsealed
    short = Log(INSPECTION, log.began)
    short.add("inspection.started", epoch=1)
    short.add("evidence.closed", counts={"events": 7})
    with pytest.raises(LogNotClosed, match="does not count"):
        sealing.seal_folder(order_of(folder, short, None, datetime.now(UTC)), office)


def test_a_broken_chain_is_not_sealed_and_its_line_is_named(
    unsealed: tuple[Path, Log], office: keys.OfficeKeys
) -> None:
    folder, log = unsealed
    del log.lines[2]
    with pytest.raises(LogNotClosed, match="line 3"):
        sealing.seal_folder(order_of(folder, log, None, datetime.now(UTC)), office)


def test_files_that_are_not_those_of_the_log_are_not_sealed(
    unsealed: tuple[Path, Log], office: keys.OfficeKeys
) -> None:
    folder, log = unsealed
    order = order_of(folder, log, None, datetime.now(UTC))
    snapshot = next((folder / "data/snapshots").iterdir())
    content = snapshot.read_bytes()
    snapshot.write_bytes(b"another")
    with pytest.raises(PayloadMismatch, match=snapshot.name):
        sealing.seal_folder(order, office)
    snapshot.unlink()
    with pytest.raises(PayloadMismatch, match="snapshots"):
        sealing.seal_folder(order, office)
    snapshot.write_bytes(content)
    (folder / "data/media/stray.mp4").write_bytes(b"stray")
    with pytest.raises(PayloadMismatch, match=r"stray\.mp4"):
        sealing.seal_folder(order, office)


def test_a_link_in_the_folder_is_not_sealed(unsealed: tuple[Path, Log], office: keys.OfficeKeys) -> None:
    folder, log = unsealed
    (folder / "data/secret").symlink_to("/etc/passwd")
    with pytest.raises(bag.UnsafeName, match="data/secret"):
        sealing.seal_folder(order_of(folder, log, None, datetime.now(UTC)), office)


@pytest.mark.parametrize("share", range(10))
def test_no_inspection_of_random_content_raises_a_false_alarm(
    tmp_path: Path, small_parts: Parts, office: keys.OfficeKeys, share: int
) -> None:
    """Two hundred of them, in tenths that two processes share."""
    for seed in range(share, 200, 10):
        chance = random.Random(seed)
        chosen = {slot: given for slot, given in small_parts.items() if chance.random() < 0.7}
        folder = tmp_path / str(seed)
        (folder / "data").mkdir(parents=True)
        log = write_inspection(
            folder,
            parts=chosen,
            chance=chance,
            snapshots=chance.randrange(9),
            chats=chance.randrange(60),
            inspection=f"01KAF{chance.randrange(10**21):021d}",
            phone_file=chance.randbytes(99) if chance.random() < 0.3 else None,
        )
        make_package(folder, office, log)
        with asking_once():
            found = ask_both(folder, office)
        assert (found.our_problems, found.their_problems) == ([], []), f"seed {seed}"

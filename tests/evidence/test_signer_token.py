"""The shipped recipe for PKCS#11: an inspection is sealed with a key that never leaves its token (SoftHSM)."""

import os
import random
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from server.archive.four_properties import add_report
from server.evidence import keys
from server.evidence.signer_command import SignerRefused
from tests.evidence.conftest import Parts
from tests.evidence.inspection import OFFICE, make_package, write_inspection
from tests.evidence.verifiers import ask_both

RECIPE = Path(__file__).parents[2] / "deploy/pkcs11-signer.sh"
MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Its folder, with `ID.conf` for two key pairs that were made in it."""
    if not (MODULE.exists() and shutil.which("pkcs11-tool")):
        reason = "no SoftHSM is installed (Debian: softhsm2, opensc)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {tmp_path}/tokens\nlog.level = ERROR\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm2.conf"))
    run(
        "softhsm2-util",
        "--init-token",
        "--free",
        "--label",
        "yunkan",
        "--so-pin",
        "12345678",
        "--pin",
        "4321",
    )
    for number in ("01", "02"):
        use = ["--module", str(MODULE), "--token-label", "yunkan", "--login", "--pin", "4321"]
        run("pkcs11-tool", *use, "--keypairgen", "--key-type", "EC:prime256v1", "--id", number)
        write_settings(tmp_path, number, "4321")
    return tmp_path


def run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


def write_settings(folder: Path, number: str, pin: str) -> None:
    path = folder / f"{number}.conf"
    path.write_text(f"MODULE={MODULE}\nTOKEN=yunkan\nID={number}\nPIN={pin}\n")
    path.chmod(0o600)


def test_a_package_sealed_by_a_token_passes_before_and_after_its_key_was_changed(
    token: Path, small_parts: Parts
) -> None:
    now, folder = datetime.now(UTC), token / "keys"
    office = keys.init(folder, OFFICE, now, f"{RECIPE} {token}/01.conf")
    for number in (1, 2):
        inspection = token / f"inspection-{number}"
        log = write_inspection(inspection, parts=small_parts, chance=random.Random(number))
        make_package(inspection, office, log)
        add_report(inspection, office, datetime.now(UTC), "en")
        found = ask_both(inspection, office)
        assert (found.our_problems, found.their_problems) == ([], [])
        if number == 1:
            later = now + timedelta(seconds=1)
            keys.rotate(folder, "seal", later, f"{RECIPE} {token}/02.conf")
            office = keys.load(folder)


def test_a_token_that_refuses_the_pin_seals_nothing(token: Path, small_parts: Parts) -> None:
    office = keys.init(token / "keys", OFFICE, datetime.now(UTC), f"{RECIPE} {token}/01.conf")
    write_settings(token, "01", "9999")
    inspection = token / "inspection"
    log = write_inspection(inspection, parts=small_parts, chance=random.Random(1))
    with pytest.raises(SignerRefused, match="exit code 1") as failed:
        make_package(inspection, office, log)
    assert "9999" not in str(failed.value)
    assert not (inspection / "seal.p7s").exists()
    write_settings(token, "01", "4321")
    make_package(inspection, office, log)
    assert ask_both(inspection, office).ours

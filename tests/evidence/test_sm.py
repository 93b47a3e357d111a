"""A second signature with SM2 and digests with SM3, beside the ordinary ones: made, checked by both, tampered with."""

import random
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from server.evidence import keys, redaction, sealing, sm
from tests.evidence import tampering
from tests.evidence.inspection import order_of, write_inspection
from tests.evidence.verifiers import ask_both, ask_ours


@pytest.fixture
def sealed(office: keys.OfficeKeys, signer: sm.Sm2Signer, tmp_path: Path) -> Path:
    folder = tmp_path / "inspection"
    log = write_inspection(folder, parts={}, chance=random.Random(3))
    order = replace(order_of(folder, log, None, datetime.now(UTC)), sm2=signer, sm3=True)
    sealing.seal_folder(order, office)
    return folder


def test_a_package_with_both_signatures_passes_both_verifiers(sealed: Path, office: keys.OfficeKeys) -> None:
    verdicts = ask_both(sealed, office)
    assert (verdicts.our_problems, verdicts.their_problems) == ([], [])
    findings = [f.message() for step in ask_ours(sealed, office).steps for f in step.findings]
    assert any("seal.sm2.sig: holds" in finding for finding in findings)


def test_the_stock_command_checks_signature_and_digests(sealed: Path) -> None:
    command = (
        f"openssl pkeyutl -verify -rawin -digest sm3 -pkeyopt distid:{sm.ID} "
        f"-certin -inkey {sm.CERTIFICATE} -in seal.json -sigfile {sm.SIGNATURE}"
    )
    subprocess.run(command.split(), cwd=sealed, check=True, capture_output=True)
    digest, _, path = (sealed / sm.DIGESTS).read_text().splitlines()[0].partition("  ")
    found = subprocess.run(
        ["openssl", "dgst", "-sm3", "-r", path], cwd=sealed, check=True, capture_output=True
    )
    assert found.stdout.decode().split()[0] == digest


def flip(name: str) -> tampering.Tamper:
    return lambda folder: tampering.flip(folder / name, 20)


TAMPERS: dict[str, tampering.Tamper] = {
    "signature changed": flip(sm.SIGNATURE),
    "signature dropped": lambda folder: (folder / sm.SIGNATURE).unlink(),
    "certificate dropped": lambda folder: (folder / sm.CERTIFICATE).unlink(),
    "digests changed": flip(sm.DIGESTS),
    "a file changed": flip("data/snapshots/0000.png"),
}


@pytest.mark.parametrize("what", TAMPERS)
def test_what_was_changed_is_told_by_both(sealed: Path, office: keys.OfficeKeys, what: str) -> None:
    TAMPERS[what](sealed)
    tampering.relist(sealed)
    verdicts = ask_both(sealed, office)
    assert verdicts.our_problems
    assert verdicts.their_problems


def test_a_viewing_copy_keeps_the_signature_and_not_the_digests(
    sealed: Path, office: keys.OfficeKeys, tmp_path: Path
) -> None:
    order = redaction.RedactionOrder(
        source=sealed,
        target=tmp_path / "copy",
        omit=frozenset({"data/snapshots/0000.png"}),
        spans={},
        by="x",
        reason="y",
        at=datetime.now(UTC),
    )
    redaction.make_copy(order, office)
    assert not (tmp_path / "copy" / sm.DIGESTS).exists()
    verdicts = ask_both(tmp_path / "copy", office)
    assert (verdicts.our_problems, verdicts.their_problems) == ([], [])


def test_a_key_that_does_not_fit_or_is_open_to_others_is_refused(
    signer: sm.Sm2Signer, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:SM2"]
    subprocess.run(["openssl", "genpkey", *curve, "-out", str(other)], check=True, capture_output=True)
    other.chmod(0o600)
    with pytest.raises(sm.Sm2Unusable):
        sm.Sm2Signer(signer.certificate, other).sign(b"seal")
    other.chmod(0o644)
    with pytest.raises(sm.Sm2Unusable, match="chmod 600"):
        sm.Sm2Signer(signer.certificate, other).sign(b"seal")
    with pytest.raises(sm.Sm2Unusable):
        sm.Sm2Signer(signer.certificate, tmp_path / "none.pem").sign(b"seal")

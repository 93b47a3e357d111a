"""Whom a package is believed: one root, a certificate that is for signing, an authority that may stamp.

Each package here fits in itself: what is wrong is who signed it. Both verifiers must say so.
"""

import os
import random
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from server.evidence import certificates, keys
from server.evidence.certificates import to_pem
from server.evidence.verify import Trust, verify
from tests.evidence import certified, tampering
from tests.evidence.inspection import INSPECTION, OFFICE, Log, Made, make_package, write_inspection
from tests.evidence.verifiers import ask_both, ask_ours, json_of, problems_of, run_standalone, warnings_of

NOW = datetime.now(UTC)


def forge(folder: Path, forger: keys.OfficeKeys, now: datetime = NOW) -> Made:
    log = Log(INSPECTION, now - timedelta(minutes=9))
    log.add("inspection.started", epoch=1)
    log.close()
    (folder / "data").mkdir(parents=True)
    return make_package(folder, forger, log, now=now)


MARKS = {
    "two": (b"CERTIFICATE", b"CERTIFICATE"),
    "one of them marked as trusted": (b"CERTIFICATE", b"TRUSTED CERTIFICATE"),
    "one of them in the old form": (b"CERTIFICATE", b"X509 CERTIFICATE"),
}


@pytest.fixture(params=MARKS)
def forged(request: pytest.FixtureRequest, office: keys.OfficeKeys, tmp_path: Path) -> Path:
    """Sealed by a forger whose root stands behind the office's own in `root.pem`; the seal names the office's."""
    forger = keys.init(tmp_path / "forger", OFFICE, NOW)
    true, mark = MARKS[request.param]
    own = to_pem([office.root]).replace(b"CERTIFICATE", true)
    both = own + to_pem([forger.root]).replace(b"CERTIFICATE", mark)
    original, pretended = certificates.to_pem, certificates.fingerprint
    patch = pytest.MonkeyPatch()
    with patch.context() as patched:
        patched.setattr(certificates, "to_pem", lambda c: both if c == [forger.root] else original(c))
        patched.setattr(
            certificates, "fingerprint", lambda c: pretended(office.root if c == forger.root else c)
        )
        return forge(tmp_path / "forged", forger).folder


def test_a_second_root_behind_the_pinned_one_is_not_trusted(forged: Path, office: keys.OfficeKeys) -> None:
    fingerprint = certificates.fingerprint(office.root)
    ours = verify(forged, Trust(now=NOW, root_fingerprint=fingerprint))
    assert not ours.passed
    assert any(p.startswith("root.pem") and "exactly one certificate" in p for p in problems_of(ours))
    code, text = run_standalone(forged / "verify.py", "--fingerprint", fingerprint)
    assert code == 1
    assert re.search("root.pem .*exactly one certificate", text)
    unpinned = verify(forged, Trust(now=NOW))
    assert not unpinned.passed
    assert run_standalone(forged / "verify.py")[0] == 1


def test_the_instructions_count_the_certificates(forged: Path, original: Made) -> None:
    command = "grep -c -e -----BEGIN root.pem"
    for language in ("en", "zh"):
        assert f"    {command}\n" in (forged / f"VERIFY.{language}.md").read_text()
    counts = [
        subprocess.run(command.split(), cwd=each, capture_output=True, text=True, check=True).stdout
        for each in (original.folder, forged)
    ]
    assert counts == ["1\n", "2\n"]


def test_no_root_of_the_machine_is_trusted(office: keys.OfficeKeys, tmp_path: Path) -> None:
    """A forger's root that got among the system's own must not make a seal hold."""
    forger = keys.init(tmp_path / "forger", "Another name: openssl looks for roots by theirs", NOW)
    made = forge(tmp_path / "forged", forger)
    (made.folder / "root.pem").write_bytes(to_pem([office.root]))
    store = tmp_path / "store"
    store.mkdir()
    (store / "forger.pem").write_bytes(to_pem([forger.root]))
    subprocess.run(["openssl", "rehash", str(store)], check=True, capture_output=True)
    environment = dict(os.environ, SSL_CERT_DIR=str(store))
    text = (made.folder / "VERIFY.en.md").read_text()
    command = next(line.strip() for line in text.splitlines() if "-in seal.p7s -content" in line)
    trusting = command.replace("-no-CApath -no-CAstore", "")
    results = [
        subprocess.run(each.split(), cwd=made.folder, env=environment, capture_output=True, check=False)
        for each in (command, trusting)
    ]
    assert [result.returncode == 0 for result in results] == [False, True]


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "not for signing": (
        {"usages": frozenset({"key_agreement"})},
        "purpose is not signing",
        "not for signing",
    ),
    "for a web server": (
        {"purposes": [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]},
        "purpose is not signing documents",
        "not for signing documents: Digital Signature, Non Repudiation, TLS Web Client",
    ),
    "for code": ({"purposes": [ExtendedKeyUsageOID.CODE_SIGNING]}, "not signing documents", "Code Signing"),
    "expired": ({"life": timedelta(minutes=-10)}, "is not valid at", "expired"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_certificate_that_cannot_have_made_a_seal_is_named(tmp_path: Path, what: str) -> None:
    certificate, ours, theirs = WRONG[what]
    office = certified.office_with(tmp_path / "keys", NOW, **certificate)
    made = forge(tmp_path / "inspection", office)
    found = ask_both(made.folder, office)
    assert len(found.our_problems) == len(found.their_problems) == 1
    assert "seal.p7s" in found.our_problems[0] and ours in found.our_problems[0]
    assert "seal.p7s" in found.their_problems[0] and theirs in found.their_problems[0]


@pytest.mark.parametrize(
    "purposes",
    [
        [],
        [certificates.DOCUMENT_SIGNING],
        [ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.CLIENT_AUTH],
        [ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE],
    ],
)
def test_a_certificate_for_signing_documents_passes_whoever_issued_it(
    tmp_path: Path, purposes: list[Any]
) -> None:
    office = certified.office_with(tmp_path / "keys", NOW, purposes=purposes)
    found = ask_both(forge(tmp_path / "inspection", office).folder, office)
    assert (found.our_problems, found.their_problems) == ([], [])


def test_an_unknown_root_is_named(original: Made, tmp_path: Path) -> None:
    other = keys.init(tmp_path / "other", OFFICE, NOW)
    found = ask_both(original.folder, other)
    assert any("is not a known root" in p for p in found.our_problems)
    (tmp_path / "other.pem").write_bytes(to_pem([other.root]))
    code, text = run_standalone(original.folder / "verify.py", "--root", str(tmp_path / "other.pem"))
    assert (tmp_path / "other.pem").read_bytes() == to_pem([other.root])
    assert code == 1
    assert "seal.p7s" in text and "unable to get local issuer certificate" in text


def test_both_name_who_signed_and_who_certified_them(original: Made) -> None:
    report = ask_ours(original.folder, original.office)
    (told,) = (f.message() for s in report.steps for f in s.findings if f.code == "signer")
    _, text = run_standalone(original.folder / "verify.py", "--lang", "en")
    (line,) = (line for line in text.splitlines() if "was made by" in line)
    for each in (told, line):
        assert each.count(OFFICE) == 2
        assert "CN=evidence seal" in each.replace(" = ", "=") and "CN=evidence root" in each.replace(
            " = ", "="
        )


def test_a_certificate_of_another_organisation_is_a_remark(tmp_path: Path) -> None:
    office = certified.office_with(tmp_path / "keys", NOW, organisation="Somebody Else")
    made = forge(tmp_path / "inspection", office)
    assert ask_both(made.folder, office).theirs
    report = ask_ours(made.folder, office)
    ours = [f.message() for s in report.steps for f in s.findings if f.code == "other_organisation"]
    theirs = [w for w in warnings_of(made.folder, office) if "the seal names the office" in w]
    for told in (ours, theirs):
        assert len(told) == 1
        assert OFFICE in told[0] and "Somebody Else" in told[0]


def test_an_office_whose_name_is_longer_than_a_certificate_holds_is_no_other(tmp_path: Path) -> None:
    name = "某" * 70
    office = keys.init(tmp_path / "keys", name, NOW)
    made = forge(tmp_path / "inspection", office)
    codes = {f.code for s in ask_ours(made.folder, office).steps for f in s.findings}
    assert "other_organisation" not in codes
    assert not any("the seal names" in w for w in warnings_of(made.folder, office))


@pytest.fixture
def unstamped(office: keys.OfficeKeys, tmp_path: Path) -> Made:
    return forge(tmp_path / "inspection", office)


def test_a_stamp_of_an_authority_made_for_it_holds(unstamped: Made) -> None:
    certified.add_stamp(unstamped.folder, NOW + timedelta(seconds=5))
    found = ask_both(unstamped.folder, unstamped.office)
    assert (found.our_problems, found.their_problems) == ([], [])


AUTHORITIES: dict[str, dict[str, Any]] = {
    "that is not for stamping": {"purposes": [ExtendedKeyUsageOID.EMAIL_PROTECTION]},
    "without a purpose": {"purposes": []},
    "that had expired": {"life": timedelta(minutes=1), "made_at": NOW - timedelta(hours=1)},
}


@pytest.mark.parametrize("what", AUTHORITIES)
def test_a_stamp_of_an_authority_that_cannot_have_made_it_is_named(unstamped: Made, what: str) -> None:
    certified.add_stamp(unstamped.folder, NOW + timedelta(seconds=5), **AUTHORITIES[what])
    found = ask_both(unstamped.folder, unstamped.office)
    for problems in (found.our_problems, found.their_problems):
        assert len(problems) == 1
        assert "seal.tsr" in problems[0]


def test_a_stamp_that_came_late_is_a_remark(unstamped: Made) -> None:
    certified.add_stamp(unstamped.folder, NOW + timedelta(days=3))
    assert problems_of(ask_ours(unstamped.folder, unstamped.office)) == []
    report = ask_ours(unstamped.folder, unstamped.office)
    assert "late_stamp" in {f.code for s in report.steps for f in s.findings}
    assert any(
        "seal.tsr came long after the sealing" in w for w in warnings_of(unstamped.folder, unstamped.office)
    )


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_commands_work_as_written_years_after_the_certificates_expired(
    tmp_path: Path, language: str
) -> None:
    """Office and authority of eleven years ago, whose certificates lived three: today is the later time."""
    then = NOW - timedelta(days=365 * 11)
    office = keys.init(tmp_path / "keys", OFFICE, then)
    folder = tmp_path / "inspection"
    log = write_inspection(folder, parts={}, chance=random.Random(1), now=then)
    made = make_package(folder, office, log, now=then)
    certified.add_stamp(folder, then + timedelta(seconds=9))
    assert office.certificate.not_valid_after_utc < NOW - timedelta(days=365 * 7)
    text = (folder / f"VERIFY.{language}.md").read_text()
    lines = [line.strip() for line in text.splitlines()]
    written = [line for line in lines if line.startswith(("openssl cms", "openssl ts -verify"))]
    asked = [line for line in written if "redaction" not in line]
    assert len(asked) == 2
    for line in asked:
        as_written, without = line.split(), re.sub(r"-attime \d+ ", "", line).split()
        assert subprocess.run(as_written, cwd=folder, capture_output=True, check=False).returncode == 0
        assert subprocess.run(without, cwd=folder, capture_output=True, check=False).returncode != 0
    code, told = run_standalone(folder / "verify.py", "--fingerprint", made.seal.root_fingerprint, "--json")
    assert (code, json_of(told)["verdict"]) == (0, "passed")
    tampering.flip(folder / "seal.json", 40)
    assert subprocess.run(asked[0].split(), cwd=folder, capture_output=True, check=False).returncode != 0

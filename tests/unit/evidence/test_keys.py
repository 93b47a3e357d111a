"""The office's keys: made once, readable by nobody else, replaced without a break in their history."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from server.evidence import certificates, keyfiles, keylog, keys, signatures
from server.evidence.canonical import dump, parse

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
OFFICE = "朝阳区市场监督管理局"


def test_new_keys_are_private_to_their_owner(tmp_path: Path) -> None:
    keys.init(tmp_path / "keys", OFFICE, NOW)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "keys").glob("*.key")}
    assert modes == {"root.key": 0o600, "office.key": 0o600, "head.key": 0o600}


def test_the_certificate_for_seals_is_under_the_root(tmp_path: Path) -> None:
    office = keys.init(tmp_path, OFFICE, NOW)
    assert certificates.why_not(office.certificate, [], [office.root], NOW) is None
    assert isinstance(office.certificate.public_key(), ec.EllipticCurvePublicKey)


def test_keys_are_not_made_over_others(tmp_path: Path) -> None:
    keys.init(tmp_path, OFFICE, NOW)
    with pytest.raises(keys.KeysExist):
        keys.init(tmp_path, OFFICE, NOW)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    keys.init(tmp_path, OFFICE, NOW)
    (tmp_path / "head.key").chmod(mode)
    with pytest.raises(keys.KeyExposed, match=f"{mode:04o}"):
        keys.load(tmp_path)


@pytest.mark.parametrize("missing", ["office.key", "head.key", "root.pem", "keys.jsonl"])
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    keys.init(tmp_path, OFFICE, NOW)
    (tmp_path / missing).unlink()
    with pytest.raises(keys.KeysMissing, match=missing):
        keys.load(tmp_path)


@pytest.mark.parametrize("purpose", ["seal", "head"])
def test_a_rotation_is_signed_by_the_key_before(tmp_path: Path, purpose: keylog.Purpose) -> None:
    before = keys.init(tmp_path, OFFICE, NOW)
    statement = keys.rotate(tmp_path, purpose, NOW + timedelta(days=1))
    after = keys.load(tmp_path)
    replaced = before.seal_key if purpose == "seal" else before.head_key
    assert statement.replaces == signatures.fingerprint_of(signatures.public_bytes(replaced.public_key()))
    assert [s.purpose for s in keylog.check_log(after.log)] == ["seal", "head", purpose]
    assert certificates.fingerprint(after.root) == certificates.fingerprint(before.root)
    assert after.log.startswith(before.log)


def test_a_history_with_a_foreign_key_in_it_names_the_line(tmp_path: Path) -> None:
    mine, theirs = keys.init(tmp_path / "a", OFFICE, NOW), keys.init(tmp_path / "b", OFFICE, NOW)
    keys.rotate(tmp_path / "b", "head", NOW)
    foreign = keys.load(tmp_path / "b").log.splitlines(keepends=True)[2]
    with pytest.raises(keylog.BadKeyLog, match="Line 3"):
        keylog.check_log(mine.log + foreign)
    assert theirs.log != mine.log


@pytest.mark.parametrize(
    "change", [{"at": "2020-01-01T00:00:00Z"}, {"office": "x"}, {"number": 7}, {"extra": 1}]
)
def test_an_edited_history_names_the_line(tmp_path: Path, change: dict[str, object]) -> None:
    lines = keys.init(tmp_path, OFFICE, NOW).log.splitlines()
    value = parse(lines[1])
    value["statement"] |= change
    with pytest.raises(keylog.BadKeyLog, match="Line 2"):
        keylog.check_log(lines[0] + b"\n" + dump(value) + b"\n")


def test_a_rotation_that_was_interrupted_is_completed(tmp_path: Path) -> None:
    keys.init(tmp_path, OFFICE, NOW)
    old = (tmp_path / "head.key").read_bytes()
    keys.rotate(tmp_path, "head", NOW)
    new = (tmp_path / "head.key").read_bytes()
    # As after a kill between the history's line and the key's rename.
    (tmp_path / "head.key").write_bytes(old)
    interim = tmp_path / "head.next"
    interim.write_bytes(new)
    interim.chmod(0o600)
    keys.load(tmp_path)
    assert (tmp_path / "head.key").read_bytes() == new
    assert not interim.exists()


def test_a_rotation_that_never_reached_the_history_is_forgotten(tmp_path: Path) -> None:
    keys.init(tmp_path, OFFICE, NOW)
    old = (tmp_path / "head.key").read_bytes()
    keyfiles.write_key(tmp_path / "head.next", signatures.KeySigner(ec.generate_private_key(ec.SECP256R1())))
    keys.load(tmp_path)
    assert (tmp_path / "head.key").read_bytes() == old
    assert not (tmp_path / "head.next").exists()


def test_a_key_that_the_history_does_not_name_is_refused(tmp_path: Path) -> None:
    keys.init(tmp_path, OFFICE, NOW)
    other = keys.init(tmp_path / "other", OFFICE, NOW)
    keyfiles.write_key(tmp_path / "office.key", other.seal_key)
    with pytest.raises(keys.KeyUnusable, match="history"):
        keys.load(tmp_path)


def imported(folder: Path, now: datetime, **changes: bytes) -> keys.OfficeKeys:
    root_key = ec.generate_private_key(ec.SECP256R1())
    root = certificates.make_root("Provincial CA", root_key, NOW)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = certificates.issue(OFFICE, key.public_key(), root, root_key, NOW)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    given = {
        "certificate": certificates.to_pem([certificate]),
        "key": pem,
        "root": certificates.to_pem([root]),
    }
    return keys.import_certificate(folder, OFFICE, now, **given | changes)


def test_a_certificate_of_an_authority_can_be_used_from_the_beginning_or_later(tmp_path: Path) -> None:
    first = imported(tmp_path / "a", NOW)
    assert not (tmp_path / "a/root.key").exists()
    keys.init(tmp_path / "b", OFFICE, NOW)
    later = imported(tmp_path / "b", NOW)
    assert [s.purpose for s in keylog.check_log(later.log)] == ["seal", "head", "seal"]
    for office in (first, later):
        assert certificates.why_not(office.certificate, office.chain[1:], [office.root], NOW) is None
    with pytest.raises(keys.RootKeyAway):
        keys.rotate(tmp_path / "a", "seal", NOW)


def test_an_import_that_does_not_fit_together_says_why(tmp_path: Path) -> None:
    other = keys.init(tmp_path / "other", OFFICE, NOW)
    with pytest.raises(keys.KeyUnusable, match="not a known root"):
        imported(tmp_path / "x", NOW, root=certificates.to_pem([other.root]))
    with pytest.raises(keys.KeyUnusable, match="does not belong"):
        imported(tmp_path / "x", NOW, key=(tmp_path / "other/office.key").read_bytes())
    with pytest.raises(keys.KeyUnusable, match="not valid at"):
        imported(tmp_path / "x", NOW + timedelta(days=9999))
    assert not (tmp_path / "x/keys.jsonl").exists()


def test_the_root_itself_does_not_seal(tmp_path: Path) -> None:
    office = keys.init(tmp_path, OFFICE, NOW)
    assert certificates.why_not(office.root, [], [office.root], NOW) == "its purpose is not signing"


def test_the_summary_names_the_fingerprints(tmp_path: Path) -> None:
    office = keys.init(tmp_path, OFFICE, NOW)
    summary = keys.show(tmp_path)
    pem = (tmp_path / "root.pem").read_bytes()
    assert summary.root_fingerprint == certificates.fingerprint(x509.load_pem_x509_certificate(pem))
    assert summary.seal_until == office.certificate.not_valid_after_utc
    assert len(summary.statements) == 2

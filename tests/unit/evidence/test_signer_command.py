"""The key for seals is with a command: in use, changed for another, and when the command does something else."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from server.evidence import certificates, cms, keylog, keys, signer_command
from server.evidence.signer_command import CommandSigner, SignerAway, SignerFailed, SignerKeyless
from tests.evidence.signing_command import RIGHT, make_command

NOW = datetime(2026, 11, 26, tzinfo=UTC)
OFFICE = "河口新区行政审批服务局"
SECRET = "pin 4321"
WRONG = {
    "garbage": "echo garbage",
    "nothing": "exit 0",
    "an exit code": f"echo '{SECRET}' >&2; exit 3",
    "a right answer with an exit code": f"({RIGHT}) ; exit 1",
    "no end": "yes",
    "no answer": "sleep 60",
    "no answer of what it started": "sleep 60 & exit 0",
    "another's signature": "KEY=$KEY.2; openssl ecparam -name prime256v1 -genkey -noout -out $KEY;" + RIGHT,
}


def test_what_a_command_signs_is_the_offices_and_no_file_holds_that_key(tmp_path: Path) -> None:
    office = keys.init(tmp_path / "keys", OFFICE, NOW, make_command(tmp_path))
    signed = cms.verify(cms.sign(b"seal", keys.load(tmp_path / "keys").seal_key, office.chain), b"seal")
    assert signed.certificate == office.certificate
    private = [path.name for path in (tmp_path / "keys").iterdir() if b"PRIVATE" in path.read_bytes()]
    assert sorted(private) == ["head.key", "root.key"]
    (tmp_path / "keys/office.key").chmod(0o622)
    with pytest.raises(keys.KeyExposed):
        keys.load(tmp_path / "keys")


def test_a_signature_has_the_form_that_stock_tools_check(tmp_path: Path) -> None:
    office = keys.init(tmp_path / "keys", OFFICE, NOW, make_command(tmp_path))
    (tmp_path / "content").write_bytes(b"seal")
    (tmp_path / "signature").write_bytes(cms.sign(b"seal", office.seal_key, office.chain))
    words = [
        "openssl",
        "cms",
        "-verify",
        "-binary",
        "-inform",
        "DER",
        "-in",
        "signature",
        "-content",
        "content",
    ]
    words += ["-CAfile", "keys/root.pem", "-purpose", "any", "-attime", str(int(NOW.timestamp()))]
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)


def test_the_key_goes_from_a_file_to_a_command_and_to_the_next_one_each_signed_by_the_one_before(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "keys"
    keys.init(folder, OFFICE, NOW)
    for number in (1, 2):
        keys.rotate(folder, "seal", NOW + timedelta(days=number), make_command(tmp_path, f"signer-{number}"))
        assert b"PRIVATE" not in (folder / "office.key").read_bytes()
    office, told = keys.load(folder), keys.show(folder)
    assert [each.purpose for each in keylog.check_log(office.log)] == ["seal", "head", "seal", "seal"]
    assert told.signer is not None and told.signer.program.endswith("signer-2")
    with pytest.raises(keys.SignerUnnamed):
        keys.rotate(folder, "seal", NOW)
    make_command(tmp_path, "signer-2", 'for verb; do :; done; set -- "$verb"' + RIGHT)
    with pytest.raises(keys.KeyUnusable, match=r"signer-2 cannot be used: .* in use") as refused:
        keys.rotate(folder, "seal", NOW, f"{tmp_path}/signer-2 --{SECRET.replace(' ', '=')}")
    assert "4321" not in str(refused.value)
    keys.rotate(folder, "head", NOW)
    assert keys.load(folder).chain == office.chain


def test_an_authoritys_certificate_is_imported_for_the_key_of_a_command(tmp_path: Path) -> None:
    command, other = make_command(tmp_path), make_command(tmp_path, "other")
    issuer = keys.init(tmp_path / "authority", "省CA", NOW)
    root_key = serialization.load_pem_private_key((tmp_path / "authority/root.key").read_bytes(), None)
    public = CommandSigner.open(command).public_key()
    certificate = certificates.issue(OFFICE, public, issuer.root, root_key, NOW)  # type: ignore[arg-type]
    given = {"certificate": certificates.to_pem([certificate]), "root": certificates.to_pem([issuer.root])}
    with pytest.raises(keys.KeyUnusable, match="does not belong"):
        keys.import_certificate(tmp_path / "keys", OFFICE, NOW, command=other, **given)
    office = keys.import_certificate(tmp_path / "keys", OFFICE, NOW, command=command, **given)
    cms.verify(cms.sign(b"seal", office.seal_key, office.chain), b"seal")


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_answer_is_told_without_what_may_be_secret_and_nothing_is_signed(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = make_command(tmp_path) + f" --{SECRET.replace(' ', '=')}"
    make_command(tmp_path, script=RIGHT.replace("$1", "$2"))
    office = keys.init(tmp_path / "keys", OFFICE, NOW, command)
    make_command(tmp_path, script=WRONG[what].replace("$1", "$2"))
    if what.startswith("no answer"):
        monkeypatch.setattr(signer_command, "TIMEOUT_S", 0.3)
    with pytest.raises(SignerFailed) as failed:
        cms.sign(b"seal", office.seal_key, office.chain)
    assert str(tmp_path / "signer") in str(failed.value)
    assert "4321" not in str(failed.value)
    history = (tmp_path / "keys/keys.jsonl").read_bytes()
    with pytest.raises(SignerFailed):
        keys.rotate(tmp_path / "keys", "seal", NOW, make_command(tmp_path, "next"))
    assert (tmp_path / "keys/keys.jsonl").read_bytes() == history
    if what != "another's signature":
        with pytest.raises(SignerFailed):
            keys.init(tmp_path / "others", OFFICE, NOW, command)
        assert not (tmp_path / "others").exists()


def test_a_command_gets_nothing_of_the_services_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YUNKAN_DATABASE_URL", f"postgresql://yunkan:{SECRET}@localhost/yunkan")
    monkeypatch.setenv("PKCS11_MODULE", "/usr/lib/token.so")
    command = make_command(tmp_path, script=f"env > {tmp_path}/given;{RIGHT}")
    CommandSigner.open(command).require_signing()
    given = (tmp_path / "given").read_text()
    assert "PKCS11_MODULE=/usr/lib/token.so" in given
    assert "YUNKAN_" not in given and SECRET not in given


@pytest.mark.parametrize("kind", ["EC -pkeyopt ec_paramgen_curve:P-384", "ED25519"])
def test_a_key_of_another_kind_is_refused(tmp_path: Path, kind: str) -> None:
    words = ["openssl", "genpkey", "-algorithm", *kind.split(), "-out", str(tmp_path / "signer.pem")]
    subprocess.run(words, check=True, capture_output=True)
    with pytest.raises(SignerKeyless):
        keys.init(tmp_path / "keys", OFFICE, NOW, make_command(tmp_path))


def test_a_command_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SignerAway, match="missing, cannot be started"):
        keys.init(tmp_path / "keys", OFFICE, NOW, f"{tmp_path}/missing --pin=4321")

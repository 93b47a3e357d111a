"""The office's keys: Ed25519 for heads and receipts, X.509 P-256 for seals, in one folder that only the service reads.

The key for seals may be elsewhere, with a command that signs (`signer_command.py`): then its file names that command.

`keys.jsonl` is the history: one signed statement for each key that was ever in use. A key that replaces another is
signed by the one before, and the key for heads by the one for seals, so a stranger who trusts the root
certificate, or an earlier key, follows the line to every later one.
"""

from __future__ import annotations

import fcntl
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from server.evidence import certificates, durable, keyfiles
from server.evidence.canonical import time_text
from server.evidence.errors import N_, EvidenceError
from server.evidence.keylog import KeyStatement, Purpose, check_log, current, has_key, to_line
from server.evidence.signatures import KeySigner, Signer, fingerprint_of, public_bytes, public_of
from server.evidence.signer_command import CommandSigner, program_of

LOG, ROOT = "keys.jsonl", "root.pem"
_KEY_FILES: dict[str, str] = {"seal": "office.key", "head": "head.key"}


class KeysExist(EvidenceError):
    code = "keys_exist"
    text = N_("There are keys in {folder} already.")


class KeysMissing(EvidenceError):
    code = "keys_missing"
    text = N_("There are no keys in {folder}: {file} is missing.")


class KeyExposed(EvidenceError):
    code = "key_exposed"
    text = N_("The key file {file} can be read by others (mode {mode}); it must have mode 0600.")


class KeyUnusable(EvidenceError):
    code = "key_unusable"
    text = N_("The key in {file} cannot be used: {detail}")


class CertificateOver(EvidenceError):
    code = "certificate_over"
    text = N_(
        "The office's certificate for seals cannot be used: {detail}. "
        "A new one is made by the command: yunkan keys rotate seal"
    )


class SignerUnnamed(EvidenceError):
    code = "signer_unnamed"
    text = N_("The key for seals is with a command. Name the one that holds the next key: --signer COMMAND")


class RootKeyAway(EvidenceError):
    code = "root_key_away"
    text = N_(
        "The root's key is not in {folder}: have the new certificate issued by its authority and import it."
    )


@dataclass(frozen=True, slots=True)
class OfficeKeys:
    """Everything that sealing needs. `chain` goes from the certificate for seals up to, not including, the root."""

    office: str
    root: x509.Certificate
    chain: list[x509.Certificate]
    seal_key: Signer
    head_key: Signer
    log: bytes

    @property
    def certificate(self) -> x509.Certificate:
        return self.chain[0]

    @property
    def until(self) -> datetime:
        """When the first of the certificates ends under which it seals."""
        return min(each.not_valid_after_utc for each in (*self.chain, self.root))

    def require_usable(self, at: datetime) -> None:
        """CertificateOver if what was signed then would not pass a verification."""
        reason = certificates.why_not(self.certificate, self.chain[1:], [self.root], at)
        if reason is not None:
            raise CertificateOver(detail=reason)


@dataclass(frozen=True, slots=True)
class KeySummary:
    """What `keys show` says. Fingerprints are SHA-256 in hex, of the certificate's DER or of the public key."""

    office: str
    root_fingerprint: str
    root_until: datetime
    seal_fingerprint: str
    seal_until: datetime
    head_fingerprint: str
    statements: list[KeyStatement]
    signer: CommandSigner | None
    "Who holds the key for seals, if it is not in a file."


def init(folder: Path, office: str, now: datetime, command: str = "") -> OfficeKeys:
    """A root of the office's own, a certificate for seals under it, a key for heads. KeysExist if there are any.

    `command` holds the key for seals; without one it is made here. SignerFailed.
    """
    if (folder / LOG).exists():
        raise KeysExist(folder=folder)
    root_key = ec.generate_private_key(ec.SECP256R1())
    root = certificates.make_root(office, root_key, now)
    signer, public = _new_seal_key(command)
    certificate = certificates.issue(office, public, root, root_key, now)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _alone(folder):
        _write_first(folder, office, root, [certificate], signer, now, root_key)
        return _load(folder)


def import_certificate(
    folder: Path,
    office: str,
    now: datetime,
    *,
    certificate: bytes,
    root: bytes,
    key: bytes = b"",
    command: str = "",
) -> OfficeKeys:
    """Begin with, or go over to, a certificate of an authority. All PEM; `certificate` may hold its chain behind it.

    Its key is given in `key`, or held by `command`. KeyUnusable if it is not for P-256, not for this key, not under
    this root, or not for signing. SignerFailed.
    """
    chain = x509.load_pem_x509_certificates(certificate)
    root_certificate = x509.load_pem_x509_certificate(root)
    signer = CommandSigner.open(command) if command else keyfiles.parse(key, "imported key")
    if not isinstance(signer.public_key(), ec.EllipticCurvePublicKey):
        raise KeyUnusable(file="imported key", detail="not an elliptic-curve key")
    if public_bytes(signer.public_key()) != public_bytes(public_of(chain[0])):
        raise KeyUnusable(file="imported key", detail="it does not belong to the certificate")
    reason = certificates.why_not(chain[0], chain[1:], [root_certificate], now)
    if reason is not None:
        raise KeyUnusable(file="imported certificate", detail=reason)
    _require_signing(signer)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _alone(folder):
        if (folder / LOG).exists():
            _change(folder, _load(folder), "seal", signer, now, chain, root_certificate)
        else:
            _write_first(folder, office, root_certificate, chain, signer, now, None)
        return _load(folder)


def rotate(folder: Path, purpose: Purpose, now: datetime, command: str = "") -> KeyStatement:
    """A new key takes over, signed by the one before it; an old private key in a file is gone afterwards.

    `command` holds the next key for seals. SignerFailed, of the old key's command too; SignerUnnamed.
    """
    in_use = load(folder).seal_key
    if purpose == "seal" and isinstance(in_use, CommandSigner) and not command:
        raise SignerUnnamed
    new, public = _new_seal_key(command)
    _require_signing(in_use, new)
    with _alone(folder):
        keys = _load(folder)
        if purpose == "head":
            return _change(folder, keys, "head", KeySigner(ed25519.Ed25519PrivateKey.generate()), now)
        root_key = _root_key(folder, keys.root)
        if public_bytes(public) == public_bytes(keys.seal_key.public_key()):
            raise KeyUnusable(file=program_of(command), detail="it still gives the key that is in use")
        certificate = certificates.issue(keys.office, public, keys.root, root_key, now)
        return _change(folder, keys, "seal", new, now, [certificate])


def load(folder: Path) -> OfficeKeys:
    """KeysMissing, KeyExposed, KeyUnusable, BadKeyLog. Completes a change that was interrupted, waits for one that is
    under way."""
    _require_begun(folder)
    with _alone(folder):
        return _load(folder)


def show(folder: Path) -> KeySummary:
    keys = load(folder)
    return KeySummary(
        office=keys.office,
        root_fingerprint=certificates.fingerprint(keys.root),
        root_until=keys.root.not_valid_after_utc,
        seal_fingerprint=certificates.fingerprint(keys.certificate),
        seal_until=keys.certificate.not_valid_after_utc,
        head_fingerprint=fingerprint_of(public_bytes(keys.head_key.public_key())),
        statements=check_log(keys.log),
        signer=keys.seal_key if isinstance(keys.seal_key, CommandSigner) else None,
    )


def _new_seal_key(command: str) -> tuple[Signer, ec.EllipticCurvePublicKey]:
    """The command's, or a new one."""
    if command:
        signer = CommandSigner.open(command)
        return signer, signer.public_key()
    key = ec.generate_private_key(ec.SECP256R1())
    return KeySigner(key), key.public_key()


def _require_signing(*signers: Signer) -> None:
    """Asked before the keys are held: a command that does not answer keeps nobody from reading them meanwhile."""
    for signer in signers:
        if isinstance(signer, CommandSigner):
            signer.require_signing()


def _require_begun(folder: Path) -> None:
    if not (folder / LOG).exists():
        raise KeysMissing(folder=folder, file=LOG)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody reads a change by halves, takes another's new key for a forgotten one, or writes a line over."""
    with (folder / ".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write_first(
    folder: Path,
    office: str,
    root: x509.Certificate,
    chain: list[x509.Certificate],
    seal_key: Signer,
    now: datetime,
    root_key: ec.EllipticCurvePrivateKey | None,
) -> None:
    if (folder / LOG).exists():
        raise KeysExist(folder=folder)
    head_key = KeySigner(ed25519.Ed25519PrivateKey.generate())
    if root_key is not None:
        keyfiles.write_key(folder / "root.key", KeySigner(root_key))
    keyfiles.write_key(folder / "office.key", seal_key)
    keyfiles.write_key(folder / "head.key", head_key)
    durable.write(folder / ROOT, certificates.to_pem([root]))
    seal = _statement([], office, "seal", seal_key, chain, now)
    first = to_line(seal, own=seal_key)
    head = _statement([seal], office, "head", head_key, None, now)
    # Last, in one step: without it the folder counts as empty.
    durable.write(folder / LOG, first + to_line(head, own=head_key, seal=seal_key))


def _load(folder: Path) -> OfficeKeys:
    log = (folder / LOG).read_bytes()
    statements = check_log(log)
    chain = x509.load_pem_x509_certificates((current(statements, "seal").certificate or "").encode())
    _settle_root(folder, statements, chain)
    seal = _settle(folder, "seal", statements)
    head = _settle(folder, "head", statements)
    kinds = (ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey)
    if not all(map(isinstance, (seal.public_key(), head.public_key()), kinds)):
        raise KeyUnusable(file=LOG, detail="a key is of the wrong kind for its purpose")
    root_path = folder / ROOT
    if not root_path.exists():
        raise KeysMissing(folder=folder, file=ROOT)
    root = x509.load_pem_x509_certificate(root_path.read_bytes())
    return OfficeKeys(statements[-1].office, root, chain, seal, head, log)


def _change(
    folder: Path,
    keys: OfficeKeys,
    purpose: Purpose,
    new: Signer,
    now: datetime,
    chain: list[x509.Certificate] | None = None,
    root: x509.Certificate | None = None,
) -> KeyStatement:
    """What is new is written under interim names; the line in the history makes it so; then it takes its place."""
    statements = check_log(keys.log)
    statement = _statement(statements, keys.office, purpose, new, chain, now)
    previous = keys.seal_key if purpose == "seal" else keys.head_key
    line = to_line(statement, own=new, previous=previous, seal=keys.seal_key if purpose == "head" else None)
    if root is not None:
        durable.write(_interim(folder / ROOT), certificates.to_pem([root]))
    keyfiles.write_key(_interim(folder / _KEY_FILES[purpose]), new)
    durable.write(folder / LOG, keys.log + line)
    _load(folder)
    return statement


def _settle_root(folder: Path, statements: list[KeyStatement], chain: list[x509.Certificate]) -> None:
    """A new root takes its place before the key that came with it: only with that is it known to be the history's."""
    interim = _interim(folder / ROOT)
    if not interim.exists():
        return
    root = x509.load_pem_x509_certificate(interim.read_bytes())
    fits = certificates.why_not(chain[0], chain[1:], [root], chain[0].not_valid_before_utc) is None
    if fits and _is_named(_interim(folder / _KEY_FILES["seal"]), current(statements, "seal")):
        interim.replace(folder / ROOT)
    interim.unlink(missing_ok=True)


def _settle(folder: Path, purpose: Purpose, statements: list[KeyStatement]) -> Signer:
    """The key in use is the one that the history names last; a new one may still wait under its interim name."""
    path = folder / _KEY_FILES[purpose]
    named, interim = current(statements, purpose), _interim(path)
    if _is_named(interim, named):
        interim.replace(path)
    interim.unlink(missing_ok=True)
    if not path.exists():
        raise KeysMissing(folder=folder, file=path.name)
    key = _read_key(path)
    if public_bytes(key.public_key()).hex() != named.public:
        raise KeyUnusable(file=path.name, detail="the key history names another one")
    return key


def _is_named(path: Path, statement: KeyStatement) -> bool:
    return path.exists() and public_bytes(_read_key(path).public_key()).hex() == statement.public


def _interim(path: Path) -> Path:
    return path.with_suffix(".next")


def _root_key(folder: Path, root: x509.Certificate) -> ec.EllipticCurvePrivateKey:
    """RootKeyAway if there is none, or only that of the root before an authority's was imported."""
    path = folder / "root.key"
    key = _read_key(path) if path.exists() else None
    if key is None or public_bytes(key.public_key()) != public_bytes(public_of(root)):
        raise RootKeyAway(folder=folder)
    if not isinstance(key, KeySigner) or not isinstance(key.key, ec.EllipticCurvePrivateKey):
        raise KeyUnusable(file=path.name, detail="not an elliptic-curve key")
    return key.key


def _read_key(path: Path) -> Signer:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise KeyExposed(file=path, mode=f"{mode:04o}")
    try:
        return keyfiles.parse(path.read_bytes(), path.name)
    except ValueError as error:
        raise KeyUnusable(file=path.name, detail=str(error)) from error


def _statement(
    before: list[KeyStatement],
    office: str,
    purpose: Purpose,
    key: Signer,
    chain: list[x509.Certificate] | None,
    now: datetime,
) -> KeyStatement:
    return KeyStatement(
        number=len(before) + 1,
        office=office,
        purpose=purpose,
        at=time_text(now),
        public=public_bytes(key.public_key()).hex(),
        certificate=certificates.to_pem(chain).decode() if chain is not None else None,
        replaces=current(before, purpose).fingerprint if has_key(before, purpose) else None,
    )

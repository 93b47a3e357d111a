"""X.509 for seals: the office's own root, certificates under it, and whether a chain holds at a given time. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

DOCUMENT_SIGNING = ObjectIdentifier("1.3.6.1.5.5.7.3.36")
"RFC 9336: the purpose of signing documents."
_SIGNING = frozenset(
    {DOCUMENT_SIGNING, ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
)
ROOT_LIFE = timedelta(days=365 * 30)
LIFE = timedelta(days=365 * 3)
_SKEW = timedelta(hours=1)
_MAX_CHAIN = 5
_MAX_NAME = 64
T = TypeVar("T", bound=x509.ExtensionType)


def make_root(office: str, key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    """A self-signed authority that may sign certificates and nothing else, and no authorities below it."""
    name = _name(office, "evidence root")
    return (
        _builder(name, name, key.public_key(), now, ROOT_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def issue(
    office: str,
    public: ec.EllipticCurvePublicKey,
    root: x509.Certificate,
    root_key: ec.EllipticCurvePrivateKey,
    now: datetime,
) -> x509.Certificate:
    """A certificate for seals under the office's root; it does not outlive the root."""
    life = min(LIFE, root.not_valid_after_utc - now)
    return (
        _builder(_name(office, "evidence seal"), root.subject, public, now, life)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([DOCUMENT_SIGNING]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False
        )
        .sign(root_key, hashes.SHA256())
    )


def why_not(
    certificate: x509.Certificate,
    intermediates: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    at: datetime,
) -> str | None:
    """Why a certificate cannot have made a seal at that time under one of these roots; None if it can."""
    try:
        return _why_not(certificate, intermediates, roots, at)
    except Exception as error:  # extensions are parsed late, and hostile ones raise nearly anything
        return f"it cannot be read: {error}"


def _why_not(
    certificate: x509.Certificate,
    intermediates: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    at: datetime,
) -> str | None:
    usage = _find(certificate, x509.KeyUsage)
    if usage is None or not (usage.digital_signature or usage.content_commitment):
        return "its purpose is not signing"
    purposes = _find(certificate, x509.ExtendedKeyUsage)
    if purposes is not None and not _SIGNING & set(purposes):
        return "its purpose is not signing documents"
    current, seen = certificate, 0
    while True:
        if not current.not_valid_before_utc <= at <= current.not_valid_after_utc:
            return f"{current.subject.rfc4514_string()} is not valid at {at.isoformat(timespec='seconds')}"
        if any(current == root for root in roots):
            return None if seen else "the root itself was used to sign"
        issuer = next((c for c in (*roots, *intermediates) if _has_issued(c, current, seen)), None)
        seen += 1
        if issuer is None or seen > _MAX_CHAIN:
            return f"{current.issuer.rfc4514_string()} is not a known root"
        current = issuer


def to_pem(chain: Sequence[x509.Certificate]) -> bytes:
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in chain)


def from_pem(data: bytes) -> list[x509.Certificate]:
    """ValueError unless it holds at least one certificate and nothing that cannot be read."""
    return x509.load_pem_x509_certificates(data)


def only_from_pem(data: bytes) -> x509.Certificate:
    """The one certificate in a file of a root. ValueError if there is none, or any other block beside it.

    OpenSSL trusts every block of such a file, also those that are marked "TRUSTED" or "X509".
    """
    found = from_pem(data)
    if len(found) != 1 or data.count(b"-----BEGIN") != 1:
        raise ValueError("it does not hold exactly one certificate")
    return found[0]


def organisations(certificate: x509.Certificate) -> list[str]:
    """Whose certificate it is, as its subject says; at most 64 characters of each name (X.520)."""
    return [str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]


def organisation_name(office: str) -> str:
    """As much of an office's name as a certificate has room for."""
    return office[:_MAX_NAME] or "Yunkan"


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the DER, in hex: what an office publishes of its root."""
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()


def _has_issued(issuer: x509.Certificate, certificate: x509.Certificate, below: int) -> bool:
    constraints = _find(issuer, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        return False
    if constraints.path_length is not None and below > constraints.path_length:
        return False
    usage = _find(issuer, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _find(certificate: x509.Certificate, kind: type[T]) -> T | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except (x509.ExtensionNotFound, ValueError):
        return None


def _name(office: str, role: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation_name(office)),
            x509.NameAttribute(NameOID.COMMON_NAME, role),
        ]
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + life)
    )


def _usage(*, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificates,
        content_commitment=not certificates,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=certificates,
        encipher_only=False,
        decipher_only=False,
    )

"""Offices, authorities and certificates that are wrong in one way each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

from asn1crypto import keys as asn1_keys  # type: ignore[import-untyped]
from asn1crypto import tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from pyhanko.sign.timestamps import DummyTimeStamper

from server.evidence import certificates, keys, timestamps
from server.evidence.bag import write_tag_manifest
from server.evidence.certificates import to_pem
from tests.evidence.inspection import OFFICE

KeyUsages = frozenset[str]
SIGNS: KeyUsages = frozenset({"digital_signature", "content_commitment"})


def certify(
    public: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    issuer: x509.Certificate,
    issuer_key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    now: datetime,
    *,
    organisation: str = OFFICE,
    usages: KeyUsages = SIGNS,
    purposes: Sequence[ObjectIdentifier] = (),
    life: timedelta = timedelta(days=900),
    critical: bool = False,
) -> x509.Certificate:
    """A certificate as an authority with several kinds of customers makes it."""
    names = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
        x509.NameAttribute(NameOID.COMMON_NAME, "made for a test"),
    ]
    flags = dict.fromkeys(_FLAGS, False) | dict.fromkeys(usages, True)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(names))
        .issuer_name(issuer.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + life)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**flags), critical=True)
    )
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=critical)
    return builder.sign(issuer_key, hashes.SHA256())


_FLAGS = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def office_with(folder: Path, now: datetime, **certificate: object) -> keys.OfficeKeys:
    """An office, with root and history that fit, whose certificate for seals was made as told (see `certify`)."""

    def issue(
        _office: str,
        public: ec.EllipticCurvePublicKey,
        root: x509.Certificate,
        root_key: ec.EllipticCurvePrivateKey,
        at: datetime,
    ) -> x509.Certificate:
        return certify(public, root, root_key, at, **certificate)  # type: ignore[arg-type]

    with mock.patch.object(certificates, "issue", issue):
        return keys.init(folder, OFFICE, now)


def add_stamp(
    package: Path,
    at: datetime,
    *,
    purposes: Sequence[ObjectIdentifier] = (ExtendedKeyUsageOID.TIME_STAMPING,),
    life: timedelta = timedelta(days=900),
    made_at: datetime | None = None,
) -> None:
    """A stamp that says `at`, by an authority that does not look what its certificate is for, nor until when."""
    root_key, key = (rsa.generate_private_key(65537, 2048) for _ in range(2))
    made = made_at or at
    root = _root(root_key, made)
    usages = frozenset({"digital_signature"})
    certificate = certify(
        key.public_key(), root, root_key, made, usages=usages, purposes=purposes, life=life, critical=True
    )
    private = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    stamper = DummyTimeStamper(  # type: ignore[no-untyped-call]
        _loaded(certificate), asn1_keys.PrivateKeyInfo.load(private), [_loaded(certificate)], fixed_dt=at
    )
    asked = timestamps.request((package / "seal.p7s").read_bytes())
    reply = stamper.request_tsa_response(tsp.TimeStampReq.load(asked.body))
    (package / "seal.tsr").write_bytes(reply.dump())
    (package / "tsa-root.pem").write_bytes(to_pem([root]))
    write_tag_manifest(package)


def _root(key: rsa.RSAPrivateKey, now: datetime) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority")])
    flags = dict.fromkeys(_FLAGS, False) | {"key_cert_sign": True}
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(**flags), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _loaded(certificate: x509.Certificate) -> asn1_x509.Certificate:
    return asn1_x509.Certificate.load(certificate.public_bytes(serialization.Encoding.DER))

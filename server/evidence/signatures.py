"""Plain signatures with the two kinds of key in use, Ed25519 and ECDSA on P-256, and what makes them. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


class Signer(Protocol):
    """Who signs with one of the office's keys, wherever that key is. Everything that the office signs goes this way."""

    def public_key(self) -> PublicKey: ...

    def sign(self, data: bytes) -> bytes:
        """Of an Ed25519 key: 64 bytes; of one on P-256: ECDSA with SHA-256, DER. May block, and raise SignerFailed."""


@dataclass(frozen=True, slots=True)
class KeySigner:
    """With a private key in this process."""

    key: PrivateKey

    def public_key(self) -> PublicKey:
        return self.key.public_key()

    def sign(self, data: bytes) -> bytes:
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return self.key.sign(data)
        return self.key.sign(data, ec.ECDSA(hashes.SHA256()))


def require_signature(public: PublicKey, signature: bytes, data: bytes) -> None:
    """InvalidSignature unless it holds."""
    if isinstance(public, ed25519.Ed25519PublicKey):
        public.verify(signature, data)
    else:
        public.verify(signature, data, ec.ECDSA(hashes.SHA256()))


def public_bytes(key: PublicKey) -> bytes:
    """SubjectPublicKeyInfo, DER."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def parse_public(data: bytes) -> PublicKey:
    """ValueError unless it is Ed25519 or P-256."""
    try:
        key = serialization.load_der_public_key(data)
    except UnsupportedAlgorithm as error:
        raise ValueError("of an unknown kind") from error
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise ValueError("neither Ed25519 nor P-256")


def fingerprint_of(public: bytes) -> str:
    return hashlib.sha256(public).hexdigest()


def public_of(certificate: x509.Certificate) -> PublicKey:
    """The certificate's key; ValueError unless it is Ed25519 or P-256."""
    try:
        key = certificate.public_key()
    except UnsupportedAlgorithm as error:
        raise ValueError("of an unknown kind") from error
    return parse_public(
        key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )

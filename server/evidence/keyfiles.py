"""Private keys in files, with mode 0600 from their first byte on."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from server.evidence import durable


def parse(pem: bytes, name: str) -> ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey:
    """ValueError unless it is an unencrypted PEM key on P-256 or Ed25519."""
    try:
        key = serialization.load_pem_private_key(pem, None)
    except TypeError as error:
        raise ValueError(f"{name} is encrypted") from error
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise ValueError(f"{name} is neither on P-256 nor on Ed25519")


def write_key(path: Path, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> None:
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    durable.write(path, pem, mode=0o600)

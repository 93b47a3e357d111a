"""The office's keys in files, with mode 0600 from their first byte on: the key, or the command that signs with it."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from server.evidence import durable
from server.evidence.canonical import BadJson, dump, parse_canonical
from server.evidence.signatures import KeySigner, PrivateKey, Signer, parse_public, public_bytes
from server.evidence.signer_command import CommandSigner


def parse(data: bytes, name: str) -> Signer:
    """ValueError unless it is an unencrypted PEM key on P-256 or Ed25519, or names a command."""
    return _parse_command(data, name) if data.startswith(b"{") else KeySigner(_parse_key(data, name))


def write_key(path: Path, signer: Signer) -> None:
    """ValueError if it is neither of those that this house knows."""
    match signer:
        case KeySigner(key):
            data = key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        case CommandSigner(command, public):
            data = dump({"command": command, "public": public_bytes(public).hex()}) + b"\n"
        case _:
            raise ValueError("a signer of an unknown kind")
    durable.write(path, data, mode=0o600)


def _parse_key(pem: bytes, name: str) -> PrivateKey:
    try:
        key = serialization.load_pem_private_key(pem, None)
    except TypeError as error:
        raise ValueError(f"{name} is encrypted") from error
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise ValueError(f"{name} is neither on P-256 nor on Ed25519")


def _parse_command(data: bytes, name: str) -> CommandSigner:
    try:
        told = parse_canonical(data.removesuffix(b"\n"))
        public = parse_public(bytes.fromhex(told["public"]))
        command = told["command"]
    except (BadJson, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{name} does not name a command and its key: {error}") from error
    if not isinstance(command, str) or not isinstance(public, ec.EllipticCurvePublicKey):
        raise ValueError(f"{name} does not name a command and its key on P-256")
    return CommandSigner(command, public)

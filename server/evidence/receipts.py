"""Receipts: the head of a running inspection's log, signed by the office and countersigned by a browser. Pure.

Who keeps one can show years later that the log once had this head: a log that was rewritten or shortened
since does not fit it, whatever keys the office still has.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from server.evidence import signatures
from server.evidence.canonical import BadJson, dump, parse, parse_canonical, parse_time, time_text
from server.evidence.chain import link_of

VERSION = 1
_COORDINATE = 32


class BadReceipt(ValueError):
    """Not a receipt of this office; the text says why."""


class ReceiptResult(StrEnum):
    """What a log says to a receipt that the office signed."""

    HOLDS = "holds"
    REWRITTEN = "rewritten"
    "The log has another line there: it was changed after the receipt was given."
    SHORTENED = "shortened"
    "The log ends before the line that the receipt is about."
    OTHER_INSPECTION = "other_inspection"


@dataclass(frozen=True, slots=True)
class Receipt:
    """`head` is the link of line `seq`; `key` the fingerprint of the Ed25519 key that signed. Hex.

    `countersignature`: by the key that `participant` brought when joining, ECDSA P-256 with SHA-256 as WebCrypto
    gives it (r ‖ s), over `countersigned_bytes`.
    """

    inspection: str
    seq: int
    head: str
    at: str
    key: str
    signature: str
    participant: str | None = None
    countersignature: str | None = None

    def signed_bytes(self) -> bytes:
        return dump(
            {
                "v": VERSION,
                "kind": "receipt",
                "inspection": self.inspection,
                "seq": self.seq,
                "head": self.head,
                "at": self.at,
                "key": self.key,
            }
        )

    def countersigned_bytes(self) -> bytes:
        """What the office said and signed: the browser gets exactly these bytes and signs them."""
        return dump({"receipt": parse_canonical(self.signed_bytes()), "signature": self.signature})

    def to_json(self) -> dict[str, Any]:
        told: dict[str, Any] = parse_canonical(self.countersigned_bytes())
        return told | {"participant": self.participant, "countersignature": self.countersignature}

    @classmethod
    def from_json(cls, value: Any) -> Receipt:
        """BadReceipt unless it has the shape of a receipt."""
        try:
            told = dict(value["receipt"])
            if told.pop("v") != VERSION or told.pop("kind") != "receipt":
                raise BadReceipt("it is not a receipt of a known version")
            receipt = cls(
                **told,
                signature=value["signature"],
                participant=value.get("participant"),
                countersignature=value.get("countersignature"),
            )
            parse_time(receipt.at)
            bytes.fromhex(receipt.signature + receipt.head + (receipt.countersignature or ""))
            if type(receipt.seq) is not int or receipt.seq < 1:
                raise BadReceipt("its line is not a number")
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise (
                error if isinstance(error, BadReceipt) else BadReceipt(f"it cannot be read: {error}")
            ) from error
        return receipt

    def require_signed(self, public_keys: Iterable[bytes]) -> None:
        """BadReceipt unless one of the office's keys for heads (SubjectPublicKeyInfo) signed it."""
        known = {signatures.fingerprint_of(public): public for public in public_keys}
        if self.key not in known:
            raise BadReceipt("it was signed with a key that is not the office's")
        try:
            public = signatures.parse_public(known[self.key])
            signatures.require_signature(public, bytes.fromhex(self.signature), self.signed_bytes())
        except (InvalidSignature, ValueError) as error:
            raise BadReceipt("the office's signature does not hold") from error

    def require_countersigned(self, public: bytes) -> None:
        """BadReceipt unless the participant's key (SubjectPublicKeyInfo, P-256) signed it too."""
        raw = bytes.fromhex(self.countersignature or "")
        if len(raw) != 2 * _COORDINATE:
            raise BadReceipt("it is not countersigned")
        r, s = (int.from_bytes(half, "big") for half in (raw[:_COORDINATE], raw[_COORDINATE:]))
        try:
            key = signatures.parse_public(public)
            if not isinstance(key, ec.EllipticCurvePublicKey):
                raise BadReceipt("the participant's key is not on P-256")
            signatures.require_signature(key, encode_dss_signature(r, s), self.countersigned_bytes())
        except InvalidSignature as error:
            raise BadReceipt("the participant's signature does not hold") from error
        except ValueError as error:
            raise error if isinstance(error, BadReceipt) else BadReceipt(str(error)) from error

    def hold_against(self, lines: Sequence[bytes]) -> ReceiptResult:
        """Against the log's lines. Only after `require_signed` does the answer say something about the office."""
        if not lines:
            return ReceiptResult.SHORTENED
        if parse(lines[0]).get("inspection") != self.inspection:
            return ReceiptResult.OTHER_INSPECTION
        if self.seq > len(lines):
            return ReceiptResult.SHORTENED
        return ReceiptResult.HOLDS if link_of(lines[self.seq - 1]) == self.head else ReceiptResult.REWRITTEN


def sign_receipt(
    inspection: str, seq: int, head: str, at: datetime, key: ed25519.Ed25519PrivateKey
) -> Receipt:
    """The office says: at this time the log's line `seq` had this link."""
    fingerprint = signatures.fingerprint_of(signatures.public_bytes(key.public_key()))
    unsigned = Receipt(inspection, seq, head, time_text(at), fingerprint, "")
    signature = signatures.sign(key, unsigned.signed_bytes()).hex()
    return Receipt(inspection, seq, head, unsigned.at, fingerprint, signature)


def dump_receipts(receipts: Sequence[Receipt]) -> bytes:
    """The file that a participant downloads."""
    return dump({"v": VERSION, "kind": "receipts", "receipts": [each.to_json() for each in receipts]})


def parse_receipts(data: bytes, limit: int = 16 << 20) -> list[Receipt]:
    """BadReceipt unless it is such a file. It need not be canonical: people open and save files."""
    try:
        value = parse(data, limit=limit)
        if value["v"] != VERSION or value["kind"] != "receipts":
            raise BadReceipt("it is not a file of receipts of a known version")
        told = list(value["receipts"])
    except (BadJson, KeyError, TypeError) as error:
        raise BadReceipt(f"it cannot be read: {error}") from error
    return [Receipt.from_json(each) for each in told]

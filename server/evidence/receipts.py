"""Receipts: the head of a running inspection's log, signed by the office and countersigned by a browser. Pure.

Who keeps one can show years later that the log once had this head: a log that was rewritten or shortened
since does not fit it, whatever keys the office still has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from server.evidence import signatures
from server.evidence.canonical import BadJson, dump, parse, parse_canonical, parse_time, time_text
from server.evidence.chain import link_of
from server.evidence.errors import N_, printable

VERSION = 1
PATH = "data/receipts.json"
"""Where a package keeps all receipts of its inspection."""
KEY_EVENT = "participant.key"
"""The event with which a participant's key enters the log: `{participant, public}`, SubjectPublicKeyInfo in hex."""
MOST_RECEIPTS = 20_000
_COORDINATE = 32
_FORMS = {
    "inspection": re.compile(r"[0-9A-Za-z-]{1,40}"),
    "participant": re.compile(r"[0-9A-Za-z-]{1,40}"),
    "head": re.compile(r"[0-9a-f]{64}"),
    "key": re.compile(r"[0-9a-f]{64}"),
    "signature": re.compile(r"[0-9a-f]{128}"),
    "countersignature": re.compile(r"[0-9a-f]{128}"),
    "at": re.compile(r"2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9:.]{5,15}(Z|[+-][0-9]{2}:[0-9]{2})"),
}


class BadReceipt(ValueError):
    """Not a receipt of this office. `text` with `params` filled in says why, in English until it is translated."""

    def __init__(self, text: str, **params: object) -> None:
        self.text = text
        self.params = {name: printable(each) for name, each in params.items()}
        super().__init__(text.format(**self.params))


UNREADABLE = N_("it cannot be read: {detail}")
UNKNOWN_VERSION = N_("it holds no receipts of a known version")
TOO_MANY = N_("it holds more receipts than can be checked")
FOREIGN_KEY = N_("it was signed with a key that is not the office's")
OFFICE_SIGNATURE = N_("the office's signature does not hold")
NOT_COUNTERSIGNED = N_("it is not countersigned")
NO_PARTICIPANT_KEY = N_("the participant had brought no key by then")
NOT_P256 = N_("the participant's key is not on P-256")
PARTICIPANT_SIGNATURE = N_("the participant's signature does not hold")


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
                raise BadReceipt(UNKNOWN_VERSION)
            receipt = cls(
                **told,
                signature=value["signature"],
                participant=value.get("participant"),
                countersignature=value.get("countersignature"),
            )
        except BadReceipt:
            raise
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise BadReceipt(UNREADABLE, detail=repr(error)) from error
        receipt._require_formed()
        return receipt

    def _require_formed(self) -> None:
        for name, form in _FORMS.items():
            told = getattr(self, name)
            if told is None and name in ("participant", "countersignature"):
                continue
            if not isinstance(told, str) or form.fullmatch(told) is None:
                raise BadReceipt(UNREADABLE, detail=name)
        try:
            parse_time(self.at)
        except ValueError as error:
            raise BadReceipt(UNREADABLE, detail="at") from error
        if type(self.seq) is not int or not 1 <= self.seq < 2**53:
            raise BadReceipt(UNREADABLE, detail="seq")

    def require_signed(self, public_keys: Iterable[bytes]) -> None:
        """BadReceipt unless one of the office's keys for heads (SubjectPublicKeyInfo) signed it."""
        known = {signatures.fingerprint_of(public): public for public in public_keys}
        if self.key not in known:
            raise BadReceipt(FOREIGN_KEY)
        try:
            public = signatures.parse_public(known[self.key])
            signatures.require_signature(public, bytes.fromhex(self.signature), self.signed_bytes())
        except (InvalidSignature, ValueError) as error:
            raise BadReceipt(OFFICE_SIGNATURE) from error

    def require_countersigned(self, public: bytes | None) -> None:
        """BadReceipt unless the participant's key (SubjectPublicKeyInfo, P-256) signed it too."""
        raw = bytes.fromhex(self.countersignature or "")
        if len(raw) != 2 * _COORDINATE:
            raise BadReceipt(NOT_COUNTERSIGNED)
        if public is None:
            raise BadReceipt(NO_PARTICIPANT_KEY)
        r, s = (int.from_bytes(half, "big") for half in (raw[:_COORDINATE], raw[_COORDINATE:]))
        try:
            signatures.require_signature(
                p256_key(public), encode_dss_signature(r, s), self.countersigned_bytes()
            )
        except InvalidSignature as error:
            raise BadReceipt(PARTICIPANT_SIGNATURE) from error

    def hold_against(self, lines: Sequence[bytes], withheld: frozenset[int] = frozenset()) -> ReceiptResult:
        """Against the log's lines. Only after `require_signed` does the answer say something about the office.

        `withheld`: numbers of lines of which a viewing copy shows only the link.
        """
        if not lines:
            return ReceiptResult.SHORTENED
        if 1 not in withheld and parse(lines[0]).get("inspection") != self.inspection:
            return ReceiptResult.OTHER_INSPECTION
        if self.seq > len(lines):
            return ReceiptResult.SHORTENED
        line = lines[self.seq - 1]
        link = parse(line).get("link") if self.seq in withheld else link_of(line)
        return ReceiptResult.HOLDS if link == self.head else ReceiptResult.REWRITTEN


@dataclass(frozen=True, slots=True)
class BroughtKey:
    """A participant's key as the log's line `seq` has it; `public` is SubjectPublicKeyInfo."""

    participant: str
    seq: int
    public: bytes


def brought_keys(lines: Iterable[bytes]) -> list[BroughtKey]:
    """All keys that participants brought, in order. Lines that are no events are left to the chain check."""
    found: list[BroughtKey] = []
    for seq, line in enumerate(lines, start=1):
        if KEY_EVENT.encode() not in line:
            continue
        try:
            value = parse(line)
            if value["type"] == KEY_EVENT:
                body = value["body"]
                found.append(BroughtKey(str(body["participant"]), seq, bytes.fromhex(body["public"])))
        except (BadJson, KeyError, TypeError, ValueError):
            continue
    return found


def key_at(keys: Iterable[BroughtKey], participant: str | None, seq: int) -> bytes | None:
    """The participant's key at a line: the newest up to it. One brought later cannot sign for what was before."""
    found = [each for each in keys if each.participant == participant and each.seq <= seq]
    return max(found, key=lambda each: each.seq).public if found else None


def p256_key(public: bytes) -> ec.EllipticCurvePublicKey:
    """BadReceipt unless it is a key on P-256 (SubjectPublicKeyInfo)."""
    try:
        key = signatures.parse_public(public)
    except ValueError as error:
        raise BadReceipt(NOT_P256) from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise BadReceipt(NOT_P256)
    return key


def sign_receipt(inspection: str, seq: int, head: str, at: datetime, key: signatures.Signer) -> Receipt:
    """The office says: at this time the log's line `seq` had this link."""
    fingerprint = signatures.fingerprint_of(signatures.public_bytes(key.public_key()))
    unsigned = Receipt(inspection, seq, head, time_text(at), fingerprint, "")
    signature = key.sign(unsigned.signed_bytes()).hex()
    return Receipt(inspection, seq, head, unsigned.at, fingerprint, signature)


def dump_receipts(receipts: Sequence[Receipt]) -> bytes:
    """All receipts of an inspection, as its package keeps them."""
    return dump({"v": VERSION, "kind": "receipts", "receipts": [each.to_json() for each in receipts]})


@dataclass(frozen=True, slots=True)
class KeptReceipts:
    """The file that a participant downloads and keeps. It can be checked without anything else but trust in the root.

    `about`: what it is, for people. `key_log`: the history of the office's keys, `root`: its root certificate (PEM).
    `keys`: what the participants brought, for a check without the log.
    """

    receipts: Sequence[Receipt]
    about: Sequence[str] = ()
    key_log: bytes = b""
    root: str = ""
    keys: Sequence[BroughtKey] = ()

    def to_bytes(self) -> bytes:
        """For people who open it: what it is comes first, and each receipt is a line."""
        told = {
            "about": list(self.about),
            "v": VERSION,
            "kind": "receipts",
            "root": self.root,
            "key_log": self.key_log.decode(),
            "participant_keys": [
                {"participant": each.participant, "seq": each.seq, "public": each.public.hex()}
                for each in self.keys
            ],
        }
        head = json.dumps(told, ensure_ascii=False, indent=1).removesuffix("\n}")
        lines = ",\n  ".join(dump(each.to_json()).decode() for each in self.receipts)
        return f'{head},\n "receipts": [\n  {lines}\n ]\n}}\n'.encode()


def parse_receipts(data: bytes, limit: int = 16 << 20) -> list[Receipt]:
    """BadReceipt unless it is such a file. It need not be canonical: people open and save files."""
    return list(parse_kept(data, limit).receipts)


def parse_kept(data: bytes, limit: int = 16 << 20) -> KeptReceipts:
    """The file as a package or as a participant keeps it. BadReceipt if it is neither."""
    try:
        value = parse(data.removeprefix(b"\xef\xbb\xbf"), limit=limit)
        if not isinstance(value, dict) or (value.get("v"), value.get("kind")) != (VERSION, "receipts"):
            raise BadReceipt(UNKNOWN_VERSION)
        told = list(value["receipts"])
        if len(told) > MOST_RECEIPTS:
            raise BadReceipt(TOO_MANY)
        keys = [
            BroughtKey(str(each["participant"]), int(each["seq"]), bytes.fromhex(each["public"]))
            for each in value.get("participant_keys", [])
        ]
        key_log, root = str(value.get("key_log", "")).encode(), str(value.get("root", ""))
    except BadReceipt:
        raise
    except (BadJson, KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadReceipt(UNREADABLE, detail=str(error)) from error
    return KeptReceipts([Receipt.from_json(each) for each in told], (), key_log, root, keys)

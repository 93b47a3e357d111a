"""The office's log: a Merkle tree over what must not vanish, with signed heads that outsiders can keep. Pure.

A leaf is the canonical JSON of a record without personal data: an inspection opened, closed, sealed; a key came
into use; a disposal; the head of an access log. The tree hashes it as RFC 6962 does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from cryptography.exceptions import InvalidSignature

from server.evidence import merkle, signatures
from server.evidence.canonical import BadJson, dump, parse_canonical, parse_time, time_text

OPEN, CLOSE, SEAL, KEY, DISPOSAL, ACCESS = "open", "close", "seal", "key", "disposal", "access"
KINDS = (OPEN, CLOSE, SEAL, KEY, DISPOSAL, ACCESS)
VERSION = 1


class BadHead(ValueError):
    """Not a head that this office signed; the text says why."""


class BadProof(ValueError):
    """The proof from the office's log does not hold; the text says why."""


class Comparison(StrEnum):
    """What two heads of one office say about each other."""

    CONSISTENT = "consistent"
    SPLIT = "split"
    "Two histories: one cannot have grown out of the other."
    UNPROVED = "unproved"
    "The proof between them is missing or does not hold."


@dataclass(frozen=True, slots=True)
class Head:
    """`root` in hex; `key` the fingerprint of the Ed25519 key that signed; `signature` in hex."""

    office: str
    size: int
    root: str
    at: str
    key: str
    signature: str

    def signed_bytes(self) -> bytes:
        return dump(
            {
                "v": VERSION,
                "kind": "office-head",
                "office": self.office,
                "size": self.size,
                "root": self.root,
                "at": self.at,
                "key": self.key,
            }
        )

    def to_json(self) -> dict[str, Any]:
        return {"head": parse_canonical(self.signed_bytes()), "signature": self.signature}

    def to_bytes(self) -> bytes:
        """What `log deposit` writes for outsiders, and what is time-stamped."""
        return dump(self.to_json())

    @classmethod
    def from_json(cls, value: Any) -> Head:
        """BadHead unless it has the shape of a head. The signature is checked by `require_signed`."""
        try:
            told = dict(value["head"])
            if told.pop("v") != VERSION or told.pop("kind") != "office-head":
                raise BadHead("it is not a head of a known version")
            head = cls(**told, signature=value["signature"])
            parse_time(head.at)
            if (
                type(head.size) is not int
                or head.size < 0
                or len(bytes.fromhex(head.root)) != merkle.HASH_SIZE
            ):
                raise BadHead("its size or root is out of shape")
        except (KeyError, TypeError, ValueError) as error:
            raise BadHead(f"it cannot be read: {error}") from error
        return head

    @classmethod
    def parse(cls, data: bytes) -> Head:
        try:
            return cls.from_json(parse_canonical(data, limit=1 << 16))
        except BadJson as error:
            raise BadHead(str(error)) from error

    def require_signed(self, public: bytes) -> None:
        """BadHead unless the Ed25519 key (SubjectPublicKeyInfo) signed it."""
        try:
            if signatures.fingerprint_of(public) != self.key:
                raise BadHead("it was signed with another key")
            signatures.require_signature(
                signatures.parse_public(public), bytes.fromhex(self.signature), self.signed_bytes()
            )
        except InvalidSignature as error:
            raise BadHead("its signature does not hold") from error
        except ValueError as error:
            raise error if isinstance(error, BadHead) else BadHead(str(error)) from error


def record(kind: str, inspection: str | None, at: datetime, **details: Any) -> bytes:
    """A leaf's data. `details` must be JSON without personal data: ids, digests, numbers."""
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is no kind of leaf")
    return dump({"v": VERSION, "kind": kind, "inspection": inspection, "at": time_text(at), **details})


def leaf_of(data: bytes) -> bytes:
    return merkle.leaf_hash(data)


def sign_head(office: str, size: int, root: bytes, at: datetime, key: signatures.Signer) -> Head:
    public = signatures.public_bytes(key.public_key())
    unsigned = Head(office, size, root.hex(), time_text(at), signatures.fingerprint_of(public), "")
    return Head(
        office,
        size,
        root.hex(),
        unsigned.at,
        unsigned.key,
        key.sign(unsigned.signed_bytes()).hex(),
    )


@dataclass(frozen=True, slots=True)
class Consistency:
    """The proof between two sizes of the log, as a file: `path` in hex (RFC 6962 section 2.1.2)."""

    old: int
    new: int
    path: list[str]

    def to_bytes(self) -> bytes:
        return dump(
            {"v": VERSION, "kind": "office-consistency", "from": self.old, "to": self.new, "path": self.path}
        )

    @classmethod
    def parse(cls, data: bytes) -> Consistency:
        """BadProof unless it has the shape. Whether it holds is for `compare` to say."""
        try:
            value = parse_canonical(data, limit=1 << 16)
            if value["v"] != VERSION or value["kind"] != "office-consistency":
                raise BadProof("it is not a proof of a known version")
            proof = cls(value["from"], value["to"], list(value["path"]))
            proof.hashes()
        except (BadJson, KeyError, TypeError, ValueError) as error:
            raise error if isinstance(error, BadProof) else BadProof(f"it cannot be read: {error}") from error
        return proof

    def hashes(self) -> list[bytes]:
        return [bytes.fromhex(node) for node in self.path]


def compare(
    older: Head, newer: Head, public_keys: Iterable[bytes], proof: Sequence[bytes] | None
) -> Comparison:
    """Whether the head that was deposited first is the beginning of the other. BadHead if one is not signed.

    `proof`: from `merkle.consistency_proof(leaves[:newer.size], older.size)`. Without one only heads of the
    same size can be compared.
    """
    known = {signatures.fingerprint_of(public): public for public in public_keys}
    for head in (older, newer):
        if head.key not in known:
            raise BadHead("it was signed with an unknown key")
        head.require_signed(known[head.key])
    if older.office != newer.office:
        raise BadHead("the heads are of different offices")
    if older.size > newer.size:
        older, newer = newer, older
    if older.size == newer.size:
        return Comparison.CONSISTENT if older.root == newer.root else Comparison.SPLIT
    if proof is None:
        return Comparison.UNPROVED
    holds = merkle.verify_consistency(
        older.size, newer.size, bytes.fromhex(older.root), bytes.fromhex(newer.root), proof
    )
    return Comparison.CONSISTENT if holds else Comparison.UNPROVED


def compare_with_log(deposited: Head, leaves: Sequence[bytes]) -> Comparison:
    """A deposited head against the leaves that the office shows today: a shorter or other log is a split."""
    if deposited.size > len(leaves) or merkle.root(leaves[: deposited.size]).hex() != deposited.root:
        return Comparison.SPLIT
    return Comparison.CONSISTENT


def unsealed(records: Iterable[bytes]) -> list[str]:
    """Inspections that were opened and neither sealed nor disposed of, in the order of their opening."""
    opened: dict[str, None] = {}
    for data in records:
        value = parse_canonical(data)
        if value["kind"] == OPEN:
            opened[value["inspection"]] = None
        elif value["kind"] in (SEAL, DISPOSAL):
            opened.pop(value["inspection"], None)
    return list(opened)


@dataclass(frozen=True, slots=True)
class Inclusion:
    """One record, its place, and its path in the tree of the enclosed head."""

    index: int
    data: dict[str, Any]
    path: list[str]


@dataclass(frozen=True, slots=True)
class OfficeProof:
    """`proofs/office-log.json`: the inspection's records in the office's log, under one signed head."""

    head: Head
    inclusions: list[Inclusion]

    def to_bytes(self) -> bytes:
        entries = [{"index": i.index, "record": i.data, "path": i.path} for i in self.inclusions]
        return dump({"v": VERSION, "entries": entries, **self.head.to_json()})

    @classmethod
    def parse(cls, data: bytes) -> OfficeProof:
        """BadProof unless it has the shape, BadHead for its head."""
        try:
            value = parse_canonical(data, limit=1 << 20)
            if value["v"] != VERSION or value.keys() != {"v", "entries", "head", "signature"}:
                raise BadProof("it is not a proof of a known version")
            inclusions = [Inclusion(e["index"], dict(e["record"]), list(e["path"])) for e in value["entries"]]
        except (BadJson, KeyError, TypeError, ValueError) as error:
            raise BadProof(f"it cannot be read: {error}") from error
        return cls(Head.from_json(value), inclusions)

    def find(self, kind: str) -> Inclusion | None:
        return next((each for each in self.inclusions if each.data.get("kind") == kind), None)

    def require_included(self) -> None:
        """BadProof unless every record is in the tree of the head."""
        for each in self.inclusions:
            try:
                path = [bytes.fromhex(node) for node in each.path]
            except (TypeError, ValueError) as error:
                raise BadProof("a path is not of hashes") from error
            leaf = leaf_of(dump(each.data))
            if not merkle.verify_inclusion(
                leaf, each.index, self.head.size, path, bytes.fromhex(self.head.root)
            ):
                raise BadProof(f"the record of kind {each.data.get('kind')!r} is not in the office's log")


def prove(head: Head, records: Sequence[bytes], indices: Sequence[int]) -> OfficeProof:
    """Proof that the records at `indices` are in the log of `head`; `records` are all of them, in order."""
    leaves = [leaf_of(data) for data in records[: head.size]]
    return OfficeProof(
        head,
        [
            Inclusion(
                index,
                parse_canonical(records[index]),
                [node.hex() for node in merkle.inclusion_proof(leaves, index)],
            )
            for index in indices
        ],
    )

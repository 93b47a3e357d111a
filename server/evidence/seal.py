"""The seal: one small canonical document that commits to everything in a package, and is what is signed. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from server.evidence import merkle
from server.evidence.bag import FileDigest
from server.evidence.canonical import BadJson, dump, parse_canonical, parse_time

VERSION = 1


class BadSeal(ValueError):
    """Not a seal; the text says why."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A payload file as the tree sees it. A file that was disposed of or left out keeps only its `leaf`.

    The digested data is the file's record (path, size, SHA-256 of its bytes), so a leaf binds the name too.
    """

    leaf: str
    file: FileDigest | None
    salt: str | None

    def as_json(self) -> dict[str, Any]:
        if self.file is None:
            return {"leaf": self.leaf}
        return {
            "leaf": self.leaf,
            "path": self.file.path,
            "salt": self.salt,
            "sha256": self.file.sha256,
            "size_bytes": self.file.size_bytes,
        }


@dataclass(frozen=True, slots=True)
class Seal:
    """Digests, roots and fingerprints in hex. `head_key` is SubjectPublicKeyInfo.

    `tags` are the digests of the files beside the payload that exist when the seal is made; signature, stamps
    and proofs come after it. `open_index` is the leaf of the inspection's opening in the office's log.
    """

    inspection: str
    office: str
    sealed_at: str
    events: int
    head: str
    counts: dict[str, Any]
    files: int
    size_bytes: int
    manifest: str
    root: str
    tags: dict[str, str]
    root_fingerprint: str
    certificate_fingerprint: str
    head_key: str
    open_index: int | None

    def to_bytes(self) -> bytes:
        return dump(
            {
                "v": VERSION,
                "kind": "seal",
                "inspection": self.inspection,
                "office": self.office,
                "sealed_at": self.sealed_at,
                "log": {"events": self.events, "head": self.head},
                "counts": self.counts,
                "payload": {
                    "files": self.files,
                    "size_bytes": self.size_bytes,
                    "manifest": self.manifest,
                    "root": self.root,
                },
                "tags": self.tags,
                "keys": {
                    "root": self.root_fingerprint,
                    "certificate": self.certificate_fingerprint,
                    "head": self.head_key,
                },
                "office_log": {"open": self.open_index},
            }
        )

    @classmethod
    def parse(cls, data: bytes) -> Seal:
        """BadSeal unless it is the canonical form of a seal."""
        try:
            value = parse_canonical(data, limit=16 << 20)
            if value["v"] != VERSION or value["kind"] != "seal":
                raise BadSeal("it is not a seal of a known version")
            log, payload, keys = value["log"], value["payload"], value["keys"]
            seal = cls(
                inspection=value["inspection"],
                office=value["office"],
                sealed_at=value["sealed_at"],
                events=log["events"],
                head=log["head"],
                counts=dict(value["counts"]),
                files=payload["files"],
                size_bytes=payload["size_bytes"],
                manifest=payload["manifest"],
                root=payload["root"],
                tags=dict(value["tags"]),
                root_fingerprint=keys["root"],
                certificate_fingerprint=keys["certificate"],
                head_key=keys["head"],
                open_index=value["office_log"]["open"],
            )
            parse_time(seal.sealed_at)
        except (BadJson, ValueError, KeyError, TypeError) as error:
            raise BadSeal(
                str(error) if isinstance(error, ValueError) else f"a field is missing: {error}"
            ) from error
        if seal.to_bytes() != data:
            raise BadSeal("it holds fields of unknown meaning")
        return seal


def record_digest(file: FileDigest) -> bytes:
    """SHA-256 of a file's record."""
    return hashlib.sha256(
        dump({"path": file.path, "sha256": file.sha256, "size_bytes": file.size_bytes})
    ).digest()


def make_leaves(files: Sequence[FileDigest], salts: Mapping[str, bytes]) -> list[Leaf]:
    """In the order of the paths. `salts`: 32 fresh random bytes for each path."""
    return [
        Leaf(
            leaf=merkle.leaf(salts[file.path], record_digest(file)).hex(),
            file=file,
            salt=salts[file.path].hex(),
        )
        for file in sorted(files, key=lambda file: file.path)
    ]


def leaves_to_bytes(leaves: Sequence[Leaf]) -> bytes:
    """`proofs/leaves.json`."""
    return dump({"v": VERSION, "leaves": [each.as_json() for each in leaves]})


def parse_leaves(data: bytes) -> list[Leaf]:
    """BadSeal unless it is the canonical form, and each leaf that is opened is the hash of what it says."""
    try:
        value = parse_canonical(data)
        if value["v"] != VERSION:
            raise BadSeal("the leaves are of an unknown version")
        leaves = [_parse_leaf(each) for each in value["leaves"]]
    except (BadJson, ValueError, KeyError, TypeError) as error:
        raise BadSeal(f"the leaves cannot be read: {error}") from error
    if leaves_to_bytes(leaves) != data:
        raise BadSeal("the leaves hold fields of unknown meaning")
    return leaves


def _parse_leaf(value: Mapping[str, Any]) -> Leaf:
    if "path" not in value:
        bytes.fromhex(value["leaf"])
        return Leaf(value["leaf"], None, None)
    file = FileDigest(str(value["path"]), int(value["size_bytes"]), str(value["sha256"]))
    if merkle.leaf(bytes.fromhex(value["salt"]), record_digest(file)).hex() != value["leaf"]:
        raise BadSeal(f"the leaf of {file.path} is not the hash of its record")
    return Leaf(value["leaf"], file, value["salt"])


def root_of(leaves: Sequence[Leaf]) -> str:
    return merkle.root(bytes.fromhex(each.leaf) for each in leaves).hex()

"""The end of a retention period: content and salts are destroyed, what proves that they existed is kept.

What stays is the seal with its signature, stamps and proofs, the leaves without their salts, and a certificate that
names two approvers and is signed by the office. The root still follows from the leaves; nothing can be guessed
from them.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from server.evidence import bag, certificates, cms, durable, keys, sealing, sm
from server.evidence.canonical import BadJson, dump, parse_canonical, parse_time, time_text
from server.evidence.errors import N_, EvidenceError
from server.evidence.seal import BadSeal, Leaf, Seal, leaves_to_bytes, parse_leaves, root_of

VERSION = 1
CERTIFICATE, CERTIFICATE_SIGNATURE = "disposal.json", "disposal.p7s"


class CannotDispose(EvidenceError):
    code = "cannot_dispose"
    text = N_("The evidence cannot be disposed of: {detail}")


class BadDisposal(ValueError):
    """Not a certificate of disposal that holds; the text says why."""


@dataclass(frozen=True, slots=True)
class Disposal:
    """`seal` and `root` in hex tie it to what was sealed; `policy` names the rule under which it was due."""

    inspection: str
    seal: str
    root: str
    files: int
    size_bytes: int
    at: str
    policy: str
    reason: str
    approvers: tuple[str, ...]

    def to_bytes(self) -> bytes:
        return dump(
            {
                "v": VERSION,
                "kind": "disposal",
                "inspection": self.inspection,
                "seal": self.seal,
                "root": self.root,
                "files": self.files,
                "size_bytes": self.size_bytes,
                "at": self.at,
                "policy": self.policy,
                "reason": self.reason,
                "approvers": list(self.approvers),
            }
        )

    @classmethod
    def parse(cls, data: bytes) -> Disposal:
        """BadDisposal unless it is the canonical form of a certificate with two approvers."""
        try:
            value = dict(parse_canonical(data, limit=1 << 20))
            if value.pop("v") != VERSION or value.pop("kind") != "disposal":
                raise BadDisposal(N_("it is not of a known version"))
            disposal = cls(**{**value, "approvers": tuple(map(str, value["approvers"]))})
            parse_time(disposal.at)
        except (BadJson, KeyError, TypeError, ValueError) as error:
            raise BadDisposal(f"it cannot be read: {error}") from error
        if len(set(disposal.approvers)) < 2:
            raise BadDisposal(N_("it does not name two approvers"))
        return disposal


@dataclass(frozen=True, slots=True, kw_only=True)
class DisposalOrder:
    """`approvers`: ids of two different people; who may approve is the caller's rule."""

    folder: Path
    policy: str
    reason: str
    approvers: tuple[str, ...]
    at: datetime


def dispose(
    order: DisposalOrder, office: keys.OfficeKeys, *, reached: Callable[[str], None] = lambda _step: None
) -> Disposal:
    """Destroys the content of a sealed folder. May be repeated after a kill, and after CannotDispose.

    `reached` is told each step that is on disk; what it raises stops the disposal there.
    """
    if len(set(order.approvers)) < 2:
        raise CannotDispose(detail=N_("two different people must approve"))
    sealed = sealing.find_sealed(order.folder)
    if sealed is None:
        raise CannotDispose(detail=N_("it is not sealed"))
    kept = order.folder / CERTIFICATE
    disposal = (
        Disposal.parse(kept.read_bytes())
        if kept.exists()
        else Disposal(
            inspection=sealed.seal.inspection,
            seal=hashlib.sha256(sealed.seal_bytes).hexdigest(),
            root=sealed.seal.root,
            files=sealed.seal.files,
            size_bytes=sealed.seal.size_bytes,
            at=time_text(order.at),
            policy=order.policy,
            reason=order.reason,
            approvers=order.approvers,
        )
    )
    leaves = parse_leaves((order.folder / sealing.LEAVES).read_bytes())
    if root_of(leaves) != sealed.seal.root:
        raise CannotDispose(detail=N_("its leaves do not lead to the sealed root"))
    # The certificate comes first: a folder that is half destroyed says why.
    durable.write(kept, disposal.to_bytes())
    durable.write(
        order.folder / CERTIFICATE_SIGNATURE, cms.sign(disposal.to_bytes(), office.seal_key, office.chain)
    )
    reached("certificate")
    closed = [Leaf(leaf.leaf, None, None) for leaf in leaves]
    durable.write(order.folder / sealing.LEAVES, leaves_to_bytes(closed))
    reached("leaves")
    # Digests of guessable content, and what describes people, go with the content.
    for name in ("data", "metadata"):
        destroy(order.folder / name)
    (order.folder / bag.MANIFEST).unlink(missing_ok=True)
    (order.folder / sm.DIGESTS).unlink(missing_ok=True)
    durable.sync_folder(order.folder)
    reached("content")
    bag.write_tag_manifest(order.folder)
    reached("tagmanifest")
    return disposal


def destroy(folder: Path) -> None:
    """With all that is in it, durably; one that is not there is gone already. CannotDispose if any of it is left."""
    try:
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)
        # Not `exists`, which takes a stale handle for nothing.
        with suppress(FileNotFoundError):
            folder.lstat()
            raise CannotDispose(detail=N_("a folder is still there after it was removed"))
        with suppress(FileNotFoundError):
            durable.sync_folder(folder.parent)
    except OSError as error:
        raise CannotDispose(detail=str(error)) from error


def check(folder: Path, roots: list[x509.Certificate]) -> Disposal:
    """The certificate of a disposed folder. BadDisposal unless seal, leaves and both signatures hold together."""
    try:
        content = (folder / sealing.SEAL).read_bytes()
        seal = Seal.parse(content)
        told = (folder / CERTIFICATE).read_bytes()
        disposal = Disposal.parse(told)
        leaves = parse_leaves((folder / sealing.LEAVES).read_bytes())
        signatures = [
            ((folder / sealing.SIGNATURE).read_bytes(), content, seal.sealed_at),
            ((folder / CERTIFICATE_SIGNATURE).read_bytes(), told, disposal.at),
        ]
    except (OSError, BadSeal) as error:
        raise BadDisposal(str(error)) from error
    if disposal.seal != hashlib.sha256(content).hexdigest() or disposal.root != seal.root:
        raise BadDisposal(N_("it is about another seal"))
    if root_of(leaves) != seal.root:
        raise BadDisposal(N_("the leaves do not lead to the sealed root"))
    if any(leaf.file is not None for leaf in leaves) or (folder / "data").exists():
        raise BadDisposal(N_("content or salts are still there"))
    for signature, data, at in signatures:
        try:
            signed = cms.verify(signature, data)
        except cms.BadSignature as error:
            raise BadDisposal(f"a signature does not hold: {error}") from error
        reason = certificates.why_not(signed.certificate, signed.others, roots, parse_time(at))
        if reason is not None:
            raise BadDisposal(f"a signature is not under a trusted root: {reason}")
    return disposal

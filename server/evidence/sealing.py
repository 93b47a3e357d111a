"""Seals an inspection's folder: every step leaves files that are whole, and may be repeated after a kill.

The order matters. Salts are on disk before the seal that depends on them; the signature comes after the seal, and once
it is there nothing that it covers is written again; stamps and proofs come later, each followed by the tag manifest.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

from server.evidence import bag, certificates, cms, durable, keys, signatures, sm, timestamps
from server.evidence.bag import FileDigest
from server.evidence.canonical import dump, parse, time_text
from server.evidence.chain import check_chain
from server.evidence.counts import CLOSE, count, vouched
from server.evidence.errors import N_, EvidenceError
from server.evidence.merkle import SALT_SIZE
from server.evidence.officelog import OfficeProof
from server.evidence.seal import BadSeal, Seal, leaves_to_bytes, make_leaves, parse_leaves, root_of

EVENTS = "data/events.jsonl"
SEAL, SIGNATURE = "seal.json", "seal.p7s"
LEAVES, KEY_LOG, OFFICE_PROOF = "proofs/leaves.json", "proofs/keys.jsonl", "proofs/office-log.json"
FOUR_PROPERTIES, FOUR_PROPERTIES_TEXT = "proofs/four-properties.json", "proofs/four-properties.txt"
FOUR_PROPERTIES_SIGNATURE = "proofs/four-properties.p7s"
MAX_STAMPS = 2
_TEMPLATES = ("verify.py", "VERIFY.zh.md", "VERIFY.en.md")


class LogNotClosed(EvidenceError):
    code = "log_not_closed"
    text = N_("The event log of {inspection} cannot be sealed: {detail}")


class PayloadMismatch(EvidenceError):
    code = "payload_mismatch"
    text = N_("The files of {inspection} are not those that its event log names: {detail}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SealingOrder:
    """What is to be sealed. `lines` is the whole log without newlines, its last event the close with the counts.

    `metadata` makes the files below `metadata/`, by their path, from the digests of the payload.
    `open_index`: the inspection's place in the office's log. `sm2`, `sm3`: who signs a second time; digests beside.
    """

    folder: Path
    inspection: str
    lines: Sequence[bytes]
    metadata: Callable[[Sequence[FileDigest]], Mapping[str, bytes]]
    open_index: int | None
    at: datetime
    sm2: sm.Sm2Signer | None = None
    sm3: bool = False


@dataclass(frozen=True, slots=True)
class Sealed:
    seal: Seal
    seal_bytes: bytes
    signature: bytes


def close_body(events: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """The body of the event `evidence.closed` that is to follow these."""
    return {"counts": count(events).as_body()}


def seal_folder(
    order: SealingOrder,
    office: keys.OfficeKeys,
    *,
    salt: Callable[[], bytes] = lambda: secrets.token_bytes(SALT_SIZE),
    reached: Callable[[str], None] = lambda _step: None,
) -> Sealed:
    """From a folder with `data/` to a sealed package. What was signed already stays as it is.

    LogNotClosed, PayloadMismatch, bag.UnsafeName. `reached` is told each step that is on disk.
    """
    folder = order.folder
    found = find_sealed(folder)
    if found is not None:
        bag.write_tag_manifest(folder)
        return found
    durable.sweep(folder)
    head, counts = _require_closed(order)
    durable.write(folder / EVENTS, b"".join(line + b"\n" for line in order.lines))
    reached("events")
    files = bag.inventory(folder, [path for path in bag.walk(folder) if path.startswith("data/")])
    _require_vouched(order, files)
    leaves = make_leaves(files, _salts(folder, files, salt))
    durable.write(folder / LEAVES, leaves_to_bytes(leaves))
    reached("leaves")
    manifest = bag.manifest(files)
    durable.write(folder / bag.MANIFEST, manifest)
    reached("manifest")
    tags = _write_tags(order, office, files)
    reached("tags")
    seal = Seal(
        inspection=order.inspection,
        office=office.office,
        sealed_at=time_text(order.at),
        events=len(order.lines),
        head=head,
        counts=counts,
        files=len(files),
        size_bytes=sum(file.size_bytes for file in files),
        manifest=hashlib.sha256(manifest).hexdigest(),
        root=root_of(leaves),
        tags=tags,
        root_fingerprint=certificates.fingerprint(office.root),
        certificate_fingerprint=certificates.fingerprint(office.certificate),
        head_key=signatures.public_bytes(office.head_key.public_key()).hex(),
        open_index=order.open_index,
    )
    durable.write(folder / SEAL, seal.to_bytes())
    reached("seal")
    durable.write(folder / KEY_LOG, office.log)
    reached("keys")
    if order.sm2 is not None:  # before the signature that ends the sealing
        durable.write(folder / sm.SIGNATURE, order.sm2.sign(seal.to_bytes()))
        reached("sm2")
    signature = cms.sign(seal.to_bytes(), office.seal_key, office.chain)
    durable.write(folder / SIGNATURE, signature)
    reached("signature")
    bag.write_tag_manifest(folder)
    reached("tagmanifest")
    return Sealed(seal, seal.to_bytes(), signature)


def find_sealed(folder: Path) -> Sealed | None:
    """The seal of a folder, if it is signed. BadSeal or cms.BadSignature if what is there does not fit together."""
    if not (folder / SIGNATURE).exists():
        return None
    if not (folder / SEAL).exists():
        raise BadSeal("there is a signature without a seal")
    content, signature = (folder / SEAL).read_bytes(), (folder / SIGNATURE).read_bytes()
    cms.verify(signature, content)
    return Sealed(Seal.parse(content), content, signature)


def stamp_names(number: int) -> tuple[str, str]:
    """(stamp, root of its authority) for the first or second authority."""
    if not 1 <= number <= MAX_STAMPS:
        raise ValueError(f"there is no authority number {number}")
    infix = "" if number == 1 else f".{number}"
    return f"seal{infix}.tsr", f"tsa-root{infix}.pem"


def pending_stamps(folder: Path, authorities: int) -> list[int]:
    """The numbers (from 1) of the configured authorities whose stamp a signed seal still lacks.

    A stamp counts once the tag manifest lists it, which is the last thing that `add_stamp` does: after a kill before
    that it is asked for again.
    """
    return [n for n in range(1, authorities + 1) if not _is_listed(folder, stamp_names(n)[0])]


def has_office_proof(folder: Path) -> bool:
    """Whether `add_office_proof` was completed."""
    return _is_listed(folder, OFFICE_PROOF)


def add_stamp(
    folder: Path,
    number: int,
    reply: bytes,
    asked: timestamps.StampRequest,
    roots_pem: bytes,
    now: datetime,
) -> timestamps.Stamp:
    """An authority has answered: checked, then kept with its root. timestamps.BadStamp leaves the folder as it was."""
    sealed = find_sealed(folder)
    if sealed is None:
        raise BadSeal("there is no seal to stamp")
    roots = certificates.from_pem(roots_pem)
    stamp = timestamps.accept(reply, sealed.signature, roots, asked, now)
    stamp_name, root_name = stamp_names(number)
    durable.write(folder / root_name, roots_pem)
    durable.write(folder / stamp_name, reply)
    bag.write_tag_manifest(folder)
    return stamp


def add_office_proof(folder: Path, proof: OfficeProof, key_log: bytes) -> None:
    """The office's log holds the seal: its proof, and the key history that the proof's head needs."""
    durable.write(folder / KEY_LOG, key_log)
    durable.write(folder / OFFICE_PROOF, proof.to_bytes())
    bag.write_tag_manifest(folder)


def add_report(folder: Path, report: bytes, text: bytes, signature: bytes) -> None:
    """The four-property report, for programs and for people. It tells of the sealed package, so it comes after it,
    with a signature of its own."""
    durable.write(folder / FOUR_PROPERTIES_TEXT, text)
    durable.write(folder / FOUR_PROPERTIES_SIGNATURE, signature)
    durable.write(folder / FOUR_PROPERTIES, report)
    bag.write_tag_manifest(folder)


def drop_report(folder: Path) -> None:
    """Whatever there is of a report."""
    for name in (FOUR_PROPERTIES, FOUR_PROPERTIES_SIGNATURE, FOUR_PROPERTIES_TEXT):
        (folder / name).unlink(missing_ok=True)


def has_report(folder: Path) -> bool:
    """Whether `add_report` was completed."""
    return _is_listed(folder, FOUR_PROPERTIES)


def _is_listed(folder: Path, name: str) -> bool:
    manifest = folder / bag.TAG_MANIFEST
    if not manifest.exists() or not (folder / name).exists():
        return False
    try:
        listed = bag.parse_manifest(manifest.read_bytes())
    except ValueError:
        return False  # it is written anew with what is pending
    return listed.get(name) == bag.digest(folder, name).sha256


def _require_closed(order: SealingOrder) -> tuple[str, dict[str, Any]]:
    head, bad = check_chain(order.lines)
    if bad is not None:
        raise LogNotClosed(inspection=order.inspection, detail=f"line {bad.line}: {bad.reason}")
    last = parse(order.lines[-1]) if order.lines else {}
    if last.get("type") != CLOSE:
        raise LogNotClosed(inspection=order.inspection, detail=N_("its last event is not the close"))
    if last["inspection"] != order.inspection:
        raise LogNotClosed(inspection=order.inspection, detail=N_("it is the log of another inspection"))
    events = _events(order.lines)
    if dump(close_body(events)) != dump(last["body"]):
        raise LogNotClosed(inspection=order.inspection, detail=N_("the close does not count what is there"))
    return head, dict(last["body"]["counts"])


def _require_vouched(order: SealingOrder, files: Sequence[FileDigest]) -> None:
    for folder, digests in vouched(_events(order.lines)).items():
        named = Counter(digests)
        there = Counter(f.sha256 for f in files if f.path.startswith(f"data/{folder}/"))
        strangers = [f.path for f in files if f.path.startswith(f"data/{folder}/") and f.sha256 not in named]
        if strangers:
            raise PayloadMismatch(inspection=order.inspection, detail=", ".join(strangers))
        if named != there:
            raise PayloadMismatch(
                inspection=order.inspection, detail=f"{folder}: {(named - there) or (there - named)}"
            )


def _events(lines: Sequence[bytes]) -> list[tuple[str, Mapping[str, Any]]]:
    parsed = (parse(line) for line in lines)
    return [(value["type"], value["body"]) for value in parsed]


def _salts(folder: Path, files: Sequence[FileDigest], salt: Callable[[], bytes]) -> dict[str, bytes]:
    """Those of an earlier attempt where they are still for the same file, fresh ones elsewhere."""
    known: dict[FileDigest | None, str | None] = {}
    if (folder / LEAVES).exists():
        known = {leaf.file: leaf.salt for leaf in parse_leaves((folder / LEAVES).read_bytes())}
    return {file.path: bytes.fromhex(known.get(file) or salt().hex()) for file in files}


def _write_tags(order: SealingOrder, office: keys.OfficeKeys, files: Sequence[FileDigest]) -> dict[str, str]:
    """The files beside the payload that the seal covers; path -> digest."""
    named = {
        "inspection": order.inspection,
        "office": office.office,
        "root_fingerprint": certificates.fingerprint(office.root),
        "sealed_at": str(int(order.at.timestamp())),
    }
    content: dict[str, bytes] = {
        "bagit.txt": bag.DECLARATION,
        "bag-info.txt": bag.info(files, identifier=order.inspection, organization=office.office, at=order.at),
        "root.pem": certificates.to_pem([office.root]),
        "certs/chain.pem": certificates.to_pem(office.chain),
    }
    templates = resources.files("server.evidence") / "standalone"
    for name in _TEMPLATES:
        text = (templates / name).read_text("utf-8")
        if name.endswith(".md"):
            for key, value in named.items():
                text = text.replace("{{" + key + "}}", value)
        content[name] = text.encode()
    if order.sm2 is not None:
        content[sm.CERTIFICATE] = order.sm2.read_certificate()
    if order.sm3:
        content[sm.DIGESTS] = sm.list_digests(order.folder, sorted(file.path for file in files))
    for path, data in order.metadata(files).items():
        if not path.startswith("metadata/") or bag.why_unsafe(path) is not None:
            raise bag.UnsafeName(name=path, detail=N_("metadata lies below metadata/"))
        content[path] = data
    for path, data in content.items():
        durable.write(order.folder / path, data)
    return {path: hashlib.sha256(data).hexdigest() for path, data in content.items()}

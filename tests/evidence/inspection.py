"""Inspections to be sealed: an event log, files of real and random content, and the office that seals them."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from server.evidence import keys, merkle, metadata, officelog, sealing, sm
from server.evidence.bag import FileDigest
from server.evidence.chain import GENESIS, Entry, canonical_line, link_of
from server.evidence.receipts import (
    KEY_EVENT,
    PATH,
    Receipt,
    brought_keys,
    dump_receipts,
    key_at,
    sign_receipt,
)
from server.evidence.seal import Seal
from server.evidence.segments import Segment
from server.evidence.signatures import public_bytes

OFFICE = "朝阳区市场监督管理局"
INSPECTION = "01KAF0000000000000000000AA"
PARTICIPANT = "p1"
PHONE = ec.generate_private_key(ec.SECP256R1())
"""The key of the enterprise's browser."""
SYSTEM = {"kind": "system", "id": "", "name": "", "role": "system"}


@dataclass(slots=True)
class Log:
    """A growing event log with times a little in the past."""

    inspection: str
    began: datetime
    lines: list[bytes] = field(default_factory=list)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    shift_s: float = 0.0
    "By how much the wall clock is off from here on."

    def add(self, type_: str, **body: Any) -> None:
        seq = len(self.lines) + 1
        entry = Entry(
            inspection=self.inspection,
            seq=seq,
            type=type_,
            actor=SYSTEM,
            t_utc=(self.began + timedelta(seconds=seq + self.shift_s)).isoformat().replace("+00:00", "Z"),
            t_mono=100.25 + seq,
            t_client=None,
            body=body,
            prev=link_of(self.lines[-1]) if self.lines else GENESIS,
        )
        self.lines.append(canonical_line(entry))
        self.events.append((type_, body))

    def close(self) -> None:
        self.add("evidence.closed", **sealing.close_body(self.events))


@dataclass(slots=True)
class OfficeLog:
    """An office's log in memory."""

    records: list[bytes] = field(default_factory=list)

    def add(self, record: bytes) -> int:
        self.records.append(record)
        return len(self.records) - 1

    def head(self, office: keys.OfficeKeys, at: datetime) -> officelog.Head:
        leaves = [officelog.leaf_of(data) for data in self.records]
        return officelog.sign_head(office.office, len(leaves), merkle.root(leaves), at, office.head_key)


def write_inspection(
    folder: Path,
    *,
    parts: dict[str, tuple[Path, list[Segment]]],
    chance: random.Random,
    snapshots: int = 2,
    chats: int = 5,
    inspection: str = INSPECTION,
    now: datetime | None = None,
    repaired: bool = False,
    phone_file: bytes | None = None,
) -> Log:
    """`data/` of an inspection and its closed log. `parts`: slot -> a recorded file and its segments.

    `phone_file`: what the phone recorded itself, the original of the first part.
    """
    log = Log(inspection, (now or datetime.now(UTC)) - timedelta(minutes=30))
    log.add("inspection.started", epoch=1)
    for index, (slot, (path, segments)) in enumerate(parts.items()):
        part = f"part-{index}"
        name = f"{slot}-e1-0001{path.suffix}"
        (folder / "data/media").mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / "data/media" / name)
        for segment in segments:
            log.add("part.segment", slot=slot, part=part, **segment.as_body())
        log.add("slot.gap", slot=slot, cause="network")
        from_phone: dict[str, Any] = {}
        if phone_file is not None and index == 0:
            (folder / "data/originals").mkdir()
            (folder / "data/originals/phone.mp4").write_bytes(phone_file)
            digest = hashlib.sha256(phone_file).hexdigest()
            from_phone["original"] = {"sha256": digest, "size_bytes": len(phone_file)}
        log.add(
            "part.closed",
            part=part,
            slot=slot,
            index=1,
            media_type="video/mp4",
            duration_s=segments[-1].to_ms / 1000 if segments else 0.7,
            size_bytes=path.stat().st_size,
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            repaired=repaired,
            **from_phone,
        )
    for index in range(snapshots):
        kind, place = [("snapshot.taken", "snapshots"), ("photo.added", "photos")][index % 2]
        data = chance.randbytes(chance.randrange(0, 3000))
        (folder / f"data/{place}").mkdir(parents=True, exist_ok=True)
        (folder / f"data/{place}/{index:04d}.png").write_bytes(data)
        body = {kind.split(".")[0]: f"id-{index}", "sha256": hashlib.sha256(data).hexdigest()}
        if kind == "photo.added":
            log.add("photo.announced", **body)
        log.add(kind, **body)
    for _ in range(chats):
        said = "".join(
            chr(chance.choice([0x4E00, 0x61, 0x22, 0x5C, 0x1F600]) + chance.randrange(9)) for _ in range(9)
        )
        log.add("chat.sent", text=said, weight=chance.random() * 10 ** chance.randrange(-9, 12))
    log.add(KEY_EVENT, participant=PARTICIPANT, public=public_bytes(PHONE.public_key()).hex())
    log.close()
    return log


@dataclass(frozen=True, slots=True)
class Made:
    """A sealed package, the keys that sealed it, and the office's log it is in."""

    folder: Path
    office: keys.OfficeKeys
    log: Log
    office_log: OfficeLog
    seal: Seal


def make_package(
    folder: Path,
    office: keys.OfficeKeys,
    log: Log,
    *,
    office_log: OfficeLog | None = None,
    now: datetime | None = None,
    sm2: sm.Sm2Signer | None = None,
) -> Made:
    """Opened in the office's log, sealed, entered, proved. `sm2`: signed a second time, with SM3 digests."""
    at = now or datetime.now(UTC)
    office_log = office_log or OfficeLog()
    for _ in range(3):
        office_log.add(officelog.record("access", None, at, head="ab" * 32))
    opened = office_log.add(officelog.record("open", log.inspection, at - timedelta(minutes=30)))
    write_receipts(folder, office, log, at)
    order = replace(order_of(folder, log, opened, at), sm2=sm2, sm3=sm2 is not None)
    sealed = sealing.seal_folder(order, office)
    enter(folder, office, office_log, opened, sealed, at)
    return Made(folder, office, log, office_log, sealed.seal)


def write_receipts(folder: Path, office: keys.OfficeKeys, log: Log, at: datetime) -> None:
    """One receipt, of the line before the close, if a participant brought a key."""
    seq = len(log.lines) - 1
    if key_at(brought_keys(log.lines), PARTICIPANT, seq) is not None:
        given = make_receipt(office, log, seq, at)
        (folder / PATH).parent.mkdir(exist_ok=True)
        (folder / PATH).write_bytes(dump_receipts([given]))


def make_receipt(
    office: keys.OfficeKeys, log: Log, seq: int, at: datetime, phone: ec.EllipticCurvePrivateKey = PHONE
) -> Receipt:
    """Signed by the office and, as a browser does it, by the phone."""
    given = sign_receipt(log.inspection, seq, link_of(log.lines[seq - 1]), at, office.head_key)
    return countersign(given, phone)


def countersign(given: Receipt, phone: ec.EllipticCurvePrivateKey, participant: str = PARTICIPANT) -> Receipt:
    r, s = decode_dss_signature(phone.sign(given.countersigned_bytes(), ec.ECDSA(hashes.SHA256())))
    signature = (r.to_bytes(32, "big") + s.to_bytes(32, "big")).hex()
    return replace(given, participant=participant, countersignature=signature)


def order_of(folder: Path, log: Log, opened: int | None, at: datetime) -> sealing.SealingOrder:
    return sealing.SealingOrder(
        folder=folder,
        inspection=log.inspection,
        lines=log.lines,
        metadata=lambda files: metadata_of(log.inspection, files),
        open_index=opened,
        at=at,
    )


def metadata_of(inspection: str, files: Sequence[FileDigest]) -> dict[str, bytes]:
    base = metadata.BaseMetadata(
        matter_code="000131001000",
        matter_name="食品经营许可变更",
        case_number="2026-0001",
        inspection=inspection,
        office=OFFICE,
        applicant="北京某某食品有限公司",
        certificate_kind="统一社会信用代码",
        certificate_number="91110105MA01ABCD2X",
        applied_at="2026-11-18T09:00:00Z",
        accepted_at="2026-11-19T09:00:00Z",
        completed_at="2026-11-21T10:00:00Z",
        result="合格",
        retention="30年",
    )
    steps = [metadata.ProcessStep("远程勘验", "张三", "2026-11-21T09:00:00Z", "同意")]
    return {
        metadata.BASE_PATH: metadata.base_xml(base, files),
        metadata.PROCESS_PATH: metadata.process_xml(inspection, steps),
    }


def close_record(seal: Seal, at: datetime) -> bytes:
    return officelog.record("close", seal.inspection, at, seq=seal.events, head=seal.head)


def enter(
    folder: Path,
    office: keys.OfficeKeys,
    office_log: OfficeLog,
    opened: int,
    sealed: sealing.Sealed,
    at: datetime,
) -> None:
    """The seal goes into the office's log, and the proof of it into the package."""
    digest = hashlib.sha256(sealed.seal_bytes).hexdigest()
    closed = office_log.add(close_record(sealed.seal, at))
    index = office_log.add(officelog.record("seal", sealed.seal.inspection, at, seal=digest))
    office_log.add(officelog.record("access", None, at, head="cd" * 32))
    proof = officelog.prove(office_log.head(office, at), office_log.records, [opened, closed, index])
    sealing.add_office_proof(folder, proof, office.log)


def files_of(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())

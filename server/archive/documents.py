"""What is added to an inspection's folder before it is sealed: index and record."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from server.archive.index import PATH, RECORD_PATH, Index, load_index
from server.archive.record import write_record
from server.cases.models import Evidence
from server.evidence import durable, keys
from server.evidence.sealing import find_sealed
from server.inspections.models import Inspection


def add_documents(
    folder: Path, lines: Sequence[bytes], index: Index, office: keys.OfficeKeys, fonts: Path | None
) -> None:
    """Index and record, before the seal; nothing once it is signed. Blocks."""
    if find_sealed(folder) is None:
        durable.write(folder / PATH, index.to_bytes())
        write_record(folder, lines, index, office, fonts)


def record_row(folder: Path) -> Evidence:
    """The record of a sealed folder as evidence of its case; the same one each time. Blocks."""
    index, record = load_index(folder), (folder / RECORD_PATH).read_bytes()
    inspection = index.one(Inspection)
    return Evidence(
        id=index.record,
        case_id=inspection["case_id"],
        inspection_id=inspection["id"],
        kind="record",
        title="",
        media_type="application/pdf",
        size_bytes=len(record),
        sha256=hashlib.sha256(record).hexdigest(),
        url=record_url(inspection["id"]),
        at=datetime.fromisoformat(inspection["concluded_at"]),
    )


def record_url(inspection_id: str) -> str:
    return f"/api/v1/inspections/{inspection_id}/record"

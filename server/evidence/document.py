"""A document of record as PDF/A: from plain blocks of text, tables and pictures, the same bytes every time.

What is written in it, and in which language, is the caller's; nothing that it passes is ever taken as markup.
"""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

import segno
import typst

from server.evidence.errors import N_, EvidenceError

FONTS = ("Noto Serif CJK SC", "Source Han Serif SC", "Noto Sans CJK SC", "Source Han Sans SC")
"""Any one of them is needed: without, Chinese would come out as boxes."""
_STANDARD: Any = "a-2b"
_PICTURES = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpg"}


class FontMissing(EvidenceError):
    code = "font_missing"
    text = N_("No Chinese font is installed; the record cannot be made. Install one of: {fonts}")


class DocumentUnmakable(EvidenceError):
    code = "document_unmakable"
    text = N_("The record cannot be made: {detail}")


@dataclass(frozen=True, slots=True)
class Heading:
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str


@dataclass(frozen=True, slots=True)
class Fields:
    """Names and values, in two columns."""

    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Table:
    """Every row as long as the header. `widths`: shares of the line, one for each column."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    widths: Sequence[float]


@dataclass(frozen=True, slots=True)
class Picture:
    """PNG or JPEG bytes; `caption` below it, `width` as a share of the line."""

    image: bytes
    caption: str
    width: float = 0.6


@dataclass(frozen=True, slots=True)
class Codes:
    """Digests in a typeface that tells 0 from O, and, beside them, a QR code of `qr`."""

    rows: Sequence[tuple[str, str]]
    qr: str


Block = Heading | Paragraph | Fields | Table | Picture | Codes


def make_pdf(title: str, blocks: Sequence[Block], *, at: datetime, language: str, foot: str = "") -> bytes:
    """PDF/A-2b dated `at`. FontMissing, DocumentUnmakable. Blocks: call it in a thread."""
    _require_font()
    with tempfile.TemporaryDirectory(prefix="record-") as name:
        folder = Path(name)
        content = [_placed(block, number, folder) for number, block in enumerate(blocks)]
        template = resources.files("server.evidence") / "document.typ"
        (folder / "document.typ").write_text(template.read_text("utf-8"), "utf-8")
        told = {"title": title, "language": language, "foot": foot, "fonts": FONTS, "blocks": content}
        (folder / "document.json").write_text(json.dumps(told, ensure_ascii=False), "utf-8")
        try:
            made = typst.compile(
                folder / "document.typ", root=folder, pdf_standards=[_STANDARD], timestamp=at
            )
        except typst.TypstError as error:
            raise DocumentUnmakable(detail=error.message) from error
    if not isinstance(made, bytes):
        raise DocumentUnmakable(detail="nothing came out")
    return made


def _require_font() -> None:
    if not set(FONTS) & set(typst.Fonts().families()):
        raise FontMissing(fonts=", ".join(FONTS))


def _placed(block: Block, number: int, folder: Path) -> dict[str, Any]:
    """The block as JSON, with its pictures beside the document."""
    kind = type(block).__name__.lower()
    if isinstance(block, Picture):
        suffix = next((s for magic, s in _PICTURES.items() if block.image.startswith(magic)), None)
        if suffix is None:
            raise DocumentUnmakable(detail=f"picture {number} is neither PNG nor JPEG")
        (folder / f"{number}.{suffix}").write_bytes(block.image)
        return {"kind": kind, "file": f"{number}.{suffix}", "caption": block.caption, "width": block.width}
    if isinstance(block, Table) and any(len(row) != len(block.header) for row in block.rows):
        raise DocumentUnmakable(detail=f"table {number} has a row of another length than its header")
    if isinstance(block, Codes):
        drawn = io.BytesIO()
        segno.make(block.qr, error="m", micro=False).save(drawn, kind="svg", border=2, xmldecl=False)
        (folder / f"{number}.svg").write_bytes(drawn.getvalue())
        return {"kind": kind, "rows": list(block.rows), "file": f"{number}.svg"}
    return {"kind": kind, **asdict(block)}

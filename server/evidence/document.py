"""A document of record as PDF/A: from plain blocks of text, tables and pictures, the same bytes every time.

What is written in it, and in which language, is the caller's; nothing that it passes is ever taken as markup.
"""

from __future__ import annotations

import io
import json
import re
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from importlib import resources, util
from pathlib import Path
from typing import Any

import segno
import typst

from server.evidence.errors import N_, EvidenceError

FONTS = (
    "Noto Serif CJK SC",
    "Source Han Serif SC",
    "Noto Serif SC",
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "Noto Sans SC",
    "FandolSong",
    "WenQuanYi Zen Hei",
)
"""Any one of them is needed: without, Chinese would come out as boxes."""
FONT_PACKAGE = "justmytype_intl_cjk"
"""A Python package that brings Noto Sans SC; taken if it is installed."""
_STANDARD: Any = "a-2b"
_UNDISPLAYABLE = re.compile(r'the text `"(.+)"` could not be displayed', re.DOTALL)
_ESCAPE = re.compile(r"\\u\{([0-9a-f]+)\}")
_MOST_TRIES = 12
_PICTURES = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpg"}


class FontMissing(EvidenceError):
    code = "font_missing"
    text = N_(
        "No Chinese font is installed; the record cannot be made. "
        "Install one of these, or name a folder with one in YUNKAN_FONTS: {fonts}"
    )


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


@dataclass(frozen=True, slots=True)
class Rules:
    """Ruled lines to write on, under what belongs there."""

    text: str
    lines: int


Block = Heading | Paragraph | Fields | Table | Picture | Codes | Rules


def make_pdf(
    title: str,
    blocks: Sequence[Block],
    *,
    at: datetime,
    language: str,
    foot: str = "",
    fonts: Path | None = None,
) -> bytes:
    """PDF/A-2b dated `at`. FontMissing, DocumentUnmakable. Blocks: call it in a thread.

    `fonts`: see `typefaces`. A character that no font holds is written as its number, as in [U+0E44]: never as a box.
    """
    faces = typefaces(fonts)
    with tempfile.TemporaryDirectory(prefix="record-") as name:
        folder = Path(name)
        content = [_placed(block, number, folder) for number, block in enumerate(blocks)]
        template = resources.files("server.evidence") / "document.typ"
        (folder / "document.typ").write_text(template.read_text("utf-8"), "utf-8")
        told = {"title": title, "language": language, "foot": foot, "fonts": FONTS, "blocks": content}
        text = json.dumps(told, ensure_ascii=False)
        for attempt in range(_MOST_TRIES + 1):
            (folder / "document.json").write_text(text, "utf-8")
            try:
                made = typst.compile(
                    folder / "document.typ",
                    root=folder,
                    pdf_standards=[_STANDARD],
                    timestamp=at.replace(microsecond=0),  # a PDF's dates are whole seconds
                    font_paths=faces,
                )
                break
            except typst.TypstError as error:
                lacking = _lacking(error.message)
                if not lacking or attempt == _MOST_TRIES:
                    raise DocumentUnmakable(detail=error.message) from error
                if attempt == _MOST_TRIES - 1:  # a text full of them: what is not common at all is numbered
                    lacking = {character for character in text if not _is_common(character)}
                text = text.translate({ord(each): f"[U+{ord(each):04X}]" for each in lacking})
    if not isinstance(made, bytes):
        raise DocumentUnmakable(detail=N_("nothing came out"))
    return made


def typefaces(folder: Path | None = None) -> typst.Fonts:
    """Those of the folder; else of the font package; else of the system. FontMissing if Chinese could not be written.

    The same fonts give the same bytes everywhere, so the system's are left out where others are named.
    """
    faces = _read_fonts(folder or _packaged())
    if not set(FONTS) & set(faces.families()):
        _read_fonts.cache_clear()  # somebody may install one
        raise FontMissing(fonts=", ".join(FONTS))
    return faces


@cache
def _read_fonts(folder: Path | None) -> typst.Fonts:
    paths: Any = [folder] if folder is not None else []
    return typst.Fonts(include_system_fonts=folder is None, font_paths=paths)


def _packaged() -> Path | None:
    found = util.find_spec(FONT_PACKAGE)
    if found is None or not found.submodule_search_locations:
        return None
    fonts = Path(next(iter(found.submodule_search_locations))) / "fonts" / "ofl" / "notosanssc"
    return fonts if fonts.is_dir() else None


def _lacking(message: str) -> set[str]:
    """The characters that typst says it has no glyphs for, without those that are part of JSON itself."""
    found = _UNDISPLAYABLE.search(message)
    if found is None:
        return set()
    text = _ESCAPE.sub(lambda code: chr(int(code[1], 16)), found[1])
    return {character for character in text if not character.isascii()}


def _is_common(character: str) -> bool:
    """Latin, punctuation, CJK punctuation and the basic block of ideographs (URO), full-width forms."""
    code = ord(character)
    return (
        code < 0x250
        or 0x2010 <= code < 0x2030
        or 0x3000 <= code < 0x3030
        or 0x4E00 <= code < 0x9FA6
        or (0xFF01 <= code < 0xFF5F)
    )


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
        segno.make(block.qr, error="m", micro=False).save(drawn, kind="svg", border=4, xmldecl=False)
        (folder / f"{number}.svg").write_bytes(drawn.getvalue())
        return {"kind": kind, "rows": list(block.rows), "file": f"{number}.svg"}
    return {"kind": kind, **asdict(block)}

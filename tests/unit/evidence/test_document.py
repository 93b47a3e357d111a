"""The document of record: readable Chinese, the same bytes every time, signed without changing what was there."""

import io
import re
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from server.evidence import document, keys, pades
from server.evidence.document import Block, Codes, Fields, Heading, Paragraph, Picture, Rules, Table

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def picture(seed: int = 1) -> bytes:
    sink = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    Image.fromarray(noise).save(sink, "PNG")
    return sink.getvalue()


def blocks() -> list[Block]:
    return [
        Heading("一、基本情况"),
        Fields([("企业名称", "北京某某食品有限公司"), ("统一社会信用代码", "91110105MA01ABCD2X")]),
        Paragraph("勘验人员于现场远程查看经营场所。#strong[不是标记] $x$ *星号* \\ @ref <label>"),
        Table(["项目", "结果", "备注"], [["门头", "合格", ""], ["库房", "整改", "堆放杂物"]], [2, 1, 3]),
        Picture(picture(), "图 1  门头"),
        Rules("陈述申辩", 2),
        Codes([("日志末行摘要", "ab" * 32)], "https://example.invalid/verify#" + "ab" * 32),
    ]


def made(**changes: object) -> bytes:
    given: dict[str, object] = {"at": AT, "language": "zh", "foot": "01KAF"}
    return document.make_pdf("远程勘验笔录", blocks(), **(given | changes))  # type: ignore[arg-type]


def test_the_same_record_gives_the_same_bytes() -> None:
    assert made() == made()


def test_another_time_is_in_the_document() -> None:
    assert made() != made(at=datetime(2026, 11, 22, tzinfo=UTC))


def test_the_document_declares_pdf_a_2b() -> None:
    assert b"<pdfaid:part>2</pdfaid:part>" in metadata(made())
    assert b"<pdfaid:conformance>B</pdfaid:conformance>" in metadata(made())


def metadata(pdf: bytes) -> bytes:
    root = PdfFileReader(io.BytesIO(pdf)).root
    data: bytes = root["/Metadata"].data
    return data


def test_a_document_has_the_structure_of_pdf_a_before_and_after_it_is_signed(tmp_path: Path) -> None:
    office = keys.init(tmp_path, "局", datetime.now(UTC))
    for pdf in (made(), pades.sign_pdf(made(), office.seal_key, office.chain)):
        require_pdf_a(PdfFileReader(io.BytesIO(pdf)))


def require_pdf_a(reader: PdfFileReader) -> None:
    """What ISO 19005-2 asks of a file of level B that a program without a validator can see."""
    xmp = reader.root["/Metadata"].data
    # As an element or, once it was signed, as an attribute.
    assert re.search(rb'pdfaid:part(>|=")2["<]', xmp)
    assert re.search(rb'pdfaid:conformance(>|=")B["<]', xmp)
    (intent,) = (each.get_object() for each in reader.root["/OutputIntents"])
    assert intent["/S"] == "/GTS_PDFA1"
    assert intent["/DestOutputProfile"].data[36:40] == b"acsp"
    assert "/Encrypt" not in reader.trailer
    assert reader.trailer["/ID"]
    objects = list(objects_of(reader))
    fonts = [each for each in objects if each.get("/Type") == "/FontDescriptor"]
    assert fonts
    assert all({"/FontFile", "/FontFile2", "/FontFile3"} & set(each) for each in fonts)
    shown = [each for each in objects if each.get("/Type") == "/Font" and each.get("/Subtype") != "/Type0"]
    assert all("/FontDescriptor" in each for each in shown)
    assert all("/ToUnicode" in each for each in objects if each.get("/Subtype") == "/Type0")
    for annotation in (each for each in objects if each.get("/Type") == "/Annot"):
        flags = int(annotation["/F"])
        assert flags & 4, "printed"
        assert not flags & (1 | 2 | 32), "neither invisible, hidden nor unviewed"
    assert not any(each.get("/S") in ("/JavaScript", "/Launch", "/Sound", "/Movie") for each in objects)
    assert not any("/SMask" in each and each.get("/S") == "/Transparency" for each in objects)


def objects_of(reader: PdfFileReader) -> Iterator[generic.DictionaryObject]:
    """Every dictionary that can be reached from the trailer, streams' among them, each once."""
    seen, waiting = set[tuple[int, int]](), [reader.trailer.flatten()]
    while waiting:
        value = waiting.pop()
        if isinstance(value, generic.IndirectObject):
            if value.reference in seen:
                continue
            seen.add(value.reference)
            value = value.get_object()
        if isinstance(value, generic.DictionaryObject):
            yield value
            waiting += [value.raw_get(name) for name in value]
        elif isinstance(value, generic.ArrayObject):
            waiting += list(value)


def test_chinese_can_be_read_out_and_markup_is_only_text() -> None:
    told = "远程勘验笔录北京某某食品有限公司堆放杂物#$*@<>\\"
    assert set(told) <= letters_of(made())


def letters_of(pdf: bytes) -> set[str]:
    """Every letter that the fonts' maps to Unicode know: what searching and copying in the document gives."""
    letters: set[str] = set()
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL):
        try:
            text = zlib.decompress(stream)
        except zlib.error:
            text = stream
        if b"begincmap" in text:
            for code in re.findall(rb"<[0-9A-Fa-f]+> <([0-9A-Fa-f]+)>", text):
                letters |= set(bytes.fromhex(code.decode()).decode("utf-16-be"))
    return letters


def test_the_picture_and_the_code_are_in_it() -> None:
    without = document.make_pdf("t", blocks()[:4], at=AT, language="zh")
    assert len(made()) > len(without) + len(zlib.compress(picture())) // 2


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(document.DocumentUnmakable, match="neither PNG nor JPEG"):
        document.make_pdf("t", [Picture(b"GIF89a", "x")], at=AT, language="zh")


def test_a_broken_picture_is_refused() -> None:
    with pytest.raises(document.DocumentUnmakable):
        document.make_pdf("t", [Picture(picture()[:40], "x")], at=AT, language="zh")


def test_a_table_with_a_ragged_row_is_refused() -> None:
    with pytest.raises(document.DocumentUnmakable, match="another length"):
        document.make_pdf("t", [Table(["a", "b"], [["c"]], [1, 1])], at=AT, language="zh")


def test_without_a_chinese_font_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "FONTS", ("No such font",))
    with pytest.raises(document.FontMissing, match="No such font"):
        made()


def test_a_signature_is_added_behind_the_document(tmp_path: Path) -> None:
    office = keys.init(tmp_path, "朝阳区市场监督管理局", datetime.now(UTC))
    unsigned = made()
    signed = pades.sign_pdf(unsigned, office.seal_key, office.chain)
    assert signed.startswith(unsigned)
    assert len(signed) > len(unsigned)
    status = validate(signed, office)
    assert status.intact
    assert status.valid
    assert status.trusted


def test_a_signed_document_that_was_changed_is_not_intact(tmp_path: Path) -> None:
    office = keys.init(tmp_path, "局", datetime.now(UTC))
    signed = bytearray(pades.sign_pdf(made(), office.seal_key, office.chain))
    signed[2000] ^= 1
    assert not validate(bytes(signed), office).intact


def validate(pdf: bytes, office: keys.OfficeKeys):  # type: ignore[no-untyped-def]
    roots = [pades._loaded(office.root)]
    context = ValidationContext(trust_roots=roots, allow_fetching=False)
    signature = PdfFileReader(io.BytesIO(pdf)).embedded_signatures[0]
    return validate_pdf_signature(signature, context)


def test_a_character_that_no_font_holds_is_written_as_its_number_and_never_as_a_box() -> None:
    made = document.make_pdf("t", [Paragraph("问 \u0e44 答 \u0e02")], at=AT, language="zh")
    letters = letters_of(made)
    assert {"\u0e44", "\u0e02"}.isdisjoint(letters)
    assert set("[U+0E44]问答") <= letters


def test_a_text_full_of_such_characters_still_becomes_a_document() -> None:
    strange = "".join(chr(0x780 + offset) for offset in range(30))
    made = document.make_pdf("t", [Paragraph(f"问{strange}答")], at=AT, language="zh")
    assert set("问[U+79D]答") <= letters_of(made)


def test_a_folder_of_fonts_without_chinese_is_refused(tmp_path: Path) -> None:
    with pytest.raises(document.FontMissing):
        made(fonts=tmp_path)


def test_the_font_package_is_taken_before_the_systems_fonts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fonts = tmp_path / document.FONT_PACKAGE / "fonts/ofl/notosanssc"
    fonts.mkdir(parents=True)
    (tmp_path / document.FONT_PACKAGE / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(document.FontMissing):  # it is empty, and the system's are not asked
        made()
    monkeypatch.undo()
    assert made()

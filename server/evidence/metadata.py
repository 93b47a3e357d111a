"""Base and process metadata of an archived inspection as XML, modelled on GB/T 42727-2023 and DA/T 85-2019.

"Modelled on", not "conforms to": the standards' full texts were not at hand. The Chinese element names are data
(`metadata_names.json`); the code speaks of them in English. Pure but for reading those names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from importlib import resources
from xml.etree import ElementTree

from server.evidence.bag import FileDigest

NAMES: Mapping[str, str] = json.loads(
    (resources.files("server.evidence") / "metadata_names.json").read_text("utf-8")
)
BASE_PATH, PROCESS_PATH = NAMES["base_path"], NAMES["process_path"]
ALGORITHM = "SHA-256"
MANDATORY = (
    "matter_code",
    "case_number",
    "inspection",
    "office",
    "applicant",
    "completed_at",
    "result",
    "retention",
)
_MAX_SIZE = 64 << 20
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class BadMetadata(ValueError):
    """Not metadata of this kind; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseMetadata:
    """About the matter as a whole. Times are RFC 3339; what is unknown stays empty."""

    matter_code: str
    matter_name: str
    case_number: str
    inspection: str
    office: str
    applicant: str
    certificate_kind: str
    certificate_number: str
    applied_at: str
    accepted_at: str
    completed_at: str
    result: str
    retention: str
    archive_number: str = ""


@dataclass(frozen=True, slots=True)
class ProcessStep:
    """One step of the matter: who did it, when, with what opinion."""

    name: str
    handler: str
    at: str
    opinion: str


def base_xml(base: BaseMetadata, files: Sequence[FileDigest]) -> bytes:
    """With name, format, size, digest algorithm and digest of every payload file."""
    root = ElementTree.Element(NAMES["base"], {"version": "1", "note": NAMES["modelled_on"]})
    for name, value in asdict(base).items():
        ElementTree.SubElement(root, NAMES[name]).text = _clean(value)
    listed = ElementTree.SubElement(root, NAMES["files"])
    for file in sorted(files, key=lambda each: each.path):
        entry = ElementTree.SubElement(listed, NAMES["file"])
        for name, value in {
            "path": file.path,
            "format": file.path.rpartition(".")[2].upper(),
            "size_bytes": str(file.size_bytes),
            "algorithm": ALGORITHM,
            "digest": file.sha256,
        }.items():
            ElementTree.SubElement(entry, NAMES[name]).text = value
    return _to_bytes(root)


def process_xml(inspection: str, steps: Sequence[ProcessStep]) -> bytes:
    root = ElementTree.Element(NAMES["process"], {"version": "1", "note": NAMES["modelled_on"]})
    ElementTree.SubElement(root, NAMES["inspection"]).text = inspection
    for step in steps:
        entry = ElementTree.SubElement(root, NAMES["step"])
        for name, value in asdict(step).items():
            ElementTree.SubElement(entry, NAMES[name]).text = _clean(value)
    return _to_bytes(root)


def parse_base(data: bytes) -> tuple[BaseMetadata, list[FileDigest]]:
    """BadMetadata unless it is what `base_xml` writes; a missing field reads as empty."""
    root = _parse(data, NAMES["base"])
    told = {each.name: root.findtext(NAMES[each.name]) or "" for each in fields(BaseMetadata)}
    files: list[FileDigest] = []
    for entry in root.iterfind(f"{NAMES['files']}/{NAMES['file']}"):
        texts = {
            name: entry.findtext(NAMES[name]) or "" for name in ("path", "size_bytes", "digest", "algorithm")
        }
        if texts["algorithm"] != ALGORITHM or not texts["size_bytes"].isdecimal():
            raise BadMetadata(f"the entry of {texts['path']!r} lacks a size or names another algorithm")
        files.append(FileDigest(texts["path"], int(texts["size_bytes"][:18]), texts["digest"]))
    return BaseMetadata(**told), files


def parse_process(data: bytes) -> list[ProcessStep]:
    """BadMetadata unless it is what `process_xml` writes."""
    root = _parse(data, NAMES["process"])
    return [
        ProcessStep(**{each.name: entry.findtext(NAMES[each.name]) or "" for each in fields(ProcessStep)})
        for entry in root.iterfind(NAMES["step"])
    ]


def _parse(data: bytes, name: str) -> ElementTree.Element:
    if len(data) > _MAX_SIZE:
        raise BadMetadata("it is too long")
    if b"<!" in data:
        raise BadMetadata("it holds declarations of its own")  # entities: what XML bombs are made of
    try:
        root = ElementTree.fromstring(data)  # noqa: S314  (without declarations there is nothing to expand)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise BadMetadata(f"it cannot be read: {error}") from error
    if root.tag != name:
        raise BadMetadata("it is about something else")
    return root


def _clean(text: str) -> str:
    """Without the control characters that XML cannot hold."""
    return "".join(
        c
        for c in text
        if c in "\t\n\r" or (c >= " " and c not in "\ufffe\uffff" and not "\ud800" <= c <= "\udfff")
    )


def _to_bytes(root: ElementTree.Element) -> bytes:
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"

"""The four properties of DA/T 70-2018 (authenticity, integrity, usability, security) as codes, from a verification.

What a machine cannot check, or this one does not, is "not performed", never passed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.evidence import metadata
from server.evidence.bag import FileDigest
from server.evidence.errors import N_
from server.evidence.metadata import BadMetadata, BaseMetadata
from server.evidence.verify.report import Report, Result
from server.evidence.verify.source import Source, Unreadable, open_source, read

_MAX_METADATA = 64 << 20
_MAGIC: dict[str, tuple[int, bytes]] = {
    "mp4": (4, b"ftyp"),
    "m4a": (4, b"ftyp"),
    "webm": (0, b"\x1a\x45\xdf\xa3"),
    "png": (0, b"\x89PNG"),
    "jpg": (0, b"\xff\xd8\xff"),
    "pdf": (0, b"%PDF-"),
}
_TEXTS = ("json", "jsonl", "xml", "txt", "md")


@dataclass(frozen=True, slots=True)
class Item:
    """One item of the standard. `basis` names the steps of the verification it rests on, or what was compared."""

    code: str
    title: str
    result: Result
    basis: str


class _Facts:
    """What the items are judged by."""

    def __init__(self, source: Source, report: Report) -> None:
        self.source = source
        self.results = {step.kind.code: step.result for step in report.steps}
        self.findings = {f.code for step in report.steps for f in step.findings if f.result is Result.FAILED}
        self.base: BaseMetadata | None = None
        self.described: list[FileDigest] = []
        self.has_process = False
        self.metadata_problem = ""
        self._read_metadata()
        self.payload = {p: s for p, s in source.sizes.items() if p.startswith("data/")}

    def _read_metadata(self) -> None:
        try:
            self.base, self.described = metadata.parse_base(
                read(self.source, metadata.BASE_PATH, _MAX_METADATA)
            )
            steps = metadata.parse_process(read(self.source, metadata.PROCESS_PATH, _MAX_METADATA))
            self.has_process = bool(steps) and all(step.name and step.at for step in steps)
        except (BadMetadata, Unreadable, KeyError) as error:
            self.metadata_problem = str(error)

    def steps(self, *codes: str) -> Result:
        """Passed if all these steps did; failed if one failed; not performed if one was not."""
        results = [self.results.get(code, Result.NOT_PERFORMED) for code in codes]
        if Result.FAILED in results:
            return Result.FAILED
        return Result.NOT_PERFORMED if Result.NOT_PERFORMED in results else Result.PASSED

    def formats(self) -> Result:
        return _passed(all(self._is_what_it_says(path) for path in self.payload))

    def _is_what_it_says(self, path: str) -> bool:
        suffix = path.rpartition(".")[2].lower()
        if suffix in _TEXTS:
            return True
        if suffix not in _MAGIC:
            return False
        offset, magic = _MAGIC[suffix]
        try:
            with self.source.open(path) as file:
                return file.read(offset + len(magic))[offset:] == magic
        except (Unreadable, OSError):
            return False

    def distinct(self) -> Result:
        digests = Counter(file.sha256 for file in self.described)
        return _passed(bool(digests) and max(digests.values()) == 1)

    def linked(self) -> Result:
        """Every payload file is described, with its size, and nothing else is."""
        return _passed({f.path: f.size_bytes for f in self.described} == self.payload)

    def matching(self) -> Result:
        return Result.FAILED if self.linked() is Result.FAILED else self.steps("files", "tree")

    def mandatory(self) -> Result:
        base = self.base
        return _passed(base is not None and all(getattr(base, name) for name in metadata.MANDATORY))


def _passed(yes: bool) -> Result:
    return Result.PASSED if yes else Result.FAILED


def _never(_facts: _Facts) -> Result:
    return Result.NOT_PERFORMED


def _of(*codes: str) -> Callable[[_Facts], Result]:
    return lambda facts: facts.steps(*codes)


_ITEMS: tuple[tuple[str, str, Callable[[_Facts], Result], str], ...] = (
    ("1-1", N_("Validity of the fixed information"), _of("seal", "signature"), "seal, signature"),
    ("1-3", N_("Type and format of the files"), _Facts.formats, "first bytes of each file"),
    ("1-5", N_("Reasonableness of the metadata"), _of("clock", "counts"), "clock, counts"),
    ("1-6", N_("Special characters in names"), lambda f: _passed("unreadable" not in f.findings), "files"),
    ("1-7", N_("Form of the archive number"), _never, ""),
    ("1-8", N_("Duplicate files"), _Facts.distinct, "digests in the metadata"),
    ("1-10", N_("Agreement of the files with their described attributes"), _Facts.matching, "files, tree"),
    ("1-11", N_("Link between metadata and content"), _Facts.linked, "paths in the metadata"),
    ("1-13", N_("Structure of the package"), _of("files"), "files"),
    (
        "1-14",
        N_("Agreement of the package with its lists"),
        _of("files", "seal", "tree"),
        "files, seal, tree",
    ),
    ("2-1", N_("Number of items"), _of("files", "seal"), "files, seal"),
    ("2-2", N_("Total of bytes"), _of("files", "seal"), "files, seal"),
    ("2-3", N_("Items of the metadata"), lambda f: _passed(not f.metadata_problem), "metadata"),
    ("2-4", N_("Mandatory items of the metadata"), _Facts.mandatory, "metadata"),
    ("2-5", N_("Process information"), lambda f: _passed(f.has_process), "metadata"),
    ("2-6", N_("Continuity"), _of("log", "segments"), "log, segments"),
    ("2-7", N_("Content"), _of("payload", "counts"), "payload, counts"),
    ("2-9", N_("Scope of what is to be archived"), _never, ""),
    ("2-10", N_("Metadata of the package"), lambda f: _passed(not f.metadata_problem), "metadata"),
    ("2-11", N_("Content of the package"), _of("files", "payload"), "files, payload"),
    ("3-1", N_("Metadata can be read"), lambda f: _passed(not f.metadata_problem), "metadata"),
    ("3-2", N_("The database can be accessed"), _never, ""),
    ("3-3", N_("Formats are usable"), _Facts.formats, "first bytes of each file"),
    ("3-4", N_("Content can be read"), _never, ""),
    ("3-8", N_("No proprietary compression or encryption"), _Facts.formats, "first bytes of each file"),
    ("4-1", N_("An antivirus program is present"), _never, ""),
    ("4-2", N_("Virus scan"), _never, ""),
    ("4-3", N_("Extra files"), lambda f: _passed("unlisted" not in f.findings), "files"),
    ("4-7", N_("Security of the process"), _never, ""),
)


def check_four_properties(path: Path, report: Report) -> list[Item]:
    """`report` is the verification of the same package. Unreadable if it is none."""
    source = open_source(path)
    try:
        facts = _Facts(source, report)
        return [Item(code, title, judge(facts), basis) for code, title, judge, basis in _ITEMS]
    finally:
        source.close()


def as_json(items: list[Item]) -> dict[str, Any]:
    """The machine-readable report."""
    return {
        "v": 1,
        "standard": "DA/T 70-2018",
        "items": [
            {"code": i.code, "title": i.title, "result": i.result.value, "basis": i.basis} for i in items
        ],
    }

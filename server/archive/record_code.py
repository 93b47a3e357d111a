"""What a record's QR code says: which logs ended where when it was made. `/verify` takes it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

from server.archive.index import OfficeState

SCHEME = "yunkan-record:1"
"""Before the same text where the office has no public address."""
PAGE = "/verify"


class BadCode(ValueError):
    """Not what the code of a record says."""


@dataclass(frozen=True, slots=True)
class RecordCode:
    """Heads and roots in hex; `office_size` 0 if the record names no head of the office's log."""

    inspection: str
    lines: int
    head: str
    office_size: int = 0
    office_root: str = ""

    def as_query(self) -> str:
        query = {"inspection": self.inspection, "lines": str(self.lines), "head": self.head}
        if self.office_size:
            query |= {"entries": str(self.office_size), "root": self.office_root}
        return urlencode(query)

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> RecordCode:
        """BadCode."""
        try:
            code = cls(
                inspection=query["inspection"],
                lines=int(query["lines"]),
                head=query["head"],
                office_size=int(query.get("entries", "0")),
                office_root=query.get("root", ""),
            )
            digests = [code.head, *([code.office_root] if code.office_size else [])]
            shaped = all(len(bytes.fromhex(digest)) == 32 for digest in digests)
        except (KeyError, ValueError) as error:
            raise BadCode(str(error)) from error
        if not (
            shaped and 0 < code.lines < 2**31 and 0 <= code.office_size < 2**31 and len(code.inspection) <= 40
        ):
            raise BadCode("out of bounds")
        return code

    @classmethod
    def from_text(cls, text: str) -> RecordCode:
        """What a reader of QR codes shows: the address, or the text of an office without one. BadCode."""
        text = text.strip()
        if len(text) > 1000:
            raise BadCode("too long")
        try:
            query = urlsplit(text).query
        except ValueError as error:
            raise BadCode(str(error)) from error
        return cls.from_query(dict(parse_qsl(query)))


def code_of(inspection_id: str, lines: int, head: str, office: OfficeState | None) -> str:
    """The text of the QR code."""
    code = RecordCode(inspection_id, lines, head)
    if office is not None:
        code = RecordCode(inspection_id, lines, head, office.head.size, office.head.root)
    base = office.public_url if office is not None else ""
    return f"{base}{PAGE}?{code.as_query()}" if base else f"{SCHEME}?{code.as_query()}"

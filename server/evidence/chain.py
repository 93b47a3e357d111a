"""The hash-chained event log: canonical lines (RFC 8785), links, and the check of a whole chain."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import rfc8785

from server.evidence.canonical import BadJson, parse_canonical
from server.evidence.errors import N_

VERSION = 1
GENESIS = "0" * 64
"""`prev` of the first line."""
MAX_LINE = 1 << 20
_FIELDS = {"v", "inspection", "seq", "type", "actor", "t_utc", "t_mono", "t_client", "body", "prev"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log before it is written.

    Times are RFC 3339 text, `t_mono` seconds, `t_client` as the client said.
    """

    inspection: str
    seq: int
    type: str
    actor: dict[str, str]
    t_utc: str
    t_mono: float
    t_client: str | None
    body: dict[str, Any]
    prev: str


@dataclass(frozen=True, slots=True)
class BadLine:
    """The first line at which a chain does not hold; `line` counts from 1."""

    line: int
    reason: str


def canonical_line(entry: Entry) -> bytes:
    """The entry as canonical JSON, without a newline."""
    return rfc8785.dumps(
        {
            "v": VERSION,
            "inspection": entry.inspection,
            "seq": entry.seq,
            "type": entry.type,
            "actor": entry.actor,
            "t_utc": entry.t_utc,
            "t_mono": entry.t_mono,
            "t_client": entry.t_client,
            "body": entry.body,
            "prev": entry.prev,
        }
    )


def canonical_json(value: Any) -> bytes:
    """RFC 8785 bytes of a JSON value."""
    return rfc8785.dumps(value)


def link_of(line: bytes) -> str:
    """SHA-256 of a canonical line, in hex: the `prev` of the next."""
    return hashlib.sha256(line).hexdigest()


def check_chain(lines: Iterable[bytes]) -> tuple[str, BadLine | None]:
    """The head after the last good line, and the first bad line if there is one."""
    head = GENESIS
    inspection: str | None = None
    for number, line in enumerate(lines, start=1):
        try:
            value = parse_canonical(line, limit=MAX_LINE)
        except BadJson as error:
            return head, BadLine(number, f"not a log line: {error}")
        if not isinstance(value, dict) or value.keys() != _FIELDS or value["v"] != VERSION:
            return head, BadLine(number, N_("not a log line: its fields are not those of an event"))
        if value["seq"] != number:
            return head, BadLine(number, f"seq is {value['seq']}, expected {number}")
        if value["prev"] != head:
            return head, BadLine(number, N_("prev is not the link of the line before"))
        if inspection is None:
            inspection = value["inspection"]
        elif value["inspection"] != inspection:
            return head, BadLine(number, N_("it belongs to another inspection"))
        head = link_of(line)
    return head, None

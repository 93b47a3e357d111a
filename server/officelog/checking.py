"""The check of the office's log as it stands in the database: every entry, every head, one against the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.errors import N_
from server.evidence import merkle, officelog
from server.evidence.canonical import BadJson, parse_canonical, time_text
from server.officelog.models import OfficeEntry, OfficeHead


@dataclass(frozen=True, slots=True)
class Fault:
    """What does not hold, as a message id with its fields."""

    text: str
    params: dict[str, Any] = field(default_factory=dict)


class Walk:
    """The entries one after the other, against the heads that were signed over them. Pure.

    It stops at the first entry that does not hold: what comes after it says nothing.
    """

    def __init__(self, heads: Iterable[OfficeHead], public_keys: Mapping[str, bytes] | None) -> None:
        self.fault: Fault | None = None
        self.opened: dict[str, int] = {}
        """Inspections that were opened and neither sealed nor disposed of, with their entry."""
        self._tree = merkle.Frontier()
        self._heads = list(heads)
        self._good_size = 0
        for number, head in enumerate(self._heads, start=1):
            if self.fault is None and (problem := _why_not(head, number, public_keys)) is not None:
                self.fault = problem
        self._compare_heads()

    @property
    def size(self) -> int:
        return self._tree.size

    def take(self, entry: OfficeEntry) -> None:
        """The next entry; nothing after a fault."""
        if self.fault is not None:
            return
        index = self._tree.size
        if entry.index != index:
            self.fault = Fault(N_("Entry {index} is missing"), {"index": index})
            return
        data = entry.record.encode()
        self._tree.append(officelog.leaf_of(data))
        reason = _why_changed(entry, data, self._tree)
        if reason is not None:
            self.fault = Fault(reason, {"index": index})
            return
        if entry.inspection_id is not None:
            if entry.kind == officelog.OPEN:
                self.opened.setdefault(entry.inspection_id, index)
            elif entry.kind in (officelog.SEAL, officelog.DISPOSAL):
                self.opened.pop(entry.inspection_id, None)
        self._compare_heads()

    def finish(self) -> Fault | None:
        """The first fault; that the log is shorter than what was signed is one."""
        if self.fault is None and self._heads:
            head = self._heads[0]
            self.fault = Fault(
                N_("The log ends after {size} entries, but head {number} was signed over {signed}"),
                {"size": self.size, "number": head.number, "signed": head.size},
            )
        return self.fault

    def _compare_heads(self) -> None:
        """Every head over exactly the entries so far must name their root. Heads are in the order of their numbers."""
        root: str | None = None
        while self.fault is None and self._heads and self._heads[0].size <= self.size:
            head = self._heads.pop(0)
            root = root or self._tree.root().hex()
            if head.size != self.size or head.root != root:
                self.fault = Fault(
                    N_("Entries {first} to {last} are not those that head {number} was signed over"),
                    {"first": self._good_size, "last": head.size - 1, "number": head.number},
                )
            self._good_size = head.size


async def walk(session: AsyncSession, public_keys: Mapping[str, bytes] | None) -> Walk:
    """The whole log. `public_keys`: fingerprint -> key for heads; None leaves signatures out."""
    heads = list(await session.scalars(select(OfficeHead).order_by(OfficeHead.number)))
    walked = Walk(heads, public_keys)
    entries = await session.stream_scalars(
        select(OfficeEntry).order_by(OfficeEntry.index).execution_options(yield_per=500)
    )
    async for entry in entries:
        walked.take(entry)
    walked.finish()
    return walked


def _why_changed(entry: OfficeEntry, data: bytes, tree: merkle.Frontier) -> str | None:
    if entry.leaf != officelog.leaf_of(data).hex() or entry.peaks != [peak.hex() for peak in tree.peaks]:
        return N_("Entry {index} is not the one that was hashed")
    try:
        told = parse_canonical(data)
    except BadJson:
        return N_("Entry {index} is no record")
    columns = {"kind": entry.kind, "inspection": entry.inspection_id, "at": time_text(entry.at)}
    if any(told.get(name) != value for name, value in columns.items()) or told.get("seq") != entry.seq:
        return N_("Entry {index}: the columns beside it say something else")
    return None


def _why_not(head: OfficeHead, number: int, public_keys: Mapping[str, bytes] | None) -> Fault | None:
    if head.number != number:
        return Fault(N_("Head {number} is missing"), {"number": number})
    try:
        signed = officelog.Head.parse(head.document.encode())
        if public_keys is not None:
            signed.require_signed(public_keys.get(signed.key, b""))
    except officelog.BadHead as error:
        return Fault(N_("Head {number} does not hold: {reason}"), {"number": number, "reason": str(error)})
    if (signed.size, signed.root, signed.at, signed.key) != (
        head.size,
        head.root,
        time_text(head.at),
        head.key,
    ):
        return Fault(N_("Head {number}: the columns beside it say something else"), {"number": number})
    return None

"""Receipts and records that somebody shows, against the office's keys and its log of that inspection.

Who shows a receipt that the office did not sign learns nothing; who shows a true one, whether the log still fits it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from server.archive.record_code import RecordCode
from server.db import Database
from server.errors import N_, Invalid, Unavailable
from server.evidence import keylog, keys, merkle, officelog
from server.evidence.canonical import parse
from server.evidence.chain import check_chain
from server.evidence.receipts import BadReceipt, Receipt, ReceiptResult, parse_kept
from server.evidence.verify.receipt_check import ReceiptFinding, check_receipts, head_keys
from server.inspections.closing import read_lines
from server.officelog.entries import find_entry, read_leaves

MOST_BYTES = 4 * 2**20
MOST_RECEIPTS = 5000


class NotReceipts(Invalid):
    code = "not_receipts"
    text = N_("This is not a file of receipts: {reason}.")


class Outcome(StrEnum):
    """What became of one receipt, the worst first."""

    NOT_OURS = "not_ours"
    """Not signed by a key of this office, or edited since."""
    NO_LOG = "no_log"
    """Signed, but there is no log of that inspection any more."""
    DISPOSED = "disposed"
    """Signed; two people of the office had the content disposed of since, which its log of all inspections holds."""
    SHORTENED = "shortened"
    REWRITTEN = "rewritten"
    NOT_COUNTERSIGNED = "not_countersigned"
    """Signed and in the log; the participant's signature is missing or wrong."""
    HOLDS = "holds"


_OF_RESULT = {
    ReceiptResult.REWRITTEN: Outcome.REWRITTEN,
    ReceiptResult.SHORTENED: Outcome.SHORTENED,
    ReceiptResult.OTHER_INSPECTION: Outcome.REWRITTEN,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`problem`: why a signature does not hold."""

    receipt: Receipt
    outcome: Outcome
    problem: BadReceipt | None


async def check_shown(database: Database, key_folder: Path, data: bytes) -> list[Verdict]:
    """One verdict for each receipt in the file. NotReceipts; Unavailable while the office has no keys."""
    try:
        kept = await asyncio.to_thread(parse_kept, data, MOST_BYTES)
    except BadReceipt as error:
        raise NotReceipts(reason=error) from error
    if not kept.receipts:
        raise NotReceipts(reason=BadReceipt(N_("there is no receipt in it")))
    if len(kept.receipts) > MOST_RECEIPTS or len({each.inspection for each in kept.receipts}) > 1:
        raise NotReceipts(reason=BadReceipt(N_("it holds receipts of more than one inspection, or too many")))
    try:
        statements = await asyncio.to_thread(_key_history, key_folder)
    except (OSError, keylog.BadKeyLog) as error:
        raise Unavailable from error
    public = head_keys(statements)
    without_log, lines = Outcome.NO_LOG, list[bytes]()
    if await asyncio.to_thread(_is_ours, kept.receipts, public):
        async with database.reading() as session:
            without_log, lines = await _office_lines(session, kept.receipts[0].inspection)
    return await asyncio.to_thread(judge, kept.receipts, lines, public, without_log)


async def _office_lines(session: AsyncSession, inspection_id: str) -> tuple[Outcome, list[bytes]]:
    """The office's log of an inspection, and what it means if that is empty: here what outsiders hold meets it."""
    disposed = await find_entry(session, officelog.DISPOSAL, inspection_id)
    return Outcome.DISPOSED if disposed else Outcome.NO_LOG, await read_lines(session, inspection_id)


def _key_history(folder: Path) -> list[keylog.KeyStatement]:
    return keylog.check_log((folder / keys.LOG).read_bytes())


def _is_ours(receipts: Sequence[Receipt], public: Sequence[bytes]) -> bool:
    """Whether the office signed any of them."""
    for each in receipts:
        with suppress(BadReceipt):
            each.require_signed(public)
            return True
    return False


class RecordOutcome(StrEnum):
    """What became of a record's code."""

    HOLDS = "holds"
    UNKNOWN = "unknown"
    """No log of this office ended so: made up, or of another office. What there is here is not told."""
    OFFICE_LOG_DIFFERS = "office_log_differs"
    """The inspection's log did, but the office's log of today does not lead to the head that the record names."""


@dataclass(frozen=True, slots=True)
class RecordVerdict:
    """`disposed`: the content is not there any more; the office's log still has the end of its log."""

    code: RecordCode
    outcome: RecordOutcome
    disposed: bool


async def check_record(database: Database, code: RecordCode) -> RecordVerdict:
    """The heads that a printed record names, against the office's log."""
    async with database.reading() as session:
        close = await find_entry(session, officelog.CLOSE, code.inspection)
        told = parse(close.record.encode()) if close is not None else {}
        if (told.get("seq"), told.get("head")) != (code.lines, code.head):
            return RecordVerdict(code, RecordOutcome.UNKNOWN, False)
        disposed = await find_entry(session, officelog.DISPOSAL, code.inspection) is not None
        leaves = await read_leaves(session, code.office_size)
    if code.office_size and not await asyncio.to_thread(_leads_to, leaves, code):
        return RecordVerdict(code, RecordOutcome.OFFICE_LOG_DIFFERS, disposed)
    return RecordVerdict(code, RecordOutcome.HOLDS, disposed)


def _leads_to(leaves: Sequence[bytes], code: RecordCode) -> bool:
    tree = merkle.Frontier()
    for leaf in leaves:
        tree.append(leaf)
    return len(leaves) == code.office_size and tree.root().hex() == code.office_root


def judge(
    receipts: Sequence[Receipt], lines: Sequence[bytes], public: Sequence[bytes], without_log: Outcome
) -> list[Verdict]:
    """A log whose chain is broken at or before a line does not hold that line, whatever the line itself is."""
    _, bad = check_chain(lines)
    findings = check_receipts(receipts, lines, public)
    if bad is not None:
        findings = [
            replace(each, result=ReceiptResult.REWRITTEN)
            if each.result is ReceiptResult.HOLDS and each.receipt.seq >= bad.line
            else each
            for each in findings
        ]
    return [_verdict(each, None if lines else without_log) for each in findings]


def _verdict(finding: ReceiptFinding, without_log: Outcome | None) -> Verdict:
    if not finding.signed:
        return Verdict(finding.receipt, Outcome.NOT_OURS, finding.problem)
    if without_log is not None:
        return Verdict(finding.receipt, without_log, None)
    if finding.result in _OF_RESULT:
        return Verdict(finding.receipt, _OF_RESULT[finding.result], None)
    if not finding.countersigned:
        return Verdict(finding.receipt, Outcome.NOT_COUNTERSIGNED, finding.problem)
    return Verdict(finding.receipt, Outcome.HOLDS, None)

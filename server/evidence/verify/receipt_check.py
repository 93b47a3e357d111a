"""Receipts that a participant kept, held against a package: `yunkan verify --receipt`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from server.evidence import keylog, sealing
from server.evidence.canonical import BadJson, parse
from server.evidence.receipts import BadReceipt, Receipt, ReceiptResult, parse_receipts
from server.evidence.verify.evidence import MAX_EVENTS, MAX_SMALL
from server.evidence.verify.source import Source, Unreadable, open_source, read

KEY_EVENT = "participant.key"
"""The event with which a participant's key enters the log: `{participant, public}`, SubjectPublicKeyInfo in hex."""


@dataclass(frozen=True, slots=True)
class ReceiptFinding:
    """`result` is None when the receipt itself does not hold; then `reason` says why.

    `countersigned`: whether the participant's key of that log signed it too.
    """

    receipt: Receipt
    result: ReceiptResult | None
    countersigned: bool
    reason: str = ""


def check_receipts(
    receipts: Sequence[Receipt], lines: Sequence[bytes], head_keys: Sequence[bytes]
) -> list[ReceiptFinding]:
    """Each receipt against a log's lines. `head_keys`: the office's keys for heads, SubjectPublicKeyInfo."""
    brought = _participants(lines)
    findings: list[ReceiptFinding] = []
    for receipt in receipts:
        try:
            receipt.require_signed(head_keys)
        except BadReceipt as error:
            findings.append(ReceiptFinding(receipt, None, False, str(error)))
            continue
        reason = ""
        try:
            receipt.require_countersigned(brought.get(receipt.participant or "", b""))
        except BadReceipt as error:
            reason = str(error)
        findings.append(ReceiptFinding(receipt, receipt.hold_against(lines), not reason, reason))
    return findings


def check_receipt_file(package: Path, data: bytes) -> list[ReceiptFinding]:
    """Against a package, whose own soundness `verify` checks. BadReceipt or Unreadable for what is no such file."""
    receipts = parse_receipts(data)
    source = open_source(package)
    try:
        lines = _small(source, sealing.EVENTS, MAX_EVENTS).splitlines()
        statements = keylog.check_log(_small(source, sealing.KEY_LOG, MAX_SMALL))
    except keylog.BadKeyLog as error:
        raise Unreadable(detail=str(error)) from error
    finally:
        source.close()
    heads = [bytes.fromhex(each.public) for each in statements if each.purpose == "head"]
    return check_receipts(receipts, lines, heads)


def _small(source: Source, path: str, limit: int) -> bytes:
    if path not in source.sizes:
        raise Unreadable(detail=f"{path} is missing")
    return read(source, path, limit)


def _participants(lines: Sequence[bytes]) -> dict[str, bytes]:
    """Participant -> the first key that it brought: a later one must not be able to sign for the past."""
    brought: dict[str, bytes] = {}
    for line in lines:
        try:
            value = parse(line)
            if value["type"] == KEY_EVENT:
                brought.setdefault(str(value["body"]["participant"]), bytes.fromhex(value["body"]["public"]))
        except (BadJson, KeyError, TypeError, ValueError):
            continue  # the chain check names bad lines
    return brought

"""Receipts that a participant kept, by themselves or held against a package: `yunkan verify --receipt`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from server.evidence import certificates, keylog, sealing
from server.evidence.canonical import BadJson, parse_time
from server.evidence.errors import N_
from server.evidence.keylog import KeyStatement
from server.evidence.receipts import (
    BadReceipt,
    BroughtKey,
    KeptReceipts,
    Receipt,
    ReceiptResult,
    brought_keys,
    key_at,
    parse_kept,
)
from server.evidence.redaction import REDACTION, BadRedaction, Redaction
from server.evidence.verify.evidence import MAX_EVENTS, MAX_SMALL, Trust, log_lines
from server.evidence.verify.source import Source, Unreadable, open_source, read

NO_KEYS = N_("the history of the office's keys in it does not hold: {detail}")
OTHER_ROOT = N_("its root certificate is not the expected one")
NOT_UNDER_ROOT = N_("no key of the office in it is under the root certificate")


@dataclass(frozen=True, slots=True)
class ReceiptFinding:
    """`problem`: why the receipt itself does not hold, or why its countersignature does not.

    `result` is None without a log to hold it against, and for what the office did not sign (`signed`).
    """

    receipt: Receipt
    signed: bool
    countersigned: bool
    result: ReceiptResult | None = None
    problem: BadReceipt | None = None

    @property
    def reason(self) -> str:
        return str(self.problem or "")

    @property
    def holds(self) -> bool:
        """Everything that was looked at: signatures, and the log where there was one."""
        return self.signed and self.countersigned and self.result in (None, ReceiptResult.HOLDS)


@dataclass(frozen=True, slots=True)
class Checked:
    """`office`: as its key history names it. `pinned`: whether the caller brought the root or its fingerprint."""

    findings: list[ReceiptFinding]
    office: str
    root_fingerprint: str
    pinned: bool
    with_log: bool


def check_signatures(
    receipt: Receipt, keys: Sequence[BroughtKey], head_keys: Sequence[bytes]
) -> ReceiptFinding:
    """Without a log. `head_keys`: the office's keys for heads, SubjectPublicKeyInfo."""
    try:
        receipt.require_signed(head_keys)
    except BadReceipt as error:
        return ReceiptFinding(receipt, signed=False, countersigned=False, problem=error)
    try:
        receipt.require_countersigned(key_at(keys, receipt.participant, receipt.seq))
    except BadReceipt as error:
        return ReceiptFinding(receipt, signed=True, countersigned=False, problem=error)
    return ReceiptFinding(receipt, signed=True, countersigned=True)


def check_receipts(
    receipts: Sequence[Receipt],
    lines: Sequence[bytes],
    head_keys: Sequence[bytes],
    withheld: frozenset[int] = frozenset(),
) -> list[ReceiptFinding]:
    """Each receipt against a log's lines, whose chain somebody else checks."""
    keys = brought_keys(lines)
    return [_held(check_signatures(each, keys, head_keys), lines, withheld) for each in receipts]


def _held(finding: ReceiptFinding, lines: Sequence[bytes], withheld: frozenset[int]) -> ReceiptFinding:
    if not finding.signed:
        return finding
    try:
        result = finding.receipt.hold_against(lines, withheld)
    except (BadJson, AttributeError):
        result = ReceiptResult.REWRITTEN
    return ReceiptFinding(finding.receipt, True, finding.countersigned, result, finding.problem)


def check_receipt_file(package: Path, data: bytes, trust: Trust) -> Checked:
    """Against a package, whose own soundness `verify` checks. BadReceipt or Unreadable for what is no such file."""
    kept = parse_kept(data)
    source = open_source(package)
    try:
        lines = log_lines(_small(source, sealing.EVENTS, MAX_EVENTS))
        statements = keylog.check_log(_small(source, sealing.KEY_LOG, MAX_SMALL))
        withheld = _withheld(source)
        root = certificates.from_pem(_small(source, "root.pem", MAX_SMALL))[0]
    except (keylog.BadKeyLog, BadRedaction, ValueError) as error:
        raise Unreadable(detail=str(error)) from error
    finally:
        source.close()
    findings = check_receipts(kept.receipts, lines, head_keys(statements), withheld)
    pinned = bool(trust.roots or trust.root_fingerprint)
    return Checked(findings, statements[-1].office, certificates.fingerprint(root), pinned, True)


def check_receipts_alone(data: bytes, trust: Trust) -> Checked:
    """By the keys that the file brings along, which must lead to the root. BadReceipt if they do not."""
    kept = parse_kept(data)
    statements, root_fingerprint = _require_office(kept, trust)
    keys = head_keys(statements)
    findings = [check_signatures(each, kept.keys, keys) for each in kept.receipts]
    pinned = bool(trust.roots or trust.root_fingerprint)
    return Checked(findings, statements[-1].office, root_fingerprint, pinned, False)


def head_keys(statements: Sequence[KeyStatement]) -> list[bytes]:
    return [bytes.fromhex(each.public) for each in statements if each.purpose == "head"]


def _require_office(kept: KeptReceipts, trust: Trust) -> tuple[list[KeyStatement], str]:
    """The office's keys, and the fingerprint of the root that they are under.

    One certificate under the root is enough: it signed the name of the key before it, and the key after it.
    """
    try:
        statements = keylog.check_log(kept.key_log)
        own = certificates.from_pem(kept.root.encode())
        certified = [
            (certificates.from_pem(each.certificate.encode()), parse_time(each.at))
            for each in statements
            if each.certificate is not None
        ]
    except Exception as error:  # certificates are parsed late, and hostile ones raise nearly anything
        raise BadReceipt(NO_KEYS, detail=str(error)) from error
    roots = list(trust.roots) or own[:1]
    if trust.root_fingerprint is not None:
        roots = [each for each in (*roots, *own) if certificates.fingerprint(each) == trust.root_fingerprint]
    if not roots:
        raise BadReceipt(OTHER_ROOT)
    for chain, at in certified:
        if certificates.why_not(chain[0], chain[1:], roots, at) is None:
            return statements, certificates.fingerprint(roots[0])
    raise BadReceipt(NOT_UNDER_ROOT)


def _withheld(source: Source) -> frozenset[int]:
    if REDACTION not in source.sizes:
        return frozenset()
    return frozenset(Redaction.parse(_small(source, REDACTION, MAX_SMALL)).withheld)


def _small(source: Source, path: str, limit: int) -> bytes:
    if path not in source.sizes:
        raise Unreadable(detail=f"{path} is missing")
    return read(source, path, limit)

"""`yunkan verify`: an inspection's package, as folder or zip, checked offline; receipts held against it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509

from server.errors import N_
from server.evidence.certificates import from_pem
from server.evidence.receipts import BadReceipt, ReceiptResult
from server.evidence.verify import Finding, Report, Result, Step, Trust, verify
from server.evidence.verify.receipt_check import ReceiptFinding, check_receipt_file
from server.evidence.verify.source import Unreadable
from server.settings import Settings
from server.web.languages import LANGUAGES, current_language, translate

_RESULTS = {
    Result.PASSED: N_("passed"),
    Result.WARNING: N_("passed with a remark"),
    Result.FAILED: N_("FAILED"),
    Result.NOT_PERFORMED: N_("not performed"),
}
_VERDICTS = {
    "passed": N_("The package is whole and unchanged."),
    "passed_with_warnings": N_("The package is whole and unchanged, with the remarks above."),
    "failed": N_("The package does not hold: it was changed, or is not what it says."),
    "unreadable": N_("This is not a package that can be checked: {reason}"),
}
_RECEIPTS = {
    ReceiptResult.HOLDS: N_("the log still has the line that this receipt is about"),
    ReceiptResult.REWRITTEN: N_("the log was changed after this receipt was given"),
    ReceiptResult.SHORTENED: N_("the log ends before the line that this receipt is about"),
    ReceiptResult.OTHER_INSPECTION: N_("this receipt is about another inspection"),
}


def add_to(commands: Any) -> None:
    parser = commands.add_parser("verify", help="check an inspection's package (folder or zip), offline")
    parser.add_argument("path", type=Path, help="the package: a folder or a zip")
    parser.add_argument("--json", action="store_true", help="the whole report as JSON")
    parser.add_argument("--receipt", type=Path, help="a participant's receipts, to be held against the log")
    parser.add_argument(
        "--root", type=Path, action="append", default=[], metavar="PEM", help="a trusted root"
    )
    parser.add_argument(
        "--fingerprint", default=None, help="SHA-256 of the office's root, got from the office"
    )
    parser.add_argument(
        "--tsa-root", type=Path, action="append", default=[], metavar="PEM", help="root of a time authority"
    )
    parser.add_argument("--language", choices=LANGUAGES, default=None)
    parser.set_defaults(run=run)


def run(settings: Settings, options: argparse.Namespace) -> int:
    """0 whole, with remarks or without; 1 changed; 2 nothing that can be checked."""
    current_language.set(options.language or settings.language)
    try:
        trust = Trust(
            now=datetime.now(UTC),
            roots=_certificates(options.root),
            root_fingerprint=_fingerprint(options.fingerprint),
            tsa_roots=_certificates(options.tsa_root),
        )
        receipt_bytes = options.receipt.read_bytes() if options.receipt else None
    except (OSError, ValueError) as error:
        print(f"yunkan: {error}", file=sys.stderr)
        return 2
    report = verify(options.path, trust)
    receipts: list[ReceiptFinding] = []
    problem = ""
    if receipt_bytes is not None and report.unreadable is None:
        try:
            receipts = check_receipt_file(options.path, receipt_bytes)
        except (BadReceipt, Unreadable) as error:
            problem = str(error)
    if options.json:
        told = report.to_json()
        if receipt_bytes is not None:
            told |= {
                "receipts": [_receipt_json(each) for each in receipts],
                "receipts_error": problem or None,
            }
        print(json.dumps(told, ensure_ascii=False, indent=2))
    else:
        _print_report(report)
        _print_receipts(receipts, problem)
    if report.exit_code:
        return report.exit_code
    if problem:
        return 2
    return 0 if all(each.result is ReceiptResult.HOLDS for each in receipts) else 1


def _certificates(paths: Sequence[Path]) -> list[x509.Certificate]:
    found: list[x509.Certificate] = []
    for path in paths:
        try:
            found += from_pem(path.read_bytes())
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
    return found


def _fingerprint(text: str | None) -> str | None:
    """As people copy it: colons, blanks and capitals do not matter."""
    if text is None:
        return None
    plain = text.replace(":", "").replace(" ", "").lower()
    if len(plain) != 64 or set(plain) - set("0123456789abcdef"):
        raise ValueError("--fingerprint must be 64 hexadecimal digits")
    return plain


def _print_report(report: Report) -> None:
    if report.inspection:
        print(
            translate(
                N_("Inspection {inspection} of {office}"), inspection=report.inspection, office=report.office
            )
        )
    for step in report.steps:
        _print_step(step)
    reason = _finding(report.unreadable) if report.unreadable else ""
    print(translate(_VERDICTS[report.verdict], reason=reason))


def _print_step(step: Step) -> None:
    kind = step.kind
    print(f"{kind.number:>2}. {translate(kind.title)}: {translate(_RESULTS[step.result])}")
    print(f"    {translate(kind.checked)}")
    for finding in step.findings:
        print(f"    - {_finding(finding)}")
    print("    " + translate(N_("Not proved: {what}"), what=translate(kind.not_proved)))


def _finding(finding: Finding) -> str:
    told = translate(finding.text, **finding.params)
    return f"{finding.subject}: {told}" if finding.subject else told


def _print_receipts(receipts: Sequence[ReceiptFinding], problem: str) -> None:
    if problem:
        print(translate(N_("The receipts cannot be checked: {reason}"), reason=problem))
    for each in receipts:
        told = each.reason if each.result is None else translate(_RECEIPTS[each.result])
        print(translate(N_("Receipt of line {line}: {result}"), line=each.receipt.seq, result=told))


def _receipt_json(each: ReceiptFinding) -> dict[str, Any]:
    return {
        "seq": each.receipt.seq,
        "at": each.receipt.at,
        "result": each.result.value if each.result else "not_of_this_office",
        "countersigned": each.countersigned,
        "reason": each.reason or None,
    }

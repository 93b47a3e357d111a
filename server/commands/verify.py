"""`yunkan verify`: an inspection's package, as folder or zip, checked offline; receipts by themselves or against it."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509

from server.errors import N_
from server.evidence.certificates import from_pem
from server.evidence.errors import printable
from server.evidence.receipts import BadReceipt, ReceiptResult
from server.evidence.verify import Finding, Report, Result, Step, Trust, verify
from server.evidence.verify.receipt_check import (
    Checked,
    ReceiptFinding,
    check_receipt_file,
    check_receipts_alone,
)
from server.evidence.verify.report import RECEIPTS
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
    "disposed": N_("The content was disposed of; the certificate of that holds."),
    "failed": N_("The package does not hold: it was changed, or is not what it says."),
    "unreadable": N_("This is not a package that can be checked: {reason}"),
}
_RECEIPTS = {
    ReceiptResult.HOLDS: N_("the log still has the line that this receipt is about"),
    ReceiptResult.REWRITTEN: N_("the log was changed after this receipt was given"),
    ReceiptResult.SHORTENED: N_("the log ends before the line that this receipt is about"),
    ReceiptResult.OTHER_INSPECTION: N_("this receipt is about another inspection"),
}

BOTH_SIGNED = N_("the office and the participant signed it")
NOTHING_NAMED = N_("Name a package, receipts (--receipt), or both.")
ROOT_OF_ITS_OWN = N_(
    "No root was given: compare {fingerprint} with what the office publishes, or these may be anybody's receipts."
)
NO_LOG = N_("No package was given: whether the office's log still has these lines was not checked.")


def add_to(commands: Any) -> None:
    parser = commands.add_parser(
        "verify", help="check an inspection's package (folder or zip) or a participant's receipts, offline"
    )
    parser.add_argument("path", type=Path, nargs="?", help="the package: a folder or a zip")
    parser.add_argument("--json", action="store_true", help="the whole report as JSON")
    parser.add_argument("--receipt", type=Path, help="a participant's receipts, also without a package")
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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        trust = Trust(
            now=datetime.now(UTC),
            roots=_certificates(options.root),
            root_fingerprint=_fingerprint(options.fingerprint),
            tsa_roots=_certificates(options.tsa_root),
        )
        receipt_bytes = options.receipt.read_bytes() if options.receipt else None
    except (OSError, ValueError) as error:
        print(f"yunkan: {printable(error)}", file=sys.stderr)
        return 2
    if options.path is None and receipt_bytes is None:
        print(f"yunkan: {translate(NOTHING_NAMED)}", file=sys.stderr)
        return 2
    report = verify(options.path, trust) if options.path is not None else None
    checked, problem = None, None
    if receipt_bytes is not None and (report is None or report.unreadable is None):
        checked, problem = _check_receipts(options.path, receipt_bytes, trust)
    if options.json:
        told = report.to_json() if report is not None else {}
        if receipt_bytes is not None:
            told |= _receipts_json(checked, problem)
        text = json.dumps(told, ensure_ascii=False, indent=2)
        print("".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text))
    else:
        if report is not None:
            _print_report(report)
        _print_receipts(checked, problem)
    return (report.exit_code if report is not None else 0) or _exit_code(checked, problem)


def _check_receipts(
    package: Path | None, data: bytes, trust: Trust
) -> tuple[Checked | None, BadReceipt | Unreadable | None]:
    try:
        if package is None:
            return check_receipts_alone(data, trust), None
        return check_receipt_file(package, data, trust), None
    except (BadReceipt, Unreadable) as error:
        return None, error


def _exit_code(checked: Checked | None, problem: BadReceipt | Unreadable | None) -> int:
    if problem is not None:
        return 2
    return 0 if checked is None or all(each.holds for each in checked.findings) else 1


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


def _say(text: str, indent: str = "") -> None:
    """A line of its own, whatever names from a package are in it."""
    print(indent + printable(text))


def _print_report(report: Report) -> None:
    if report.inspection:
        whose = {"inspection": report.inspection, "office": report.office}
        _say(translate(N_("Inspection {inspection} of {office}"), **whose))
    for step in report.steps:
        _print_step(step)
    reason = _finding(report.unreadable) if report.unreadable else ""
    _say(translate(_VERDICTS[report.verdict], reason=reason))


def _print_step(step: Step) -> None:
    kind = step.kind
    _say(f"{kind.number:>2}. {translate(kind.title)}: {translate(_RESULTS[step.result])}")
    _say(translate(kind.checked), "    ")
    for finding in step.findings:
        _say(_finding(finding), "    - ")
    _say(translate(N_("Not proved: {what}"), what=translate(kind.not_proved)), "    ")


def _finding(finding: Finding) -> str:
    told = translate(finding.text, **finding.params)
    return f"{finding.subject}: {told}" if finding.subject else told


def _print_receipts(checked: Checked | None, problem: BadReceipt | Unreadable | None) -> None:
    if problem is not None:
        reason = translate(problem.text, **problem.params)
        _say(translate(N_("The receipts cannot be checked: {reason}"), reason=reason))
    if checked is None:
        return
    for each in checked.findings:
        _say(translate(N_("Receipt of line {line}: {result}"), line=each.receipt.seq, result=_told(each)))
    held = sum(each.holds for each in checked.findings)
    count = len(checked.findings)
    _say(
        translate(
            N_("{held} of {count} receipts of {office} hold."), held=held, count=count, office=checked.office
        )
    )
    if not checked.pinned:
        _say(translate(ROOT_OF_ITS_OWN, fingerprint=checked.root_fingerprint))
    if not checked.with_log:
        _say(translate(NO_LOG))
    _say(translate(N_("Not proved: {what}"), what=translate(RECEIPTS.not_proved)))


def _told(each: ReceiptFinding) -> str:
    if each.problem is not None:
        told = translate(each.problem.text, **each.problem.params)
        return f"{translate(_RECEIPTS[each.result])}; {told}" if each.result else told
    return translate(_RECEIPTS[each.result] if each.result else BOTH_SIGNED)


def _receipts_json(checked: Checked | None, problem: BadReceipt | Unreadable | None) -> dict[str, Any]:
    told: dict[str, Any] = {"receipts_error": str(problem) if problem is not None else None, "receipts": []}
    if checked is not None:
        told["receipts"] = [_receipt_json(each) for each in checked.findings]
        told["receipts_of"] = {
            "office": checked.office,
            "root_fingerprint": checked.root_fingerprint,
            "root_expected": checked.pinned,
        }
    return told


def _receipt_json(each: ReceiptFinding) -> dict[str, Any]:
    result = "signed" if each.signed else "not_of_this_office"
    return {
        "seq": each.receipt.seq,
        "at": each.receipt.at,
        "result": each.result.value if each.result else result,
        "countersigned": each.countersigned,
        "reason": each.reason or None,
    }

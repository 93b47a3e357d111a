"""Step 12: the receipts in a package against its log."""

from __future__ import annotations

from server.evidence import keylog, receipts, sealing
from server.evidence.errors import N_
from server.evidence.receipts import BadReceipt, ReceiptResult
from server.evidence.verify.evidence import Evidence
from server.evidence.verify.receipt_check import ReceiptFinding, check_receipts, head_keys
from server.evidence.verify.report import Step

_MOST_NAMED = 20
_RESULTS = {
    ReceiptResult.REWRITTEN: N_("the log was changed after this receipt was given"),
    ReceiptResult.SHORTENED: N_("the log ends before the line that this receipt is about"),
    ReceiptResult.OTHER_INSPECTION: N_("this receipt is about another inspection"),
}


def check_receipts_of(evidence: Evidence, step: Step) -> None:
    """12. Office and participant signed each head, and the log still has the line."""
    data = evidence.find(receipts.PATH)
    step.numbers = {"receipts": 0}
    if data is None:
        if receipts.PATH in evidence.listed:
            step.skip("omitted", N_("the receipts were left out of this copy"))
        return
    try:
        given = receipts.parse_receipts(data)
        keys = head_keys(keylog.check_log(evidence.find(sealing.KEY_LOG) or b""))
    except (BadReceipt, keylog.BadKeyLog) as error:
        step.fail("bad_receipts", N_("does not hold: {reason}"), receipts.PATH, reason=str(error))
        return
    step.numbers = {"receipts": len(given), "participants": len({each.participant for each in given})}
    found = check_receipts(given, evidence.lines, keys, evidence.withheld)
    for each in [finding for finding in found if not finding.holds][:_MOST_NAMED]:
        _report(evidence, step, each)


def _report(evidence: Evidence, step: Step, finding: ReceiptFinding) -> None:
    line = finding.receipt.seq
    if finding.result is not None and finding.result is not ReceiptResult.HOLDS:
        text = _RESULTS[finding.result]
        step.fail(finding.result.value, text, f"{receipts.PATH}#{line}")
    elif finding.signed and evidence.withheld and finding.problem is not None:
        step.warn("withheld", N_("its key may be in a withheld event"), f"{receipts.PATH}#{line}")
    else:
        reason = finding.reason
        step.fail("bad_receipt", N_("does not hold: {reason}"), f"{receipts.PATH}#{line}", reason=reason)

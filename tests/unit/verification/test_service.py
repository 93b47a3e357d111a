"""A log whose chain is broken does not hold what comes after the break, even where a line is still the same."""

from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric import ed25519

from server.evidence.chain import link_of
from server.evidence.receipts import Receipt, sign_receipt
from server.evidence.signatures import public_bytes
from server.verification.service import Outcome, judge
from tests.unit.evidence.test_chain import chain, entry

OFFICE = ed25519.Ed25519PrivateKey.generate()
PUBLIC = [public_bytes(OFFICE.public_key())]
LINES = chain(6)


def given(seq: int) -> Receipt:
    return sign_receipt("I1", seq, link_of(LINES[seq - 1]), datetime.now(UTC), OFFICE)


def outcomes(lines: list[bytes], *receipts: Receipt) -> list[Outcome]:
    return [each.outcome for each in judge(receipts, lines, PUBLIC, Outcome.NO_LOG)]


def test_lines_before_a_break_hold_and_those_after_it_do_not() -> None:
    # Nobody countersigned: that is the worst to be said of a receipt that the log holds.
    assert outcomes(LINES, given(2), given(5)) == [Outcome.NOT_COUNTERSIGNED] * 2
    edited = [*LINES[:2], entry(3, link_of(LINES[1]), text="never said"), *LINES[3:]]
    assert outcomes(edited, given(2), given(3), given(5)) == [
        Outcome.NOT_COUNTERSIGNED,
        Outcome.REWRITTEN,
        Outcome.REWRITTEN,
    ]


def test_without_a_log_it_is_said_why() -> None:
    assert outcomes([], given(2)) == [Outcome.NO_LOG]
    (verdict,) = judge([given(2)], [], PUBLIC, Outcome.DISPOSED)
    assert verdict.outcome is Outcome.DISPOSED

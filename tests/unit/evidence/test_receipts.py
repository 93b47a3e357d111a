"""A receipt fits the log it was given for, and no other."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from server.evidence import signatures
from server.evidence.chain import link_of
from server.evidence.receipts import (
    BadReceipt,
    Receipt,
    ReceiptResult,
    dump_receipts,
    parse_receipts,
    sign_receipt,
)
from tests.unit.evidence.test_chain import chain, entry

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
OFFICE = ed25519.Ed25519PrivateKey.generate()
PUBLIC = signatures.public_bytes(OFFICE.public_key())
PHONE = ec.generate_private_key(ec.SECP256R1())
LINES = chain(9)


def countersigned(receipt: Receipt) -> Receipt:
    """As WebCrypto does it."""
    r, s = decode_dss_signature(PHONE.sign(receipt.countersigned_bytes(), ec.ECDSA(hashes.SHA256())))
    return replace(
        receipt, participant="p1", countersignature=(r.to_bytes(32, "big") + s.to_bytes(32, "big")).hex()
    )


def receipt(seq: int = 5) -> Receipt:
    return countersigned(sign_receipt("I1", seq, link_of(LINES[seq - 1]), NOW, OFFICE))


def test_a_receipt_holds_against_its_log_however_much_that_has_grown() -> None:
    given = receipt()
    given.require_signed([PUBLIC])
    given.require_countersigned(signatures.public_bytes(PHONE.public_key()))
    assert given.hold_against(LINES) == ReceiptResult.HOLDS
    assert given.hold_against(LINES[:5]) == ReceiptResult.HOLDS


def test_a_rewritten_log_is_told_by_a_receipt() -> None:
    rewritten = [entry(1, "0" * 64, text="other")]
    for seq in range(2, 10):
        rewritten.append(entry(seq, link_of(rewritten[-1]), text=f"第{seq}句"))
    assert receipt().hold_against(rewritten) == ReceiptResult.REWRITTEN


def test_a_shortened_log_is_told_by_a_receipt() -> None:
    assert receipt().hold_against(LINES[:4]) == ReceiptResult.SHORTENED
    assert receipt().hold_against([]) == ReceiptResult.SHORTENED


def test_a_receipt_of_another_inspection_says_nothing_about_this_one() -> None:
    other = sign_receipt("I2", 5, link_of(LINES[4]), NOW, OFFICE)
    assert other.hold_against(LINES) == ReceiptResult.OTHER_INSPECTION


def test_receipts_survive_their_file() -> None:
    given = [receipt(3), receipt(7)]
    assert parse_receipts(dump_receipts(given)) == given


@pytest.mark.parametrize(
    "change",
    [
        {"seq": 6},
        {"head": "ab" * 32},
        {"at": "2020-01-01T00:00Z"},
        {"inspection": "I9"},
        {"signature": "00" * 64},
    ],
)
def test_an_edited_receipt_is_not_the_offices(change: dict[str, object]) -> None:
    with pytest.raises(BadReceipt, match="office's signature"):
        replace(receipt(), **change).require_signed([PUBLIC])  # type: ignore[arg-type]


def test_a_receipt_under_another_key_is_not_the_offices() -> None:
    foreign = sign_receipt("I1", 5, link_of(LINES[4]), NOW, ed25519.Ed25519PrivateKey.generate())
    with pytest.raises(BadReceipt, match="not the office's"):
        foreign.require_signed([PUBLIC])


def test_a_countersignature_by_another_or_of_another_receipt_does_not_hold() -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(BadReceipt, match="participant's signature"):
        receipt().require_countersigned(signatures.public_bytes(other.public_key()))
    moved = replace(receipt(3), countersignature=receipt(4).countersignature)
    with pytest.raises(BadReceipt, match="participant's signature"):
        moved.require_countersigned(signatures.public_bytes(PHONE.public_key()))
    with pytest.raises(BadReceipt, match="not countersigned"):
        replace(receipt(), countersignature=None).require_countersigned(PUBLIC)
    with pytest.raises(BadReceipt, match="not on P-256"):
        receipt().require_countersigned(PUBLIC)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"7",
        b'{"v":1,"kind":"receipts","receipts":[7]}',
        b'{"v":1,"kind":"receipts","receipts":[{"receipt":{},"signature":"00"}]}',
        b'{"v":1,"kind":"receipts","receipts":7}',
        b'{"v":2,"kind":"receipts","receipts":[]}',
        b"[" * 100_000,
    ],
)
def test_what_is_not_a_receipt_is_refused(data: bytes) -> None:
    with pytest.raises(BadReceipt):
        parse_receipts(data)

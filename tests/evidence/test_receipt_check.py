"""Receipts that an enterprise kept, against the package that the office shows years later."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from server.evidence import keys
from server.evidence.chain import link_of
from server.evidence.receipts import BadReceipt, Receipt, ReceiptResult, dump_receipts, sign_receipt
from server.evidence.signatures import public_bytes
from server.evidence.verify.receipt_check import KEY_EVENT, check_receipt_file
from server.evidence.verify.source import Unreadable
from tests.evidence import tampering
from tests.evidence.inspection import INSPECTION, Log, Made, make_package

PHONE = ec.generate_private_key(ec.SECP256R1())
NOW = datetime.now(UTC)


@pytest.fixture
def made(tmp_path: Path, office: keys.OfficeKeys) -> Made:
    log = Log(INSPECTION, NOW - timedelta(hours=1))
    log.add(KEY_EVENT, participant="p1", public=public_bytes(PHONE.public_key()).hex())
    for number in range(5):
        log.add("chat.sent", text=f"{number}")
    log.close()
    (tmp_path / "inspection").mkdir()
    return make_package(tmp_path / "inspection", office, log)


def receipt(made: Made, seq: int, phone: ec.EllipticCurvePrivateKey = PHONE) -> Receipt:
    given = sign_receipt(INSPECTION, seq, link_of(made.log.lines[seq - 1]), NOW, made.office.head_key)
    r, s = decode_dss_signature(phone.sign(given.countersigned_bytes(), ec.ECDSA(hashes.SHA256())))
    signature = (r.to_bytes(32, "big") + s.to_bytes(32, "big")).hex()
    return replace(given, participant="p1", countersignature=signature)


def results(made: Made, *receipts: Receipt) -> list[tuple[ReceiptResult | None, bool]]:
    found = check_receipt_file(made.folder, dump_receipts(receipts))
    return [(each.result, each.countersigned) for each in found]


def test_receipts_hold_against_the_package_they_were_given_for(made: Made) -> None:
    assert results(made, receipt(made, 2), receipt(made, 6)) == [(ReceiptResult.HOLDS, True)] * 2


def test_a_log_that_was_rewritten_since_is_told(made: Made) -> None:
    kept = [receipt(made, 1), receipt(made, 6)]
    events = tampering.read_events(made.folder)
    events[3]["body"]["text"] = "never said"
    tampering.write_events(made.folder, events, rechain=True)
    assert [each[0] for each in results(made, *kept)] == [ReceiptResult.HOLDS, ReceiptResult.REWRITTEN]


def test_a_log_that_was_shortened_since_is_told(made: Made) -> None:
    kept = receipt(made, 6)
    tampering.write_events(made.folder, tampering.read_events(made.folder)[:4], rechain=True)
    assert results(made, kept) == [(ReceiptResult.SHORTENED, True)]


def test_a_receipt_that_another_phone_signed_is_told(made: Made) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    assert results(made, receipt(made, 3, other)) == [(ReceiptResult.HOLDS, False)]


def test_a_receipt_that_the_office_never_gave_is_told(made: Made) -> None:
    forged = replace(receipt(made, 3), seq=4)
    found = check_receipt_file(made.folder, dump_receipts([forged]))
    assert (found[0].result, found[0].reason) == (None, "the office's signature does not hold")


def test_what_is_no_receipt_or_no_package_is_refused(made: Made, tmp_path: Path) -> None:
    with pytest.raises(BadReceipt):
        check_receipt_file(made.folder, b"{}")
    with pytest.raises(Unreadable):
        check_receipt_file(tmp_path / "nothing", dump_receipts([]))
    (made.folder / "proofs/keys.jsonl").write_bytes(b"{}\n")
    with pytest.raises(Unreadable, match="key history"):
        check_receipt_file(made.folder, dump_receipts([]))

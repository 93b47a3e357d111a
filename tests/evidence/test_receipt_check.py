"""Receipts that an enterprise kept, against the package that the office shows years later."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from server.evidence import certificates, keys
from server.evidence.receipts import (
    KEY_EVENT,
    PATH,
    BadReceipt,
    BroughtKey,
    KeptReceipts,
    Receipt,
    ReceiptResult,
    dump_receipts,
)
from server.evidence.signatures import public_bytes
from server.evidence.verify import Trust
from server.evidence.verify.receipt_check import ReceiptFinding, check_receipt_file, check_receipts_alone
from server.evidence.verify.source import Unreadable
from tests.command import yunkan
from tests.evidence import tampering
from tests.evidence.inspection import INSPECTION, PARTICIPANT, PHONE, Log, Made, make_package, make_receipt
from tests.evidence.verifiers import ask_both, ask_ours, trust_of

NOW = datetime.now(UTC)


@pytest.fixture
def made(tmp_path: Path, office: keys.OfficeKeys) -> Made:
    log = Log(INSPECTION, NOW - timedelta(hours=1))
    log.add(KEY_EVENT, participant=PARTICIPANT, public=public_bytes(PHONE.public_key()).hex())
    for number in range(5):
        log.add("chat.sent", text=f"{number}")
    log.close()
    (tmp_path / "inspection").mkdir()
    return make_package(tmp_path / "inspection", office, log)


def receipt(made: Made, seq: int, phone: ec.EllipticCurvePrivateKey = PHONE) -> Receipt:
    return make_receipt(made.office, made.log, seq, NOW, phone)


def check(made: Made, *receipts: Receipt) -> list[ReceiptFinding]:
    return check_receipt_file(made.folder, dump_receipts(receipts), trust_of(made.office)).findings


def results(made: Made, *receipts: Receipt) -> list[tuple[ReceiptResult | None, bool]]:
    return [(each.result, each.countersigned) for each in check(made, *receipts)]


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
    (found,) = check(made, forged)
    assert (found.result, found.signed, found.reason) == (None, False, "the office's signature does not hold")


def test_what_is_no_receipt_or_no_package_is_refused(made: Made, tmp_path: Path) -> None:
    trust = trust_of(made.office)
    with pytest.raises(BadReceipt):
        check_receipt_file(made.folder, b"{}", trust)
    with pytest.raises(Unreadable):
        check_receipt_file(tmp_path / "nothing", dump_receipts([]), trust)
    (made.folder / "proofs/keys.jsonl").write_bytes(b"{}\n")
    with pytest.raises(Unreadable, match="key history"):
        check_receipt_file(made.folder, dump_receipts([]), trust)


def kept(made: Made, *receipts: Receipt, **changes: object) -> bytes:
    """The file that a participant downloaded."""
    fields: dict[str, object] = {
        "about": ["回执"],
        "key_log": made.office.log,
        "root": certificates.to_pem([made.office.root]).decode(),
        "keys": [BroughtKey(PARTICIPANT, 1, public_bytes(PHONE.public_key()))],
    }
    return KeptReceipts(receipts, **fields | changes).to_bytes()  # type: ignore[arg-type]


def test_a_kept_file_is_checked_without_the_package(made: Made) -> None:
    found = check_receipts_alone(kept(made, receipt(made, 2), receipt(made, 6)), trust_of(made.office))
    assert [(each.holds, each.result) for each in found.findings] == [(True, None)] * 2
    assert (found.office, found.pinned) == (made.office.office, True)
    assert found.root_fingerprint == certificates.fingerprint(made.office.root)


def test_without_a_root_the_files_own_is_taken_and_told(made: Made) -> None:
    found = check_receipts_alone(kept(made, receipt(made, 2)), Trust(now=NOW))
    assert (found.findings[0].holds, found.pinned) == (True, False)


def test_an_office_that_somebody_made_up_is_told(made: Made, tmp_path: Path) -> None:
    forger = keys.init(tmp_path / "forger", made.office.office, NOW)
    given = make_receipt(forger, made.log, 3, NOW)
    own_root = kept(made, given, key_log=forger.log, root=certificates.to_pem([forger.root]).decode())
    with pytest.raises(BadReceipt, match="under the root certificate"):
        check_receipts_alone(own_root, trust_of(made.office))
    fingerprint = certificates.fingerprint(made.office.root)
    with pytest.raises(BadReceipt, match="not the expected one"):
        check_receipts_alone(own_root, Trust(now=NOW, root_fingerprint=fingerprint))
    with pytest.raises(BadReceipt, match="history"):
        check_receipts_alone(kept(made, given, key_log=b"{}\n"), trust_of(made.office))
    (found,) = check_receipts_alone(kept(made, given), trust_of(made.office)).findings
    assert found.reason == "it was signed with a key that is not the office's"


def test_a_key_that_was_brought_later_cannot_sign_for_what_was_before(made: Made) -> None:
    late = ec.generate_private_key(ec.SECP256R1())
    log = Log(INSPECTION, NOW - timedelta(hours=1))
    log.add(KEY_EVENT, participant=PARTICIPANT, public=public_bytes(PHONE.public_key()).hex())
    log.add("chat.sent", text="1")
    log.add(KEY_EVENT, participant=PARTICIPANT, public=public_bytes(late.public_key()).hex())
    log.close()
    folder = made.folder.parent / "two-devices"
    folder.mkdir()
    two = make_package(folder, made.office, log)
    early, after = receipt(two, 2, late), receipt(two, 3, late)
    assert [each[1] for each in results(two, early, after, receipt(two, 2), receipt(two, 4))] == [
        False,
        True,
        True,
        False,
    ]


def test_both_verifiers_check_the_receipts_in_a_package(made: Made) -> None:
    verdicts = ask_both(made.folder, made.office)
    assert (verdicts.ours, verdicts.theirs) == (True, True)
    assert ask_ours(made.folder, made.office).steps[-1].numbers == {"receipts": 1, "participants": 1}


@pytest.mark.parametrize("wrong", ["signature", "countersignature", "head", "participant"])
def test_both_verifiers_name_a_wrong_receipt_in_a_package_that_was_sealed_with_it(
    office: keys.OfficeKeys, tmp_path: Path, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(INSPECTION, NOW - timedelta(hours=1))
    log.add(KEY_EVENT, participant=PARTICIPANT, public=public_bytes(PHONE.public_key()).hex())
    log.add("chat.sent", text="1")
    log.close()
    good = make_receipt(office, log, 2, NOW)
    changes = {"participant": "p2", "head": "ab" * 32}
    bad = replace(good, **{wrong: changes.get(wrong, "ab" * 64)})  # type: ignore[arg-type]
    monkeypatch.setattr("tests.evidence.inspection.make_receipt", lambda *_: bad)
    made = make_package(tmp_path, office, log)
    verdicts = ask_both(made.folder, office)
    assert not verdicts.ours
    assert not verdicts.theirs
    assert all(PATH in told for told in verdicts.our_problems + verdicts.their_problems)


def test_the_command_tells_programs_too(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, fingerprint = tmp_path / "kept.json", certificates.fingerprint(made.office.root)
    file.write_bytes(kept(made, receipt(made, 6)))
    assert yunkan("verify", "--json", "--receipt", str(file), "--fingerprint", fingerprint) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["receipts_of"]["root_expected"] is True
    assert [(each["seq"], each["result"], each["countersigned"]) for each in told["receipts"]] == [
        (6, "signed", True)
    ]
    assert yunkan("verify", "--json", "--receipt", str(file), str(made.folder)) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["verdict"], told["receipts"][0]["result"]) == ("passed_with_warnings", "holds")
    file.write_bytes(b"{")
    assert yunkan("verify", "--json", "--receipt", str(file)) == 2
    assert json.loads(capsys.readouterr().out)["receipts_error"]


def test_the_command_says_in_words_what_was_and_was_not_checked(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "kept.json"
    file.write_bytes(kept(made, receipt(made, 6), receipt(made, 2, ec.generate_private_key(ec.SECP256R1()))))
    assert yunkan("verify", "--language", "en", "--receipt", str(file)) == 1
    told = capsys.readouterr().out
    for words in (
        "1 of 2 receipts of",
        "the office and the participant signed it",
        "the participant's signature does not hold",
        "No root was given",
        "whether the office's log still has these lines was not checked",
        "Not proved",
    ):
        assert words in told

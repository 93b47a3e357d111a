"""Logs, seals and keys changed by someone who knows how they are made: both verifiers see it."""

import copy
import hashlib
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from server.evidence import certificates, keys, officelog, sealing
from server.evidence.canonical import dump, parse
from tests.evidence import tampering
from tests.evidence.conftest import Parts
from tests.evidence.inspection import (
    INSPECTION,
    OFFICE,
    Log,
    Made,
    OfficeLog,
    close_record,
    make_package,
    order_of,
    write_inspection,
)
from tests.evidence.test_tampering_files import refused_naming
from tests.evidence.verifiers import ask_both, ask_ours, problems_of

Events = list[dict[str, Any]]


def said(events: Events) -> int:
    return next(i for i, e in enumerate(events) if e["type"] == "chat.sent")


def edit(events: Events) -> None:
    events[said(events)]["body"]["text"] = "never said"


def drop(events: Events) -> None:
    del events[said(events)]


def reorder(events: Events) -> None:
    at = said(events)
    events[at], events[at + 1] = events[at + 1], events[at]


def double(events: Events) -> None:
    events.insert(said(events), copy.deepcopy(events[said(events)]))


def drop_a_gap(events: Events) -> None:
    del events[next(i for i, e in enumerate(events) if e["type"] == "slot.gap")]


def backdate(events: Events) -> None:
    for event in events:
        event["t_utc"] = event["t_utc"].replace("2026", "2025")


def cut_the_end(events: Events) -> None:
    del events[-1]


ALTERATIONS: list[Callable[[Events], None]] = [
    edit,
    drop,
    reorder,
    double,
    drop_a_gap,
    backdate,
    cut_the_end,
]


@pytest.mark.parametrize("rechain", [False, True], ids=["left as it is", "chained anew"])
@pytest.mark.parametrize("alter", ALTERATIONS)
def test_an_altered_event_log_is_not_the_sealed_one(
    package: Made, alter: Callable[[Events], None], rechain: bool
) -> None:
    events = tampering.read_events(package.folder)
    alter(events)
    tampering.write_events(package.folder, events, rechain=rechain)
    tampering.relist(package.folder)
    found = ask_both(package.folder, package.office)
    refused_naming(found, "data/events.jsonl", alter.__name__)
    if rechain:
        for problems in (found.our_problems, found.their_problems):
            assert any("its head is another" in problem for problem in problems)
    elif alter in (edit, drop, reorder, double):
        # A line that was edited still links to the one before: the next one shows it.
        first = said(tampering.read_events(package.folder)) + 1
        line = first + 1 if alter in (edit, double) else first
        assert any(f"line {line}" in problem for problem in found.our_problems), found.our_problems
        assert any(f"line {line} does not continue" in problem for problem in found.their_problems)


def insiders(package: Made, office: keys.OfficeKeys, lines: list[bytes]) -> None:
    """Seal and signature anew, by someone who holds keys: everything but the past fits."""
    for name in (
        "seal.json",
        "seal.p7s",
        "seal.tsr",
        "tsa-root.pem",
        "proofs/leaves.json",
        "proofs/office-log.json",
    ):
        (package.folder / name).unlink()
    log = Log(INSPECTION, datetime.now(UTC), list(lines))
    sealing.seal_folder(order_of(package.folder, log, package.seal.open_index, datetime.now(UTC)), office)


def lines_of(package: Made) -> list[bytes]:
    return (package.folder / "data/events.jsonl").read_bytes().splitlines()


def test_a_recording_replaced_by_an_insider_does_not_fit_its_pieces(package: Made) -> None:
    name = "SLOTMP4-e1-0001.mp4"
    path = package.folder / "data/media" / name
    tampering.flip(path, path.stat().st_size // 2)
    events = tampering.read_events(package.folder)
    closed = next(e for e in events if e["type"] == "part.closed" and e["body"]["slot"] == "SLOTMP4")
    closed["body"]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    tampering.write_events(package.folder, events, rechain=True)
    insiders(package, package.office, lines_of(package))
    found = ask_both(package.folder, package.office)
    assert not found.ours
    assert not found.theirs
    # The receipt was given for the log as it was: it tells as well.
    named = [p for p in found.our_problems + found.their_problems if not p.startswith("data/receipts.json")]
    assert all("piece" in p for p in named), found


def test_a_log_rewritten_by_an_insider_is_not_in_the_office_log(package: Made) -> None:
    """The seal of the past is what the office's log and its deposited heads hold."""
    proof = (package.folder / "proofs/office-log.json").read_bytes()
    events = tampering.read_events(package.folder)
    edit(events)
    tampering.write_events(package.folder, events, rechain=True)
    insiders(package, package.office, lines_of(package))
    (package.folder / "proofs/office-log.json").write_bytes(proof)
    tampering.relist(package.folder)
    found = ask_both(package.folder, package.office)
    refused_naming(found, "proofs/office-log.json", "resealed")
    assert any("does not hold this seal" in p for p in found.our_problems)
    assert any("does not hold this seal" in p for p in found.their_problems)


def test_an_old_time_stamp_does_not_fit_a_new_signature(package: Made) -> None:
    stamp = {name: (package.folder / name).read_bytes() for name in ("seal.tsr", "tsa-root.pem")}
    insiders(package, package.office, lines_of(package))
    for name, data in stamp.items():
        (package.folder / name).write_bytes(data)
    tampering.relist(package.folder)
    refused_naming(ask_both(package.folder, package.office), "seal.tsr", "stamped before")


def test_everything_rewritten_with_another_office_key_is_not_under_the_pinned_root(
    package: Made, tmp_path: Path
) -> None:
    forger = keys.init(tmp_path / "forger", OFFICE, datetime.now(UTC))
    folder = tmp_path / "forged"
    log = Log(INSPECTION, datetime.now(UTC) - timedelta(minutes=9))
    log.add("inspection.started", epoch=1)
    log.close()
    folder.mkdir()
    make_package(folder, forger, log)
    assert ask_both(folder, forger).ours, "it fits in itself"
    found = ask_both(folder, package.office)
    assert not found.theirs
    assert any("is not a known root" in p for p in found.our_problems)
    assert any("expected fingerprint" in p for p in found.their_problems)


def test_an_exchanged_root_is_named(package: Made, tmp_path: Path) -> None:
    other = keys.init(tmp_path / "other", OFFICE, datetime.now(UTC))
    (package.folder / "root.pem").write_bytes(certificates.to_pem([other.root]))
    tampering.relist(package.folder)
    refused_naming(ask_both(package.folder, package.office), "root.pem", "exchanged")


def test_an_exchanged_key_history_is_named(package: Made, tmp_path: Path) -> None:
    other = keys.init(tmp_path / "other", OFFICE, datetime.now(UTC))
    (package.folder / "proofs/keys.jsonl").write_bytes(other.log)
    tampering.relist_tags(package.folder)
    refused_naming(ask_both(package.folder, package.office), "proofs/keys.jsonl", "exchanged")


def test_a_proof_signed_with_a_later_key_of_the_office_passes(parts: Parts, tmp_path: Path) -> None:
    office = keys.init(tmp_path / "keys", OFFICE, datetime.now(UTC))
    folder = tmp_path / "inspection"
    log = write_inspection(folder, parts=parts, chance=random.Random(1))
    now, office_log = datetime.now(UTC), OfficeLog()
    opened = office_log.add(officelog.record("open", INSPECTION, now))
    sealed = sealing.seal_folder(order_of(folder, log, opened, now), office)
    keys.rotate(tmp_path / "keys", "head", now)
    keys.rotate(tmp_path / "keys", "seal", now)
    later = keys.load(tmp_path / "keys")
    digest = hashlib.sha256(sealed.seal_bytes).hexdigest()
    closed = office_log.add(close_record(sealed.seal, now))
    index = office_log.add(officelog.record("seal", INSPECTION, now, seal=digest))
    head = office_log.head(later, now)
    proof = officelog.prove(head, office_log.records, [opened, closed, index])
    sealing.add_office_proof(folder, proof, later.log)
    found = ask_both(folder, later)
    assert (found.our_problems, found.their_problems) == ([], [])


PROOF_CHANGES: dict[str, Callable[[dict[str, Any]], None]] = {
    "another place": lambda p: p["entries"][2].update(index=p["entries"][2]["index"] - 1),
    "another path": lambda p: p["entries"][2]["path"].reverse(),
    "a cut path": lambda p: p["entries"][2]["path"].pop(),
    "another size": lambda p: p["head"].update(size=p["head"]["size"] + 1),
    "another root": lambda p: p["head"].update(root="00" * 32),
    "another time": lambda p: p["head"].update(at="2020-01-01T00:00:00.000Z"),
    "without the seal": lambda p: p["entries"].pop(2),
    "without the close": lambda p: p["entries"].pop(1),
    "another close": lambda p: p["entries"][1]["record"].update(head="00" * 32),
    "the close of fewer lines": lambda p: p["entries"][1]["record"].update(seq=1),
    "without the opening": lambda p: p["entries"].pop(0),
    "another office": lambda p: p["head"].update(office="x"),
    "a foreign signature": lambda p: p.update(signature="00" * 64),
    "no hex": lambda p: p["entries"][0].update(path=["zz"]),
    "no list": lambda p: p.update(entries=7),
}


@pytest.mark.parametrize("name", PROOF_CHANGES)
def test_a_proof_from_the_office_log_that_was_changed_is_named(package: Made, name: str) -> None:
    path = package.folder / "proofs/office-log.json"
    value = parse(path.read_bytes())
    PROOF_CHANGES[name](value)
    path.write_bytes(dump(value))
    tampering.relist_tags(package.folder)
    found = ask_both(package.folder, package.office)
    assert any("proofs/office-log.json" in p for p in found.our_problems), found
    assert not found.theirs


HOSTILE_JSON = {
    "a repeated key": b'{"v":1,"v":1}',
    "a huge number": b'{"v":' + b"9" * 10_000 + b"}",
    "deep nesting": b"[" * 200_000,
    "not UTF-8": b'{"v":"\xff"}',
    "infinity": b'{"v":Infinity}',
    "another type": b"[]",
    "a number": b"7",
    "nothing": b"",
    "null fields": b'{"entries":null,"head":null,"kind":"seal","leaves":null,"log":null,"v":1}',
}


@pytest.mark.parametrize("content", HOSTILE_JSON)
@pytest.mark.parametrize(
    "name",
    ["seal.json", "proofs/leaves.json", "proofs/office-log.json", "proofs/keys.jsonl", "data/events.jsonl"],
)
def test_hostile_json_is_a_finding_and_not_a_traceback(package: Made, name: str, content: str) -> None:
    (package.folder / name).write_bytes(HOSTILE_JSON[content] + (b"\n" if name.endswith("l") else b""))
    tampering.relist(package.folder)
    found = ask_both(package.folder, package.office)
    assert (found.ours, found.theirs) == (False, False)


@pytest.mark.parametrize(
    "body",
    [
        {"slot": 7, "duration_s": "x", "size_bytes": None, "sha256": []},
        {"slot": "s"},
        {"slot": {}, "duration_s": 1e300, "size_bytes": 1, "sha256": "ab"},
    ],
)
def test_events_of_other_shape_are_a_finding(package: Made, body: dict[str, Any]) -> None:
    events = tampering.read_events(package.folder)
    closed = next(e for e in events if e["type"] == "part.closed")
    closed["body"] = body
    tampering.write_events(package.folder, events, rechain=True)
    tampering.relist(package.folder)
    found = ask_both(package.folder, package.office)
    assert (found.ours, found.theirs) == (False, False)


def test_an_expired_certificate_is_named(parts: Parts, tmp_path: Path) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=365 * 5)
    office = keys.init(tmp_path / "keys", OFFICE, long_ago)
    folder = tmp_path / "inspection"
    make_package(folder, office, write_inspection(folder, parts=parts, chance=random.Random(1)))
    found = ask_both(folder, office)
    assert any("is not valid at" in p for p in found.our_problems)
    assert any("expired" in p for p in found.their_problems), found.their_problems


def test_a_seal_from_before_its_certificate_expired_still_passes_and_warns(
    parts: Parts, tmp_path: Path
) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=365 * 5)
    office = keys.init(tmp_path / "keys", OFFICE, long_ago)
    folder = tmp_path / "inspection"
    log = write_inspection(folder, parts=parts, chance=random.Random(1), now=long_ago)
    make_package(folder, office, log, now=long_ago)
    found = ask_both(folder, office)
    assert (found.our_problems, found.their_problems) == ([], [])
    report = ask_ours(folder, office)
    assert "expired_since" in {f.code for s in report.steps for f in s.findings}
    assert problems_of(report) == []

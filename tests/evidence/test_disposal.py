"""Disposal: the content is gone, that it existed and why it went can still be proved."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from server.evidence import disposal, keys, sealing
from server.evidence.canonical import dump, parse
from server.evidence.disposal import BadDisposal, CannotDispose, DisposalOrder
from tests.evidence import tampering
from tests.evidence.inspection import OFFICE, Made
from tests.evidence.stuck import refusing
from tests.evidence.test_tampering_files import refused_naming
from tests.evidence.verifiers import ask_both, ask_ours, json_of, problems_of, run_standalone


def order(made: Made, **changes: Any) -> DisposalOrder:
    given: dict[str, Any] = {"approvers": ("staff-1", "staff-2"), "policy": "30 years", "reason": "due"}
    return DisposalOrder(folder=made.folder, at=datetime.now(UTC), **(given | changes))


def test_content_and_salts_are_gone_and_the_root_still_follows(package: Made) -> None:
    leaves = (package.folder / sealing.LEAVES).read_bytes()
    disposal.dispose(order(package), package.office)
    assert not (package.folder / "data").exists()
    assert not (package.folder / "metadata").exists()
    assert b"salt" in leaves
    assert b"salt" not in (package.folder / sealing.LEAVES).read_bytes()
    everything = b"".join(p.read_bytes() for p in package.folder.rglob("*") if p.is_file())
    for leaf in parse(leaves)["leaves"]:
        assert leaf["leaf"].encode() in everything
        assert leaf["sha256"].encode() not in everything
    found = disposal.check(package.folder, [package.office.root])
    assert found.root == package.seal.root
    assert found.approvers == ("staff-1", "staff-2")


def test_both_verifiers_check_what_is_left_of_a_package_and_the_certificate(package: Made) -> None:
    disposal.dispose(order(package), package.office)
    report = ask_ours(package.folder, package.office)
    assert (report.verdict, report.exit_code, problems_of(report)) == ("disposed", 0, [])
    assert [step.kind.number for step in report.steps] == [1, 2, 3, 4, 9, 10, 13]
    assert all(step.performed for step in report.steps)
    (told,) = (f.message() for f in report.steps[-1].findings)
    assert "approved by staff-1, staff-2: due (30 years)" in told
    script = package.folder / "verify.py"
    code, text = run_standalone(script, "--fingerprint", package.seal.root_fingerprint, "--lang", "en")
    assert code == 0
    assert text.count("passed\n") == 7
    assert "approved by staff-1, staff-2: due (30 years)" in text
    assert "The content was disposed of; the certificate holds." in text
    assert json_of(run_standalone(script, "--json")[1])["verdict"] == "disposed"


def edited(name: str, **changes: Any) -> tampering.Tamper:
    def tamper(folder: Path) -> None:
        path = folder / name
        path.write_bytes(dump({**parse(path.read_bytes()), **changes}))

    return tamper


def written(name: str, data: bytes) -> tampering.Tamper:
    def tamper(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)

    return tamper


def one_leaf_less(folder: Path) -> None:
    path = folder / sealing.LEAVES
    value = parse(path.read_bytes())
    del value["leaves"][-1]
    path.write_bytes(dump(value))


LEFT: dict[str, tuple[str, tampering.Tamper]] = {
    "another reason": ("disposal.p7s", edited("disposal.json", reason="x")),
    "one approver": ("disposal.json", edited("disposal.json", approvers=["staff-1", "staff-1"])),
    "of another seal": ("disposal.json", edited("disposal.json", seal="00" * 32)),
    "another number of files": ("disposal.json", edited("disposal.json", files=1)),
    "no date": ("disposal.json", edited("disposal.json", at="yesterday")),
    "from before the sealing": ("disposal.json", edited("disposal.json", at="2020-01-01T00:00:00Z")),
    "unsigned": ("disposal.p7s", lambda folder: (folder / "disposal.p7s").unlink()),
    "no JSON": ("disposal.json", written("disposal.json", b"[" * 9999)),
    "content left": ("data/events.jsonl", written("data/events.jsonl", b"{}\n")),
    "names left": ("metadata/x.xml", written("metadata/x.xml", b"<x/>")),
    "digests left": ("manifest-sha256.txt", written("manifest-sha256.txt", b"")),
    "a leaf dropped": ("proofs/leaves.json", one_leaf_less),
    "another seal": ("seal.p7s", edited("seal.json", office="x")),
    "the seal's signature changed": ("seal.p7s", lambda folder: tampering.flip(folder / "seal.p7s", -9)),
    "the stamp changed": ("seal.tsr", lambda folder: tampering.flip(folder / "seal.tsr", -9)),
    "instructions changed": ("VERIFY.en.md", written("VERIFY.en.md", b"all is well")),
    "the office's proof changed": ("office-log.json", edited("proofs/office-log.json", signature="00" * 64)),
}


@pytest.mark.parametrize("what", LEFT)
def test_what_is_changed_in_the_rest_is_named_by_both(package: Made, what: str) -> None:
    disposal.dispose(order(package), package.office)
    name, tamper = LEFT[what]
    tamper(package.folder)
    tampering.relist_tags(package.folder)
    found = ask_both(package.folder, package.office)
    refused_naming(found, name, what)


def test_salts_that_were_left_are_named_by_both(package: Made) -> None:
    leaves = (package.folder / sealing.LEAVES).read_bytes()
    disposal.dispose(order(package), package.office)
    (package.folder / sealing.LEAVES).write_bytes(leaves)
    tampering.relist_tags(package.folder)
    refused_naming(ask_both(package.folder, package.office), "proofs/leaves.json", "salts")


def test_a_certificate_of_disposal_does_not_hide_a_package(package: Made, tmp_path: Path) -> None:
    """Somebody else's certificate beside the content, or instead of it."""
    other = keys.init(tmp_path / "other", OFFICE, datetime.now(UTC))
    disposal.dispose(order(package), other)
    refused_naming(ask_both(package.folder, package.office), "disposal.p7s", "signed by another")


def test_a_whole_package_with_a_certificate_of_disposal_is_not_disposed_of(package: Made) -> None:
    shutil.copytree(package.folder, package.folder.parent / "gone")
    gone = replace(package, folder=package.folder.parent / "gone")
    disposal.dispose(order(gone), package.office)
    for name in ("disposal.json", "disposal.p7s"):
        shutil.copy(gone.folder / name, package.folder / name)
    tampering.relist_tags(package.folder)
    refused_naming(ask_both(package.folder, package.office), "data/events.jsonl", "not destroyed")


@pytest.mark.parametrize("approvers", [(), ("staff-1",), ("staff-1", "staff-1")])
def test_one_person_alone_cannot_dispose(package: Made, approvers: tuple[str, ...]) -> None:
    with pytest.raises(CannotDispose, match="two different people"):
        disposal.dispose(order(package, approvers=approvers), package.office)
    assert (package.folder / "data").exists()


def test_what_is_not_sealed_is_not_disposed_of(package: Made) -> None:
    (package.folder / "seal.p7s").unlink()
    with pytest.raises(CannotDispose, match="not sealed"):
        disposal.dispose(order(package), package.office)


@pytest.mark.parametrize("step", ["certificate", "leaves", "content"])
def test_a_disposal_that_was_cut_short_is_completed_as_it_began(package: Made, step: str) -> None:
    class Killed(Exception):
        pass

    def kill(reached: str) -> None:
        if reached == step:
            raise Killed

    with pytest.raises(Killed):
        disposal.dispose(order(package), package.office, reached=kill)
    if step != "content":
        with pytest.raises(BadDisposal, match="still there"):
            disposal.check(package.folder, [package.office.root])
    disposal.dispose(order(package, reason="another"), package.office)
    assert disposal.check(package.folder, [package.office.root]).reason == "due"


@pytest.mark.parametrize("name", ["data", "metadata"])
def test_a_disposal_whose_folder_cannot_be_removed_is_completed_as_it_began(
    package: Made, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", refusing(package.folder / name))
        with pytest.raises(CannotDispose, match="Operation not permitted"):
            disposal.dispose(order(package), package.office)
    assert (package.folder / name).exists()
    disposal.dispose(order(package, reason="another"), package.office)
    assert disposal.check(package.folder, [package.office.root]).reason == "due"


@pytest.mark.parametrize(
    "change", [{"reason": "x"}, {"approvers": ["a", "a"]}, {"seal": "00" * 32}, {"at": "yesterday"}]
)
def test_an_edited_certificate_does_not_hold(package: Made, change: dict[str, Any]) -> None:
    disposal.dispose(order(package), package.office)
    path = package.folder / disposal.CERTIFICATE
    path.write_bytes(dump({**parse(path.read_bytes()), **change}))
    with pytest.raises(BadDisposal):
        disposal.check(package.folder, [package.office.root])


@pytest.mark.parametrize(
    "name", ["seal.json", "seal.p7s", "disposal.p7s", "disposal.json", "proofs/leaves.json"]
)
def test_a_missing_or_damaged_proof_is_told(package: Made, name: str) -> None:
    disposal.dispose(order(package), package.office)
    path = package.folder / name
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(BadDisposal):
        disposal.check(package.folder, [package.office.root])
    path.unlink()
    with pytest.raises(BadDisposal):
        disposal.check(package.folder, [package.office.root])


def test_a_certificate_of_another_office_does_not_hold(package: Made, tmp_path: Path) -> None:
    other = keys.init(tmp_path / "other", OFFICE, datetime.now(UTC))
    disposal.dispose(order(package), other)
    with pytest.raises(BadDisposal, match="not under a trusted root"):
        disposal.check(package.folder, [package.office.root])

"""Disposal: the content is gone, that it existed and why it went can still be proved."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from server.evidence import disposal, keys, sealing
from server.evidence.canonical import dump, parse
from server.evidence.disposal import BadDisposal, CannotDispose, DisposalOrder
from tests.evidence.inspection import OFFICE, Made
from tests.evidence.verifiers import ask_ours, problems_of


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


def test_a_verification_of_a_disposed_package_points_to_the_certificate(package: Made) -> None:
    disposal.dispose(order(package), package.office)
    report = ask_ours(package.folder, package.office)
    assert report.verdict == "unreadable"
    assert problems_of(report) == ["the content was disposed of: see disposal.json"]


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

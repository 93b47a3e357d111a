"""The office's log: heads that outsiders keep, and what they give away about a log that was changed."""

import random
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from server.evidence import merkle, officelog, signatures
from server.evidence.officelog import BadHead, BadProof, Comparison, Head, OfficeProof

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
KEY = ed25519.Ed25519PrivateKey.generate()
PUBLIC = signatures.public_bytes(KEY.public_key())
RECORDS = [officelog.record("open", f"I{i}", NOW) for i in range(11)]
LEAVES = [officelog.leaf_of(data) for data in RECORDS]


def head(size: int, leaves: list[bytes] = LEAVES, office: str = "局") -> Head:
    return officelog.sign_head(office, size, merkle.root(leaves[:size]), NOW, KEY)


def test_a_deposited_head_survives_its_file_and_its_signature_holds() -> None:
    parsed = Head.parse(head(7).to_bytes())
    assert parsed == head(7)
    parsed.require_signed(PUBLIC)


def test_an_empty_log_has_a_head_too() -> None:
    head(0).require_signed(PUBLIC)
    assert officelog.compare(head(0), head(5), [PUBLIC], []) == Comparison.CONSISTENT


def test_a_log_that_grew_is_consistent_with_every_deposited_head() -> None:
    for size in range(len(LEAVES) + 1):
        proof = merkle.consistency_proof(LEAVES, size)
        assert officelog.compare(head(size), head(11), [PUBLIC], proof) == Comparison.CONSISTENT
        assert officelog.compare(head(11), head(size), [PUBLIC], proof) == Comparison.CONSISTENT
        assert officelog.compare_with_log(head(size), LEAVES) == Comparison.CONSISTENT


def test_a_split_view_is_told_by_two_heads() -> None:
    other = [*LEAVES[:3], officelog.leaf_of(b"another history"), *LEAVES[4:]]
    assert officelog.compare(head(11), head(11, other), [PUBLIC], None) == Comparison.SPLIT
    proof = merkle.consistency_proof(other, 7)
    assert officelog.compare(head(7), head(11, other), [PUBLIC], proof) == Comparison.UNPROVED
    assert officelog.compare_with_log(head(7), other) == Comparison.SPLIT


def test_a_log_that_was_rolled_back_is_told_by_a_deposited_head() -> None:
    assert officelog.compare_with_log(head(9), LEAVES[:8]) == Comparison.SPLIT


def test_without_a_proof_heads_of_different_size_prove_nothing() -> None:
    assert officelog.compare(head(7), head(11), [PUBLIC], None) == Comparison.UNPROVED


@pytest.mark.parametrize(
    "change",
    [
        {"size": 8},
        {"root": "00" * 32},
        {"at": "2020-01-01T00:00Z"},
        {"office": "x"},
        {"signature": "00" * 64},
    ],
)
def test_an_edited_head_is_refused(change: dict[str, object]) -> None:
    edited = replace(head(7), **change)  # type: ignore[arg-type]
    with pytest.raises(BadHead, match="signature"):
        officelog.compare(edited, head(11), [PUBLIC], [])


def test_a_head_of_an_unknown_key_is_refused() -> None:
    with pytest.raises(BadHead, match="unknown key"):
        officelog.compare(head(7), head(11), [], [])


def test_heads_of_two_offices_are_not_compared() -> None:
    with pytest.raises(BadHead, match="different offices"):
        officelog.compare(head(7), head(7, office="another"), [PUBLIC], None)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"head":7,"signature":"00"}', b"[" * 100_000])
def test_what_is_not_a_head_is_refused(data: bytes) -> None:
    with pytest.raises(BadHead):
        Head.parse(data)


def test_a_proof_holds_for_its_records_and_no_others() -> None:
    proof = OfficeProof.parse(officelog.prove(head(11), RECORDS, [2, 10]).to_bytes())
    proof.require_included()
    first = proof.inclusions[0]
    swapped = replace(proof, inclusions=[replace(first, data=proof.inclusions[1].data)])
    with pytest.raises(BadProof, match="not in the office's log"):
        swapped.require_included()


def test_a_proof_is_for_the_tree_of_its_head_only() -> None:
    proof = officelog.prove(head(7), RECORDS, [2])
    proof.require_included()
    with pytest.raises(BadProof):
        replace(proof, head=head(11)).require_included()


def test_what_was_opened_and_never_sealed_is_named() -> None:
    records = [
        officelog.record("open", "A", NOW),
        officelog.record("open", "B", NOW),
        officelog.record("seal", "A", NOW, seal="00"),
        officelog.record("open", "C", NOW),
        officelog.record("disposal", "C", NOW),
        officelog.record("access", None, NOW, head="00"),
    ]
    assert officelog.unsealed(records) == ["B"]


def test_a_record_of_unknown_kind_is_not_made() -> None:
    with pytest.raises(ValueError, match="no kind"):
        officelog.record("gossip", "A", NOW)


def test_random_logs_prove_all_their_records() -> None:
    chance = random.Random(3)
    for _ in range(20):
        size = chance.randrange(1, 60)
        records = [chance.randbytes(8).hex().encode() for _ in range(size)]
        records = [officelog.record("access", None, NOW, head=data.decode()) for data in records]
        made = officelog.sign_head("局", size, merkle.root(map(officelog.leaf_of, records)), NOW, KEY)
        officelog.prove(made, records, [chance.randrange(size), size - 1]).require_included()

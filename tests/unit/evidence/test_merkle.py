"""The Merkle tree against the examples of the field, an independent slow tree, and hostile proofs."""

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.evidence import merkle
from tests.evidence.verifiers import standalone
from tests.unit.evidence import slow_merkle as slow

# The test vectors that certificate transparency logs use among themselves.
CT_LEAVES = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    bytes(range(0x50, 0x58)),
    bytes(range(0x60, 0x70)),
]
CT_ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}

hashes = st.binary(min_size=32, max_size=32)
sizes = st.integers(min_value=0, max_value=70)
# A busy machine is no defect of a proof.
untimed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
hostile = settings(untimed, max_examples=300)


def some(n: int) -> list[bytes]:
    return [hashlib.sha256(b"leaf %d" % i).digest() for i in range(n)]


def test_the_roots_are_those_of_certificate_transparency() -> None:
    leaves = [merkle.leaf_hash(data) for data in CT_LEAVES]
    assert {n: merkle.root(leaves[:n]).hex() for n in CT_ROOTS} == CT_ROOTS
    assert merkle.root([]) == hashlib.sha256(b"").digest()


def test_a_salted_leaf_is_the_hash_of_salt_and_digest() -> None:
    salt, digest = b"s" * 32, b"d" * 32
    assert merkle.leaf(salt, digest) == hashlib.sha256(b"\x00" + salt + digest).digest()


@pytest.mark.parametrize(("salt", "digest"), [(b"", b"d" * 32), (b"s" * 33, b"d" * 31), (b"s" * 32, b"")])
def test_a_salted_leaf_of_another_length_is_refused(salt: bytes, digest: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        merkle.leaf(salt, digest)


class Ours:
    root = staticmethod(merkle.root)
    includes = staticmethod(merkle.verify_inclusion)


class Enclosed:
    """`verify.py`, which shares no code with ours."""

    root = staticmethod(standalone().tree_root)

    @staticmethod
    def includes(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
        return bool(standalone().root_by_path(leaf, index, size, list(proof)) == root)


both = pytest.mark.parametrize("verifier", [Ours, Enclosed])


@both
@untimed
@given(n=sizes)
def test_the_root_is_that_of_the_definition(verifier: type[Ours], n: int) -> None:
    assert verifier.root(some(n)) == slow.mth(some(n))


@both
@untimed
@given(n=sizes, data=st.data())
def test_every_inclusion_proof_is_the_definitions_and_holds(
    verifier: type[Ours], n: int, data: st.DataObject
) -> None:
    leaves = some(n + 1)
    index = data.draw(st.integers(0, n))
    proof = merkle.inclusion_proof(leaves, index)
    assert proof == slow.path(index, leaves)
    assert verifier.includes(leaves[index], index, len(leaves), proof, slow.mth(leaves))


@untimed
@given(sizes, st.data())
def test_every_consistency_proof_is_the_definitions_and_holds(n: int, data: st.DataObject) -> None:
    leaves = some(n)
    old = data.draw(st.integers(0, n))
    proof = merkle.consistency_proof(leaves, old)
    assert proof == slow.proof(old, leaves)
    assert merkle.verify_consistency(old, n, slow.mth(leaves[:old]), slow.mth(leaves), proof)


@both
@hostile
@given(n=st.integers(1, 40), data=st.data())
def test_no_altered_inclusion_proof_holds(verifier: type[Ours], n: int, data: st.DataObject) -> None:
    leaves = some(n)
    index = data.draw(st.integers(0, n - 1))
    true = (leaves[index], index, n, tuple(slow.path(index, leaves)), slow.mth(leaves))
    leaf, at, size, proof, root = (
        data.draw(st.sampled_from([true[0], leaves[-1], true[4], b"", b"x" * 32]) | hashes),
        data.draw(st.integers(-2, n + 2) | st.integers(2**63, 2**65)),
        data.draw(st.integers(-2, n + 2) | st.integers(2**63, 2**65)),
        data.draw(altered(true[3])),
        data.draw(st.sampled_from([true[4], merkle.EMPTY_ROOT, true[0]]) | hashes),
    )
    holds = verifier.includes(leaf, at, size, proof, root)
    well_formed = len(leaf) == 32 and 0 <= at < size < 2**64 and all(len(each) == 32 for each in proof)
    assert holds == (well_formed and slow_recomputed(leaf, at, size, proof) == root)
    if holds and (at, size, root) == (true[1], true[2], true[4]):
        assert (leaf, proof) == (true[0], true[3])


def slow_recomputed(leaf: bytes, index: int, size: int, proof: tuple[bytes, ...]) -> bytes | None:
    """The root that a path leads to, top down; None if the path does not fit the size."""
    if size == 1:
        return leaf if not proof else None
    if not proof:
        return None
    k = slow.split(size)
    *rest, sibling = proof
    if index < k:
        below = slow_recomputed(leaf, index, k, tuple(rest))
        return None if below is None else hashlib.sha256(b"\x01" + below + sibling).digest()
    below = slow_recomputed(leaf, index - k, size - k, tuple(rest))
    return None if below is None else hashlib.sha256(b"\x01" + sibling + below).digest()


def altered(proof: tuple[bytes, ...]) -> st.SearchStrategy[tuple[bytes, ...]]:
    """The proof itself, and what an adversary makes of it: cut, grown, swapped, with other hashes in it."""
    made = [proof, proof[:-1], proof[1:], proof[::-1], (*proof, b"z" * 32), (*proof, *proof), ()]
    made += [(*proof[:i], b"q" * 32, *proof[i + 1 :]) for i in range(len(proof))]
    made += [(*proof[:i], proof[i][:31], *proof[i + 1 :]) for i in range(len(proof))]
    return st.sampled_from(made)


@hostile
@given(st.integers(0, 40), st.data())
def test_no_altered_consistency_proof_holds(n: int, data: st.DataObject) -> None:
    leaves = some(n)
    old = data.draw(st.integers(0, n))
    other = [*leaves[: max(0, old - 1)], b"o" * 32]
    old_root = data.draw(st.sampled_from([slow.mth(leaves[:old]), slow.mth(other), merkle.EMPTY_ROOT]))
    claimed_old = data.draw(st.sampled_from([old, old + 1, max(0, old - 1), n, 0]))
    proof = data.draw(altered(tuple(slow.proof(old, leaves))))
    holds = merkle.verify_consistency(claimed_old, n, old_root, slow.mth(leaves), proof)
    truth = (
        claimed_old <= n
        and old_root == slow.mth(leaves[:claimed_old])
        and tuple(slow.proof(claimed_old, leaves)) == proof
    )
    assert holds == truth


@pytest.mark.parametrize(
    "shape",
    [
        (0, 0, ()),
        (-1, 3, ()),
        (3, 3, ()),
        (True, 2, (b"x" * 32,)),
        (0, 1 << 70, (b"x" * 32,) * 64),
        (0, 2, (b"x" * 32,) * 100_000),
        (0, 2, ("x" * 32,)),
        (0, 2, b"x" * 32),
        (0, 2, None),
        (0.0, 2, ()),
    ],
)
def test_hostile_shapes_are_answered_with_no(shape: tuple[object, object, object]) -> None:
    index, size, proof = shape
    assert not merkle.verify_inclusion(b"l" * 32, index, size, proof, b"r" * 32)  # type: ignore[arg-type]
    assert not merkle.verify_consistency(index, size, b"l" * 32, b"r" * 32, proof)  # type: ignore[arg-type]


def test_an_empty_tree_holds_no_leaf_and_begins_every_tree() -> None:
    leaves = some(5)
    for verifier in (Ours, Enclosed):
        assert not verifier.includes(merkle.EMPTY_ROOT, 0, 0, [], merkle.EMPTY_ROOT)
    assert merkle.verify_consistency(0, 5, merkle.EMPTY_ROOT, merkle.root(leaves), [])
    assert not merkle.verify_consistency(0, 5, leaves[0], merkle.root(leaves), [])
    assert not merkle.verify_consistency(0, 0, merkle.EMPTY_ROOT, leaves[0], [])


def test_a_log_that_was_rolled_back_is_not_consistent() -> None:
    leaves = some(9)
    assert not merkle.verify_consistency(9, 7, merkle.root(leaves), merkle.root(leaves[:7]), [])


def test_proofs_outside_the_tree_are_not_made() -> None:
    with pytest.raises(IndexError):
        merkle.inclusion_proof(some(3), 3)
    with pytest.raises(IndexError):
        merkle.consistency_proof(some(3), 4)


def test_a_proof_comes_from_the_edges_of_a_few_rows() -> None:
    leaves, tree = some(140), merkle.Frontier()
    edges = {}
    for number, leaf in enumerate(leaves):
        tree.append(leaf)
        edges[number] = tree.peaks

    def read(spans: list[tuple[int, int]]) -> list[bytes]:
        rows = {row for span in spans for row in merkle.rows_of(*span)}
        assert len(rows) <= 2 * len(leaves).bit_length() + 1
        few, their_edges = {row: leaves[row] for row in rows}, {row: edges[row] for row in rows}
        return [merkle.span_root(low, high, few, their_edges) for low, high in spans]

    for size in range(1, len(leaves) + 1):
        for index in range(size):
            assert read(merkle.inclusion_spans(size, index)) == slow.path(index, leaves[:size]), (size, index)
            assert read(merkle.consistency_spans(size, index)) == slow.proof(index, leaves[:size]), (
                size,
                index,
            )


def test_a_proof_in_a_log_of_a_hundred_thousand_entries_reads_some_thirty_rows() -> None:
    for size, index in ((100_000, 0), (100_000, 65_535), (100_000, 99_999), (131_071, 77_777)):
        spans = merkle.inclusion_spans(size, index)
        assert len({row for span in spans for row in merkle.rows_of(*span)}) <= 34

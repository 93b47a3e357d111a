"""The Merkle tree of RFC 6962 section 2.1 (RFC 9162 section 2.1): roots, proofs, and their verification.

Pure. Hashes are 32 bytes of SHA-256. Verification takes hostile input: it answers False and never raises.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

HASH_SIZE = 32
SALT_SIZE = 32
MAX_PROOF = 64
"""A proof of more hashes would speak of a tree of more than 2**64 leaves."""

EMPTY_ROOT = hashlib.sha256(b"").digest()
_LEAF = b"\x00"
_NODE = b"\x01"


def leaf_hash(data: bytes) -> bytes:
    """RFC 6962: H(0x00 ‖ data)."""
    return hashlib.sha256(_LEAF + data).digest()


def leaf(salt: bytes, data_digest: bytes) -> bytes:
    """H(0x00 ‖ salt ‖ H(data)): once salt and data are destroyed, nobody can guess the data from the leaf.

    ValueError unless both are 32 bytes: with fixed lengths no two pairs give the same input.
    """
    if len(salt) != SALT_SIZE or len(data_digest) != HASH_SIZE:
        raise ValueError("a salted leaf takes 32 bytes of salt and a digest of 32 bytes")
    return leaf_hash(salt + data_digest)


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 6962: H(0x01 ‖ left ‖ right)."""
    return hashlib.sha256(_NODE + left + right).digest()


class Frontier:
    """The right edge of a growing tree: what an append needs, in O(log n) memory."""

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self.size = 0
        self._peaks: list[bytes] = []
        for each in leaves:
            self.append(each)

    @classmethod
    def resume(cls, size: int, peaks: Iterable[bytes]) -> Frontier:
        """The edge that a tree of `size` leaves had. ValueError if it cannot have had that many peaks."""
        made = cls()
        made.size, made._peaks = size, list(peaks)
        if len(made._peaks) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves has not {len(made._peaks)} peaks")
        return made

    @property
    def peaks(self) -> list[bytes]:
        """The roots of the whole subtrees, from the left; one for each binary digit 1 of the size."""
        return list(self._peaks)

    def append(self, leaf_: bytes) -> None:
        node, size = leaf_, self.size
        while size & 1:
            node = node_hash(self._peaks.pop(), node)
            size >>= 1
        self._peaks.append(node)
        self.size += 1

    def root(self) -> bytes:
        if not self._peaks:
            return EMPTY_ROOT
        node = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            node = node_hash(peak, node)
        return node


def root(leaves: Iterable[bytes]) -> bytes:
    """MTH of RFC 6962; of no leaves the hash of nothing."""
    return Frontier(leaves).root()


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """PATH(index, leaves) of RFC 6962 section 2.1.1, from the leaf upwards. IndexError outside the tree."""
    return [root(leaves[low:high]) for low, high in inclusion_spans(len(leaves), index)]


def inclusion_spans(size: int, index: int) -> list[tuple[int, int]]:
    """The subtrees [low, high) whose roots are that proof, in a tree of `size` leaves."""
    if not 0 <= index < size:
        raise IndexError(f"leaf {index} of a tree of {size}")
    spans: list[tuple[int, int]] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            spans.append((middle, high))
            high = middle
        else:
            spans.append((low, middle))
            low = middle
    return spans[::-1]


def consistency_proof(leaves: Sequence[bytes], old_size: int) -> list[bytes]:
    """PROOF(old_size, leaves) of RFC 6962 section 2.1.2. IndexError unless 0 <= old_size <= len(leaves)."""
    return [root(leaves[low:high]) for low, high in consistency_spans(len(leaves), old_size)]


def consistency_spans(size: int, old_size: int) -> list[tuple[int, int]]:
    """The subtrees [low, high) whose roots are that proof, in a tree of `size` leaves."""
    if not 0 <= old_size <= size:
        raise IndexError(f"a tree of {old_size} before one of {size}")
    if old_size in (0, size):
        return []
    spans: list[tuple[int, int]] = []
    low, high, known = 0, size, True
    while old_size != high:
        middle = low + _split(high - low)
        if old_size <= middle:
            spans.append((middle, high))
            high = middle
        else:
            spans.append((low, middle))
            low, known = middle, False
    if not known:
        spans.append((low, high))
    return spans[::-1]


def rows_of(low: int, high: int) -> tuple[int, ...]:
    """Which leaves' edges (`Frontier.peaks` after that leaf was added) `span_root` needs of a proof's subtree.

    The edge after the last leaf ends with the subtree's own peaks, unless that leaf completed a larger one; then the
    edge before it does, and the leaf is added.
    """
    size = high - low
    if not low & size:
        return (high - 1,)
    return (high - 2, high - 1) if size > 1 else (high - 1,)


def span_root(
    low: int, high: int, leaves: Mapping[int, bytes], edges: Mapping[int, Sequence[bytes]]
) -> bytes:
    """The root of a proof's subtree from the few rows that `rows_of` names. KeyError without them."""
    size = high - low
    if not low & size:
        return Frontier.resume(size, edges[high - 1][-size.bit_count() :]).root()
    before = edges[high - 2][-(size - 1).bit_count() :] if size > 1 else ()
    edge = Frontier.resume(size - 1, before)
    edge.append(leaves[high - 1])
    return edge.root()


def verify_inclusion(leaf_: bytes, index: int, size: int, proof: Sequence[bytes], root_: bytes) -> bool:
    """Whether `leaf_` is leaf number `index` (from 0) of the tree of `size` leaves. RFC 9162 section 2.1.3.2."""
    if not (_is_count(index) and _is_count(size) and index < size and _are_hashes([leaf_, root_], proof)):
        return False
    position, last, node = index, size - 1, leaf_
    for each in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            node = node_hash(each, node)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            node = node_hash(node, each)
        position >>= 1
        last >>= 1
    return last == 0 and node == root_


def verify_consistency(
    old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether the tree of `new_size` begins with the tree of `old_size`. RFC 9162 section 2.1.4.2.

    Every tree begins with the empty one, whose root is the hash of nothing.
    """
    if not (_is_count(old_size) and _is_count(new_size) and _are_hashes([old_root, new_root], proof)):
        return False
    if old_size > new_size:
        return False
    if old_size in (0, new_size):
        expected = EMPTY_ROOT if old_size == 0 else new_root
        return not proof and old_root == expected and (new_size != 0 or new_root == EMPTY_ROOT)
    return _climb(old_size, new_size, old_root, new_root, proof)


def _climb(old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    rest = list(proof)
    if old_size & (old_size - 1) == 0:
        rest.insert(0, old_root)
    if not rest:
        return False
    position, last = old_size - 1, new_size - 1
    while position & 1:
        position >>= 1
        last >>= 1
    old = new = rest[0]
    for each in rest[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old, new = node_hash(each, old), node_hash(each, new)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            new = node_hash(new, each)
        position >>= 1
        last >>= 1
    return last == 0 and old == old_root and new == new_root


def _split(size: int) -> int:
    """The largest power of two smaller than `size` (> 1)."""
    return 1 << (size - 1).bit_length() - 1


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 64


def _are_hashes(roots: Sequence[object], proof: Sequence[object]) -> bool:
    if not isinstance(proof, (list, tuple)) or len(proof) > MAX_PROOF:
        return False
    return all(isinstance(each, bytes) and len(each) == HASH_SIZE for each in (*roots, *proof))

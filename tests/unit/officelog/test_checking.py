"""The walk over the office's log names the first entry or head that does not hold."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from server.evidence import merkle, officelog, signatures
from server.officelog.checking import Walk
from server.officelog.models import OfficeEntry, OfficeHead

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
KEY = ed25519.Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PUBLIC = signatures.public_bytes(KEY.public_key())
KNOWN = {signatures.fingerprint_of(PUBLIC): PUBLIC}
KINDS = [("open", "A"), ("open", "B"), ("close", "A"), ("seal", "A"), ("open", "C"), ("disposal", "C")]


def log_of(kinds: list[tuple[str, str]]) -> list[OfficeEntry]:
    tree, entries = merkle.Frontier(), []
    for index, (kind, inspection) in enumerate(kinds):
        data = officelog.record(kind, inspection, NOW)
        tree.append(officelog.leaf_of(data))
        entries.append(
            OfficeEntry(
                index=index,
                kind=kind,
                inspection_id=inspection,
                seq=None,
                at=NOW,
                record=data.decode(),
                leaf=officelog.leaf_of(data).hex(),
                peaks=[peak.hex() for peak in tree.peaks],
            )
        )
    return entries


def head_over(entries: list[OfficeEntry], number: int) -> OfficeHead:
    root = merkle.root(bytes.fromhex(entry.leaf) for entry in entries)
    signed = officelog.sign_head("局", len(entries), root, NOW, KEY)
    return OfficeHead(
        number=number,
        size=signed.size,
        root=signed.root,
        at=NOW,
        key=signed.key,
        document=signed.to_bytes().decode(),
    )


def walked(entries: list[OfficeEntry], heads: list[OfficeHead]) -> Walk:
    walk = Walk(heads, KNOWN)
    for entry in entries:
        walk.take(entry)
    walk.finish()
    return walk


def said(walk: Walk) -> str:
    return walk.fault.text.format(**walk.fault.params) if walk.fault else ""


def test_an_untouched_log_holds_and_names_what_has_no_seal() -> None:
    entries = log_of(KINDS)
    heads = [
        head_over(entries[:0], 1),
        head_over(entries[:4], 2),
        head_over(entries[:4], 3),
        head_over(entries, 4),
    ]
    walk = walked(entries, heads)
    assert (said(walk), walk.size, walk.opened) == ("", 6, {"B": 1})


def edit_record(entries: list[OfficeEntry], _heads: list[OfficeHead]) -> None:
    entries[2].record = entries[2].record.replace('"A"', '"B"')


def edit_column(entries: list[OfficeEntry], _heads: list[OfficeHead]) -> None:
    entries[2].inspection_id = "B"


def edit_with_leaf(entries: list[OfficeEntry], heads: list[OfficeHead]) -> None:
    edit_record(entries, heads)
    edit_column(entries, heads)
    entries[2].leaf = officelog.leaf_of(entries[2].record.encode()).hex()


def drop(entries: list[OfficeEntry], _heads: list[OfficeHead]) -> None:
    del entries[2]


def cut(entries: list[OfficeEntry], _heads: list[OfficeHead]) -> None:
    del entries[4:]


def rewrite(entries: list[OfficeEntry], _heads: list[OfficeHead]) -> None:
    entries[:] = log_of([("open", "A"), ("open", "B"), ("seal", "B"), *KINDS[3:]])


def drop_head(_entries: list[OfficeEntry], heads: list[OfficeHead]) -> None:
    del heads[0]


def edit_head(_entries: list[OfficeEntry], heads: list[OfficeHead]) -> None:
    heads[1].document = heads[1].document.replace('"size":6', '"size":5')


def edit_head_column(_entries: list[OfficeEntry], heads: list[OfficeHead]) -> None:
    heads[0].size = 1


FAULTS: list[tuple[Callable[[list[OfficeEntry], list[OfficeHead]], None], str]] = [
    (edit_record, "Entry 2 is not the one that was hashed"),
    (edit_column, "Entry 2: the columns beside it say something else"),
    (edit_with_leaf, "Entry 2 is not the one that was hashed"),
    (drop, "Entry 2 is missing"),
    (cut, "The log ends after 4 entries, but head 2 was signed over 6"),
    (rewrite, "Entries 2 to 5 are not those that head 2 was signed over"),
    (drop_head, "Head 1 is missing"),
    (edit_head, "Head 2 does not hold: its signature does not hold"),
    (edit_head_column, "Head 1: the columns beside it say something else"),
]


@pytest.mark.parametrize(("change", "words"), FAULTS, ids=[change.__name__ for change, _ in FAULTS])
def test_the_first_fault_is_named(
    change: Callable[[list[OfficeEntry], list[OfficeHead]], None], words: str
) -> None:
    entries = log_of(KINDS)
    heads = [head_over(entries[:2], 1), head_over(entries, 2)]
    change(entries, heads)
    assert said(walked(entries, heads)) == words


def test_a_head_of_an_unknown_key_is_named() -> None:
    entries = log_of(KINDS)
    walk = Walk([head_over(entries, 1)], {})
    assert "another key" in said(walk)


def test_a_tree_goes_on_from_its_peaks_as_if_it_had_never_stopped() -> None:
    leaves = [officelog.leaf_of(bytes([i])) for i in range(20)]
    for size in range(20):
        half = merkle.Frontier(leaves[:size])
        tree = merkle.Frontier.resume(size, half.peaks)
        for leaf in leaves[size:]:
            tree.append(leaf)
        assert tree.root() == merkle.root(leaves)
    with pytest.raises(ValueError, match="peaks"):
        merkle.Frontier.resume(3, [leaves[0]])

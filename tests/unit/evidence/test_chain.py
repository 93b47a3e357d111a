"""The chain names the first line that does not hold, whatever was done to it."""

from collections.abc import Callable

import pytest

from server.evidence.chain import GENESIS, Entry, canonical_line, check_chain, link_of

ACTOR = {"kind": "system", "id": "", "name": "", "role": "system"}


def entry(seq: int, prev: str, inspection: str = "I1", **body: object) -> bytes:
    return canonical_line(
        Entry(inspection, seq, "chat.sent", ACTOR, "2026-11-21T09:00:00Z", 1.5, None, dict(body), prev)
    )


def chain(count: int) -> list[bytes]:
    lines: list[bytes] = []
    for seq in range(1, count + 1):
        lines.append(entry(seq, link_of(lines[-1]) if lines else GENESIS, text=f"第{seq}句"))
    return lines


def test_an_untouched_chain_holds_and_its_head_is_the_last_link() -> None:
    lines = chain(5)
    assert check_chain(lines) == (link_of(lines[-1]), None)
    assert check_chain([]) == (GENESIS, None)


ALTERATIONS: dict[str, tuple[Callable[[list[bytes]], list[bytes]], int, str]] = {
    "edited": (lambda c: [*c[:2], c[2].replace(b"3", b"9"), *c[3:]], 3, ""),
    "dropped": (lambda c: [*c[:2], *c[3:]], 3, "seq is 4"),
    "reordered": (lambda c: [c[0], c[2], c[1], *c[3:]], 2, "seq is 3"),
    "doubled": (lambda c: [*c[:2], c[1], *c[2:]], 3, "seq is 2"),
    "spaced": (lambda c: [*c[:2], c[2] + b" ", *c[3:]], 3, "canonical"),
    "cut": (lambda c: [*c[:2], c[2][:-3], *c[3:]], 3, "not JSON"),
    "not an object": (lambda c: [*c[:2], b"[]", *c[3:]], 3, "fields"),
    "another's": (lambda c: [*c[:2], entry(3, link_of(c[1]), "I2")], 3, "another inspection"),
    "repeats a key": (lambda c: [*c[:2], c[2].replace(b'"v":1', b'"v":1,"v":1')], 3, "repeats a key"),
    "deep": (lambda c: [*c[:2], b"[" * 100_000], 3, "nested"),
    "huge number": (lambda c: [*c[:2], c[2].replace(b'"seq":3', b'"seq":' + b"9" * 5000)], 3, "2**53"),
    "not UTF-8": (lambda c: [*c[:2], b'"\xff"'], 3, "not JSON"),
    "half a character": (lambda c: [*c[:2], b'"\\ud800"'], 3, "without a canonical form"),
    "infinite": (lambda c: [*c[:2], b"[1e999]"], 3, "too large"),
    "not a number": (lambda c: [*c[:2], b"[NaN]"], 3, "NaN"),
}


@pytest.mark.parametrize("name", ALTERATIONS)
def test_an_altered_chain_names_the_first_bad_line(name: str) -> None:
    alter, number, reason = ALTERATIONS[name]
    lines = chain(5)
    head, bad = check_chain(alter(lines))
    assert bad is not None
    assert bad.line == number
    assert reason in bad.reason
    assert head == link_of(lines[number - 2])


def test_an_edited_line_that_stays_canonical_breaks_the_next() -> None:
    lines = chain(5)
    lines[1] = entry(2, link_of(lines[0]), text="what was never said")
    _, bad = check_chain(lines)
    assert bad is not None
    assert (bad.line, bad.reason) == (3, "prev is not the link of the line before")

"""Freed memory goes back to the system."""

from __future__ import annotations

from pathlib import Path

from server.media.memory import give_back

MEBI = 1 << 20


def resident_bytes() -> int:
    (line,) = (
        each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith("VmRSS")
    )
    return int(line.split()[1]) * 1024


def test_what_was_freed_between_what_is_in_use_is_given_back() -> None:
    blocks = [bytes(4000 + number % 2) for number in range(20_000)]
    kept = blocks[::200]
    full = resident_bytes()
    del blocks
    give_back()
    assert full - resident_bytes() > 60 * MEBI
    assert len(kept) == 100

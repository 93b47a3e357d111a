"""Freed memory goes back to the system."""

from __future__ import annotations

import ctypes

# Of the GNU C library; others keep less.
_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)


def give_back() -> None:
    """What the C library keeps of what was freed, between what is still in use: after the index of a part it is some
    megabytes for each, scattered over the arenas of the threads, and grows. Takes about a millisecond."""
    if _trim is not None:
        _trim(0)

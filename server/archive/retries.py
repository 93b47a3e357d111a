"""What failed is tried again with growing pauses, and its row says why."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from server.evidence.errors import EvidenceError

FIRST_RETRY, LONGEST_RETRY = timedelta(seconds=10), timedelta(hours=1)


def pause_after(attempts: int) -> timedelta:
    """How long to wait after one more failure on top of so many."""
    return min(FIRST_RETRY * (1 << min(attempts, 10)), LONGEST_RETRY)


def told(error: Exception, otherwise: str) -> dict[str, Any]:
    """For a `problem` column: a message id and its fields. `otherwise`, with `{detail}`, for what nobody foresaw."""
    if isinstance(error, EvidenceError):
        return {"text": error.text, "params": {name: str(value) for name, value in error.params.items()}}
    return {"text": otherwise, "params": {"detail": repr(error)}}

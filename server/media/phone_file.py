"""Takes in a file that a phone recorded; reading it is left to a process of its own (`phone_copy`)."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.apart import Broke, NotRun, OutOfTime, run_apart

from . import phone_copy
from .part import sha256_of, sync_folder
from .phone_copy import NotARecording

__all__ = ["NotARecording", "NotReadNow", "PhoneFile", "ReaderFailed", "copy_seekable"]

PATIENCE_S = 120


class NotReadNow(Exception):
    """The machine's trouble, not the file's: no room, no memory, no time, a service that stops."""


class ReaderFailed(Exception):
    """The program that reads it broke. Whether by the file's fault, only a further attempt can tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneFile:
    """The copy: `duration_s` as its packets have it."""

    media_type: str
    duration_s: float
    size_bytes: int
    sha256: str
    width: int | None
    height: int | None


def copy_seekable(source: Path, media_type: str, target: Path) -> PhoneFile:
    """Check `source` and write `target`, whole or not at all. Blocking.

    NotARecording says what is wrong; NotReadNow, ReaderFailed: try again.
    """
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        answer = _read_apart(source, media_type, partial)
        partial.replace(target)
        sync_folder(target.parent)
    finally:
        partial.unlink(missing_ok=True)
    width, height = answer["video"] or (None, None)
    return PhoneFile(
        media_type=media_type,
        duration_s=answer["duration_s"],
        size_bytes=target.stat().st_size,
        sha256=sha256_of(target),
        width=width,
        height=height,
    )


def _read_apart(source: Path, media_type: str, target: Path) -> dict[str, Any]:
    try:
        said = run_apart(phone_copy.__file__, str(source), media_type, str(target), patience_s=PATIENCE_S)
    except (NotRun, OutOfTime) as error:
        raise NotReadNow(str(error)) from error
    except Broke as error:
        raise ReaderFailed(str(error)) from error
    answer: dict[str, Any] = json.loads(said)
    if "refused" in answer:
        raise NotARecording(answer["refused"])
    if "trouble" in answer:
        raise NotReadNow(answer["trouble"])
    if "failed" in answer:
        raise ReaderFailed(answer["failed"])
    return answer

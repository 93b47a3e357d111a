"""JSON that others wrote, read strictly; and times as the evidence writes them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import rfc8785

MAX_DEPTH = 64
MAX_INTEGER = 2**53 - 1


class BadJson(ValueError):
    """Not JSON, or JSON that two readers may understand differently."""


def parse(data: bytes, *, limit: int = 64 << 20) -> Any:
    """A JSON value. BadJson if it is too long or too deep, repeats a key, or holds a number beyond 2**53 or not finite.

    The strictness is that of I-JSON (RFC 7493), which RFC 8785 builds on.
    """
    if len(data) > limit:
        raise BadJson(f"longer than {limit} bytes")
    _require_shallow(data)
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_int=_integer,
            parse_float=_number,
        )
    except BadJson:
        raise
    except (ValueError, RecursionError) as error:
        raise BadJson(f"not JSON: {error}") from error
    return value


def parse_canonical(data: bytes, *, limit: int = 64 << 20) -> Any:
    """The same, and the bytes must be the canonical ones (RFC 8785)."""
    value = parse(data, limit=limit)
    try:
        canonical = rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, ValueError) as error:
        raise BadJson(f"without a canonical form: {error}") from error
    if canonical != data:
        raise BadJson("not in canonical form")
    return value


def dump(value: Any) -> bytes:
    """RFC 8785 bytes of a JSON value."""
    return rfc8785.dumps(value)


def time_text(moment: datetime) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(text: object) -> datetime:
    """ValueError unless it is RFC 3339 with an offset."""
    if not isinstance(text, str):
        raise ValueError("a time is text")
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"a time without an offset: {text!r}")
    return moment


def _require_shallow(data: bytes) -> None:
    """The parser recurses: refuse before it does. Brackets within strings count too, which only errs to be strict."""
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return
    depth, inside, escaped = 0, False, False
    for byte in data:
        if inside:
            inside = escaped or byte != 0x22
            escaped = byte == 0x5C and not escaped
        elif byte == 0x22:
            inside = True
        elif byte in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise BadJson(f"nested deeper than {MAX_DEPTH}")
        elif byte in b"]}":
            depth -= 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise BadJson("an object repeats a key")
    return made


def _refuse_constant(name: str) -> Any:
    raise BadJson(f"{name} is not a JSON number")


def _integer(text: str) -> int:
    if len(text) > 17 or abs(int(text)) > MAX_INTEGER:
        raise BadJson("a number is beyond 2**53")
    return int(text)


def _number(text: str) -> float:
    if len(text) > 64:
        raise BadJson("a number has too many digits")
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise BadJson("a number is too large")
    return value

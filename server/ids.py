"""Identifiers and secrets: ULIDs for rows, random tokens for people, and the hash under which tokens are stored."""

from __future__ import annotations

import hashlib
import secrets

from ulid import ULID

ID_LENGTH = 26


def new_id() -> str:
    """A ULID: 26 characters, sorted by creation time."""
    return str(ULID())


def new_token(prefix: str) -> str:
    """A bearer secret of 256 bits; the prefix tells people and log scrubbers what kind it is."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"


def token_hash(token: str) -> str:
    """What is stored of a token. Plain SHA-256 is enough because tokens are random, unlike passwords."""
    # A header may hold bytes that are no text: then it is nobody's token.
    return hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()

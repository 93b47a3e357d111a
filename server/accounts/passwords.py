"""Password hashes (argon2id). Hashing takes long on purpose, so it runs beside the event loop."""

from __future__ import annotations

import asyncio
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from server.errors import N_

LEAST_LENGTH = 10
LONGEST = 200
"""Hashing an endless text would be an attack."""

_hasher = PasswordHasher()


def check_new(field: str, password: str) -> dict[str, str]:
    """Why it cannot become a password, by the form's field; empty if it can."""
    if not LEAST_LENGTH <= len(password) <= LONGEST:
        return {field: N_("A password needs at least 10 characters.")}
    return {}


async def hash_password(password: str) -> str:
    """The hash to store, in the PHC text form."""
    return await asyncio.to_thread(_hasher.hash, password)


async def verify_password(stored: str | None, password: str) -> bool:
    """Whether `password` is the one. Without a stored hash (no such user) it takes just as long and is False."""
    return await asyncio.to_thread(_verify, stored, password)


def needs_rehash(stored: str) -> bool:
    """Whether the hash was made with weaker parameters than today's."""
    return _hasher.check_needs_rehash(stored)


def _verify(stored: str | None, password: str) -> bool:
    try:
        matches = _hasher.verify(stored or _nobodys_hash(), password)
    except (VerificationError, InvalidHashError):
        return False
    return matches and stored is not None


@cache
def _nobodys_hash() -> str:
    return _hasher.hash("nobody has this password")

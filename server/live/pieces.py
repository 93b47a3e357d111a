"""Pieces of uploads in HTTP: the body, its digest, and how far an upload is."""

from __future__ import annotations

import base64
import binascii

from aiohttp import web

from server.live.uploads import LARGEST_PIECE, Upload, WrongDigest
from server.web.bodies import read_limited


async def read_piece(request: web.Request) -> bytes:
    """The body; TooLarge if it is more than one piece may have."""
    return await read_limited(request, LARGEST_PIECE)


def find_digest(request: web.Request) -> str | None:
    """The SHA-256 of `Content-Digest` (RFC 9530) in hex, if it is there. WrongDigest if it is there and is none."""
    field = request.headers.get("Content-Digest")
    if field is None:
        return None
    for entry in field.split(","):
        name, _, value = entry.strip().partition("=")
        if name == "sha-256" and value.startswith(":") and value.endswith(":"):
            try:
                return base64.b64decode(value[1:-1], validate=True).hex()
            except binascii.Error:
                break
    raise WrongDigest


def progress_of(row: Upload) -> dict[str, str]:
    return {"Upload-Offset": str(row.received_bytes), "Upload-Length": str(row.size_bytes)}

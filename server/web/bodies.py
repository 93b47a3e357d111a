"""What a client sent, parsed at the edge: strict JSON bodies by msgspec, page numbers, form texts."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from aiohttp import web

from server.errors import N_, Invalid, TooLarge
from server.web.texts import read_form, require_storable_json

T = TypeVar("T")

MAX_JSON_BYTES = 2**20


class BadBody(Invalid):
    """The body is not what this address takes; `detail` says where and why (for programmers, English)."""

    code = "bad_body"
    text = N_("The body of the request cannot be read: {detail}")


class Body(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of JSON request bodies: unknown fields are refused, so that a misspelt one is noticed."""


class Reply(msgspec.Struct, kw_only=True, omit_defaults=False):
    """Base of JSON answers."""


async def read_limited(request: web.Request, most_bytes: int) -> bytes:
    """The whole body, or TooLarge as soon as it is known to be longer."""
    if (request.content_length or 0) > most_bytes:
        raise TooLarge
    raw = bytearray()
    async for chunk in request.content.iter_chunked(65536):
        raw += chunk
        if len(raw) > most_bytes:
            raise TooLarge
    return bytes(raw)


async def read_json(request: web.Request, kind: type[T]) -> T:
    """The request's body as `kind`; BadBody names the first thing that is wrong, UnstorableText what cannot be kept."""
    raw = await read_limited(request, MAX_JSON_BYTES)
    try:
        value = msgspec.json.decode(raw or b"{}", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadBody(detail=str(error)) from error
    require_storable_json(raw)
    return value


def reply(value: object, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON answer. Times are written as RFC 3339."""
    return web.Response(
        body=msgspec.json.encode(value),
        content_type="application/json",
        status=status,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def integer(request: web.Request, name: str, default: int, *, least: int = 0, most: int = 2**53) -> int:
    """A whole number from the query; Invalid outside its bounds."""
    text = request.query.get(name)
    if text is None:
        return default
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if not least <= value <= most:
        raise Invalid({name: N_("This must be a whole number within its bounds.")})
    return value


async def form_texts(request: web.Request) -> dict[str, str]:
    """The text fields of a submitted form, stripped; files are left out."""
    form = await read_form(request)
    return {name: value.strip() for name, value in form.items() if isinstance(value, str)}

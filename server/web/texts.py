"""Texts that clients send: what no database keeps is refused here, before any verb sees it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from aiohttp import web
from multidict import MultiDictProxy

from server.errors import N_, Invalid

Form = MultiDictProxy[str | bytearray | bytes | web.FileField]


class UnstorableText(Invalid):
    """NUL, or half of a surrogate pair: PostgreSQL takes neither in a text, and nobody types them."""

    code = "unstorable_text"
    text = N_("A text that was sent contains a character that cannot be kept.")


class BadForm(Invalid):
    code = "bad_form"
    text = N_("The form that was sent cannot be read.")


def require_storable(*texts: str) -> None:
    """UnstorableText for the first that no database would keep."""
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise UnstorableText from error
        if "\0" in text:
            raise UnstorableText


def require_storable_json(raw: str | bytes) -> None:
    r"""The same for every text and name in a JSON document that has been decoded once: only `\u0000` can be in it."""
    escape = "\\u0000" if isinstance(raw, str) else b"\\u0000"
    if escape in raw:  # type: ignore[operator]
        require_storable(*_texts_in(msgspec.json.decode(raw)))


def user_agent(request: web.Request) -> str:
    """What the client says it is; of bytes that are no text, which a header may hold, the rest."""
    return request.headers.get("User-Agent", "").encode(errors="ignore").decode()


async def read_form(request: web.Request) -> Form:
    """The submitted form; UnstorableText, BadForm. The one way in for forms."""
    try:
        form = await request.post()
    # Bytes that are no text, multipart that is none; a charset that does not exist.
    except (ValueError, LookupError) as error:
        raise BadForm from error
    require_storable(*form.keys(), *(value for value in form.values() if isinstance(value, str)))
    return form


def _texts_in(value: Any) -> Iterator[str]:
    rest = [value]
    while rest:
        match rest.pop():
            case str(text):
                yield text
            case list(values):
                rest += values
            case dict(fields):
                yield from fields
                rest += fields.values()

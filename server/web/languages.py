"""The two languages: catalogues, the choice for a request, and translation of text that is chosen late."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

from aiohttp import web
from babel.messages.pofile import read_po

from server.settings import ROOT
from server.web.keys import SETTINGS
from server.web.paths import same_site_path
from server.web.texts import read_form

LANGUAGES = ("zh-CN", "en")
COOKIE = "yunkan_language"
_LOCALES = {"zh-CN": "zh_CN", "en": "en"}

current_language: ContextVar[str] = ContextVar("current_language", default="zh-CN")


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """What is translated inside is in `language`, whoever calls: for work that no request asked for."""
    token = current_language.set(language)
    try:
        yield
    finally:
        current_language.reset(token)


@cache
def catalogue(language: str) -> dict[str, str]:
    """Message id -> text of one language; messages without a text are absent."""
    path = ROOT / "locales" / _LOCALES[language] / "LC_MESSAGES" / "messages.po"
    texts: dict[str, str] = {}
    if path.exists():
        with path.open("rb") as file:
            for message in read_po(file):
                if message.id and message.string and not isinstance(message.id, tuple):
                    texts[str(message.id)] = str(message.string)
    return texts


def translate(text: str, /, **params: Any) -> str:
    """`text` in the current request's language, its `{name}` fields filled."""
    translated = catalogue(current_language.get()).get(text, text)
    return translated.format(**params) if params else translated


def explain(text: str, params: Mapping[str, Any]) -> str:
    """An error of the evidence in words. A field that is itself a message (a fixed reason) is translated too; what is
    not, such as the words of a library or a path, stays as it is."""
    messages = catalogue(current_language.get())
    told = {
        name: messages.get(value, value) if isinstance(value, str) else value
        for name, value in params.items()
    }
    return translate(text, **told)


def choose_language(request: web.Request) -> str:
    """The visitor's own choice (cookie), else what the browser asks for, else the office's default."""
    chosen = request.cookies.get(COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    for part in request.headers.get("Accept-Language", "").split(","):
        tag = part.split(";")[0].strip().lower()
        if tag.startswith("zh"):
            return "zh-CN"
        if tag.startswith("en"):
            return "en"
    return request.app[SETTINGS].language


async def messages_json(request: web.Request) -> web.Response:
    """`/i18n/<lang>.json`: the catalogue for the pages' scripts."""
    language = request.match_info["language"]
    if language not in LANGUAGES:
        raise web.HTTPNotFound
    body = json.dumps(catalogue(language), ensure_ascii=False)
    return web.Response(
        text=body, content_type="application/json", headers={"Cache-Control": "public, max-age=300"}
    )


async def set_language(request: web.Request) -> web.Response:
    """`POST /language`: remember the visitor's choice and go back to where they were."""
    form = await read_form(request)
    language, target = str(form.get("lang", "")), str(form.get("next", "/"))
    response = web.Response(status=303, headers={"Location": same_site_path(target)})
    if language in LANGUAGES:
        response.set_cookie(COOKIE, language, max_age=365 * 86400, samesite="Lax", httponly=True)
    return response


def routes() -> list[web.RouteDef]:
    return [
        web.get("/i18n/{language}.json", messages_json),
        web.post("/language", set_language),
    ]

"""Cross-site request forgery: a token bound to the browser by a keyed hash, asked of every cookie-borne change."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from urllib.parse import urlsplit

from aiohttp import web

from server.errors import N_, Forbidden
from server.web.keys import BROWSER_ID, SECRET
from server.web.texts import read_form

COOKIE = "yunkan_browser"
FIELD = "csrf"
HEADER = "X-CSRF-Token"
_SAFE = {"GET", "HEAD", "OPTIONS"}
_WITHOUT_COOKIES = {"/api/v1/join", "/verify"}
"""No cookie counts there: the invitation in the body is the credential; what is shown is checked, whoever shows it."""


class CrossSite(Forbidden):
    code = "csrf"
    text = N_("This form is out of date or came from another site. Please reload the page and try again.")


def new_browser_id() -> str:
    return secrets.token_urlsafe(16)


def csrf_token(request: web.Request) -> str:
    """The token that belongs to this browser."""
    browser = request[BROWSER_ID].encode(errors="surrogateescape")
    return hmac.new(request.app[SECRET], b"csrf:" + browser, hashlib.sha256).hexdigest()


async def check_csrf(request: web.Request) -> None:
    """CrossSite unless the request is safe, carries a bearer token (no cookie is used then), or proves its page."""
    if request.method in _SAFE or "Authorization" in request.headers or request.path in _WITHOUT_COOKIES:
        return
    origin = request.headers.get("Origin")
    if origin is not None and origin != "null" and urlsplit(origin).netloc != request.host:
        raise CrossSite
    sent = request.headers.get(HEADER, "")
    if not sent and request.content_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
        sent = str((await read_form(request)).get(FIELD, ""))
    # As bytes: of two texts it takes only ASCII ones.
    if not hmac.compare_digest(sent.encode(errors="replace"), csrf_token(request).encode()):
        raise CrossSite

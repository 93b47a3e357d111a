"""What every request passes through, outermost first: identity of the request, security headers, language,
errors to responses, addresses that can be nobody's, authentication, CSRF."""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import structlog
from aiohttp import web

from server.errors import (
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    StorageFull,
    Throttled,
    TooEarly,
    TooLarge,
    Unauthenticated,
    Unavailable,
    YunkanError,
)
from server.web import csrf
from server.web.keys import AUTHENTICATE, BROWSER_ID, LANGUAGE, PRINCIPAL, REQUEST_ID, SETTINGS
from server.web.languages import choose_language, current_language, translate
from server.web.templates import render

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = structlog.get_logger("web")

STATUS: dict[type[YunkanError], int] = {
    Invalid: 422,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    Gone: 410,
    TooEarly: 425,
    TooLarge: 413,
    Throttled: 429,
    Unavailable: 503,
    StorageFull: 507,
}

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "media-src 'self' blob:; connect-src 'self'; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=(self), screen-wake-lock=(self)",
}

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SECRET_IN_PATH = re.compile(r"(?<=/i/)[^/?]+")


def status_of(error: YunkanError) -> int:
    """The HTTP status for an error: that of the nearest class in its family; 400 for one nobody mapped."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 400)


@web.middleware
async def identify(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Request id, browser id (for CSRF) and security headers."""
    request[REQUEST_ID] = secrets.token_hex(8)
    known = request.cookies.get(csrf.COOKIE, "")
    request[BROWSER_ID] = known or csrf.new_browser_id()
    response = await handler(request)
    if not response.prepared:
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers["X-Request-Id"] = request[REQUEST_ID]
        if not known and response.content_type == "text/html":
            response.set_cookie(
                csrf.COOKIE, request[BROWSER_ID], httponly=True, samesite="Lax", secure=is_secure(request)
            )
    return response


@web.middleware
async def speak(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The request's language, for everything below."""
    language = choose_language(request)
    request[LANGUAGE] = language
    current_language.set(language)
    return await handler(request)


@web.middleware
async def explain_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors become a page or JSON in words; what nobody foresaw is logged with the request's id."""
    try:
        return await handler(request)
    except YunkanError as error:
        if isinstance(error, Unauthenticated) and wants_page(request) and request.method == "GET":
            return web.Response(status=303, headers={"Location": f"/sign-in?next={quote(request.path_qs)}"})
        return _refuse(request, status_of(error), error.code, translate(error.text, **error.params), error)
    except web.HTTPRequestEntityTooLarge:
        return _refuse(request, 413, TooLarge.code, translate(TooLarge.text))
    except web.HTTPException as error:
        if error.status < 400:
            raise
        known = {404: NotFound, 403: Forbidden, 405: NotFound}.get(error.status)
        text = known.text if known else YunkanError.text
        response = _refuse(request, error.status, known.code if known else "http_error", translate(text))
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response
    except Exception:
        log.exception(
            "unforeseen", request_id=request[REQUEST_ID], method=request.method, path=scrubbed(request)
        )
        return _answer(request, 500, "internal", translate(YunkanError.text))


@web.middleware
async def refuse_controls(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Nothing of ours has control characters in its address, and PostgreSQL takes no NUL in any text."""
    asked = [*request.query.keys(), *request.query.values()]
    if _CONTROL.search(request.path) or any("\0" in text for text in asked):
        raise NotFound
    return await handler(request)


@web.middleware
async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Who sent this, and that a page of ours did if a cookie vouches for it."""
    if request.path.startswith("/static/"):
        return await handler(request)
    request[PRINCIPAL] = await request.app[AUTHENTICATE](request)
    await csrf.check_csrf(request)
    return await handler(request)


def is_secure(request: web.Request) -> bool:
    """Whether the visitor's side of the connection is https."""
    if request.app[SETTINGS].behind_proxy:
        return request.headers.get("X-Forwarded-Proto", request.scheme) == "https"
    return request.secure


def remote_address(request: web.Request) -> str:
    """The visitor's address; the proxy's word is taken only where the settings say there is one."""
    if request.app[SETTINGS].behind_proxy:
        forwarded = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
        if forwarded:
            return forwarded
    return request.remote or ""


def scrubbed(request: web.Request) -> str:
    """The path for the log: an invitation's token is a secret."""
    return _SECRET_IN_PATH.sub("…", request.path)


def wants_page(request: web.Request) -> bool:
    """Whether a person's browser is asking, rather than a program."""
    if request.path.startswith(("/api/", "/live/")):
        return False
    return "text/html" in request.headers.get("Accept", "")


def _refuse(
    request: web.Request, status: int, code: str, message: str, error: YunkanError | None = None
) -> web.Response:
    """Pages tell people to give the request's number to the administrator, who finds it in the log."""
    log.info(
        "refused",
        code=code,
        status=status,
        method=request.method,
        path=scrubbed(request),
        actor=getattr(request.get(PRINCIPAL), "id", None),
        request_id=request[REQUEST_ID],
    )
    return _answer(request, status, code, message, error)


def _answer(
    request: web.Request, status: int, code: str, message: str, error: YunkanError | None = None
) -> web.Response:
    if wants_page(request):
        context = {
            "status": status,
            "code": code,
            "message": message,
            "fields": {name: translate(text) for name, text in error.fields.items()}
            if isinstance(error, Invalid)
            else {},
            "request_id": request[REQUEST_ID],
        }
        return render(request, "error.html", context, status=status)
    headers = {"Retry-After": str(error.params["seconds"])} if isinstance(error, Throttled) else {}
    body: dict[str, Any] = {"code": code, "message": message, "request_id": request[REQUEST_ID]}
    if error is not None:
        body.update(error.params)
    if isinstance(error, Invalid):
        body["fields"] = {name: translate(text) for name, text in error.fields.items()}
    return web.json_response({"error": body}, status=status, headers=headers)


MIDDLEWARES = (identify, speak, explain_errors, refuse_controls, authenticate)

"""Who sent a request, and the cookie that says so."""

from __future__ import annotations

from aiohttp import web

from server.accounts.rules import Actor
from server.accounts.signing_in import FailedSignIn, SignedIn
from server.errors import Unauthenticated
from server.web import csrf
from server.web.keys import PRINCIPAL
from server.web.middlewares import is_secure

SESSION_COOKIE = "yunkan_session"
FAILED_SIGN_IN = web.RequestKey("failed_sign_in", FailedSignIn)
"""Left on a request for those who keep the access log."""


def actor(request: web.Request) -> Actor:
    """The one who sent this request; Unauthenticated if nobody vouches for it."""
    found = find_actor(request)
    if found is None:
        raise Unauthenticated
    return found


def find_actor(request: web.Request) -> Actor | None:
    """The one who sent this request, or None."""
    principal = request.get(PRINCIPAL)
    return principal if isinstance(principal, Actor) else None


def carry_session(request: web.Request, response: web.Response, signed_in: SignedIn) -> None:
    """Put the session into the browser, and give the browser a new id: a form token from before the sign-in,
    which somebody else may have planted, is void after it."""
    secure = is_secure(request)
    response.set_cookie(
        SESSION_COOKIE, signed_in.token, httponly=True, samesite="Lax", secure=secure, path="/"
    )
    response.set_cookie(csrf.COOKIE, csrf.new_browser_id(), httponly=True, samesite="Lax", secure=secure)


def drop_session(response: web.Response) -> None:
    """Forget the session and the browser's id."""
    response.del_cookie(SESSION_COOKIE, path="/")
    response.del_cookie(csrf.COOKIE, path="/")

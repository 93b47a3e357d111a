"""Which requests are acts that the access logs hold: a middleware that tells the recorder."""

from __future__ import annotations

from dataclasses import replace

from aiohttp import web

from server.accounts.current import FAILED_SIGN_IN, find_actor
from server.accounts.rules import Actor
from server.archive.access import (
    CASE_VIEWED,
    PAPER_VIEWED,
    PLAYED,
    REFUSED,
    SEARCHED,
    SIGN_IN_FAILED,
    VIEWED,
)
from server.archive.access_recorder import DATA, VISITOR, AccessRecorder, Act
from server.errors import Conflict, Forbidden, Gone, NotFound, Unauthenticated
from server.web.keys import CLOCK
from server.web.middlewares import Handler, remote_address

ACCESSES = web.AppKey("accesses", AccessRecorder)

_API = "/api/v1/inspections/{inspection}"
_CASE = "/cases/{case}"
SEEN = {
    "/inspections/{inspection}": (VIEWED, "page"),
    "/inspections/{inspection}/copies/new": (VIEWED, "page"),
    "/inspections/{inspection}/accesses": (VIEWED, "accesses"),
    "/archive/{inspection}": (VIEWED, "replay"),
    "/office-log": (VIEWED, "office-log"),
    "/office-log/accesses": (VIEWED, "accesses"),
    _API: (VIEWED, DATA),
    f"{_API}/events": (VIEWED, DATA),
    f"{_API}/continuity": (VIEWED, DATA),
    f"{_API}/checklist": (VIEWED, DATA),
    f"{_API}/snapshots/{{snapshot}}": (VIEWED, DATA),
    f"{_API}/photos/{{photo}}": (VIEWED, DATA),
    f"{_API}/record": (VIEWED, "record"),
    f"{_API}/accesses": (VIEWED, "accesses"),
    "/api/v1/parts/{part}/file": (PLAYED, ""),
    _CASE: (CASE_VIEWED, "page"),
    f"{_CASE}/close": (CASE_VIEWED, "page"),
    f"{_CASE}/materials/new": (CASE_VIEWED, "page"),
    f"{_CASE}/inspections/new": (CASE_VIEWED, "page"),
    f"/api/v1{_CASE}": (CASE_VIEWED, DATA),
    f"/api/v1{_CASE}/evidence": (CASE_VIEWED, DATA),
    "/archive": (SEARCHED, "archive"),
    "/cases": (SEARCHED, "cases"),
    "/api/v1/cases": (SEARCHED, "cases"),
}
"""Route -> what getting it is."""
PAPER = f"{_CASE}/materials/{{material}}"
FILTERS = ("q", "state", "from", "to")
EVIDENCE = ("inspection", "part", "case")
"""What the addresses of evidence name."""
LONGEST_TARGET, LONGEST_QUERY = 40, 120


@web.middleware
async def watch_accesses(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Innermost: what was seen, and what was refused."""
    try:
        response = await handler(request)
    except (Unauthenticated, Forbidden, NotFound, Gone, Conflict) as error:
        if _is_attempt(request, error):
            _note(request, REFUSED, _route(request), error.code)
        raise
    if (failed := request.get(FAILED_SIGN_IN)) is not None:
        stranger = replace(VISITOR, office_id=failed.office_id)
        _note(request, SIGN_IN_FAILED, failed.account, failed.code, stranger)
    if request.method == "GET" and response.status < 400:
        _note_seen(request)
    return response


def _is_attempt(request: web.Request, error: Exception) -> bool:
    """A form that came too late is told to the person; what was asked for and not given is noted.

    Of a running room the event log tells. Who is not known and asks for no evidence is on the way to sign in, unless
    a token was shown that is nobody's.
    """
    if isinstance(error, Unauthenticated):
        return _names_evidence(request) or "Authorization" in request.headers
    if request.path.startswith("/live/"):
        return False
    if isinstance(error, Forbidden):
        return True
    return _names_evidence(request) and (request.method == "GET" or isinstance(error, NotFound))


def _note_seen(request: web.Request) -> None:
    route = _route(request)
    if route == PAPER:
        _note(request, PAPER_VIEWED, request.match_info["material"][:LONGEST_TARGET])
    elif (seen := SEEN.get(route)) is not None:
        type_, what = seen
        query = "&".join(
            f"{name}={text}" for name in FILTERS if (text := request.query.get(name, "").strip())
        )
        if type_ != SEARCHED:
            _note(request, type_, what)
        elif query or what == "archive":
            _note(request, type_, what, more=(("query", query[:LONGEST_QUERY]),) if query else ())


def _note(
    request: web.Request,
    type_: str,
    what: str,
    code: str = "",
    stranger: Actor = VISITOR,
    *,
    more: tuple[tuple[str, str], ...] = (),
) -> None:
    actor = find_actor(request) or stranger
    if actor.kind == "system":
        more = (*more, ("address", remote_address(request)[:LONGEST_TARGET]))
    target = next((found for name in EVIDENCE if (found := request.match_info.get(name))), "")
    at = request.app[CLOCK].now()
    request.app[ACCESSES].note(Act(actor, type_, target[:LONGEST_TARGET], what, at, code, more))


def _names_evidence(request: web.Request) -> bool:
    return any(name in request.match_info for name in EVIDENCE)


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else ""

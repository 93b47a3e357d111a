"""Which requests are acts that the access logs hold: a middleware that tells the recorder."""

from __future__ import annotations

from aiohttp import web

from server.accounts.current import find_actor
from server.archive.access import PLAYED, REFUSED, VIEWED
from server.archive.access_recorder import DATA, AccessRecorder, Act
from server.errors import Conflict, Forbidden, Gone, NotFound
from server.web.keys import CLOCK
from server.web.middlewares import Handler

ACCESSES = web.AppKey("accesses", AccessRecorder)

_API = "/api/v1/inspections/{inspection}"
SEEN = {
    "/inspections/{inspection}": (VIEWED, "page"),
    "/archive/{inspection}": (VIEWED, "replay"),
    "/office-log": (VIEWED, "office-log"),
    _API: (VIEWED, DATA),
    f"{_API}/events": (VIEWED, DATA),
    f"{_API}/continuity": (VIEWED, DATA),
    f"{_API}/checklist": (VIEWED, DATA),
    f"{_API}/snapshots/{{snapshot}}": (VIEWED, DATA),
    f"{_API}/record": (VIEWED, "record"),
    "/api/v1/parts/{part}/file": (PLAYED, ""),
}
"""Route -> what getting it is."""
LONGEST_TARGET = 40


@web.middleware
async def watch_accesses(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Innermost: what was seen, and what was refused to somebody who is known."""
    try:
        response = await handler(request)
    except (Forbidden, NotFound, Gone, Conflict) as error:
        # A form that came too late is told to the person; evidence that was asked for and not given is noted.
        if _names_evidence(request) and (request.method == "GET" or isinstance(error, Forbidden | NotFound)):
            _note(request, REFUSED, _route(request), error.code)
        raise
    if request.method == "GET" and response.status < 400 and (seen := SEEN.get(_route(request))):
        _note(request, *seen)
    return response


def _note(request: web.Request, type_: str, what: str, code: str = "") -> None:
    actor = find_actor(request)
    if actor is None:
        return  # a stranger's attempt: sign-in has its own record of those
    asked = request.match_info.get("inspection") or request.match_info.get("part") or ""
    at = request.app[CLOCK].now()
    request.app[ACCESSES].note(Act(actor, type_, asked[:LONGEST_TARGET], what, at, code))


def _names_evidence(request: web.Request) -> bool:
    """Of a room that is running the event log tells; this is about what stays."""
    named = "inspection" in request.match_info or "part" in request.match_info
    return named and not request.path.startswith("/live/")


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else ""

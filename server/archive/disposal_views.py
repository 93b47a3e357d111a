"""`/retention`: whose time has come. Forms on the inspection's page: hold, and disposal by two people."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.current import actor as current_actor
from server.archive import disposal
from server.archive.package_metadata import retention_text
from server.archive.retention import list_due
from server.cases.rules import MATTERS, RetentionPolicy
from server.inspections.keys import JOURNAL
from server.web.forms import see_other, texts_of
from server.web.keys import CLOCK, DATABASE, SETTINGS
from server.web.languages import translate
from server.web.templates import render


async def retention_page(request: web.Request) -> web.Response:
    """`GET /retention`."""
    now = request.app[CLOCK].now()
    async with request.app[DATABASE].reading() as session:
        due, total = await list_due(session, current_actor(request), now, _policy(request))
    policy = _policy(request)
    context = {
        "due": due,
        "total": total,
        "schedule": [
            (translate(matter.name), retention_text(policy.years_of(key))) for key, matter in MATTERS.items()
        ],
        "not_held": retention_text(policy.years_of_not_held),
    }
    return render(request, "archive/retention.html", context)


async def place_hold(request: web.Request) -> web.Response:
    """`POST /inspections/<id>/holds` with `reason`."""
    reason = (await texts_of(request, "reason"))["reason"]
    return await _done(
        request,
        lambda session: disposal.place_hold(
            session, current_actor(request), _id(request), reason, request.app[CLOCK]
        ),
    )


async def lift_hold(request: web.Request) -> web.Response:
    """`POST /inspections/<id>/holds/<hold>/lift`."""
    hold = request.match_info["hold"]
    return await _done(
        request,
        lambda session: disposal.lift_hold(
            session, current_actor(request), _id(request), hold, request.app[CLOCK]
        ),
    )


async def propose(request: web.Request) -> web.Response:
    """`POST /inspections/<id>/disposal` with `reason`."""
    reason = (await texts_of(request, "reason"))["reason"]
    return await _done(
        request,
        lambda session: disposal.propose(
            session, request.app[JOURNAL], current_actor(request), _id(request), reason, _policy(request)
        ),
    )


async def approve(request: web.Request) -> web.Response:
    """`POST /inspections/<id>/disposal/approve`."""
    return await _done(
        request,
        lambda session: disposal.approve(
            session, request.app[JOURNAL], current_actor(request), _id(request), _policy(request)
        ),
    )


async def withdraw(request: web.Request) -> web.Response:
    """`POST /inspections/<id>/disposal/withdraw`."""
    return await _done(
        request,
        lambda session: disposal.withdraw(session, current_actor(request), _id(request), request.app[CLOCK]),
    )


def _policy(request: web.Request) -> RetentionPolicy:
    return RetentionPolicy(request.app[SETTINGS].retention)


def _id(request: web.Request) -> str:
    return request.match_info["inspection"]


async def _done(request: web.Request, act: Callable[[AsyncSession], Awaitable[None]]) -> web.Response:
    async with request.app[DATABASE].transaction() as session:
        await act(session)
    return see_other(f"/inspections/{_id(request)}#retention")


def routes() -> list[web.RouteDef]:
    one = "/inspections/{inspection}"
    return [
        web.get("/retention", retention_page),
        web.post(f"{one}/holds", place_hold),
        web.post(f"{one}/holds/{{hold}}/lift", lift_hold),
        web.post(f"{one}/disposal", propose),
        web.post(f"{one}/disposal/approve", approve),
        web.post(f"{one}/disposal/withdraw", withdraw),
    ]

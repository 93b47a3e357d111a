"""JSON around an inspection: schedule, invite, conclude, its events. What happens inside it is the room's."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from aiohttp import web

from server.accounts.current import actor
from server.errors import N_, Invalid
from server.inspections import service
from server.inspections.keys import JOURNAL
from server.inspections.links import base_url, invitation_url
from server.inspections.log import as_json, events_after
from server.inspections.lookup import require
from server.inspections.models import Inspection
from server.web.bodies import Body, Reply, integer, read_json, reply
from server.web.keys import DATABASE, SETTINGS
from server.web.openapi import operation

Text = Annotated[str, msgspec.Meta(max_length=200)]

MOST_EVENTS = 10_000
"""In one answer."""


class NewInspectionBody(Body):
    """`starts_at` with an offset, default now; `template` a checklist's key; `reviewers` ids or user names."""

    starts_at: datetime | None = None
    template: Text | None = None
    reviewers: Annotated[list[Text], msgspec.Meta(max_length=20)] | None = None


class ScheduledReply(Reply):
    id: str
    number: str
    case: str
    state: str
    starts_at: datetime
    template: str
    url: str


class NewInvitationBody(Body):
    """`role`: enterprise, reviewer, expert or observer."""

    role: Text
    name: Text


class InvitationReply(Reply):
    id: str
    role: str
    name: str
    url: str
    token: str
    expires_at: datetime


class ConclusionBody(Body):
    """`result`: pass, rectify, fail or unverifiable; rectify and unverifiable need a note."""

    result: Text
    note: Annotated[str, msgspec.Meta(max_length=2000)] = ""


class CancellationBody(Body):
    reason: Annotated[str, msgspec.Meta(max_length=2000)]


class EventReply(Reply):
    """One line of the log, as docs/PROTOCOL.md describes it."""

    seq: int
    type: str
    actor: dict[str, str]
    at: str
    t_mono: float
    t_client: str | None
    body: dict[str, Any]
    prev: str
    link: str


@operation(
    "Schedule an inspection of a case",
    takes=NewInspectionBody,
    gives=ScheduledReply,
    status=201,
    errors=(401, 403, 404, 409, 422),
)
async def schedule(request: web.Request) -> web.Response:
    """`POST /api/v1/cases/<id>/inspections`."""
    who = actor(request)
    require(who, "inspection.schedule")
    body = await read_json(request, NewInspectionBody)
    if body.starts_at is not None and body.starts_at.tzinfo is None:
        raise Invalid({"starts_at": N_("Give the time with its offset, as in 2026-11-21T16:30:00+08:00.")})
    async with request.app[DATABASE].transaction() as session:
        inspection = await service.schedule(
            session,
            request.app[JOURNAL],
            who,
            request.match_info["case"],
            body.starts_at,
            body.template,
            body.reviewers,
        )
    return reply(_scheduled(inspection), status=201)


@operation(
    "Invite somebody to an inspection; the token is told this once",
    takes=NewInvitationBody,
    gives=InvitationReply,
    status=201,
    errors=(401, 403, 404, 409, 422),
)
async def invite(request: web.Request) -> web.Response:
    """`POST /api/v1/inspections/<id>/invitations`."""
    who = actor(request)
    require(who, "inspection.invite")
    body = await read_json(request, NewInvitationBody)
    async with request.app[DATABASE].transaction() as session:
        invited = await service.invite(
            session,
            request.app[JOURNAL],
            who,
            request.match_info["inspection"],
            body.role,
            body.name,
            hours=request.app[SETTINGS].invitation_hours,
        )
    invitation = invited.invitation
    answer = InvitationReply(
        id=invitation.id,
        role=invitation.role,
        name=invitation.name,
        url=invitation_url(base_url(request), invited.token),
        token=invited.token,
        expires_at=invitation.expires_at,
    )
    return reply(answer, status=201)


@operation(
    "Call a scheduled inspection off",
    takes=CancellationBody,
    gives=ScheduledReply,
    errors=(401, 403, 404, 409, 422),
)
async def cancel(request: web.Request) -> web.Response:
    """`POST /api/v1/inspections/<id>/cancel`."""
    who = actor(request)
    require(who, "inspection.schedule")
    body = await read_json(request, CancellationBody)
    async with request.app[DATABASE].transaction() as session:
        inspection = await service.cancel(
            session, request.app[JOURNAL], who, request.match_info["inspection"], body.reason
        )
    return reply(_scheduled(inspection))


@operation(
    "Record the result of an ended inspection",
    takes=ConclusionBody,
    gives=ScheduledReply,
    errors=(401, 403, 404, 409, 422),
)
async def conclude(request: web.Request) -> web.Response:
    """`POST /api/v1/inspections/<id>/result`."""
    who = actor(request)
    require(who, "inspection.conclude")
    body = await read_json(request, ConclusionBody)
    async with request.app[DATABASE].transaction() as session:
        inspection = await service.conclude(
            session, request.app[JOURNAL], who, request.match_info["inspection"], body.result, body.note
        )
    return reply(_scheduled(inspection))


@operation(
    "The log of an inspection, in order",
    gives=list[EventReply],
    query={
        "after": "only events with a greater seq; default 0",
        "limit": "at most so many, 1 to 10000 (default 10000); where more follow, the header Link names the next",
    },
    errors=(401, 403, 404, 422),
)
async def list_events(request: web.Request) -> web.Response:
    """`GET /api/v1/inspections/<id>/events?after=<seq>&limit=<count>`."""
    after = integer(request, "after", 0)
    limit = integer(request, "limit", MOST_EVENTS, least=1, most=MOST_EVENTS)
    async with request.app[DATABASE].reading() as session:
        inspection = await service.get_inspection(session, actor(request), request.match_info["inspection"])
        events = await events_after(session, inspection.id, after, limit)
    headers = {}
    if events and events[-1].seq < inspection.last_seq:
        headers["Link"] = f'<{request.path}?after={events[-1].seq}&limit={limit}>; rel="next"'
    return reply([as_json(event) for event in events], headers=headers)


def _scheduled(inspection: Inspection) -> ScheduledReply:
    return ScheduledReply(
        id=inspection.id,
        number=inspection.number,
        case=inspection.case_id,
        state=inspection.state,
        starts_at=inspection.starts_at,
        template=inspection.template_key,
        url=f"/inspections/{inspection.id}",
    )


def routes() -> list[web.RouteDef]:
    return [
        web.post("/api/v1/cases/{case}/inspections", schedule),
        web.post("/api/v1/inspections/{inspection}/invitations", invite),
        web.post("/api/v1/inspections/{inspection}/cancel", cancel),
        web.post("/api/v1/inspections/{inspection}/result", conclude),
        web.get("/api/v1/inspections/{inspection}/events", list_events),
    ]

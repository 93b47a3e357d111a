"""Pages of a running inspection: the phone's, a guest's way in, and the console."""

from __future__ import annotations

import contextlib
from typing import Any

from aiohttp import web
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.current import actor as current_actor
from server.accounts.models import Office
from server.accounts.rules import PERMISSIONS, Role
from server.cases.models import Case, Enterprise, Material
from server.cases.rules import MATTERS
from server.clock import rfc3339
from server.errors import YunkanError
from server.inspections import service as inspections
from server.inspections.errors import InvitationUnknown
from server.inspections.invitations import look_up_invitation
from server.inspections.models import Inspection, Invitation
from server.inspections.rules import JOINABLE
from server.inspections.texts import audience_of, current_texts
from server.live.api import join_reply
from server.live.join import join_as_staff
from server.live.keys import LIVE, ROOMS
from server.live.receipt_file import find_invited
from server.live.receipts import count_receipts
from server.live.service import template_of
from server.web.forms import see_other
from server.web.keys import CLOCK, DATABASE, LANGUAGE, SETTINGS
from server.web.languages import translate
from server.web.middlewares import status_of
from server.web.templates import render
from server.web.texts import user_agent


async def invitation_page(request: web.Request) -> web.Response:
    """`/i/<token>`: the enterprise's phone page, a guest's way in, or a page that says what is wrong with the link."""
    token = request.match_info["token"]
    async with request.app[DATABASE].reading() as session:
        try:
            invitation, inspection = await _find_invitation(request, session, token)
        except YunkanError as error:
            return await _problem(request, session, error, token)
        context = await _page(request, session, inspection)
    context["invitation"] = {"role": invitation.role, "name": invitation.name, "token": token}
    texts = current_texts(request[LANGUAGE], audience_of(invitation.role))
    context["texts"] = [text.as_json() for text in texts]
    template = "phone/page.html" if invitation.role == "enterprise" else "join.html"
    return render(request, template, context)


async def guest_console(request: web.Request) -> web.Response:
    """`/i/<token>/console`: the console for an invited reviewer, expert or observer, without an account."""
    token = request.match_info["token"]
    async with request.app[DATABASE].reading() as session:
        try:
            invitation, inspection = await _find_invitation(request, session, token)
        except YunkanError as error:
            return await _problem(request, session, error, token)
        context = await _page(request, session, inspection)
        if invitation.role == "enterprise":
            return see_other(f"/i/{token}")
        # A guest sees the names of the materials; the papers themselves are for the office.
        context |= await _console(request, session, inspection, with_links=False)
    context["me"] = {"name": invitation.name, "role": invitation.role}
    context["page_data"]["join"] = {"storage": f"yunkan.join.{inspection.id}", "page": f"/i/{token}"}
    context["page_data"]["can"] = sorted(PERMISSIONS[_role(invitation.role)])
    return render(request, "console/page.html", context)


async def console(request: web.Request) -> web.Response:
    """`/inspections/<id>/console` for signed-in staff; what is over is on the inspection's own page."""
    actor = current_actor(request)
    actor.require("inspection.join")
    async with request.app[DATABASE].reading() as session:
        inspection = await inspections.get_inspection(session, actor, request.match_info["inspection"])
        if inspection.state not in JOINABLE:
            return see_other(f"/inspections/{inspection.id}")
        context = await _page(request, session, inspection)
        context |= await _console(request, session, inspection, with_links=True)
    context["me"] = {"name": actor.name, "role": actor.role}
    context["page_data"]["join"] = {"url": f"/inspections/{inspection.id}/join"}
    role: Role = "reviewer" if actor.role == "reviewer" else "observer"
    context["page_data"]["can"] = sorted(
        PERMISSIONS[role] | ({"inspection.end"} if actor.can("inspection.end") else set())
    )
    return render(request, "console/page.html", context)


async def join_console(request: web.Request) -> web.Response:
    """`POST /inspections/<id>/join`: staff join from their console."""
    actor = current_actor(request)
    joined = await join_as_staff(
        request.app[LIVE],
        request.app[ROOMS],
        actor,
        request.match_info["inspection"],
        user_agent(request),
    )
    return join_reply(request, joined)


async def _find_invitation(
    request: web.Request, session: AsyncSession, token: str
) -> tuple[Invitation, Inspection]:
    return await inspections.find_invitation(
        session, token, request.app[CLOCK].now(), request.app[SETTINGS].early_join_minutes
    )


async def _page(request: web.Request, session: AsyncSession, inspection: Inspection) -> dict[str, Any]:
    """What the phone's page and the console both show of an inspection."""
    case = await session.get_one(Case, inspection.case_id)
    office = await session.get_one(Office, inspection.office_id)
    return {
        "inspection": {
            "id": inspection.id,
            "number": inspection.number,
            "state": inspection.state,
            "starts_at": inspection.starts_at,
            "started_at": inspection.started_at,
            "matter_title": matter_title(case.matter),
            "address": case.new_address,
        },
        "office": {"name": office.name, "phone": office.phone},
        "enterprise": {"name": case.enterprise_name},
        "case_number": case.number,
    }


async def _console(
    request: web.Request, session: AsyncSession, inspection: Inspection, *, with_links: bool
) -> dict[str, Any]:
    language = request[LANGUAGE]
    case = await session.get_one(Case, inspection.case_id)
    materials = await session.scalars(
        select(Material).where(Material.case_id == case.id).order_by(Material.added_at)
    )
    enterprise = await session.get_one(Enterprise, case.enterprise_id)
    checklist = template_of(inspection).localised(language)
    described = {
        "id": inspection.id,
        "number": inspection.number,
        "state": inspection.state,
        "starts_at": rfc3339(inspection.starts_at),
        "started_at": rfc3339(inspection.started_at) if inspection.started_at else None,
    }
    return {
        "case": {
            "id": case.id,
            "number": case.number,
            "matter_title": matter_title(case.matter),
            "enterprise_name": case.enterprise_name,
            "credit_code": enterprise.credit_code,
            "licence_number": case.licence_number,
            "old_address": case.old_address,
            "new_address": case.new_address,
            "materials": [
                {
                    "name": material.name,
                    "url": f"/cases/{case.id}/materials/{material.id}" if with_links else None,
                }
                for material in materials
            ],
        },
        "checklist": checklist,
        "page_data": {"inspection": described, "case": case.id, "checklist": checklist},
    }


def matter_title(matter: str) -> str:
    """The matter in the request's language."""
    return translate(MATTERS[matter].name) if matter in MATTERS else matter


def _role(role: str) -> Role:
    found: Role = role  # type: ignore[assignment]  # an invitation's role is one of GUEST_ROLES
    return found


async def _problem(
    request: web.Request, session: AsyncSession, error: YunkanError, token: str
) -> web.Response:
    """A page that works without scripts: which problem, what to do, and whom to call if the office is known."""
    context: dict[str, Any] = {
        "problem": error.code,
        "office": await _only_office(session),
        "inspection": None,
        "case_number": None,
        "starts_at": None,
        "receipts": None,
        "now": request.app[CLOCK].now(),
    }
    with contextlib.suppress(InvitationUnknown):
        invitation, inspection = await look_up_invitation(session, token)
        if (invited := await find_invited(session, invitation)) and await count_receipts(session, invited.id):
            context["receipts"] = f"/i/{token}/receipts"
        page = await _page(request, session, inspection)
        context |= {
            "office": page["office"],
            "inspection": page["inspection"],
            "case_number": page["case_number"],
            "starts_at": inspection.starts_at,
        }
    return render(request, "phone/problem.html", context, status=status_of(error))


async def _only_office(session: AsyncSession) -> dict[str, str] | None:
    """Whom to call when a link is nobody's: known where one office runs the service alone."""
    offices = list(await session.scalars(select(Office).limit(2)))
    return {"name": offices[0].name, "phone": offices[0].phone} if len(offices) == 1 else None


def routes() -> list[web.RouteDef]:
    return [
        web.get("/i/{token}", invitation_page),
        web.get("/i/{token}/console", guest_console),
        web.get("/inspections/{inspection}/console", console),
        web.post("/inspections/{inspection}/join", join_console),
    ]

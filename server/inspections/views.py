"""Pages of one inspection: appointment, invitations, result. The console and the replay have pages of their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.current import actor
from server.accounts.rules import GUEST_ROLES
from server.accounts.service import list_staff
from server.cases.rules import MATTERS
from server.cases.service import get_case, list_evidence, load_case
from server.errors import N_, Conflict, Invalid, YunkanError
from server.inspections import service
from server.inspections.checklists import get_template, in_language, newest_templates
from server.inspections.invitations import Invited, get_invitation, list_invitations
from server.inspections.keys import CARE, JOURNAL, SEAL_STATUS
from server.inspections.ledger import build_ledger
from server.inspections.links import base_url, invitation_url, qr_data_uri
from server.inspections.log import as_json, told_events
from server.inspections.lookup import list_reviewers, require
from server.inspections.models import Inspection
from server.inspections.rules import JOINABLE, RESULTS
from server.inspections.summary import summarise
from server.web.forms import as_local, explained, local_moment, see_other, texts_of
from server.web.keys import CLOCK, DATABASE, LANGUAGE, SETTINGS
from server.web.middlewares import status_of
from server.web.templates import render
from server.web.texts import read_form

OFFICERS_BY_LAW = 2


async def new_inspection_page(request: web.Request) -> web.Response:
    """`GET /cases/<id>/inspections/new`."""
    who = actor(request)
    require(who, "inspection.schedule")
    now = as_local(request.app[CLOCK].now())
    async with request.app[DATABASE].reading() as session:
        case = await get_case(session, who, request.match_info["case"])
        matter = MATTERS.get(case.matter)
        form = {
            "when": "now",
            "starts_at": now,
            "template": matter.template if matter else "",
            "reviewers": [who.id],
        }
        return await _new_inspection(request, session, form)


async def schedule(request: web.Request) -> web.Response:
    """`POST /cases/<id>/inspections`: to the new inspection, or the form again."""
    who, case_id = actor(request), request.match_info["case"]
    require(who, "inspection.schedule")
    sent = await texts_of(request, "when", "starts_at", "template")
    chosen = [str(value) for value in (await read_form(request)).getall("reviewers", [])]
    try:
        starts_at = None if sent["when"] == "now" else _moment(sent["starts_at"])
        async with request.app[DATABASE].transaction() as session:
            inspection = await service.schedule(
                session,
                request.app[JOURNAL],
                who,
                case_id,
                starts_at,
                sent["template"] or None,
                chosen,
            )
    except (Invalid, Conflict) as error:
        async with request.app[DATABASE].reading() as session:
            form = {**sent, "reviewers": chosen}
            return await _new_inspection(request, session, form, error)
    return see_other(f"/inspections/{inspection.id}")


async def inspection_page(request: web.Request) -> web.Response:
    """`GET /inspections/<id>`."""
    async with request.app[DATABASE].reading() as session:
        return await _inspection_page(request, session)


async def invite(request: web.Request) -> web.Response:
    """`POST /inspections/<id>/invitations`: a page with link and QR code, shown this once."""
    sent = await texts_of(request, "role", "name")
    return await _new_link(
        request,
        lambda session: service.invite(
            session,
            request.app[JOURNAL],
            actor(request),
            request.match_info["inspection"],
            sent["role"],
            sent["name"],
            hours=request.app[SETTINGS].invitation_hours,
        ),
        sent,
    )


async def renew_invitation(request: web.Request) -> web.Response:
    """`POST /inspections/<id>/invitations/<iid>/renew`: a new link; the old one is void."""
    return await _new_link(
        request,
        lambda session: service.renew_invitation(
            session,
            request.app[JOURNAL],
            actor(request),
            request.match_info["inspection"],
            request.match_info["invitation"],
            hours=request.app[SETTINGS].invitation_hours,
        ),
        None,
    )


async def withdraw_page(request: web.Request) -> web.Response:
    """`GET /inspections/<id>/invitations/<iid>/cancel`."""
    return await _withdraw_page(request)


async def cancel_invitation(request: web.Request) -> web.Response:
    """`POST /inspections/<id>/invitations/<iid>/cancel` with `reason`."""
    inspection_id = request.match_info["inspection"]
    sent = await texts_of(request, "reason")
    try:
        async with request.app[DATABASE].transaction() as session:
            await service.cancel_invitation(
                session,
                request.app[JOURNAL],
                actor(request),
                inspection_id,
                request.match_info["invitation"],
                sent["reason"],
            )
    except Invalid as error:
        return await _withdraw_page(request, sent, error)
    return see_other(f"/inspections/{inspection_id}#invitations")


async def reschedule_page(request: web.Request) -> web.Response:
    """`GET /inspections/<id>/reschedule`."""
    return await _form_page(request, "inspections/reschedule.html")


async def reschedule(request: web.Request) -> web.Response:
    """`POST /inspections/<id>/reschedule` with `starts_at`."""
    inspection_id = request.match_info["inspection"]
    sent = await texts_of(request, "starts_at")
    try:
        async with request.app[DATABASE].transaction() as session:
            await service.reschedule(
                session,
                request.app[JOURNAL],
                actor(request),
                inspection_id,
                _moment(sent["starts_at"]),
                hours=request.app[SETTINGS].invitation_hours,
            )
    except (Invalid, Conflict) as error:
        return await _form_page(request, "inspections/reschedule.html", sent, error)
    return see_other(f"/inspections/{inspection_id}")


async def cancel_page(request: web.Request) -> web.Response:
    """`GET /inspections/<id>/cancel`."""
    return await _form_page(request, "inspections/cancel.html")


async def cancel(request: web.Request) -> web.Response:
    """`POST /inspections/<id>/cancel` with `reason`."""
    inspection_id = request.match_info["inspection"]
    sent = await texts_of(request, "reason")
    try:
        async with request.app[DATABASE].transaction() as session:
            await service.cancel(session, request.app[JOURNAL], actor(request), inspection_id, sent["reason"])
    except (Invalid, Conflict) as error:
        return await _form_page(request, "inspections/cancel.html", sent, error)
    return see_other(f"/inspections/{inspection_id}")


async def conclude(request: web.Request) -> web.Response:
    """`POST /inspections/<id>/result` with `result` and `note`."""
    inspection_id = request.match_info["inspection"]
    sent = await texts_of(request, "result", "note")
    try:
        async with request.app[DATABASE].transaction() as session:
            await service.conclude(
                session,
                request.app[JOURNAL],
                actor(request),
                inspection_id,
                sent["result"],
                sent["note"],
            )
    except (Invalid, Conflict) as error:
        async with request.app[DATABASE].reading() as session:
            return await _inspection_page(request, session, result_form=sent, error=error)
    return see_other(f"/inspections/{inspection_id}#result")


async def _new_inspection(
    request: web.Request,
    session: AsyncSession,
    form: dict[str, Any],
    error: YunkanError | None = None,
) -> web.Response:
    who = actor(request)
    case = await get_case(session, who, request.match_info["case"])
    people = await list_staff(session, who.office_id, active_only=True)
    context = {
        "case": case,
        "form": form,
        "errors": explained(error) if error else {},
        "templates": [
            (template.key, in_language(template.title, request[LANGUAGE])) for template in newest_templates()
        ],
        "reviewers": [person for person in people if person.role == "reviewer"],
    }
    return render(request, "inspections/new.html", context, status=status_of(error) if error else 200)


async def _new_link(
    request: web.Request,
    make: Callable[[AsyncSession], Awaitable[Invited]],
    sent: dict[str, str] | None,
) -> web.Response:
    try:
        async with request.app[DATABASE].transaction() as session:
            invited = await make(session)
            inspection = await service.get_inspection(
                session, actor(request), request.match_info["inspection"]
            )
    except (Invalid, Conflict) as error:
        async with request.app[DATABASE].reading() as session:
            return await _inspection_page(request, session, invitation_form=sent, error=error)
    url = invitation_url(base_url(request), invited.token)
    context = {
        "inspection": inspection,
        "invitation": invited.invitation,
        "url": url,
        "qr": qr_data_uri(url),
        "needs_https": not url.startswith("https:"),
    }
    return render(request, "inspections/invited.html", context, status=201)


async def _inspection_page(
    request: web.Request,
    session: AsyncSession,
    *,
    invitation_form: dict[str, str] | None = None,
    result_form: dict[str, str] | None = None,
    error: YunkanError | None = None,
) -> web.Response:
    who = actor(request)
    require(who, "inspection.view")
    inspection = await service.get_inspection(session, who, request.match_info["inspection"])
    case = await load_case(session, inspection.case_id)
    events = await told_events(session, inspection.id)
    now = request.app[CLOCK].now()
    invitations = await list_invitations(session, inspection.id)
    reviewers = await list_reviewers(session, inspection.id)
    template = get_template(inspection.template_key, inspection.template_version)
    context = {
        "inspection": inspection,
        "case": case,
        "matter": MATTERS.get(case.matter),
        "template": template.localised(request[LANGUAGE]),
        "item_count": len(template.items),
        "summary": summarise(events),
        "continuity": build_ledger([as_json(event) for event in events], now),
        "evidence": await list_evidence(session, case.id, inspection_id=inspection.id),
        "invitations": [(entry, _invitation_state(inspection, entry, now)) for entry in invitations],
        "reviewers": reviewers,
        "seal": await request.app[SEAL_STATUS](session, inspection),
        "care": await request.app[CARE](session, inspection),
        "lacks_officer": len(reviewers) < OFFICERS_BY_LAW,
        "is_joinable": inspection.state in JOINABLE,
        "guest_roles": GUEST_ROLES,
        "results": RESULTS,
        "invitation_form": invitation_form or {"role": "enterprise", "name": ""},
        "result_form": result_form or {"result": "", "note": ""},
        "errors": explained(error) if error else {},
    }
    return render(request, "inspections/page.html", context, status=status_of(error) if error else 200)


def _invitation_state(inspection: Inspection, invitation: Any, now: datetime) -> str:
    if invitation.cancelled_at is not None:
        return "cancelled"
    if inspection.state not in JOINABLE:
        return "closed"
    return "expired" if invitation.expires_at <= now else "active"


async def _form_page(
    request: web.Request,
    template: str,
    sent: dict[str, str] | None = None,
    error: YunkanError | None = None,
) -> web.Response:
    """A page of its own for moving or cancelling a scheduled inspection."""
    who = actor(request)
    require(who, "inspection.schedule")
    async with request.app[DATABASE].reading() as session:
        inspection = await service.get_inspection(session, who, request.match_info["inspection"])
        case = await load_case(session, inspection.case_id)
    context = {
        "inspection": inspection,
        "case": case,
        "form": sent or {"starts_at": as_local(inspection.starts_at), "reason": ""},
        "errors": explained(error) if error else {},
    }
    return render(request, template, context, status=status_of(error) if error else 200)


async def _withdraw_page(
    request: web.Request, sent: dict[str, str] | None = None, error: YunkanError | None = None
) -> web.Response:
    who, inspection_id = actor(request), request.match_info["inspection"]
    async with request.app[DATABASE].reading() as session:
        context = {
            "inspection": await service.get_inspection(session, who, inspection_id),
            "invitation": await get_invitation(session, who, inspection_id, request.match_info["invitation"]),
            "form": sent or {"reason": ""},
            "errors": explained(error) if error else {},
        }
    return render(request, "inspections/withdraw.html", context, status=status_of(error) if error else 200)


def _moment(text: str) -> datetime:
    try:
        return local_moment(text)
    except ValueError as error:
        raise Invalid({"starts_at": N_("Give a date and a time.")}) from error


def routes() -> list[web.RouteDef]:
    one = "/inspections/{inspection}"
    return [
        web.get("/cases/{case}/inspections/new", new_inspection_page),
        web.post("/cases/{case}/inspections", schedule),
        web.get(one, inspection_page),
        web.post(f"{one}/invitations", invite),
        web.post(f"{one}/invitations/{{invitation}}/renew", renew_invitation),
        web.get(f"{one}/invitations/{{invitation}}/cancel", withdraw_page),
        web.post(f"{one}/invitations/{{invitation}}/cancel", cancel_invitation),
        web.get(f"{one}/reschedule", reschedule_page),
        web.post(f"{one}/reschedule", reschedule),
        web.get(f"{one}/cancel", cancel_page),
        web.post(f"{one}/cancel", cancel),
        web.post(f"{one}/result", conclude),
    ]

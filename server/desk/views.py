"""The reviewer's desk, the list of cases, and the page of one case, where everything about it comes together."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.current import actor
from server.accounts.rules import Actor
from server.cases.materials import list_materials
from server.cases.models import Case
from server.cases.rules import MATTERS, STATES, has_good_check_digit, licence_kind_name
from server.cases.service import get_case, list_cases, list_evidence, require
from server.clock import TIME_ZONE
from server.inspections.checklists import get_template, in_language
from server.inspections.lookup import (
    cases_of,
    count_inspections,
    list_of_case,
    list_present,
    list_with_cases,
)
from server.inspections.models import Inspection
from server.inspections.pausing import Pause, find_pause
from server.live.keys import ROOMS
from server.live.room import Online
from server.live.trouble import Troubled, list_troubled
from server.web.bodies import integer
from server.web.keys import CLOCK, DATABASE, FILES, LANGUAGE
from server.web.templates import render

TO_DO_SHOWN = 50
"""Of each kind, the oldest first; how many there are is said."""
TROUBLED_WITHIN = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Present:
    """An inspection that somebody is at now. `waiting_since` is set while the enterprise waits for it to begin,
    `pause` while somebody has paused it."""

    inspection: Inspection
    case: Case
    online: list[Online]
    waiting_since: datetime | None
    pause: Pause | None


@dataclass(frozen=True, slots=True)
class Stuck:
    """Somebody opened their link a short time ago, could not come in, and nobody of the enterprise is there."""

    inspection: Inspection
    case: Case
    trouble: Troubled


async def desk(request: web.Request) -> web.Response:
    """`GET /`."""
    who = actor(request)
    require(who, "desk.view")
    now = request.app[CLOCK].now()
    midnight = now.astimezone(TIME_ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    async with request.app[DATABASE].reading() as session:
        today = await list_with_cases(
            session,
            who,
            states=("scheduled", "live", "ended", "concluded", "cancelled"),
            starts_from=midnight,
            starts_before=midnight + timedelta(days=1),
            limit=None,
        )
        context = {
            "now": now,
            "disk": await asyncio.to_thread(request.app[FILES].room_left),
            "present": await _present(request, session, who),
            "stuck": await _stuck(request, session, who),
            "today": today,
            "to_conclude": await list_with_cases(session, who, states=("ended",), limit=TO_DO_SHOWN),
            "overdue": await list_with_cases(
                session, who, states=("scheduled",), starts_before=midnight, limit=TO_DO_SHOWN
            ),
            "to_do_count": await count_inspections(session, who, states=("ended",))
            + await count_inspections(session, who, states=("scheduled",), starts_before=midnight),
            "coming": await list_with_cases(
                session, who, states=("scheduled",), starts_from=midnight + timedelta(days=1), limit=5
            ),
            "my_cases": await cases_of(session, who),
        }
    return render(request, "desk/desk.html", context)


async def now_fragment(request: web.Request) -> web.Response:
    """`GET /desk/now`: the part of the desk that refreshes itself."""
    who = actor(request)
    require(who, "desk.view")
    async with request.app[DATABASE].reading() as session:
        context = {
            "now": request.app[CLOCK].now(),
            "disk": await asyncio.to_thread(request.app[FILES].room_left),
            "present": await _present(request, session, who),
            "stuck": await _stuck(request, session, who),
        }
    return render(request, "desk/_now.html", context)


async def cases_page(request: web.Request) -> web.Response:
    """`GET /cases`: filter in the address, newest first."""
    who = actor(request)
    text, state = request.query.get("q", "").strip(), request.query.get("state", "")
    async with request.app[DATABASE].reading() as session:
        page = await list_cases(
            session,
            who,
            text=text,
            state=state,
            page=integer(request, "page", 1, least=1, most=1_000_000),
        )

    def address(number: int) -> str:
        return f"/cases?{urlencode({'q': text, 'state': state, 'page': number})}"

    context = {
        "page": page,
        "text": text,
        "state": state,
        "states": STATES,
        "matters": MATTERS,
        "address": address,
    }
    return render(request, "desk/cases.html", context)


async def case_page(request: web.Request) -> web.Response:
    """`GET /cases/<id>`."""
    who = actor(request)
    async with request.app[DATABASE].reading() as session:
        case = await get_case(session, who, request.match_info["case"])
        inspections = await list_of_case(session, case.id)
        context: dict[str, Any] = {
            "case": case,
            "matter": MATTERS.get(case.matter),
            "licence_kind": licence_kind_name(case.matter, case.licence_kind),
            "check_digit_fits": has_good_check_digit(case.enterprise.credit_code),
            "location": (case.latitude, case.longitude) if case.latitude is not None else None,
            "materials": await list_materials(session, case.id),
            "inspections": inspections,
            "numbers": {inspection.id: inspection.number for inspection in inspections},
            "evidence": await list_evidence(session, case.id),
            "words": _checklist_words(inspections, request[LANGUAGE]),
        }
    return render(request, "desk/case.html", context)


def _checklist_words(inspections: list[Inspection], language: str) -> dict[str, str]:
    """Keys of checklists and of their items, which evidence is titled by, in the page's language."""
    words: dict[str, str] = {}
    for inspection in inspections:
        template = get_template(inspection.template_key, inspection.template_version)
        words[template.key] = in_language(template.title, language)
        words |= {item.key: in_language(item.text, language) for item in template.items}
    return words


async def _present(request: web.Request, session: AsyncSession, who: Actor) -> list[Present]:
    """The inspections with somebody in them: who waits longest first, then those that are live."""
    rooms = request.app[ROOMS]
    found = [
        _presence(inspection, case, rooms.online(inspection.id), await find_pause(session, inspection.id))
        for inspection, case in await list_present(session, who, rooms.occupied())
    ]
    present = [entry for entry in found if entry.online or entry.inspection.state == "live"]
    return sorted(
        present, key=lambda entry: (entry.waiting_since is None, entry.waiting_since, entry.inspection.id)
    )


async def _stuck(request: web.Request, session: AsyncSession, who: Actor) -> list[Stuck]:
    scheduled = {
        inspection.id: (inspection, case)
        for inspection, case in await list_with_cases(session, who, states=("scheduled",))
        if not any(person.role == "enterprise" for person in request.app[ROOMS].online(inspection.id))
    }
    since = request.app[CLOCK].now() - TROUBLED_WITHIN
    troubled = await list_troubled(session, scheduled.keys(), since)
    return [Stuck(*scheduled[inspection_id], trouble) for inspection_id, trouble in troubled.items()]


def _presence(inspection: Inspection, case: Case, online: list[Online], pause: Pause | None) -> Present:
    arrivals = [person.since for person in online if person.role == "enterprise"]
    is_waiting = inspection.state == "scheduled" and bool(arrivals)
    return Present(inspection, case, online, min(arrivals) if is_waiting else None, pause)


def routes() -> list[web.RouteDef]:
    return [
        web.get("/", desk),
        web.get("/desk/now", now_fragment),
        web.get("/cases", cases_page),
        web.get("/cases/{case}", case_page),
    ]

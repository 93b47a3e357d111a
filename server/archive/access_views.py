"""Access logs as pages: all lines, page by page, and their check, of one inspection and of the office."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from server.accounts.current import actor as current_actor
from server.archive import access_mirror
from server.archive.access import VERIFIED, count_accesses, list_accesses
from server.archive.access_recorder import Act
from server.archive.access_watch import ACCESSES
from server.archive.log_check import AccessReport, report_accesses
from server.inspections.lookup import get_inspection, require
from server.inspections.models import Inspection
from server.web.allowance import ONE_CHECK
from server.web.bodies import integer
from server.web.keys import CLOCK, DATABASE, FILES
from server.web.templates import render

PAGE_SIZE = 50
INSPECTION, OFFICE = "/inspections/{inspection}/accesses", "/office-log/accesses"


@dataclass(frozen=True, slots=True)
class _Log:
    """Which chain, where its page is, and whose it is if not the office's."""

    chain: str
    address: str
    inspection: Inspection | None


async def accesses_page(request: web.Request) -> web.Response:
    """`GET /inspections/<id>/accesses?page=` and `GET /office-log/accesses?page=`, the newest lines first."""
    return await _page(request, await _log(request))


async def check_accesses(request: web.Request) -> web.Response:
    """`POST …/check`: the same page with what came out."""
    log = await _log(request)
    file = request.app[FILES].absolute(f"{access_mirror.FOLDER}/{log.chain}{access_mirror.ENDING}")
    async with request.app[ONE_CHECK], request.app[DATABASE].reading() as session:
        report = await report_accesses(session, log.chain, file)
    outcome = "accesses:holds" if report.holds else "accesses:broken"
    target = log.inspection.id if log.inspection else ""
    act = Act(current_actor(request), VERIFIED, target, outcome, request.app[CLOCK].now())
    request.app[ACCESSES].note(act)
    return await _page(request, log, report)


async def _log(request: web.Request) -> _Log:
    """Of those who may see it."""
    actor, inspection_id = current_actor(request), request.match_info.get("inspection")
    if inspection_id is None:
        require(actor, "log.view")
        return _Log(actor.office_id, OFFICE, None)
    require(actor, "access.view")
    async with request.app[DATABASE].reading() as session:
        inspection = await get_inspection(session, actor, inspection_id)
    return _Log(inspection_id, INSPECTION.format(inspection=inspection_id), inspection)


async def _page(request: web.Request, log: _Log, report: AccessReport | None = None) -> web.Response:
    async with request.app[DATABASE].reading() as session:
        total = await count_accesses(session, log.chain)
        pages = max(1, -(-total // PAGE_SIZE))
        page = min(integer(request, "page", 1, least=1, most=1_000_000), pages)
        newest = total - (page - 1) * PAGE_SIZE
        accesses = await list_accesses(session, log.chain, PAGE_SIZE, below=newest + 1)
    context = {
        "inspection": log.inspection,
        "address": log.address,
        "accesses": accesses,
        "page": page,
        "pages": pages,
        "total": total,
        "report": report,
    }
    response = render(request, "archive/accesses.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response


def routes() -> list[web.RouteDef]:
    return [
        web.get(INSPECTION, accesses_page),
        web.post(f"{INSPECTION}/check", check_accesses),
        web.get(OFFICE, accesses_page),
        web.post(f"{OFFICE}/check", check_accesses),
    ]

"""`/office-log`: signed heads, and what was opened and never sealed, for administrators and auditors."""

from __future__ import annotations

import asyncio
from datetime import datetime

from aiohttp import web
from sqlalchemy import exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from server.accounts.current import actor as current_actor
from server.accounts.rules import Actor
from server.archive.access import list_accesses
from server.archive.keys import HEADS
from server.archive.office_log import ends_soon
from server.evidence import keys, officelog
from server.evidence.errors import EvidenceError
from server.inspections.lookup import require
from server.inspections.models import Inspection
from server.officelog.models import HeadStamp, OfficeEntry, OfficeHead
from server.web.keys import CLOCK, DATABASE, SETTINGS
from server.web.languages import explain
from server.web.templates import render

HEADS_SHOWN = 24


async def office_log(request: web.Request) -> web.Response:
    """`GET /office-log`."""
    actor = current_actor(request)
    require(actor, "log.view")
    wanted = len(request.app[SETTINGS].authorities)
    async with request.app[DATABASE].reading() as session:
        context = {
            "heads": await _heads(session, wanted),
            "missing": await find_unsealed(session, actor),
            "accesses": await list_accesses(session, actor.office_id),
            "stamps_wanted": wanted,
            "problem": _words(request.app[HEADS].problem),
            "accesses_problem": _words(request.app[HEADS].accesses_problem),
            "certificate_until": await _ending(request),
        }
    return render(request, "archive/office_log.html", context)


def _words(problem: EvidenceError | None) -> str | None:
    return None if problem is None else explain(problem.text, problem.params)


async def _ending(request: web.Request) -> datetime | None:
    """When the certificate for seals ends, if that is soon."""
    try:
        office = await asyncio.to_thread(keys.load, request.app[SETTINGS].key_folder)
    except EvidenceError:
        return None  # told elsewhere: without keys no head is signed
    return office.until if ends_soon(office, request.app[CLOCK].now()) else None


async def find_unsealed(session: AsyncSession, actor: Actor) -> list[tuple[OfficeEntry, Inspection | None]]:
    """Openings without a seal or a disposal, the oldest first: the office's, and those whose inspection is gone."""
    later = aliased(OfficeEntry)
    over = exists().where(
        later.inspection_id == OfficeEntry.inspection_id,
        later.kind.in_((officelog.SEAL, officelog.DISPOSAL)),
    )
    found = await session.execute(
        select(OfficeEntry, Inspection)
        .outerjoin(Inspection, Inspection.id == OfficeEntry.inspection_id)
        .where(
            OfficeEntry.kind == officelog.OPEN,
            ~over,
            or_(Inspection.id.is_(None), Inspection.office_id == actor.office_id),
        )
        .order_by(OfficeEntry.index)
    )
    return [(row[0], row[1]) for row in found]


async def _heads(session: AsyncSession, wanted: int) -> list[tuple[OfficeHead, int]]:
    heads = list(
        await session.scalars(select(OfficeHead).order_by(OfficeHead.number.desc()).limit(HEADS_SHOWN))
    )
    counted = await session.execute(
        select(HeadStamp.head, func.count())
        .where(HeadStamp.head.in_([head.number for head in heads]), HeadStamp.authority <= wanted)
        .group_by(HeadStamp.head)
    )
    stamps = {row[0]: row[1] for row in counted}
    return [(head, max(0, wanted - stamps.get(head.number, 0))) for head in heads]


def routes() -> list[web.RouteDef]:
    return [web.get("/office-log", office_log)]

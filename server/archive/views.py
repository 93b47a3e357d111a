"""`/archive`: the list of ended inspections, and the replay of one."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Any

import msgspec
from aiohttp import web

from server.accounts.current import actor as current_actor
from server.archive.models import Disposal
from server.archive.moments import find_moment
from server.archive.packages import find_status
from server.archive.service import Filter, Recording, get_recording, list_ended
from server.clock import rfc3339
from server.live.continuity_api import slot_reply
from server.live.recording import part_url
from server.live.service import snapshot_url, template_of
from server.live.views import matter_title
from server.web.forms import see_other
from server.web.keys import CLOCK, DATABASE, LANGUAGE, SETTINGS
from server.web.templates import render


async def archive(request: web.Request) -> web.Response:
    """`GET /archive?q=&state=&from=&to=&page=`: a bad day or page asks for nothing, it is no error."""
    actor = current_actor(request)
    query = request.query
    page = query.get("page", "1")
    asked = Filter(
        text=query.get("q", "").strip()[:100],
        state=query.get("state", ""),
        since=_day(query.get("from", "")),
        until=_day(query.get("to", "")),
        page=int(page) if page.isdecimal() and len(page) < 7 else 1,
    )
    async with request.app[DATABASE].reading() as session:
        listing = await list_ended(session, actor, asked)
    context = {
        "filter": {
            "q": asked.text,
            "state": asked.state,
            "from": asked.since.isoformat() if asked.since else "",
            "to": asked.until.isoformat() if asked.until else "",
        },
        "rows": [
            {
                "row": row,
                "matter_title": matter_title(row.matter),
            }
            for row in listing.rows
        ],
        "page": listing.page,
        "pages": listing.pages,
        "total": listing.total,
    }
    return render(request, "archive/list.html", context)


async def replay(request: web.Request) -> web.Response:
    """`GET /archive/<id>`: of what was disposed of there is nothing to replay, but a page that says so."""
    actor = current_actor(request)
    async with request.app[DATABASE].reading() as session:
        recording = await get_recording(
            session, actor, request.match_info["inspection"], request.app[CLOCK].now()
        )
        seal = await find_status(session, recording.inspection, len(request.app[SETTINGS].authorities))
        disposal = await session.get(Disposal, recording.inspection.id)
    if disposal is not None and disposal.done_at is not None:
        return see_other(f"/inspections/{recording.inspection.id}#retention")
    context = {
        "inspection": recording.inspection,
        "case": recording.case,
        "seal": seal,
        "disposal": disposal,
        "page_data": _page_data(recording, request[LANGUAGE]),
    }
    return render(request, "archive/replay.html", context)


def _page_data(recording: Recording, language: str) -> dict[str, Any]:
    inspection = recording.inspection
    checklist = template_of(inspection).localised(language)
    titles = {item["key"]: item["title"] for group in checklist["groups"] for item in group["items"]}
    return {
        "inspection": {
            "id": inspection.id,
            "number": inspection.number,
            "state": inspection.state,
            "started_at": rfc3339(inspection.started_at) if inspection.started_at else None,
            "ended_at": rfc3339(inspection.ended_at) if inspection.ended_at else None,
            "result": inspection.result,
        },
        "slots": [
            {
                "id": slot.id,
                "participant": slot.participant_id,
                "name": recording.people[slot.participant_id].name,
                "role": recording.people[slot.participant_id].role,
                "source": slot.source,
            }
            for slot in recording.slots
        ],
        "parts": [
            {
                "id": part.id,
                "slot": part.slot_id,
                "url": part_url(part.id),
                "media_type": part.media_type,
                "started_at": rfc3339(part.started_at),
                "duration_s": part.duration_s,
                "sha256": part.sha256,
                "size_bytes": part.size_bytes,
                "source": part.source,
            }
            for part in recording.parts
        ],
        "continuity": [
            {
                **msgspec.to_builtins(slot_reply(ledger)),
                "gaps": [
                    {
                        "from": rfc3339(gap.start),
                        "to": rfc3339(gap.end),
                        "cause": gap.cause,
                        "by": gap.by,
                        "reason": gap.reason,
                    }
                    for gap in ledger.gaps
                ],
            }
            for ledger in recording.continuity
        ],
        "snapshots": [
            {
                "id": snapshot.id,
                "slot": snapshot.slot_id,
                "item": snapshot.item,
                "item_title": titles.get(snapshot.item or ""),
                "url": snapshot_url(snapshot),
                "captured_at": rfc3339(snapshot.captured_at),
                "moment": asdict(moment) if (moment := find_moment(snapshot, recording.parts)) else None,
                "sha256": snapshot.sha256,
                "width": snapshot.width,
                "height": snapshot.height,
            }
            for snapshot in recording.snapshots
        ],
        "events_url": f"/api/v1/inspections/{inspection.id}/events",
        "checklist": checklist,
    }


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def routes() -> list[web.RouteDef]:
    return [
        web.get("/archive", archive),
        web.get("/archive/{inspection}", replay),
    ]

"""The end of an inspection, and what it leaves to do: derived from what is missing, so that a kill loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import asdict

import structlog
from sqlalchemy import exists, select

from server.accounts.rules import Actor
from server.cases.models import Evidence
from server.cases.service import attach_evidence
from server.evidence.chain import canonical_json
from server.inspections import service as inspections
from server.inspections.continuity import note_gaps
from server.inspections.log import as_json, told_events
from server.inspections.models import Inspection
from server.inspections.rules import EndReason
from server.live import registry
from server.live.context import Live
from server.live.models import Part
from server.live.rooms import Rooms
from server.live.state import Answer, fold_all
from server.live.uploads import keep_tokens

log = structlog.get_logger("ending")

OVER = ("ended", "concluded")


async def end(
    live: Live, rooms: Rooms, actor: Actor, inspection_id: str, reason: EndReason = "completed"
) -> None:
    """The first to end it wins. After this everybody has heard `bye`, every part is closed and the checklist is
    evidence of the case; what a failure left of that is done later (`settle_ended`).

    RoomElsewhere, before anything has changed, if another worker has the room.
    """
    async with live.database.reading() as session:
        inspection = await inspections.get_inspection(session, actor, inspection_id)
    if inspection.state == "live":
        await rooms.open(inspection_id)
    async with live.database.transaction() as session:
        await inspections.end(session, live.journal, actor, inspection_id, reason)
    try:
        room = await rooms.open(inspection_id)
        await room.finish_media()
        await settle_ended(live, inspection_id)
    except Exception:
        log.exception("unsettled", inspection=inspection_id)
    finally:
        await rooms.finish(inspection_id)


async def settle_ended(live: Live, inspection_id: str) -> bool:
    """What is still missing of an ended inspection: gaps in the log, tokens of the phones, the checklist as evidence.

    May be repeated, and changes nothing after the log was closed. False while a part is open or another worker has the
    room: then nothing is done yet. StorageFull.
    """
    async with live.database.transaction() as session:
        inspection = await session.get_one(Inspection, inspection_id, with_for_update=True)
        if inspection.state not in OVER or inspection.ended_at is None or inspection.log_closed:
            return True
        worker, now = live.settings.worker, live.clock.now()
        open_part = exists().where(Part.inspection_id == inspection_id, ~Part.closed)
        if await session.scalar(select(open_part)) or await registry.is_elsewhere(
            session, inspection_id, worker, now
        ):
            return False
        await note_gaps(session, live.journal, inspection_id)
        await keep_tokens(session, inspection_id, inspection.ended_at)
    await _keep_checklist(live, inspection)
    return True


async def _keep_checklist(live: Live, inspection: Inspection) -> None:
    """The standing answers as a file of their own, attached to the case."""
    url = f"/api/v1/inspections/{inspection.id}/checklist"
    async with live.database.reading() as session:
        if await session.scalar(select(exists().where(Evidence.url == url))):
            return
        events = await told_events(session, inspection.id, "checklist.answered")
    answers = fold_all(as_json(event) for event in events).answers.values()
    if not answers:
        return
    path = f"{live.folder(inspection.id)}/checklist.json"
    stored = await asyncio.to_thread(live.files.write, path, _checklist(inspection.id, answers))
    async with live.database.transaction() as session:
        await attach_evidence(
            session,
            case_id=inspection.case_id,
            inspection_id=inspection.id,
            kind="checklist",
            title=inspection.template_key,
            media_type="application/json",
            size_bytes=stored.size_bytes,
            sha256=stored.sha256,
            url=url,
            at=inspection.ended_at or live.clock.now(),
        )


def _checklist(inspection_id: str, answers: Iterable[Answer]) -> bytes:
    return canonical_json({"inspection": inspection_id, "answers": [asdict(answer) for answer in answers]})

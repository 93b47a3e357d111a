"""The ledger of an inspection read from its log, and the gaps written back into the log as events of their own."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.rules import system_actor
from server.clock import rfc3339
from server.inspections.ledger import SHORTEST_GAP, Interval, SlotLedger, Span, build_ledger, open_parts
from server.inspections.log import Journal, as_json, told_events
from server.inspections.models import Event

_CHOSEN = frozenset({"left", "muted", "paused"})
"""Causes of gaps that somebody wanted: no phone is asked for what it recorded meanwhile."""


async def read_ledgers(session: AsyncSession, inspection_id: str, now: datetime) -> list[SlotLedger]:
    """One for each slot of the inspection that ever sent something, up to now or to its end."""
    return build_ledger(await _told(session, inspection_id), now)


async def _told(session: AsyncSession, inspection_id: str) -> list[dict[str, Any]]:
    """The log as a ledger wants it: of the digests only the newest of each part that is being written."""
    events = [as_json(event) for event in await told_events(session, inspection_id)]
    for part in sorted(open_parts(events)):
        newest = await session.scalar(
            select(Event)
            .where(
                Event.inspection_id == inspection_id,
                Event.type == "part.segment",
                Event.body["part"].as_string() == part,
            )
            .order_by(Event.seq.desc())
            .limit(1)
        )
        if newest is not None:
            events.append(as_json(newest))
    return events


async def find_ledger(
    session: AsyncSession, inspection_id: str, slot_id: str, now: datetime
) -> SlotLedger | None:
    ledgers = await read_ledgers(session, inspection_id, now)
    return next((ledger for ledger in ledgers if ledger.slot == slot_id), None)


def missing(ledger: SlotLedger) -> list[Span]:
    """Of all gaps that nobody wanted, what no file from the phone shows yet."""
    spans = []
    for gap in ledger.gaps:
        if gap.cause in _CHOSEN:
            continue
        at = gap.start
        for piece in gap.filled:
            spans.append(Span(at, piece.start))
            at = piece.end
        spans.append(Span(at, gap.end))
    return [span for span in spans if span.end - span.start >= SHORTEST_GAP]


async def note_gaps(
    session: AsyncSession, journal: Journal, inspection_id: str, slot_id: str | None = None
) -> None:
    """Write each gap that is over, and not yet written, into the log: of one slot, or at the end of all."""
    events = await _told(session, inspection_id)
    noted = [event["body"] for event in events if event["type"] == "slot.gap"]
    for ledger in build_ledger(events, journal.clock.now()):
        if slot_id not in (None, ledger.slot):
            continue
        for gap in ledger.gaps:
            lasts = gap is ledger.intervals[-1] and slot_id is not None
            if lasts or any(_is(body, ledger, gap) for body in noted):
                continue
            body = {
                "slot": ledger.slot,
                "from": rfc3339(gap.start),
                "to": rfc3339(gap.end),
                "cause": gap.cause,
                "by": gap.by,
                **({"reason": gap.reason} if gap.reason else {}),
            }
            await journal.append(session, inspection_id, "slot.gap", system_actor(), body)


def _is(body: dict[str, Any], ledger: SlotLedger, gap: Interval) -> bool:
    """Written before: its edges may have become more exact since."""
    start, end = datetime.fromisoformat(body["from"]), datetime.fromisoformat(body["to"])
    return body["slot"] == ledger.slot and start < gap.end and gap.start < end

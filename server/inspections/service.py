"""An inspection from its appointment to its result. Each verb is a conditional UPDATE and the event that says so.

Whoever comes second finds no row to change and is told what the first one did.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.models import Staff
from server.accounts.rules import Actor
from server.cases.models import Case
from server.cases.service import CaseClosed, get_case, move_case
from server.clock import rfc3339
from server.errors import N_, Invalid
from server.evidence.chain import GENESIS
from server.evidence.officelog import OPEN
from server.inspections.checklists import Template, TemplateNotFound, default_template, get_template
from server.inspections.errors import (
    AlreadyCancelled,
    AlreadyConcluded,
    AlreadyEnded,
    MovedMeanwhile,
    NotEnded,
    NotLive,
    NotScheduled,
)
from server.inspections.invitations import (
    DEFAULT_HOURS,
    Invited,
    cancel_invitation,
    expiry,
    find_invitation,
    invite,
    renew_invitation,
)
from server.inspections.log import Journal
from server.inspections.lookup import get_inspection, require
from server.inspections.models import Inspection, InspectionReviewer, Invitation
from server.inspections.rules import (
    DECIDING,
    END_REASONS,
    LONGEST_NOTE,
    NOTE_NEEDED,
    RESULTS,
    UNDER_WAY,
    InspectionState,
    check_note,
    source_of,
)
from server.officelog.entries import append_entry

__all__ = [
    "Invited",
    "cancel",
    "cancel_invitation",
    "conclude",
    "end",
    "find_invitation",
    "get_inspection",
    "invite",
    "renew_invitation",
    "reschedule",
    "schedule",
    "settle_case",
    "start",
]

BACKDATED_AT_MOST = timedelta(minutes=10)
"""Somebody fills in the form for "now" and takes a while."""
AHEAD_AT_MOST = timedelta(days=366)


async def schedule(
    session: AsyncSession,
    journal: Journal,
    actor: Actor,
    case_id: str,
    starts_at: datetime | None = None,
    template: str | None = None,
    reviewers: Sequence[str] | None = None,
) -> Inspection:
    """A new inspection of a case, at `starts_at` (default: now) with the checklist `template` (default: the matter's).

    `reviewers` are ids or user names of the office's active people (default: the actor, if a reviewer).
    Raises CaseNotFound, CaseClosed, Invalid.
    """
    require(actor, "inspection.schedule")
    case = await get_case(session, actor, case_id)
    # The case's row is the lock of its inspections' count and of its own state.
    await session.execute(select(Case.id).where(Case.id == case_id).with_for_update(key_share=True))
    now = journal.clock.now()
    starts_at = _check_time(starts_at, now)
    checklist = _choose_template(template, case.matter)
    assigned = await _choose_reviewers(session, actor, reviewers)
    if not await move_case(session, case_id, "inspecting"):
        raise CaseClosed
    count = await session.scalar(
        select(func.count()).select_from(Inspection).where(Inspection.case_id == case_id)
    )
    inspection = Inspection(
        case_id=case_id,
        office_id=actor.office_id,
        number=f"{case.number}-{(count or 0) + 1}",
        state="scheduled",
        template_key=checklist.key,
        template_version=checklist.version,
        template_sha256=checklist.sha256,
        starts_at=starts_at,
        created_by=actor.id,
        created_by_name=actor.name,
        created_at=now,
        last_seq=0,
        head=GENESIS,
    )
    session.add(inspection)
    await session.flush()
    session.add_all(
        InspectionReviewer(inspection_id=inspection.id, staff_id=staff_id) for staff_id in assigned
    )
    await journal.append(
        session,
        inspection.id,
        "inspection.created",
        actor,
        {
            "case": case_id,
            "template": {
                "key": checklist.key,
                "version": checklist.version,
                "sha256": checklist.sha256,
            },
            "starts_at": rfc3339(starts_at),
        },
    )
    await session.refresh(inspection)
    return inspection


async def reschedule(
    session: AsyncSession,
    journal: Journal,
    actor: Actor,
    inspection_id: str,
    starts_at: datetime,
    *,
    hours: int = DEFAULT_HOURS,
) -> Inspection:
    """Move a scheduled inspection; its invitations stay good for `hours` after the new time."""
    require(actor, "inspection.schedule")
    inspection = await get_inspection(session, actor, inspection_id)
    now, before = journal.clock.now(), inspection.starts_at
    starts_at = _check_time(starts_at, now)
    moved = await session.execute(
        update(Inspection)
        .where(
            Inspection.id == inspection_id,
            Inspection.state == "scheduled",
            Inspection.starts_at == before,
        )
        .values(starts_at=starts_at)
    )
    if moved.rowcount != 1:  # type: ignore[attr-defined]
        await session.refresh(inspection)
        if inspection.state == "scheduled":
            raise MovedMeanwhile
        raise AlreadyCancelled if inspection.state == "cancelled" else NotScheduled
    await session.execute(
        update(Invitation)
        .where(Invitation.inspection_id == inspection_id, Invitation.cancelled_at.is_(None))
        .values(expires_at=expiry(starts_at, now, hours))
    )
    body = {"from": rfc3339(before), "to": rfc3339(starts_at)}
    await journal.append(session, inspection_id, "inspection.rescheduled", actor, body)
    await session.refresh(inspection)
    return inspection


async def cancel(
    session: AsyncSession, journal: Journal, actor: Actor, inspection_id: str, reason: str
) -> Inspection:
    """Call a scheduled inspection off, with a reason. AlreadyCancelled, or NotScheduled once it has begun.

    The service itself (the `system` actor) may call off what nobody came to.
    """
    if actor.kind != "system":
        require(actor, "inspection.schedule")
    inspection = await get_inspection(session, actor, inspection_id)
    reason = check_note("reason", reason, N_("Say why the inspection is cancelled."))
    if not await _move(
        session,
        inspection_id,
        "cancelled",
        cancelled_at=journal.clock.now(),
        cancel_reason=reason,
    ):
        await session.refresh(inspection)
        raise AlreadyCancelled if inspection.state == "cancelled" else NotScheduled
    await journal.append(session, inspection_id, "inspection.cancelled", actor, {"reason": reason})
    await settle_case(session, inspection.case_id)
    await session.refresh(inspection)
    return inspection


async def start(
    session: AsyncSession, journal: Journal, actor: Actor, inspection_id: str, epoch: int
) -> bool:
    """The first camera or microphone is on: scheduled becomes live. True if this very call did it.

    The opening in the office's log is part of it: what is filmed cannot vanish unnoticed.
    """
    now = journal.clock.now()
    if not await _move(session, inspection_id, "live", started_at=now):
        return False
    await journal.append(session, inspection_id, "inspection.started", actor, {"epoch": epoch})
    await append_entry(session, OPEN, inspection_id, now)
    return True


async def end(
    session: AsyncSession, journal: Journal, actor: Actor, inspection_id: str, reason: str
) -> Inspection:
    """Live becomes ended, `completed` or `abandoned`. AlreadyEnded for the second, NotLive if it never began.

    The service itself (the `system` actor) may end what everybody has left.
    """
    if reason not in END_REASONS:
        raise Invalid({"reason": N_("Choose one of the reasons.")})
    if actor.kind != "system":
        actor.require("inspection.end")
    inspection = await get_inspection(session, actor, inspection_id)
    if not await _move(session, inspection_id, "ended", ended_at=journal.clock.now(), end_reason=reason):
        await session.refresh(inspection)
        raise AlreadyEnded if inspection.state in ("ended", "concluded") else NotLive
    await journal.append(session, inspection_id, "inspection.ended", actor, {"reason": reason})
    await session.refresh(inspection)
    return inspection


async def conclude(
    session: AsyncSession, journal: Journal, actor: Actor, inspection_id: str, result: str, note: str
) -> Inspection:
    """Record the result of an ended inspection. `rectify` and `unverifiable` need a note that says what is to be done.

    AlreadyConcluded for the second, NotEnded before the end.
    """
    require(actor, "inspection.conclude")
    inspection = await get_inspection(session, actor, inspection_id)
    known = next((name for name in RESULTS if name == result), None)
    if known is None:
        raise Invalid({"result": N_("Choose one of the results.")})
    if known in NOTE_NEEDED:
        note = check_note("note", note, N_("Say what has to be put right or checked on site."))
    note = note.strip()
    if len(note) > LONGEST_NOTE:
        raise Invalid({"note": N_("This is too long.")})
    if not await _move(
        session,
        inspection_id,
        "concluded",
        concluded_at=journal.clock.now(),
        concluded_by_name=actor.name,
        result=known,
        result_note=note,
    ):
        await session.refresh(inspection)
        raise AlreadyConcluded if inspection.state == "concluded" else NotEnded
    body = {"result": known, "note": note}
    await journal.append(session, inspection_id, "inspection.concluded", actor, body)
    await settle_case(session, inspection.case_id)
    await session.refresh(inspection)
    return inspection


async def _move(session: AsyncSession, inspection_id: str, target: InspectionState, **values: object) -> bool:
    """Compare and set: True if the inspection was in the one state that leads to `target`."""
    moved = await session.execute(
        update(Inspection)
        .where(Inspection.id == inspection_id, Inspection.state == source_of(target))
        .values(state=target, **values)
    )
    return bool(moved.rowcount == 1)  # type: ignore[attr-defined]


async def settle_case(session: AsyncSession, case_id: str) -> None:
    """Where the case stands once an inspection of it is over: derived from all of them."""
    await session.execute(select(Case.id).where(Case.id == case_id).with_for_update(key_share=True))
    states = list(
        await session.execute(
            select(Inspection.state, Inspection.result)
            .where(Inspection.case_id == case_id)
            .order_by(Inspection.concluded_at, Inspection.id)
        )
    )
    if any(state in UNDER_WAY for state, _ in states):
        return
    results = [result for state, result in states if state == "concluded"]
    await move_case(session, case_id, "decided" if results and results[-1] in DECIDING else "open")


def _check_time(starts_at: datetime | None, now: datetime) -> datetime:
    if starts_at is None:
        return now
    if starts_at < now - BACKDATED_AT_MOST:
        raise Invalid({"starts_at": N_("This time is over. Choose one that is still to come.")})
    if starts_at > now + AHEAD_AT_MOST:
        raise Invalid({"starts_at": N_("Choose a time within a year.")})
    return starts_at


def _choose_template(template: str | None, matter: str) -> Template:
    try:
        return get_template(template) if template else default_template(matter)
    except TemplateNotFound as error:
        raise Invalid({"template": N_("Choose one of the checklists.")}) from error


async def _choose_reviewers(
    session: AsyncSession, actor: Actor, reviewers: Sequence[str] | None
) -> list[str]:
    if reviewers is None:
        return [actor.id] if actor.kind == "staff" and actor.can("room.answer") else []
    wanted = set(reviewers)
    found = list(
        await session.execute(
            select(Staff.id, Staff.username).where(
                Staff.office_id == actor.office_id,
                Staff.active,
                Staff.role == "reviewer",
                or_(Staff.id.in_(wanted), Staff.username.in_(wanted)),
            )
        )
    )
    if wanted - {staff_id for staff_id, _ in found} - {username for _, username in found}:
        raise Invalid({"reviewers": N_("Choose reviewers of your office.")})
    return [staff_id for staff_id, _ in found]

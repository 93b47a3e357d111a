"""How long evidence is kept, what holds it back, and its end: proposed by one, approved by another, then destroyed.

Whose time has not come, or who is under a hold, cannot be proposed nor approved. What was approved is work to be done,
found by the sealer's task under the lease of sealing, and every step may be repeated after a kill.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from sqlalchemy import ColumnElement, and_, delete, exists, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.rules import Actor, system_actor
from server.archive.access import record_access
from server.archive.index import read_index
from server.archive.leases import Lease, LeaseLost, claim
from server.archive.models import Disposal, Hold, Seal
from server.archive.package_metadata import retention_text
from server.archive.packages import NotSealed
from server.archive.retries import pause_after, told
from server.archive.threads import to_its_end
from server.cases.models import Case, Evidence
from server.cases.rules import MATTERS
from server.clock import Clock
from server.errors import N_, Conflict, Forbidden, Invalid, NotFound
from server.evidence import disposal, durable, keys, officelog
from server.evidence.chain import GENESIS
from server.evidence.errors import EvidenceError
from server.ids import new_id
from server.inspections.lookup import get_inspection, require
from server.inspections.models import Event, Inspection, Invitation
from server.live.context import Live
from server.live.models import Part, Participant, PhoneRecording, Photo, Snapshot
from server.officelog.entries import append_once
from server.web.languages import speaking

log = structlog.get_logger("disposal")
LONGEST_REASON = 500
HELD, LIFTED = "hold.placed", "hold.lifted"
PROPOSED, WITHDRAWN, APPROVED, DONE = (
    "disposal.proposed",
    "disposal.withdrawn",
    "disposal.approved",
    "disposal.done",
)


class KeptLonger(Conflict):
    code = "kept_longer"
    text = N_("This evidence is to be kept until {until}.")


class KeptForEver(Conflict):
    code = "kept_for_ever"
    text = N_("Evidence of this matter is kept for ever.")


class UnderHold(Conflict):
    code = "under_hold"
    text = N_("This evidence is on hold: {reason}")


class AlreadyProposed(Conflict):
    code = "disposal_proposed"
    text = N_("Somebody has proposed or approved this disposal already.")


class NotProposed(Conflict):
    code = "disposal_not_proposed"
    text = N_("No disposal is proposed that you could approve or withdraw.")


class OtherPerson(Conflict):
    code = "other_person"
    text = N_("Another person than the one who proposed it has to approve.")


class HoldNotFound(NotFound):
    code = "hold_not_found"
    text = N_("There is no such hold.")


@dataclass(frozen=True, slots=True)
class Retention:
    """`period` in words; `until`: not before then, None for ever. `holds` that stand, newest first."""

    period: str
    until: datetime | None
    holds: list[Hold]
    disposal: Disposal | None
    is_due: bool

    @property
    def may_be_proposed(self) -> bool:
        return self.is_due and not self.holds and self.disposal is None


def kept_until(concluded_at: datetime, years: int) -> datetime:
    """The same day so many years later; from 29 February the day after where there is none."""
    try:
        return concluded_at.replace(year=concluded_at.year + years)
    except ValueError:
        return concluded_at.replace(year=concluded_at.year + years, month=3, day=1)


async def find_retention(session: AsyncSession, inspection: Inspection, now: datetime) -> Retention:
    """What is to be said of one inspection, in the current language."""
    case = await session.get_one(Case, inspection.case_id)
    matter = MATTERS.get(case.matter)
    years = matter.retention_years if matter else None
    until = kept_until(inspection.concluded_at, years) if inspection.concluded_at and years else None
    holds = await session.scalars(
        select(Hold)
        .where(Hold.inspection_id == inspection.id, Hold.lifted_at.is_(None))
        .order_by(Hold.id.desc())
    )
    found = await session.get(Disposal, inspection.id, populate_existing=True)
    is_due = until is not None and until <= now
    return Retention(retention_text(case.matter), until, list(holds), found, is_due)


async def place_hold(
    session: AsyncSession, actor: Actor, inspection_id: str, reason: str, clock: Clock
) -> None:
    """From now on nothing of it may be disposed of. AlreadyProposed once a disposal is approved."""
    inspection = await _sealed(session, actor, inspection_id)
    reason = _check_reason(reason)
    found = await session.get(Disposal, inspection.id, with_for_update=True)
    if found is not None and found.approved_at is not None:
        raise AlreadyProposed
    hold = Hold(
        id=new_id(),
        inspection_id=inspection.id,
        reason=reason,
        placed_at=clock.now(),
        placed_by_name=actor.name,
    )
    session.add(hold)
    await record_access(session, clock, actor, inspection.id, HELD, {"hold": hold.id, "reason": reason})


async def lift_hold(
    session: AsyncSession, actor: Actor, inspection_id: str, hold_id: str, clock: Clock
) -> None:
    """HoldNotFound, also for one that was lifted."""
    inspection = await _sealed(session, actor, inspection_id)
    lifted = await session.execute(
        update(Hold)
        .where(Hold.id == hold_id, Hold.inspection_id == inspection.id, Hold.lifted_at.is_(None))
        .values(lifted_at=clock.now(), lifted_by_name=actor.name)
    )
    if lifted.rowcount != 1:  # type: ignore[attr-defined]
        raise HoldNotFound
    await record_access(session, clock, actor, inspection.id, LIFTED, {"hold": hold_id})


async def propose(session: AsyncSession, actor: Actor, inspection_id: str, reason: str, clock: Clock) -> None:
    """The first of two. KeptLonger, KeptForEver, UnderHold, AlreadyProposed."""
    inspection = await _sealed(session, actor, inspection_id)
    reason = _check_reason(reason)
    await _require_due(session, inspection, clock.now())
    try:
        async with session.begin_nested():
            session.add(
                Disposal(
                    inspection_id=inspection.id,
                    reason=reason,
                    proposed_at=clock.now(),
                    proposed_by=actor.id,
                    proposed_by_name=actor.name,
                )
            )
    except IntegrityError as error:
        raise AlreadyProposed from error
    await record_access(session, clock, actor, inspection.id, PROPOSED, {"reason": reason})


async def withdraw(session: AsyncSession, actor: Actor, inspection_id: str, clock: Clock) -> None:
    """Before it is approved, by anybody who might approve it. NotProposed otherwise."""
    inspection = await _sealed(session, actor, inspection_id)
    gone = await session.execute(
        delete(Disposal).where(Disposal.inspection_id == inspection.id, Disposal.approved_at.is_(None))
    )
    if gone.rowcount != 1:  # type: ignore[attr-defined]
        raise NotProposed
    await record_access(session, clock, actor, inspection.id, WITHDRAWN, {})


async def approve(session: AsyncSession, actor: Actor, inspection_id: str, clock: Clock) -> None:
    """The second of two: from here on there is no way back. OtherPerson for the first."""
    inspection = await _sealed(session, actor, inspection_id)
    await _require_due(session, inspection, clock.now())
    approved = await session.execute(
        update(Disposal)
        .where(
            Disposal.inspection_id == inspection.id,
            Disposal.approved_at.is_(None),
            Disposal.proposed_by != actor.id,
        )
        .values(approved_at=clock.now(), approved_by=actor.id, approved_by_name=actor.name)
    )
    if approved.rowcount != 1:  # type: ignore[attr-defined]
        found = await session.get(Disposal, inspection.id, populate_existing=True)
        raise OtherPerson if found and found.approved_at is None else NotProposed
    await record_access(session, clock, actor, inspection.id, APPROVED, {})


async def _sealed(session: AsyncSession, actor: Actor, inspection_id: str) -> Inspection:
    """The inspection, locked, for a person who may decide on its end. A program decides nothing."""
    require(actor, "archive.dispose")
    if actor.kind != "staff":
        raise Forbidden(action="archive.dispose")
    inspection = await get_inspection(session, actor, inspection_id)
    await session.execute(select(Inspection.id).where(Inspection.id == inspection_id).with_for_update())
    seal = await session.get(Seal, inspection_id)
    if seal is None or seal.sealed_at is None:
        raise NotSealed
    return inspection


async def _require_due(session: AsyncSession, inspection: Inspection, now: datetime) -> None:
    retention = await find_retention(session, inspection, now)
    if retention.until is None:
        raise KeptForEver
    if not retention.is_due:
        raise KeptLonger(until=f"{retention.until:%Y-%m-%d}")
    if retention.holds:
        raise UnderHold(reason=retention.holds[0].reason)


def _check_reason(reason: str) -> str:
    reason = reason.strip()
    if not reason or len(reason) > LONGEST_REASON:
        raise Invalid({"reason": N_("Give a reason (at most 500 characters).")})
    return reason


async def finish_disposals(live: Live, downloads: Mapping[str, int]) -> set[str]:
    """Everything that is approved, due and not being downloaded: those that somebody else is not at. Which ones."""
    async with live.database.reading() as session:
        due = list(await session.scalars(select(Disposal.inspection_id).where(_is_due(live.clock.now()))))
    worked_on = set()
    for inspection_id in [each for each in due if not downloads.get(each)]:
        approved = exists().where(Disposal.inspection_id == Seal.inspection_id, _is_due(live.clock.now()))
        lease = await claim(live.database, live.clock, live.settings.worker, inspection_id, approved)
        if lease is not None:
            await _work(live, lease)
            worked_on.add(inspection_id)
    return worked_on


def _is_due(now: datetime) -> ColumnElement[bool]:
    waited = or_(Disposal.retry_at.is_(None), Disposal.retry_at <= now)
    return and_(Disposal.approved_at.is_not(None), Disposal.done_at.is_(None), waited)


async def _work(live: Live, lease: Lease) -> None:
    try:
        async with lease.kept():
            await _dispose(live, lease)
    except LeaseLost:
        log.warning("lease_lost", inspection=lease.inspection_id)
        return
    except Exception as error:
        await _failed(live, lease.inspection_id, error)
    await lease.release()


async def _failed(live: Live, inspection_id: str, error: Exception) -> None:
    problem = told(error, N_("The evidence could not be disposed of: {detail}"))
    async with live.database.transaction() as session:
        row = await session.get_one(Disposal, inspection_id)
        pause = pause_after(row.attempts)
        row.problem, row.attempts, row.retry_at = problem, row.attempts + 1, live.clock.now() + pause
    log.error(
        "disposal_failed",
        inspection=inspection_id,
        reason=str(error),
        retry_s=pause.total_seconds(),
        exc_info=None if isinstance(error, EvidenceError) else error,
    )


async def _dispose(live: Live, lease: Lease) -> None:
    inspection_id = lease.inspection_id
    order = await _order(live, inspection_id)
    office = await asyncio.to_thread(keys.load, live.settings.key_folder)
    # Years later the certificate of the sealing may be over: what nobody could check must not be the last word.
    office.require_usable(order.at)
    await lease.renew()
    destroying = asyncio.to_thread(
        disposal.dispose, order, office, reached=lambda _step: lease.renew_from_thread()
    )
    made = await to_its_end(destroying)
    for place in ("copies", "incoming"):
        folder = live.files.absolute(f"{place}/{inspection_id}")
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    digest = hashlib.sha256(made.to_bytes()).hexdigest()
    async with live.database.transaction() as session:
        await lease.hold(session)
        await _forget(session, inspection_id)
        await _keep_rows(live, session, await session.get_one(Disposal, inspection_id))
        done_at = datetime.fromisoformat(made.at).astimezone(UTC)
        await session.execute(
            update(Disposal)
            .where(Disposal.inspection_id == inspection_id)
            .values(done_at=done_at, certificate=digest, problem=None, attempts=0)
        )
        await record_access(session, live.clock, system_actor(), inspection_id, DONE, {"certificate": digest})
        at = live.clock.now()
        await append_once(session, officelog.DISPOSAL, inspection_id, at, certificate=digest, root=made.root)
    log.info("disposed", inspection=inspection_id, certificate=digest)


async def _order(live: Live, inspection_id: str) -> disposal.DisposalOrder:
    async with live.database.reading() as session:
        decided = await session.get_one(Disposal, inspection_id)
        case = await session.scalar(
            select(Case).join(Inspection, Inspection.case_id == Case.id).where(Inspection.id == inspection_id)
        )
    with speaking(live.settings.language):
        policy = retention_text(case.matter if case else "")
    return disposal.DisposalOrder(
        folder=live.files.absolute(f"inspections/{inspection_id}"),
        policy=policy,
        reason=decided.reason,
        approvers=(
            f"{decided.proposed_by_name} ({decided.proposed_by})",
            f"{decided.approved_by_name} ({decided.approved_by})",
        ),
        at=live.clock.now(),
    )


async def _keep_rows(live: Live, session: AsyncSession, decided: Disposal) -> None:
    """What is left of the rows, as a file: the folder has lost its index, and its page shall come back."""
    inspection = await session.get_one(Inspection, decided.inspection_id, populate_existing=True)
    deciders = [each for each in (decided.proposed_by, decided.approved_by) if each is not None]
    left = await read_index(session, inspection, live.settings.language, deciders)
    path = live.files.absolute(rows_path(inspection.id))
    await asyncio.to_thread(durable.write, path, left.to_bytes())


def rows_path(inspection_id: str) -> str:
    """Outside of the inspection's folder, which is a bag."""
    return f"disposed/{inspection_id}.json"


async def _forget(session: AsyncSession, inspection_id: str) -> None:
    """The rows that told of the content. The fence lets an approved inspection's log go, and no other."""
    for kind in (Event, Evidence, PhoneRecording, Photo, Snapshot, Part):
        await session.execute(delete(kind).where(kind.inspection_id == inspection_id))
    for named in (Participant, Invitation):
        await session.execute(update(named).where(named.inspection_id == inspection_id).values(name="–"))
    await session.execute(
        update(Participant).where(Participant.inspection_id == inspection_id).values(device="")
    )
    await session.execute(
        update(Inspection).where(Inspection.id == inspection_id).values(last_seq=0, head=GENESIS)
    )

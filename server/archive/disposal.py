"""What holds evidence back, and its end: proposed by one, approved by another, then destroyed.

Whose time has not come, or who is under a hold, cannot be proposed nor approved. What was approved is work to be done,
found by the sealer's task under the lease of sealing, and every step may be repeated after a kill. What has no seal
ends the same way: a recording without a result by two people, what was never held by one, for it has no evidence.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from sqlalchemy import ColumnElement, and_, delete, exists, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.rules import Actor, system_actor
from server.archive.access import record_access
from server.archive.copies import COPIES
from server.archive.index import read_index
from server.archive.leases import Lease, LeaseLost, claim
from server.archive.models import Disposal, Hold, Seal
from server.archive.packages import NotSealed
from server.archive.retention import UNSEALED, Retention, find_retention, since_when
from server.archive.retries import pause_after, told
from server.archive.threads import to_its_end
from server.cases.models import Evidence
from server.cases.rules import RetentionPolicy
from server.clock import Clock
from server.errors import N_, Conflict, Forbidden, Invalid, NotFound
from server.evidence import disposal, durable, keys, officelog
from server.evidence.canonical import parse
from server.evidence.chain import GENESIS
from server.evidence.ended_unsealed import UnsealedDisposal, UnsealedOrder, dispose_unsealed
from server.evidence.errors import EvidenceError
from server.ids import new_id
from server.inspections.closing import close_unsealed
from server.inspections.log import Journal
from server.inspections.lookup import get_inspection, require
from server.inspections.models import Event, Inspection, Invitation
from server.live.context import Live
from server.live.models import FormerDevice, Part, Participant, PhoneRecording, Photo, Snapshot
from server.officelog.entries import append_once, find_entry
from server.storage.files import Files
from server.web.languages import speaking

log = structlog.get_logger("disposal")
LONGEST_REASON = 500
BESIDE = (COPIES, "incoming")
"""Folders of the data folder that have one of each inspection beside its own."""
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


async def place_hold(
    session: AsyncSession, actor: Actor, inspection_id: str, reason: str, clock: Clock
) -> None:
    """From now on nothing of it may be disposed of. AlreadyProposed once a disposal is approved."""
    inspection = await _over(session, actor, inspection_id)
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
    inspection = await _over(session, actor, inspection_id)
    lifted = await session.execute(
        update(Hold)
        .where(Hold.id == hold_id, Hold.inspection_id == inspection.id, Hold.lifted_at.is_(None))
        .values(lifted_at=clock.now(), lifted_by_name=actor.name)
    )
    if lifted.rowcount != 1:  # type: ignore[attr-defined]
        raise HoldNotFound
    await record_access(session, clock, actor, inspection.id, LIFTED, {"hold": hold_id})


async def propose(
    session: AsyncSession,
    journal: Journal,
    actor: Actor,
    inspection_id: str,
    reason: str,
    policy: RetentionPolicy,
) -> None:
    """The first of two; of what was never held the only one. KeptLonger, KeptForEver, UnderHold, AlreadyProposed."""
    clock = journal.clock
    inspection = await _over(session, actor, inspection_id)
    reason = _check_reason(reason)
    retention = await _require_due(session, inspection, clock.now(), policy)
    if retention.disposal is not None:
        raise AlreadyProposed
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
    if not retention.needs_two:
        await _decide(session, journal, actor, inspection, Disposal.proposed_by == actor.id)


async def withdraw(session: AsyncSession, actor: Actor, inspection_id: str, clock: Clock) -> None:
    """Before it is approved, by anybody who might approve it. NotProposed otherwise."""
    inspection = await _over(session, actor, inspection_id)
    gone = await session.execute(
        delete(Disposal).where(Disposal.inspection_id == inspection.id, Disposal.approved_at.is_(None))
    )
    if gone.rowcount != 1:  # type: ignore[attr-defined]
        raise NotProposed
    await record_access(session, clock, actor, inspection.id, WITHDRAWN, {})


async def approve(
    session: AsyncSession, journal: Journal, actor: Actor, inspection_id: str, policy: RetentionPolicy
) -> None:
    """The second of two: from here on there is no way back. OtherPerson for the first."""
    inspection = await _over(session, actor, inspection_id)
    await _require_due(session, inspection, journal.clock.now(), policy)
    await _decide(session, journal, actor, inspection, Disposal.proposed_by != actor.id)


async def _decide(
    session: AsyncSession,
    journal: Journal,
    actor: Actor,
    inspection: Inspection,
    may_approve: ColumnElement[bool],
) -> None:
    approved = await session.execute(
        update(Disposal)
        .where(Disposal.inspection_id == inspection.id, Disposal.approved_at.is_(None), may_approve)
        .values(approved_at=journal.clock.now(), approved_by=actor.id, approved_by_name=actor.name)
    )
    if approved.rowcount != 1:  # type: ignore[attr-defined]
        found = await session.get(Disposal, inspection.id, populate_existing=True)
        raise OtherPerson if found and found.approved_at is None else NotProposed
    await record_access(session, journal.clock, actor, inspection.id, APPROVED, {})
    if inspection.state in UNSEALED:
        await _bar_results(session, journal, inspection.id)


async def _bar_results(session: AsyncSession, journal: Journal, inspection_id: str) -> None:
    """Nothing may come any more to what ends without a seal."""
    # Whoever works on the folder holds the lease in this row.
    if await session.get(Seal, inspection_id) is None:
        session.add(Seal(inspection_id=inspection_id, retry_at=journal.clock.now()))
        await session.flush()
    await close_unsealed(session, journal, inspection_id)


async def settle_decisions(live: Live) -> None:
    """What follows an approval, where only the approval is there: access logs gave it to an older database."""
    lacks = or_(~Inspection.log_closed, ~exists().where(Seal.inspection_id == Inspection.id))
    query = (
        select(Inspection.id)
        .join(Disposal, Disposal.inspection_id == Inspection.id)
        .where(Disposal.approved_at.is_not(None), Disposal.done_at.is_(None))
        .where(Inspection.state.in_(UNSEALED), lacks)
    )
    async with live.database.reading() as session:
        found = list(await session.scalars(query))
    for inspection_id in found:
        async with live.database.transaction() as session:
            inspection = await session.get_one(Inspection, inspection_id, with_for_update=True)
            if inspection.state in UNSEALED:
                await _bar_results(session, live.journal, inspection_id)
                log.warning("decision_settled", inspection=inspection_id)


def is_about(inspection: Inspection, decided_at: datetime) -> bool:
    """Whether somebody decided then on what there is now, and no end or result has come after it."""
    since = since_when(inspection)
    return since is not None and since <= decided_at


async def _over(session: AsyncSession, actor: Actor, inspection_id: str) -> Inspection:
    """The inspection, locked, for a person who may decide on its end. A program decides nothing."""
    require(actor, "archive.dispose")
    if actor.kind != "staff":
        raise Forbidden(action="archive.dispose")
    inspection = await get_inspection(session, actor, inspection_id)
    await session.execute(select(Inspection.id).where(Inspection.id == inspection_id).with_for_update())
    await session.refresh(inspection)
    seal = await session.get(Seal, inspection_id)
    if inspection.state not in UNSEALED and (seal is None or seal.sealed_at is None):
        raise NotSealed
    return inspection


async def _require_due(
    session: AsyncSession, inspection: Inspection, now: datetime, policy: RetentionPolicy
) -> Retention:
    retention = await find_retention(session, inspection, now, policy)
    if retention.until is None:
        raise KeptForEver
    if not retention.is_due:
        raise KeptLonger(until=f"{retention.until:%Y-%m-%d}")
    if retention.holds:
        raise UnderHold(reason=retention.holds[0].reason)
    return retention


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
    decided = await _decided(live, inspection_id)
    office = await asyncio.to_thread(keys.load, live.settings.key_folder)
    # Years later the certificate of the sealing may be over: what nobody could check must not be the last word.
    office.require_usable(decided.at)
    await lease.renew()
    made = await to_its_end(asyncio.to_thread(_destroy, live.files, decided, office, lease))
    digest = hashlib.sha256(made.to_bytes()).hexdigest()
    details = {"root": made.root} if isinstance(made, disposal.Disposal) else {"head": made.head}
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
        await append_once(session, officelog.DISPOSAL, inspection_id, at, certificate=digest, **details)
    log.info("disposed", inspection=inspection_id, certificate=digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decided:
    """What two people (or one) decided, and about what. `lines`, `head`: of the log as it was closed."""

    inspection: str
    is_sealed: bool
    lines: int
    head: str
    policy: str
    reason: str
    approvers: tuple[str, ...]
    at: datetime


async def _decided(live: Live, inspection_id: str) -> _Decided:
    policy = RetentionPolicy(live.settings.retention)
    async with live.database.reading() as session:
        decided = await session.get_one(Disposal, inspection_id)
        seal = await session.get_one(Seal, inspection_id)
        inspection = await session.get_one(Inspection, inspection_id)
        _require_decided(inspection, decided, seal)
        lines, head = await _closed_end(session, inspection)
        with speaking(live.settings.language):
            kept = await find_retention(session, inspection, live.clock.now(), policy)
    return _Decided(
        inspection=inspection_id,
        is_sealed=seal.sealed_at is not None,
        lines=lines,
        head=head,
        policy=kept.period,
        reason=decided.reason,
        approvers=(
            f"{decided.proposed_by_name} ({decided.proposed_by})",
            f"{decided.approved_by_name} ({decided.approved_by})",
        ),
        at=live.clock.now(),
    )


def _require_decided(inspection: Inspection, decided: Disposal, seal: Seal) -> None:
    """CannotDispose of what is neither sealed nor closed, or of what came after the decision."""
    if decided.approved_at is None or not is_about(inspection, decided.approved_at):
        raise disposal.CannotDispose(detail=N_("its end or its result came after the approval"))
    if seal.sealed_at is None and not (inspection.state in UNSEALED and inspection.log_closed):
        raise disposal.CannotDispose(detail=N_("it is not sealed"))


async def _closed_end(session: AsyncSession, inspection: Inspection) -> tuple[int, str]:
    """Lines and head as the office's log took them down: a database that was put back is closed a second time."""
    entry = await find_entry(session, officelog.CLOSE, inspection.id)
    if entry is None or entry.seq is None:
        return inspection.last_seq, inspection.head
    return entry.seq, str(parse(entry.record.encode())["head"])


def _destroy(
    files: Files, decided: _Decided, office: keys.OfficeKeys, lease: Lease
) -> disposal.Disposal | UnsealedDisposal:
    """Blocks."""
    if decided.is_sealed:
        return _destroy_sealed(files, decided, office, lease)
    return _destroy_unsealed(files, decided, office, lease)


def _destroy_sealed(
    files: Files, decided: _Decided, office: keys.OfficeKeys, lease: Lease
) -> disposal.Disposal:
    """Blocks."""
    order = disposal.DisposalOrder(
        folder=files.absolute(f"inspections/{decided.inspection}"),
        policy=decided.policy,
        reason=decided.reason,
        approvers=decided.approvers,
        at=decided.at,
    )
    made = disposal.dispose(order, office, reached=lambda _step: lease.renew_from_thread())
    for place in BESIDE:
        disposal.destroy(files.absolute(f"{place}/{decided.inspection}"))
    return made


def _destroy_unsealed(
    files: Files, decided: _Decided, office: keys.OfficeKeys, lease: Lease
) -> UnsealedDisposal:
    """Blocks."""
    order = UnsealedOrder(
        inspection=decided.inspection,
        lines=decided.lines,
        head=decided.head,
        folders=[files.absolute(f"{place}/{decided.inspection}") for place in ("inspections", *BESIDE)],
        certificate=files.absolute(certificate_path(decided.inspection)),
        policy=decided.policy,
        reason=decided.reason,
        approvers=tuple(dict.fromkeys(decided.approvers)),
        at=decided.at,
    )
    return dispose_unsealed(order, office, reached=lambda _step: lease.renew_from_thread())


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


def certificate_path(inspection_id: str) -> str:
    """Of what was never sealed; of a sealed inspection it is in the folder."""
    return f"disposed/{inspection_id}.certificate.json"


async def _forget(session: AsyncSession, inspection_id: str) -> None:
    """The rows that told of the content. The fence lets an approved inspection's log go, and no other."""
    for kind in (Event, Evidence, PhoneRecording, Photo, Snapshot, Part):
        await session.execute(delete(kind).where(kind.inspection_id == inspection_id))
    people = select(Participant.id).where(Participant.inspection_id == inspection_id)
    await session.execute(delete(FormerDevice).where(FormerDevice.participant_id.in_(people)))
    for named in (Participant, Invitation):
        await session.execute(update(named).where(named.inspection_id == inspection_id).values(name="–"))
    await session.execute(
        update(Participant).where(Participant.inspection_id == inspection_id).values(device="")
    )
    await session.execute(
        update(Inspection).where(Inspection.id == inspection_id).values(last_seq=0, head=GENESIS)
    )

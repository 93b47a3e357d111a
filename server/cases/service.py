"""Cases: create, find, move, close; the evidence that inspections attach to them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload

from server.accounts.models import Office
from server.accounts.rules import Actor
from server.cases.models import Case, Enterprise, Evidence
from server.cases.new_case import NewCase
from server.cases.rules import CaseState, sources_of
from server.clock import TIME_ZONE
from server.errors import N_, Conflict, Forbidden, Invalid, NotFound

PAGE_SIZE = 20


class CaseNotFound(NotFound):
    """No such case, or another office's: who may not see it learns no more than that."""

    code = "case_not_found"
    text = N_("There is no such case in your office.")


class CaseBusy(Conflict):
    code = "case_busy"
    text = N_("An inspection of this case is still to come or has no result yet. Finish or cancel it first.")


class CaseClosed(Conflict):
    code = "case_closed"
    text = N_("This case is closed.")


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list. `number` counts from 1."""

    cases: list[Case]
    number: int
    pages: int
    total: int


def require(actor: Actor, action: str) -> None:
    """The matrix, and: a participant of an inspection has no business with its case."""
    if actor.inspection_id is not None:
        raise Forbidden(action=action)
    actor.require(action)


async def create_case(session: AsyncSession, actor: Actor, new: NewCase, now: datetime) -> Case:
    """A new open case with the next number of the office's year. Its enterprise is made or brought up to date."""
    require(actor, "case.create")
    # The office's row is the counter's lock: two cases of one office cannot get one number.
    await session.execute(
        select(Office.id).where(Office.id == actor.office_id).with_for_update(key_share=True)
    )
    enterprise = await _enterprise(session, actor.office_id, new, now)
    year = now.astimezone(TIME_ZONE).year
    last = await session.scalar(
        select(Case.number)
        .where(Case.office_id == actor.office_id, Case.number.startswith(f"{year}-"))
        .order_by(func.length(Case.number).desc(), Case.number.desc())
        .limit(1)
    )
    case = Case(
        office_id=actor.office_id,
        number=f"{year}-{_count_of(last) + 1:04d}",
        matter=new.matter,
        state="open",
        enterprise=enterprise,
        enterprise_name=new.enterprise_name,
        licence_kind=new.licence_kind,
        licence_number=new.licence_number,
        old_address=new.old_address,
        new_address=new.new_address,
        latitude=new.latitude,
        longitude=new.longitude,
        created_by=actor.id,
        created_by_name=actor.name,
        created_at=now,
    )
    session.add(case)
    await session.flush()
    return case


def _count_of(number: str | None) -> int:
    """Of the year's newest case; not how many there are, for some may be missing after a loss."""
    return int(number.rpartition("-")[2]) if number else 0


async def _enterprise(session: AsyncSession, office_id: str, new: NewCase, now: datetime) -> Enterprise:
    known = await session.scalar(
        select(Enterprise).where(Enterprise.office_id == office_id, Enterprise.credit_code == new.credit_code)
    )
    if known is None:
        known = Enterprise(
            office_id=office_id, name=new.enterprise_name, credit_code=new.credit_code, created_at=now
        )
        session.add(known)
        await session.flush()
    known.name = new.enterprise_name
    return known


async def load_case(session: AsyncSession, case_id: str) -> Case:
    """A case with its enterprise, for callers that have settled who may see it; CaseNotFound."""
    case = await session.scalar(select(Case).where(Case.id == case_id).options(joinedload(Case.enterprise)))
    if case is None:
        raise CaseNotFound(case_id=case_id)
    return case


async def get_case(session: AsyncSession, actor: Actor, case_id: str) -> Case:
    """A case of the actor's own office, with its enterprise; CaseNotFound also for other offices' cases."""
    require(actor, "case.view")
    case = await load_case(session, case_id)
    if case.office_id != actor.office_id:
        raise CaseNotFound(case_id=case_id)
    return case


async def list_cases(
    session: AsyncSession,
    actor: Actor,
    *,
    text: str = "",
    state: str = "",
    created_by: str = "",
    page: int = 1,
) -> Page:
    """The office's cases, newest first. `text` is looked for in number, enterprise, licence and credit code."""
    require(actor, "case.view")
    wanted: list[ColumnElement[bool]] = [Case.office_id == actor.office_id]
    if state:
        wanted.append(Case.state == state)
    if created_by:
        wanted.append(Case.created_by == created_by)
    wanted.extend(_mentions(word) for word in text.split()[:8])
    joined = select(Case).join(Case.enterprise).where(*wanted)
    total = await session.scalar(select(func.count()).select_from(joined.subquery())) or 0
    pages = max(1, -(-total // PAGE_SIZE))
    number = min(max(page, 1), pages)
    found = await session.scalars(
        joined.options(joinedload(Case.enterprise))
        .order_by(Case.created_at.desc(), Case.id.desc())
        .offset((number - 1) * PAGE_SIZE)
        .limit(PAGE_SIZE)
    )
    return Page(list(found), number, pages, total)


def _mentions(word: str) -> ColumnElement[bool]:
    columns = (
        Case.number,
        Case.enterprise_name,
        Case.licence_number,
        Case.new_address,
        Enterprise.credit_code,
    )
    return or_(*(column.icontains(word, autoescape=True) for column in columns))


async def move_case(session: AsyncSession, case_id: str, target: CaseState) -> bool:
    """Bring a case to `target` if its state allows it; True if it moved or was there already."""
    moved = await session.execute(
        update(Case).where(Case.id == case_id, Case.state.in_(sources_of(target))).values(state=target)
    )
    if moved.rowcount == 1:  # type: ignore[attr-defined]
        return True
    return await session.scalar(select(Case.state).where(Case.id == case_id)) == target


async def close_case(session: AsyncSession, actor: Actor, case_id: str, note: str, now: datetime) -> Case:
    """Close a case for good, with a reason. CaseClosed if it is closed, CaseBusy while an inspection is under way."""
    require(actor, "case.edit")
    case = await get_case(session, actor, case_id)
    if not note.strip():
        raise Invalid({"note": N_("Say why the case is closed.")})
    moved = await session.execute(
        update(Case)
        .where(Case.id == case_id, Case.state.in_(sources_of("closed")))
        .values(state="closed", closed_at=now, closing_note=note.strip())
    )
    if moved.rowcount != 1:  # type: ignore[attr-defined]
        raise CaseClosed if case.state == "closed" else CaseBusy
    await session.refresh(case)
    return case


async def attach_evidence(
    session: AsyncSession,
    *,
    case_id: str,
    inspection_id: str,
    kind: str,
    title: str,
    media_type: str,
    size_bytes: int,
    sha256: str,
    url: str,
    at: datetime,
) -> Evidence:
    """Hang a piece of evidence on the case. The same `url` again answers with what hangs there already."""
    known = select(Evidence).where(Evidence.case_id == case_id, Evidence.url == url)
    if (present := await session.scalar(known)) is not None:
        return present
    evidence = Evidence(
        case_id=case_id,
        inspection_id=inspection_id,
        kind=kind,
        title=title[:200],
        media_type=media_type,
        size_bytes=size_bytes,
        sha256=sha256,
        url=url,
        at=at,
    )
    try:
        async with session.begin_nested():
            session.add(evidence)
    except IntegrityError:  # the same piece from two sides at once
        return (await session.scalars(known)).one()
    return evidence


async def list_evidence(
    session: AsyncSession, case_id: str, *, inspection_id: str | None = None
) -> list[Evidence]:
    """A case's evidence in the order of time."""
    query = select(Evidence).where(Evidence.case_id == case_id).order_by(Evidence.at, Evidence.id)
    if inspection_id is not None:
        query = query.where(Evidence.inspection_id == inspection_id)
    return list(await session.scalars(query))

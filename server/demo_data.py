"""Demonstration data: a fictional office, three people, one enterprise that has moved, and an inspection for now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.models import Office, Staff
from server.accounts.passwords import verify_password
from server.accounts.rules import Actor
from server.accounts.service import create_office, create_staff
from server.accounts.signing_in import staff_actor
from server.cases.models import Case
from server.cases.new_case import NewCase
from server.cases.service import create_case
from server.db import Database
from server.inspections.invitations import invite, list_invitations, renew_invitation
from server.inspections.log import Journal
from server.inspections.models import Inspection
from server.inspections.service import schedule

OFFICE_NAME = "河口新区行政审批服务局"
SIMULATED = "田继业"
VISITOR = "田园"
PEOPLE = (
    ("reviewer", "reviewer", "周敏", "lan-tian-2026", "LZ370500018"),
    ("auditor", "auditor", "郑远", "qing-shan-2026", ""),
    ("admin", "administrator", "管理员", "bai-yun-2026", ""),
)
"""User name, role, name, password, officer's certificate number."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """`password`: None if somebody has changed it, and for an account that is switched off."""

    role: str
    username: str
    password: str | None


@dataclass(frozen=True, slots=True)
class DemoAccess:
    """What somebody who tries the service out needs. The two tokens are invitations for phones."""

    sign_ins: tuple[SignIn, ...]
    inspection_id: str
    simulated_token: str
    visitor_token: str


async def load_demo(database: Database, journal: Journal) -> DemoAccess | None:
    """Make the demonstration data in an empty database, or find it again and renew its links.

    None if the database is somebody's real one. A demonstration case that was closed is followed by a new one,
    and so is an inspection that is over or was put off: somebody wants to see one now.
    """
    now = journal.clock.now()
    async with database.transaction() as session:
        offices = list(await session.scalars(select(Office)))
        if not offices:
            reviewer = await _people(session, journal)
        elif [office.name for office in offices] == [OFFICE_NAME]:
            found = await session.scalar(select(Staff).where(Staff.username == PEOPLE[0][0]))
            if found is None:
                return None
            reviewer = staff_actor(found)
        else:
            return None
        case = await _open_case(session, reviewer, now)
        inspection = await _inspection_for_now(session, journal, reviewer, case, now)
        tokens = await _links(session, journal, reviewer, inspection.id)
        sign_ins = await _sign_ins(session)
    return DemoAccess(
        sign_ins=sign_ins,
        inspection_id=inspection.id,
        simulated_token=tokens[SIMULATED],
        visitor_token=tokens[VISITOR],
    )


async def _people(session: AsyncSession, journal: Journal) -> Actor:
    now = journal.clock.now()
    office = await create_office(
        session, name=OFFICE_NAME, region_code="370503", phone="0546-0000000", now=now
    )
    staff = [
        await create_staff(
            session,
            office_id=office.id,
            username=username,
            name=name,
            role=role,
            password=password,
            certificate_number=certificate,
            now=now,
        )
        for username, role, name, password, certificate in PEOPLE
    ]
    return staff_actor(staff[0])


async def _sign_ins(session: AsyncSession) -> tuple[SignIn, ...]:
    """How the demonstration's people sign in today: whoever tries things out may have changed it."""
    staff = {one.username: one for one in await session.scalars(select(Staff))}
    found: list[SignIn] = []
    for username, role, _, password, _ in PEOPLE:
        if (one := staff.get(username)) is None:
            continue
        as_printed = one.active and await verify_password(one.password_hash, password)
        found.append(SignIn(role, username, password if as_printed else None))
    return tuple(found)


async def _open_case(session: AsyncSession, reviewer: Actor, now: datetime) -> Case:
    """The newest case of the demonstration that is not closed; cases that visitors made are theirs."""
    found = await session.scalar(
        select(Case)
        .where(Case.licence_number == _CASE.licence_number, Case.state != "closed")
        .order_by(Case.created_at.desc(), Case.id.desc())
    )
    return found or await create_case(session, reviewer, _CASE, now)


async def _inspection_for_now(
    session: AsyncSession, journal: Journal, reviewer: Actor, case: Case, now: datetime
) -> Inspection:
    """The newest one that can be joined at once, or a new one."""
    found = await session.scalar(
        select(Inspection)
        .where(
            Inspection.case_id == case.id,
            or_(
                Inspection.state == "live",
                and_(Inspection.state == "scheduled", Inspection.starts_at <= now),
            ),
        )
        .order_by(Inspection.created_at.desc(), Inspection.id.desc())
    )
    return found or await schedule(session, journal, reviewer, case.id)


async def _links(
    session: AsyncSession, journal: Journal, reviewer: Actor, inspection_id: str
) -> dict[str, str]:
    """Name -> a token that is good from now on."""
    known = {
        entry.name: entry.id
        for entry in await list_invitations(session, inspection_id)
        if entry.cancelled_at is None
    }
    tokens: dict[str, str] = {}
    for name in (SIMULATED, VISITOR):
        if name in known:
            invited = await renew_invitation(session, journal, reviewer, inspection_id, known[name])
        else:
            invited = await invite(session, journal, reviewer, inspection_id, "enterprise", name)
        tokens[name] = invited.token
    return tokens


_CASE = NewCase(
    matter="seed-licence-address",
    enterprise_name="河口新区丰禾种业有限公司",
    credit_code="91370503MA3C0FHY70",
    licence_kind="seed-b",
    licence_number="B（鲁东）农种许字（2024）第0007号",
    old_address="河口新区府前街 18 号",
    new_address="河口新区民丰路 6 号",
    latitude=37.5878,
    longitude=118.5473,
)

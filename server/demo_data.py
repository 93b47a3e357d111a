"""Demonstration data: a fictional office, three people, one enterprise that has moved, and an inspection for now."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.models import Office, Staff
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
    role: str
    username: str
    password: str


@dataclass(frozen=True, slots=True)
class DemoAccess:
    """What somebody who tries the service out needs. The two tokens are invitations for phones."""

    sign_ins: tuple[SignIn, ...]
    inspection_id: str
    simulated_token: str
    visitor_token: str


async def load_demo(database: Database, journal: Journal) -> DemoAccess | None:
    """Make the demonstration data in an empty database, or find it again and renew its links.

    None if the database is somebody's real one. An inspection that is over is followed by a new one.
    """
    async with database.transaction() as session:
        offices = list(await session.scalars(select(Office)))
        if not offices:
            reviewer = await _people(session, journal)
            case = await create_case(session, reviewer, _CASE, journal.clock.now())
        elif [office.name for office in offices] == [OFFICE_NAME]:
            found = await session.scalar(select(Staff).where(Staff.username == PEOPLE[0][0]))
            case_found = await session.scalar(select(Case).order_by(Case.created_at))
            if found is None or case_found is None:
                return None
            reviewer, case = staff_actor(found), case_found
        else:
            return None
        inspection = await _inspection(session, journal, reviewer, case)
        tokens = await _links(session, journal, reviewer, inspection.id)
    return DemoAccess(
        sign_ins=tuple(SignIn(role, username, password) for username, role, _, password, _ in PEOPLE),
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


async def _inspection(session: AsyncSession, journal: Journal, reviewer: Actor, case: Case) -> Inspection:
    running = await session.scalar(
        select(Inspection)
        .where(Inspection.case_id == case.id, Inspection.state.in_(("scheduled", "live")))
        .order_by(Inspection.created_at.desc())
    )
    return running or await schedule(session, journal, reviewer, case.id)


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

"""What the pictures show: the demonstration data, and next to it every state an inspection or a link can be in."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select, update

from server.accounts.models import Staff
from server.accounts.service import create_api_token
from server.accounts.signing_in import staff_actor
from server.cases.models import Case
from server.clock import SystemClock
from server.db import Database
from server.db.migrate import upgrade
from server.demo_data import PEOPLE, load_demo
from server.inspections.invitations import cancel_invitation, invite
from server.inspections.log import Journal
from server.inspections.models import Inspection, Invitation
from server.inspections.service import cancel, schedule
from tests.service import Service

PASSWORDS = {username: password for username, _, _, password, _ in PEOPLE}


@dataclass(frozen=True)
class Scene:
    """Ids and links. `links` are invitations' tokens by what is the matter with them."""

    case: str
    inspection: str
    """May be joined now by `phone`."""
    coming: str
    """Tomorrow."""
    cancelled: str
    phone: str
    links: dict[str, str]


async def furnish(service: Service) -> Scene:
    """Fill the database of a service that has not started yet."""
    service.data.mkdir(parents=True)
    await asyncio.to_thread(upgrade, service.database_url)
    database, journal = Database(service.database_url), Journal(SystemClock(), lambda _: None)
    access = await load_demo(database, journal)
    assert access is not None
    now = journal.clock.now()
    async with database.transaction() as session:
        staff = await session.scalar(select(Staff).where(Staff.username == "reviewer"))
        case = await session.scalar(select(Case))
        assert staff is not None
        assert case is not None
        reviewer = staff_actor(staff)
        _, _ = await create_api_token(session, reviewer.office_id, "一网通办", "agent", now)
        coming = await schedule(session, journal, reviewer, case.id, now + timedelta(hours=26))
        called_off = await schedule(session, journal, reviewer, case.id, now + timedelta(hours=30))

        async def link(inspection: Inspection | str, role: str, name: str) -> tuple[str, str]:
            at = inspection if isinstance(inspection, str) else inspection.id
            invited = await invite(session, journal, reviewer, at, role, name)
            return invited.invitation.id, invited.token

        links = {"guest": (await link(access.inspection_id, "expert", "孙立"))[1]}
        links["too_early"] = (await link(coming, "enterprise", "田园"))[1]
        links["cancelled_inspection"] = (await link(called_off, "enterprise", "田园"))[1]
        void, links["cancelled"] = await link(coming, "enterprise", "田禾")
        await cancel_invitation(session, journal, reviewer, coming.id, void, "联系人已更换")
        old, links["expired"] = await link(access.inspection_id, "enterprise", "田野")
        await session.execute(
            update(Invitation).where(Invitation.id == old).values(expires_at=now - timedelta(hours=1))
        )
        await cancel(session, journal, reviewer, called_off.id, "企业申请改为现场核查。")
    await database.close()
    return Scene(
        case=case.id,
        inspection=access.inspection_id,
        coming=coming.id,
        cancelled=called_off.id,
        phone=access.visitor_token,
        links=links | {"unknown": "yi_0000"},
    )

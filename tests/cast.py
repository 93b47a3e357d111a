"""The standing cast: one office with its people, one enterprise that has moved, and a neighbour office."""

from dataclasses import dataclass

from server.accounts.rules import Actor
from server.accounts.service import create_api_token, create_office, create_staff
from server.accounts.signing_in import staff_actor
from server.cases.new_case import NewCase
from server.cases.service import create_case
from server.db import Database
from server.inspections.log import Journal
from server.inspections.service import invite, schedule

PASSWORD = "a-password-for-tests"
WRONG_PASSWORD = "not-the-password"

FENGHE = NewCase(
    matter="seed-licence-address",
    enterprise_name="丰禾种业有限公司",
    credit_code="91370503MA3C0FHY70",
    licence_kind="seed-b",
    licence_number="B（鲁东）农种许字（2024）第0007号",
    old_address="河口新区府前街 18 号",
    new_address="河口新区民丰路 6 号",
    latitude=37.5878,
    longitude=118.5473,
)


@dataclass(frozen=True, slots=True)
class Office:
    """An office with everybody in it; `tokens` are API tokens by role."""

    id: str
    zhou: Actor
    """Reviewer."""
    zheng: Actor
    """Auditor."""
    admin: Actor
    tokens: dict[str, str]

    def bearer(self, role: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[role]}"}


@dataclass(frozen=True, slots=True)
class Appointment:
    """A scheduled inspection and the invitations' tokens by role."""

    id: str
    case_id: str
    invitations: dict[str, str]


async def found_office(database: Database, journal: Journal, prefix: str = "") -> Office:
    """User names: `<prefix>zhou`, `<prefix>zheng`, `<prefix>admin`; everybody's password is PASSWORD."""
    now = journal.clock.now()
    async with database.transaction() as session:
        office = await create_office(
            session, name=f"{prefix}河口新区行政审批服务局", phone="0546-0000000", now=now
        )
        people = {}
        for username, name, role in (
            ("zhou", "周敏", "reviewer"),
            ("zheng", "郑远", "auditor"),
            ("admin", "管理员", "administrator"),
        ):
            staff = await create_staff(
                session,
                office_id=office.id,
                username=prefix + username,
                name=name,
                role=role,
                password=PASSWORD,
                now=now,
            )
            people[username] = staff_actor(staff)
        tokens = {}
        for role in ("administrator", "reviewer", "auditor", "agent"):
            _, tokens[role] = await create_api_token(session, office.id, f"test {role}", role, now)
    return Office(office.id, people["zhou"], people["zheng"], people["admin"], tokens)


async def appoint(
    database: Database,
    journal: Journal,
    office: Office,
    roles: tuple[str, ...] = ("enterprise", "reviewer", "expert", "observer"),
) -> Appointment:
    """An inspection of the enterprise that starts now, with one invitation for each role."""
    async with database.transaction() as session:
        case = await create_case(session, office.zhou, FENGHE, journal.clock.now())
        inspection = await schedule(session, journal, office.zhou, case.id)
        invitations = {}
        for role in roles:
            invited = await invite(session, journal, office.zhou, inspection.id, role, f"{role} 田")
            invitations[role] = invited.token
    return Appointment(inspection.id, case.id, invitations)

"""`make run`, as somebody types it who has just cloned: what is printed is true, and a live inspection is there."""

import asyncio
import os
import re
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, CookieJar, TCPConnector
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.models import Staff
from server.accounts.rules import Actor
from server.accounts.service import reset_password, set_active
from server.accounts.signing_in import staff_actor
from server.cases.models import Case
from server.cases.service import close_case
from server.db import Database
from server.demo_data import PEOPLE, DemoAccess, load_demo
from server.inspections.invitations import find_invitation
from server.inspections.log import Journal
from server.inspections.models import Inspection
from server.inspections.service import cancel, reschedule
from server.trial import welcome
from tests.clock import SettableClock

ROOT = Path(__file__).resolve().parents[2]
PRINTED_S = 60
LIVE_S = 60
STOPPED_S = 30
LAST_LINE = "Ctrl+C stops the service."


@dataclass(frozen=True, slots=True)
class Printed:
    """What `yunkan try` wrote, read as a person would read it."""

    text: str

    @property
    def address(self) -> str:
        return self._find(r"Yunkan\s+(https?://\S+?)/$")

    @property
    def loopback(self) -> str:
        """The same service, from this machine."""
        return re.sub(r"//[^:/]+", "//127.0.0.1", self.address)

    @property
    def sign_ins(self) -> dict[str, tuple[str, str]]:
        found = re.findall(r"^\s+(Reviewer|Auditor|Administrator): (\S+) / (.+)$", self.text, re.MULTILINE)
        return {role: (username, password) for role, username, password in found}

    @property
    def inspection(self) -> str:
        return self._find(r"/inspections/(\w+)/console$")

    @property
    def link(self) -> str:
        return self._find(r"Link for a phone: (\S+)$")

    @property
    def qr_rows(self) -> list[str]:
        return [line for line in self.text.splitlines() if re.fullmatch(r"  [█▀▄ ]{20,}", line)]

    def _find(self, pattern: str) -> str:
        found = re.search(pattern, self.text, re.MULTILINE)
        assert found is not None, self.text
        return found[1]


@dataclass(frozen=True, slots=True)
class Trial:
    printed: Printed
    process: asyncio.subprocess.Process

    async def stop(self) -> int:
        """The exit code after SIGTERM."""
        self.process.terminate()
        return await asyncio.wait_for(self.process.wait(), STOPPED_S)


def environment(folder: Path) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("YUNKAN_")},
        "YUNKAN_DATA": str(folder),
        "YUNKAN_LANGUAGE": "en",
        "YUNKAN_RESERVE_BYTES": "0",
        "PYTHONUNBUFFERED": "1",
    }


async def command(folder: Path, *words: str) -> tuple[int, str, str]:
    """`yunkan WORDS`: exit code, standard output, standard error."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server", *words, cwd=ROOT, env=environment(folder),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), LIVE_S)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@asynccontextmanager
async def trying(folder: Path, *words: str) -> AsyncIterator[Trial]:
    """`yunkan try --port 0 WORDS` until it has printed everything; stopped at the latest with the test."""
    with (folder.parent / "trial.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "server", "try", "--port", "0", *words, cwd=ROOT, env=environment(folder),
            stdout=asyncio.subprocess.PIPE, stderr=log,
        )  # fmt: skip
    try:
        yield Trial(await _printed(process, folder.parent / "trial.log"), process)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def _printed(process: asyncio.subprocess.Process, log: Path) -> Printed:
    assert process.stdout is not None
    lines: list[str] = []
    async with asyncio.timeout(PRINTED_S):
        while not lines or LAST_LINE not in lines[-1]:
            line = await process.stdout.readline()
            assert line, f"it stopped:\n{log.read_text()[-3000:]}"
            lines.append(line.decode().rstrip())
    return Printed("\n".join(lines))


@asynccontextmanager
async def visiting(printed: Printed) -> AsyncIterator[ClientSession]:
    """A browser on this machine; what the service signed itself is accepted, as a person does who was told to."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with ClientSession(
        printed.loopback, connector=TCPConnector(ssl=context), cookie_jar=CookieJar(unsafe=True)
    ) as session:
        yield session


async def sign_in_as(session: ClientSession, username: str, password: str) -> str:
    """The page that this leads to."""
    async with session.get("/sign-in") as response:
        found = re.search(r'name="csrf-token" content="([^"]+)"', await response.text())
    assert found is not None
    form = {"csrf": found[1], "username": username, "password": password}
    async with session.post("/sign-in", data=form, headers={"Accept-Language": "en"}) as response:
        assert response.status == 200, await response.text()
        return response.url.path


async def until_filmed(session: ClientSession, inspection: str, bearer: str) -> dict[str, Any]:
    """The inspection, once it is live and a part of it is being written."""
    async with asyncio.timeout(LIVE_S):
        while True:
            async with session.get(
                f"/api/v1/inspections/{inspection}", headers={"Authorization": f"Bearer {bearer}"}
            ) as response:
                assert response.status == 200, await response.text()
                found: dict[str, Any] = await response.json()
            if found["state"] == "live" and found["parts"] and any(slot["live"] for slot in found["slots"]):
                return found
            await asyncio.sleep(0.2)


@pytest.mark.realtime
async def test_a_visitor_finds_a_live_inspection_and_starts_it_again_the_next_day(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    async with trying(folder) as trial:
        printed = trial.printed
        assert set(printed.sign_ins) == {"Reviewer", "Auditor", "Administrator"}
        assert printed.link.startswith(f"{printed.address}/i/")
        assert len({len(row) for row in printed.qr_rows}) == 1
        assert 2 * len(printed.qr_rows) >= len(printed.qr_rows[0]) - 2
        assert "make run HOST=0.0.0.0" in printed.text
        code, bearer, _ = await command(folder, "token", "create", "--role", "administrator")
        assert code == 0
        assert re.fullmatch(r"yk_\S+\n", bearer)
        async with visiting(printed) as session:
            await until_filmed(session, printed.inspection, bearer.strip())
            async with session.get(printed.link.removeprefix(printed.address)) as page:
                assert page.status == 200
        for username, password in printed.sign_ins.values():
            async with visiting(printed) as session:
                assert await sign_in_as(session, username, password) != "/sign-in"
        assert await trial.stop() == 0
    async with trying(folder) as trial:
        assert trial.printed.inspection == printed.inspection
        async with visiting(trial.printed) as session:
            await until_filmed(session, trial.printed.inspection, bearer.strip())
        assert await trial.stop() == 0


@pytest.mark.realtime
async def test_for_a_real_phone_it_speaks_https_with_a_certificate_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    async with trying(folder, "--host", "0.0.0.0", "--no-phone") as trial:
        assert trial.printed.address.startswith("https://")
        assert trial.printed.link.startswith(f"{trial.printed.address}/i/")
        _, bearer, _ = await command(folder, "token", "create", "--role", "reviewer")
        async with visiting(trial.printed) as session:
            assert await sign_in_as(session, *trial.printed.sign_ins["Reviewer"]) == "/"
            phone = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "server", "demo", cwd=ROOT, env=environment(folder)
            )
            await until_filmed(session, trial.printed.inspection, bearer.strip())
        phone.terminate()
        assert await asyncio.wait_for(phone.wait(), STOPPED_S) == 0
        assert await trial.stop() == 0
    assert (folder / "tls/key.pem").stat().st_mode & 0o777 == 0o600


async def test_a_simulated_phone_without_a_demonstration_says_what_to_do(tmp_path: Path) -> None:
    code, out, err = await command(tmp_path / "empty", "demo")
    assert (code, out) == (1, "")
    assert "make run" in err
    assert "--invitation" in err


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture
def journal(clock: SettableClock) -> Journal:
    return Journal(clock, lambda _: None)


async def start(database: Database, journal: Journal) -> DemoAccess:
    """What every start does, the phone's first step included: its link opens the door."""
    access = await load_demo(database, journal)
    assert access is not None
    async with database.reading() as session:
        for token in (access.simulated_token, access.visitor_token):
            _, inspection = await find_invitation(session, token, journal.clock.now())
            assert inspection.id == access.inspection_id
    return access


async def test_a_second_start_finds_what_the_first_one_made(database: Database, journal: Journal) -> None:
    first, second = await start(database, journal), await start(database, journal)
    assert second.inspection_id == first.inspection_id
    assert [one.password for one in second.sign_ins] == [password for *_, password, _ in PEOPLE]


async def test_a_demonstration_that_was_closed_is_followed_by_a_new_one(
    database: Database, journal: Journal
) -> None:
    first = await start(database, journal)
    async with database.transaction() as session:
        reviewer = await staff_of(session, "reviewer")
        await cancel(session, journal, reviewer, first.inspection_id, "tried out")
        inspection = await session.get_one(Inspection, first.inspection_id)
        await close_case(session, reviewer, inspection.case_id, "tried out", journal.clock.now())
    second = await start(database, journal)
    assert second.inspection_id != first.inspection_id
    async with database.reading() as session:
        assert sorted(await session.scalars(select(Case.state))) == ["closed", "inspecting"]


async def test_a_demonstration_that_was_put_off_leaves_room_for_one_now(
    database: Database, journal: Journal
) -> None:
    first = await start(database, journal)
    async with database.transaction() as session:
        tomorrow = journal.clock.now() + timedelta(days=1)
        await reschedule(session, journal, await staff_of(session, "reviewer"), first.inspection_id, tomorrow)
    assert (await start(database, journal)).inspection_id != first.inspection_id


async def test_a_visitors_own_case_is_left_alone(database: Database, journal: Journal) -> None:
    first = await start(database, journal)
    async with database.transaction() as session:
        await session.execute(update(Case).values(licence_number="the visitor's"))
    second = await start(database, journal)
    assert second.inspection_id != first.inspection_id


async def test_a_password_that_was_changed_is_not_printed(database: Database, journal: Journal) -> None:
    await start(database, journal)
    async with database.transaction() as session:
        admin = await staff_of(session, "admin")
        await reset_password(session, admin, (await staff_of(session, "auditor")).id, "another-password")
        await set_active(session, admin, (await staff_of(session, "reviewer")).id, active=False)
    access = await start(database, journal)
    assert {one.username: one.password is None for one in access.sign_ins} == {
        "reviewer": True,
        "auditor": True,
        "admin": False,
    }
    told = welcome(access, "http://127.0.0.1:8080", is_reachable=False)
    assert "qing-shan-2026" not in told
    assert told.count("（密码已更改或账号已停用）") == 2


async def staff_of(session: AsyncSession, username: str) -> Actor:
    found = await session.scalar(select(Staff).where(Staff.username == username))
    assert found is not None
    return staff_actor(found)

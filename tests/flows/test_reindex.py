"""The database is lost: the folders bring back cases, evidence, archive and logs, and the pages are the same."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import func, select, text

from server.accounts.service import create_api_token
from server.app import build
from server.archive.index import BadIndex, Index, from_row
from server.archive.keys import HEADS
from server.archive.reindex import NotEmpty, reindex
from server.cases.models import Case
from server.cases.service import create_case
from server.db import Database
from server.inspections.log import check
from server.officelog.models import OfficeEntry
from server.settings import Settings
from server.web.keys import DATABASE, FILES
from tests.cast import FENGHE, Appointment, Office
from tests.clock import SettableClock
from tests.command import yunkan
from tests.flows.browsing import look
from tests.flows.conftest import Client
from tests.flows.held import Held, hold_whole
from tests.flows.programs import get
from tests.flows.test_sealing import until


async def told(client: Client, held: Held, who: dict[str, str]) -> dict[str, object]:
    """Everything that a reviewer is told of it, in pages and in JSON; form tokens are the browser's own."""
    pages = (f"/cases/{held.case_id}", f"/inspections/{held.id}", f"/archive/{held.id}", "/archive", "/cases")
    data = (
        f"/api/v1/cases/{held.case_id}",
        f"/api/v1/cases/{held.case_id}/evidence",
        f"/api/v1/inspections/{held.id}",
        f"/api/v1/inspections/{held.id}/events",
        f"/api/v1/inspections/{held.id}/continuity",
        f"/api/v1/inspections/{held.id}/seal",
    )
    found: dict[str, object] = {path: await get(client, path, who) for path in data}
    for page in pages:
        html = await look(client, page, who=who)
        found[page] = re.sub(r'(csrf[^>]*?(?:value|content)=")[^"]*', r"\1", html)
    return found


async def wipe(settings: Settings) -> None:
    if not settings.database.startswith("postgresql"):
        for path in Path(settings.database.partition(":///")[2]).parent.glob("*.sqlite3*"):
            path.unlink()
        return
    database = Database(settings.database)
    async with database.transaction() as session:
        await session.execute(text("DROP SCHEMA public CASCADE"))
        await session.execute(text("CREATE SCHEMA public"))
    await database.close()


@asynccontextmanager
async def served(settings: Settings, clock: SettableClock) -> AsyncIterator[tuple[web.Application, Client]]:
    app = build(settings, clock)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    client: Client = TestClient(server)
    yield app, client
    await client.session.close()
    await server.close()


async def test_after_the_database_is_lost_the_folders_give_the_same_pages(
    client: Client,
    server: TestServer,
    app: web.Application,
    office: Office,
    appointment: Appointment,
    settings: Settings,
    clock: SettableClock,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    held = await hold_whole(app, office, appointment)
    await until(app, office, client, held.id, state="sealed")
    lost = app[FILES].absolute("inspections/01K0000000000000000000000A/data")
    lost.mkdir(parents=True)
    before = await told(client, held, office.bearer("reviewer"))
    assert held.snapshot in str(before[f"/archive/{held.id}"])
    await app[HEADS].run_once()
    async with app[DATABASE].reading() as session:
        entries = await session.scalar(select(func.count()).select_from(OfficeEntry))
    await server.close()
    await wipe(settings)

    monkeypatch.setenv("YUNKAN_DATA", str(settings.data))
    monkeypatch.setenv("YUNKAN_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("YUNKAN_LANGUAGE", "en")
    assert await in_a_thread("reindex") == 0
    said = capsys.readouterr().out
    assert "1 inspections of 1 cases are back" in said
    assert "Not sealed, so without a log: 01K0000000000000000000000A" in said
    assert "passwords" in said
    assert entries
    assert f"{entries} entries of the office's log are back" in said
    assert await in_a_thread("reindex") == 2  # it is not empty any more

    async with served(settings, clock) as (again, browser):
        async with again[DATABASE].transaction() as session:
            _, token = await create_api_token(session, office.id, "test reviewer", "reviewer", clock.now())
            case = await create_case(session, office.zhou, FENGHE, clock.now())
        assert case.number.endswith("-0002")
        async with again[DATABASE].transaction() as session:
            assert await check(session, held.id) is None
            await session.delete(case)
        after = await told(browser, held, {"Authorization": f"Bearer {token}"})
    for path, answer in before.items():
        assert after[path] == answer, path


async def in_a_thread(*words: str) -> int:
    return await asyncio.to_thread(yunkan, *words)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_folder_that_was_changed_is_left_out_and_named(
    client: Client,
    app: web.Application,
    office: Office,
    appointment: Appointment,
    tmp_path: Path,
    clock: SettableClock,
) -> None:
    held = await hold_whole(app, office, appointment)
    await until(app, office, client, held.id, state="sealed")
    with pytest.raises(NotEmpty):
        await reindex(app[DATABASE], app[FILES], [], clock.now())
    snapshot = app[FILES].absolute(f"inspections/{held.id}/data/snapshots/{held.snapshot}.png")
    snapshot.write_bytes(snapshot.read_bytes()[:-1])
    empty = Settings(data=tmp_path / "other", database_url=f"sqlite+aiosqlite:///{tmp_path}/empty.sqlite3")
    async with served(empty, clock) as (other, _):
        outcome = await reindex(other[DATABASE], app[FILES], [], clock.now())
    assert outcome.restored == []
    ((left_out, reason),) = outcome.refused
    assert left_out == held.id
    assert held.snapshot in reason


def test_an_index_of_another_release_is_refused_with_its_reason() -> None:
    with pytest.raises(BadIndex, match="no column 'colour'"):
        from_row(Case, {"id": "x", "colour": "red"})
    with pytest.raises(BadIndex, match="not of a known version"):
        Index.parse(b'{"kind":"index","language":"en","record":"x","rows":{},"v":2}')
    for wrong in (b"", b"[]", b"{}", b'{"kind":"index","rows":3,"v":1}', b"\xff"):
        with pytest.raises(BadIndex):
            Index.parse(wrong)

"""The database is lost: the folders bring back cases, evidence, archive and logs, and the pages are the same."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import func, select, text

from server.accounts.models import ApiToken
from server.accounts.service import create_api_token
from server.app import build
from server.archive.access_watch import ACCESSES
from server.archive.disposal import UnderHold, propose
from server.archive.index import BadIndex, Index, from_row, to_row
from server.archive.keys import HEADS, SEALER
from server.archive.log_check import access_chains, check_accesses, check_office_log
from server.archive.models import Access, Hold
from server.archive.reindex import NotEmpty, reindex
from server.cases.models import Case
from server.cases.rules import RetentionPolicy
from server.cases.service import create_case
from server.db import Database
from server.evidence import keys
from server.ids import new_id
from server.inspections.keys import JOURNAL
from server.inspections.log import check
from server.officelog.models import OfficeEntry
from server.settings import Settings
from server.web.keys import DATABASE, FILES
from tests.cast import FENGHE, Appointment, Office, appoint
from tests.clock import SettableClock
from tests.command import yunkan
from tests.flows.browsing import look, send_form, sign_in
from tests.flows.conftest import Client
from tests.flows.held import Held, hold_whole
from tests.flows.programs import get
from tests.flows.test_cases import PNG, file_form
from tests.flows.test_sealing import until

WHO = ("reviewer", "auditor", "administrator")


async def told(client: Client, held: Held, ended: Held, who: dict[str, str]) -> dict[str, object]:
    """Everything that somebody is told of them, in pages and in JSON; form tokens are the browser's own."""
    pages = (
        f"/cases/{held.case_id}", f"/inspections/{held.id}", f"/archive/{held.id}", "/archive", "/cases",
        f"/cases/{ended.case_id}", f"/inspections/{ended.id}",
    )  # fmt: skip
    data = (
        f"/api/v1/cases/{held.case_id}",
        f"/api/v1/cases/{held.case_id}/evidence",
        f"/api/v1/inspections/{held.id}",
        f"/api/v1/inspections/{held.id}/events",
        f"/api/v1/inspections/{held.id}/continuity",
        f"/api/v1/inspections/{held.id}/seal",
        f"/api/v1/cases/{ended.case_id}/evidence",
        f"/api/v1/inspections/{ended.id}/seal",
    )
    found: dict[str, object] = {path: await get(client, path, who) for path in data}
    for chain in (held.id, ended.id):
        async with client.get(f"/api/v1/inspections/{chain}/accesses", headers=who) as response:
            found[f"accesses of {chain}"] = (
                await response.read() if response.status == 200 else response.status
            )
    async with client.get("/office-log", headers=who) as response:
        sees_log = response.status == 200
    for page in (*pages, *(["/office-log"] if sees_log else [])):
        html = await look(client, page, who=who)
        found[page] = re.sub(r'(csrf[^>]*?(?:value|content)=")[^"]*', r"\1", html)
    return found


async def everybody_told(
    app: web.Application, client: Client, held: Held, ended: Held, office: Office
) -> Any:
    """By role. Twice: the first time adds lines to the access logs, the second within minutes does not."""
    for _ in range(2):
        found = {role: await told(client, held, ended, office.bearer(role)) for role in WHO}
        await app[ACCESSES].flush()
    return found


async def dispose_of(
    client: Client, app: web.Application, office: Office, clock: SettableClock, settings: Settings
) -> Held:
    """An inspection that was sealed, and ended by two people when its time had come."""
    ended = await hold_whole(app, office, await appoint(app[DATABASE], app[JOURNAL], office))
    await until(app, office, client, ended.id, state="sealed")
    clock.advance(hours=24 * (365 * 10 + 4))
    keys.rotate(settings.key_folder, "seal", clock.now())
    await sign_in(client)
    await send_form(client, f"/inspections/{ended.id}/disposal", {"reason": "保管期满"})
    await sign_in(client, "admin")
    await send_form(client, f"/inspections/{ended.id}/disposal/approve", {})
    await app[SEALER].run_once()
    assert not app[FILES].absolute(f"inspections/{ended.id}/data").exists()
    return ended


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
    ended = await dispose_of(client, app, office, clock, settings)
    paper = f"/cases/{appointment.case_id}/materials"
    await send_form(client, paper, file_form(PNG, "营业执照.png"), who=office.bearer("agent"))
    held = await hold_whole(app, office, appointment)
    await until(app, office, client, held.id, state="sealed")
    page = f"/inspections/{held.id}"
    await send_form(client, f"{page}/holds", {"reason": "已解除"})
    lifted = (await look(client, page)).partition('data-hold="')[2].partition('"')[0]
    await send_form(client, f"{page}/holds/{lifted}/lift", {})
    await send_form(client, f"{page}/holds", {"reason": "复议中"})
    await send_form(client, f"{page}/copies", {"reason": "公开", "personal": ["messages"]})
    lost = app[FILES].absolute("inspections/01K0000000000000000000000A/data")
    lost.mkdir(parents=True)
    await app[HEADS].run_once()
    before = await everybody_told(app, client, held, ended, office)
    shown_first = before["auditor"][page]
    for words in ("复议中", "公开", "Made a viewing copy", "Lifted the hold"):
        assert words in shown_first
    assert (
        before["reviewer"][page].count('data-hold="') == 1
    )  # the one that was lifted is told as such, and holds nothing
    assert "Certificate of disposal" in before["auditor"][f"/inspections/{ended.id}"]
    assert "营业执照" in before["reviewer"][f"/cases/{held.case_id}"]
    assert held.snapshot in str(before["reviewer"][f"/archive/{held.id}"])
    assert held.photo in before["reviewer"][f"/cases/{held.case_id}"]
    assert before["auditor"][f"accesses of {held.id}"].count(b"hold.placed") == 2
    assert 'href="/api/v1/log/heads/1"' in before["auditor"]["/office-log"]
    assert "/office-log" not in before["reviewer"]
    await app[HEADS].run_once()
    async with app[DATABASE].reading() as session:
        entries = await session.scalar(select(func.count()).select_from(OfficeEntry))
        accesses = await session.scalar(select(func.count()).select_from(Access))
        tokens = [to_row(token) for token in await session.scalars(select(ApiToken))]
    await server.close()
    await wipe(settings)

    monkeypatch.setenv("YUNKAN_DATA", str(settings.data))
    monkeypatch.setenv("YUNKAN_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("YUNKAN_LANGUAGE", "en")
    assert await in_a_thread("reindex") == 0
    printed = capsys.readouterr()
    said = printed.out
    assert "1 inspections of 2 cases are back" in said
    assert f"Disposed of; page and certificate are back: {ended.id}" in said
    assert "Not sealed, so without a log: 01K0000000000000000000000A" in said
    assert "passwords" in said
    assert "2 of 2 folders" in printed.err
    assert entries
    assert f"{entries} entries of the office's log are back" in said
    assert f"{accesses} lines of access logs are back" in said
    assert await in_a_thread("reindex") == 2  # it is not empty any more

    async with served(settings, clock) as (again, browser):
        async with again[DATABASE].transaction() as session:
            # The programs get their tokens again: as they were, so that they look as the same ones.
            session.add_all(from_row(ApiToken, row) for row in tokens)
            case = await create_case(session, office.zhou, FENGHE, clock.now())
        async with again[DATABASE].transaction() as session:
            assert await check(session, held.id) is None
            assert (await check_office_log(session, None)).faults == []
            for chain in await access_chains(session):
                assert await check_accesses(session, chain) is None
            await session.delete(await session.get_one(Case, case.id))
        after = await everybody_told(again, browser, held, ended, office)
        # What the lost rows held back is held back still.
        async with again[DATABASE].transaction() as session:
            with pytest.raises(UnderHold, match="复议中"):
                clock.advance(hours=24 * (365 * 10 + 4))
                await propose(session, again[JOURNAL], office.zhou, held.id, "到期", RetentionPolicy())
    for role, pages in before.items():
        for path, answer in pages.items():
            assert after[role][path] == answer, (role, path)


async def test_a_file_of_an_access_log_that_was_changed_is_left_out_and_named(
    client: Client, server: TestServer, app: web.Application, office: Office, appointment: Appointment,
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    held = await hold_whole(app, office, appointment)
    await until(app, office, client, held.id, state="sealed")
    await sign_in(client)
    for reason in ("一", "二"):
        await send_form(client, f"/inspections/{held.id}/holds", {"reason": reason})
    await app[HEADS].run_once()
    file = settings.data / "access-log" / f"{held.id}.jsonl"
    file.write_bytes(file.read_bytes().replace("一".encode(), "三".encode()))
    await app[HEADS].run_once()
    await server.close()
    await wipe(settings)
    monkeypatch.setenv("YUNKAN_DATA", str(settings.data))
    monkeypatch.setenv("YUNKAN_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("YUNKAN_LANGUAGE", "en")
    assert await in_a_thread("reindex") == 1
    assert f"The access log of {held.id} is left out" in capsys.readouterr().out


async def test_a_copy_of_the_database_from_some_time_ago_gets_later_accesses_and_holds(
    client: Client, app: web.Application, office: Office, appointment: Appointment, settings: Settings
) -> None:
    held = await hold_whole(app, office, appointment)
    await until(app, office, client, held.id, state="sealed")
    await sign_in(client)
    await send_form(client, f"/inspections/{held.id}/holds", {"reason": "复议中"})
    await app[HEADS].run_once()
    database = app[DATABASE]
    async with database.transaction() as session:
        fence = "fence_accesses_delete" if database.is_sqlite else "fence_accesses ON accesses"
        await session.execute(text(f"DROP TRIGGER {fence}"))
        for table in ("accesses", "retention_holds"):
            await session.execute(text(f"DELETE FROM {table}"))
    await app[HEADS].restore()
    async with database.reading() as session:
        assert await check_accesses(session, held.id) is None
        assert [hold.reason for hold in await session.scalars(select(Hold))] == ["复议中"]
    # The database goes on where the file ends; a file that says something else is told of.
    await send_form(client, f"/inspections/{held.id}/holds", {"reason": "二"})
    await app[HEADS].run_once()
    assert app[HEADS].accesses_problem is None
    file = settings.data / "access-log" / f"{held.id}.jsonl"
    file.write_bytes(file.read_bytes().replace("二".encode(), "三".encode()))
    await app[HEADS].run_once()
    assert app[HEADS].accesses_problem is not None
    await sign_in(client, "zheng")
    assert "An access log and its file do not agree" in await look(client, "/office-log")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_viewing_copies_whose_access_log_is_lost_are_found_checked_and_entered_again(
    client: Client, server: TestServer, app: web.Application, office: Office, appointment: Appointment,
    settings: Settings, clock: SettableClock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    held = await hold_whole(app, office, appointment)
    await until(app, office, client, held.id, state="sealed")
    page, who = f"/inspections/{held.id}", office.bearer("reviewer")
    await sign_in(client)
    for reason in ("公开甲", "公开乙"):
        await send_form(client, f"{page}/copies", {"reason": reason, "personal": ["messages"]})
    (changed, whole) = sorted(path.name for path in (settings.data / "copies" / held.id).iterdir())
    (settings.data / "copies" / held.id / changed / "data" / "events.jsonl").write_bytes(b"{}\n")
    shutil.copytree(settings.data / "copies" / held.id / whole, settings.data / "copies" / new_id() / whole)
    shown_before = copies_on(await look(client, page, who=who))
    await app[ACCESSES].flush()
    await app[HEADS].run_once()
    await server.close()
    await wipe(settings)
    (settings.data / "access-log" / f"{held.id}.jsonl").unlink()
    monkeypatch.setenv("YUNKAN_DATA", str(settings.data))
    monkeypatch.setenv("YUNKAN_DATABASE_URL", settings.database_url)
    for language in ("zh-CN", "en"):
        monkeypatch.setenv("YUNKAN_LANGUAGE", language)
        assert await in_a_thread("reindex") == 1
        said = capsys.readouterr().out
        if language == "zh-CN":
            # Ids, paths and commands are Latin in any language; sentences are not.
            for line in said.splitlines():
                assert not re.search(r"[a-z]{2,} [a-z]{2,} [a-z]{2,}", re.sub("`.*?`", "", line)), line
            assert "其勘验未能恢复" in said
            await wipe(settings)
            (settings.data / "access-log" / f"{held.id}.jsonl").unlink(missing_ok=True)
    assert "1 viewing copies that no access log told of are entered again" in said
    assert f"The viewing copy {held.id}/{changed} is left out: " in said
    assert f"/{whole} is left out: its inspection did not come back" in said
    assert "access logs whose files are lost too" in said
    async with served(settings, clock) as (again, browser):
        async with again[DATABASE].reading() as session:
            assert await check_accesses(session, held.id) is None
            (line,) = await session.scalars(select(Access).where(Access.inspection_id == held.id))
        assert (line.type, line.actor["kind"]) == ("copy.found", "system")
        token = await bearer_of(again, office)
        shown_after = copies_on(await look(browser, page, who=token))
    assert shown_after == [each for each in shown_before if whole in each]
    assert "公开乙" in shown_after[0]


def copies_on(page: str) -> list[str]:
    """The page's viewing copies: whose, when, why, and what is missing."""
    return [part.partition("</li>")[0] for part in page.split("<li data-copy=")[1:]]


async def bearer_of(app: web.Application, office: Office) -> dict[str, str]:
    async with app[DATABASE].transaction() as session:
        _, token = await create_api_token(session, office.id, "again", "reviewer", app[JOURNAL].clock.now())
    return {"Authorization": f"Bearer {token}"}


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
        await reindex(app[DATABASE], app[FILES], [], clock)
    snapshot = app[FILES].absolute(f"inspections/{held.id}/data/snapshots/{held.snapshot}.png")
    snapshot.write_bytes(snapshot.read_bytes()[:-1])
    empty = Settings(data=tmp_path / "other", database_url=f"sqlite+aiosqlite:///{tmp_path}/empty.sqlite3")
    async with served(empty, clock) as (other, _):
        outcome = await reindex(other[DATABASE], app[FILES], [], clock)
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

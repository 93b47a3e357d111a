"""Who saw, played, took or could not get the evidence is written down, and no page waits for that."""

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import MultipartWriter, web
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, OperationalError

from server.accounts.rules import Actor
from server.archive import access_recorder, attempts, log_check
from server.archive.access import (
    CASE_VIEWED,
    COUNTED,
    LOST,
    PAPER_VIEWED,
    PLAYED,
    REFUSED,
    SEARCHED,
    SIGN_IN_FAILED,
    VERIFIED,
    VIEWED,
    read_chain,
    record_access,
)
from server.archive.access_recorder import VISITOR, AccessRecorder, Act
from server.archive.access_watch import ACCESSES
from server.archive.keys import HEADS
from server.archive.log_check import check_accesses, check_office_log, report_accesses
from server.archive.models import Access
from server.archive.office_log import enter_access_heads
from server.db import Database
from server.evidence import keys
from server.evidence.canonical import parse
from server.evidence.chain import check_chain
from server.inspections import service as inspections
from server.inspections.keys import JOURNAL
from server.live.models import Part, Participant, Slot
from server.officelog.models import OfficeEntry
from server.settings import Settings
from server.verification import views as verification
from server.verification.service import Outcome
from server.web.keys import DATABASE, FILES
from tests.cast import Appointment, Office, found_office
from tests.clock import SettableClock
from tests.flows.browsing import look, send_form, shown, sign_in
from tests.flows.conftest import Client
from tests.flows.rooms import join
from tests.flows.test_cases import PNG, file_form


async def hold(app: web.Application, office: Office, inspection_id: str) -> None:
    """An inspection that has ended."""
    async with app[DATABASE].transaction() as session:
        await inspections.start(session, app[JOURNAL], office.zhou, inspection_id, 1)
        await inspections.end(session, app[JOURNAL], office.zhou, inspection_id, "completed")


async def lines_of(app: web.Application, chain: str) -> list[dict[str, Any]]:
    """The chain's lines, once everything noted so far is written."""
    await app[ACCESSES].flush()
    async with app[DATABASE].reading() as session:
        assert await check_accesses(session, chain) is None
        query = select(Access.line).where(Access.inspection_id == chain).order_by(Access.seq)
        return [parse(line.encode()) for line in await session.scalars(query)]


def told(line: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    return line["type"], line["actor"]["name"], line["body"]


async def get(client: Client, path: str, headers: dict[str, str] | None = None) -> int:
    async with client.get(path, headers=headers) as response:
        await response.read()
        return response.status


async def test_a_look_at_an_ended_inspection_is_one_line_for_each_page_and_person(
    client: Client, app: web.Application, office: Office, appointment: Appointment, clock: SettableClock
) -> None:
    await sign_in(client)
    page, replay = f"/inspections/{appointment.id}", f"/archive/{appointment.id}"
    assert await get(client, page) == 200
    assert await lines_of(app, appointment.id) == [], "before its end there is the event log"
    await hold(app, office, appointment.id)
    for path in (page, replay, page, f"/api/v1/inspections/{appointment.id}/events", replay):
        assert await get(client, path) == 200
    assert await get(client, f"/api/v1{page}", office.bearer("auditor")) == 200
    lines = await lines_of(app, appointment.id)
    assert [told(line) for line in lines] == [
        (VIEWED, "周敏", {"what": "page"}),
        (VIEWED, "周敏", {"what": "replay"}),
        (VIEWED, "test auditor", {"what": "data"}),
    ]
    clock.advance(minutes=11)
    assert await get(client, page) == 200
    assert len(await lines_of(app, appointment.id)) == 4, "that is another look"


async def test_an_administrators_look_is_written_down_whenever_it_is(
    client: Client, app: web.Application, office: Office, appointment: Appointment
) -> None:
    await sign_in(client, "admin")
    assert await get(client, f"/inspections/{appointment.id}") == 200
    assert await get(client, "/office-log") == 200
    assert [told(line) for line in await lines_of(app, appointment.id)] == [
        (VIEWED, "管理员", {"what": "page"})
    ]
    assert [told(line) for line in await lines_of(app, office.id)] == [
        (VIEWED, "管理员", {"what": "office-log"})
    ]


async def test_all_requests_of_one_person_for_one_part_are_one_play(
    client: Client, app: web.Application, office: Office, appointment: Appointment, clock: SettableClock
) -> None:
    joined = await join(client, appointment.invitations["enterprise"])
    await hold(app, office, appointment.id)
    path = f"inspections/{appointment.id}/data/media/1.mp4"
    file = app[FILES].absolute(path)
    file.parent.mkdir(parents=True)
    file.write_bytes(b"recorded" * 100)
    async with app[DATABASE].transaction() as session:
        assert await session.get(Participant, joined["participant"]) is not None
        session.add(
            Slot(
                id="s1",
                inspection_id=appointment.id,
                participant_id=joined["participant"],
                source="camera",
                opened_at=clock.now(),
            )
        )
        await session.flush()
        session.add(
            Part(
                id="p1", inspection_id=appointment.id, slot_id="s1", epoch=1, index=1, path=path,
                media_type="video/mp4", started_at=clock.now(), closed=True, duration_s=1.0, size_bytes=800,
                sha256="0" * 64,
            )
        )  # fmt: skip
    for _ in range(3):
        for start in (0, 100, 500):
            ranged = office.bearer("auditor") | {"Range": f"bytes={start}-{start + 99}"}
            assert await get(client, "/api/v1/parts/p1/file", ranged) == 206
        clock.advance(minutes=8)
    assert [told(line) for line in await lines_of(app, appointment.id)] == [
        (PLAYED, "test auditor", {"part": "p1"})
    ]
    # Another worker, which remembers nothing, sees in the chain what has been written.
    clock.advance(minutes=-25)
    other = AccessRecorder(app[DATABASE], clock)
    auditor = next(iter(await lines_of(app, appointment.id)))["actor"]
    actor = Actor(kind="token", id=auditor["id"], name=auditor["name"], role="auditor", office_id=office.id)
    other.note(Act(actor, PLAYED, "p1", "", clock.now()))
    await other.flush()
    assert len(await lines_of(app, appointment.id)) == 1


async def test_what_was_refused_stands_where_those_concerned_look(
    client: Client, app: web.Application, office: Office, appointment: Appointment
) -> None:
    neighbours = await found_office(app[DATABASE], app[JOURNAL], prefix="neighbour-")
    await hold(app, office, appointment.id)
    page = f"/api/v1/inspections/{appointment.id}"
    assert await get(client, f"{page}/package", office.bearer("agent")) == 403
    assert await get(client, page, neighbours.bearer("reviewer")) == 404
    assert await get(client, "/api/v1/inspections/NOSUCH", neighbours.bearer("reviewer")) == 404
    assert await get(client, page) == 401
    assert await get(client, f"{page}/package", office.bearer("auditor")) == 409, "it is not sealed"
    lines = await lines_of(app, appointment.id)
    assert [told(line)[:2] for line in lines] == [
        (REFUSED, "test agent"),
        (REFUSED, "test reviewer"),
        (REFUSED, ""),
        (REFUSED, "test auditor"),
    ]
    assert lines[2]["body"] == {
        "what": "/api/v1/inspections/{inspection}",
        "code": "unauthenticated",
        "target": appointment.id,
        "address": "127.0.0.1",
    }
    assert lines[-1]["body"]["code"] == "not_sealed"
    (unknown,) = await lines_of(app, neighbours.id)
    assert unknown["body"] == {
        "what": "/api/v1/inspections/{inspection}",
        "code": "inspection_not_found",
        "target": "NOSUCH",
    }


async def test_a_look_at_a_case_at_its_papers_and_into_the_archive_is_one_line_each(
    client: Client, app: web.Application, office: Office, appointment: Appointment
) -> None:
    case = f"/cases/{appointment.case_id}"
    await send_form(client, f"{case}/materials", file_form(PNG, "营业执照.png"), who=office.bearer("agent"))
    await sign_in(client)
    page = await look(client, case)
    paper = page.partition(f'href="{case}/materials/')[2].partition('"')[0]
    if paper == "new":
        paper = page.rpartition(f'href="{case}/materials/')[2].partition('"')[0]
    for path in (
        f"/api/v1{case}",
        f"/api/v1{case}/evidence",
        f"{case}/close",
        *[f"{case}/materials/{paper}"] * 2,
        *["/archive?q=丰禾&from=2026-01-01"] * 2,
        "/archive?q=丰禾&from=2026-01-01&page=2",
        "/archive",
        "/cases",
        "/cases?q=丰禾",
    ):
        assert await get(client, path) == 200, path
    assert [told(line) for line in await lines_of(app, office.id)] == [
        (CASE_VIEWED, "周敏", {"what": "page", "case": appointment.case_id}),
        (PAPER_VIEWED, "周敏", {"paper": paper, "case": appointment.case_id}),
        (SEARCHED, "周敏", {"what": "archive", "query": "q=丰禾&from=2026-01-01"}),
        (SEARCHED, "周敏", {"what": "archive"}),
        (SEARCHED, "周敏", {"what": "cases", "query": "q=丰禾"}),
    ]


async def test_failed_sign_ins_and_what_a_role_does_not_allow_are_in_the_offices_log(
    client: Client, app: web.Application, office: Office
) -> None:
    async def fail(username: str, password: str) -> None:
        await send_form(client, "/sign-in", {"username": username, "password": password}, status=401)

    await fail(" ZHOU", "wrong")
    await fail("my-password-by-mistake", "zhou")
    assert await get(client, "/admin", office.bearer("reviewer")) == 403
    assert await get(client, "/api/v1/cases", {"Authorization": "Bearer yk_nobodys"}) == 401
    assert await get(client, "/api/v1/cases") == 401, "on the way to sign in"
    lines = await lines_of(app, office.id)
    here = {"address": "127.0.0.1"}
    assert [told(line) for line in lines] == [
        (SIGN_IN_FAILED, "", {"account": "zhou", "code": "wrong_sign_in", **here}),
        (SIGN_IN_FAILED, "", {"account": "", "code": "wrong_sign_in", **here}),
        (REFUSED, "test reviewer", {"what": "/admin", "code": "forbidden", "target": ""}),
        (REFUSED, "", {"what": "/api/v1/cases", "code": "unauthenticated", "target": "", **here}),
    ]
    assert "my-password" not in str(lines)
    await sign_in(client, "zheng")
    page = shown(await look(client, "/office-log"))
    assert "Failed to sign in" in page
    assert "zhou · wrong name or password · 127.0.0.1" in page


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_flood_of_failed_attempts_fills_a_few_lines_and_is_counted(
    app: web.Application, office: Office, appointment: Appointment, clock: SettableClock
) -> None:
    recorder = app[ACCESSES]

    def guess(account: str, address: str) -> None:
        more = (("address", address),)
        stranger = replace(VISITOR, office_id=office.id if account else "")
        recorder.note(Act(stranger, SIGN_IN_FAILED, "", account, clock.now(), "wrong_sign_in", more))

    for number in range(3000):
        guess("", f"203.0.113.{number}")
        recorder.note(Act(VISITOR, REFUSED, f"N{number}", "/", clock.now(), "unauthenticated"))
    guess("zhou", "203.0.113.7")
    for _ in range(500):
        guess("zhou", "203.0.113.7")
    recorder.note(Act(office.zheng, VIEWED, "", "office-log", clock.now()))
    lines = await lines_of(app, office.id)
    assert Counter(line["type"] for line in lines) == {
        SIGN_IN_FAILED: attempts.LINES + 1, REFUSED: attempts.LINES, VIEWED: 1
    }  # fmt: skip
    clock.advance(minutes=11)
    counted = [line for line in await lines_of(app, office.id) if line["type"] == COUNTED]
    assert {(line["body"].get("account"), line["body"]["count"]) for line in counted} == {
        ("", 3000 - attempts.LINES),
        ("zhou", 500),
        (None, 3000 - attempts.LINES),
    }
    assert (await lines_of(app, office.id))[-1]["type"] == COUNTED
    assert len(await lines_of(app, office.id)) == len(lines) + 3, "told once"


async def test_the_log_has_a_page_with_all_its_lines_and_a_check(
    client: Client, app: web.Application, office: Office, appointment: Appointment, clock: SettableClock
) -> None:
    await hold(app, office, appointment.id)
    for number in range(60):
        app[ACCESSES].note(
            Act(office.zheng, PLAYED, appointment.id, "", clock.now(), more=(("n", str(number)),))
        )
    await app[ACCESSES].flush()
    await app[HEADS].run_once()
    log = f"/inspections/{appointment.id}/accesses"
    await sign_in(client, "zheng")
    assert f'href="{log}"' in await look(client, f"/inspections/{appointment.id}")
    first, second = await look(client, log), await look(client, f"{log}?page=2")
    assert first.count("data-access=") == 50
    assert 'rel="next"' in first
    assert second.count(f'data-access="{PLAYED}"') >= 10
    _, page = await send_form(client, f"{log}/check", {}, status=200)
    assert 'data-check="holds"' in page
    assert "are the same in the file" in page
    (checked,) = [line for line in await lines_of(app, appointment.id) if line["type"] == VERIFIED]
    assert checked["body"] == {"accesses": "holds"}
    _, page = await send_form(client, "/office-log/accesses/check", {}, status=200)
    assert 'data-check="holds"' in page
    database = app[DATABASE]
    async with database.transaction() as session:
        fence = "fence_accesses_update" if database.is_sqlite else "fence_accesses ON accesses"
        await session.execute(text(f"DROP TRIGGER {fence}"))
        await session.execute(
            text(
                "UPDATE accesses SET line = replace(line, '郑', '张') WHERE inspection_id = :id AND seq = 7"
            ),
            {"id": appointment.id},
        )
    _, page = await send_form(client, f"{log}/check", {}, status=200)
    assert 'data-check="broken"' in page
    assert "Line 8: " in page or "Line 7: " in page
    assert "The file beside the evidence says something else" in page
    await sign_in(client, "zhou")
    assert await get(client, log) == 403


class EachSeesMore:
    """Reads as PostgreSQL does, each statement what is committed by then; after each one `grow` commits more."""

    def __init__(self, database: Database, grow: Callable[[], Awaitable[None]]) -> None:
        self._database = database
        self._grow = grow

    async def scalar(self, query: Any) -> Any:
        async with self._database.reading() as session:
            found = await session.scalar(query)
        await self._grow()
        return found

    async def scalars(self, query: Any) -> list[Any]:
        async with self._database.reading() as session:
            found = list(await session.scalars(query))
        await self._grow()
        return found


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_log_that_grows_while_it_is_checked_is_as_sound_as_before(
    app: web.Application, office: Office, clock: SettableClock, tmp_path: Path
) -> None:
    async def grow() -> None:
        async with app[DATABASE].transaction() as session:
            await record_access(session, clock, office.zheng, office.id, VIEWED, {"what": "office-log"})
            await enter_access_heads(session, clock.now())

    await grow()
    reading: Any = EachSeesMore(app[DATABASE], grow)
    report = await report_accesses(reading, office.id, tmp_path / "none.jsonl")
    assert report.entered is not None
    assert report.holds


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_line_that_another_worker_is_still_writing_makes_no_log_unsound(
    app: web.Application, office: Office, clock: SettableClock, tmp_path: Path
) -> None:
    for number in range(3):
        app[ACCESSES].note(Act(office.zheng, SEARCHED, "", f"list {number}", clock.now()))
    await app[ACCESSES].flush()
    async with app[DATABASE].reading() as session:
        first, second, _ = await read_chain(session, office.id)
        file = tmp_path / "half.jsonl"
        for half in (b"", second[:40], second):
            file.write_bytes(first + b"\n" + half)
            report = await report_accesses(session, office.id, file)
            assert (report.holds, report.filed) == (True, 1)
        file.write_bytes(first + b"\n" + second[:40] + b"\n")
        assert not (await report_accesses(session, office.id, file)).is_as_filed


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_log_is_checked_beside_what_the_worker_does_meanwhile(
    app: web.Application,
    office: Office,
    clock: SettableClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads: list[threading.Thread] = []

    def noted(lines: Iterable[bytes]) -> Any:
        threads.append(threading.current_thread())
        return check_chain(lines)

    monkeypatch.setattr(log_check, "check_chain", noted)
    async with app[DATABASE].reading() as session:
        await report_accesses(session, office.id, tmp_path / "none.jsonl")
        await check_accesses(session, office.id)
    assert len(threads) == 2
    assert threading.current_thread() not in threads


async def test_the_page_shows_the_log_to_those_who_may_see_it(
    client: Client, app: web.Application, office: Office, appointment: Appointment
) -> None:
    await hold(app, office, appointment.id)
    await get(client, f"/api/v1/inspections/{appointment.id}", office.bearer("auditor"))
    await app[ACCESSES].flush()
    await sign_in(client, "zheng")
    page = shown(await look(client, f"/inspections/{appointment.id}"))
    assert "Access log" in page
    assert "test auditor" in page
    assert "Its data, by a program" in page.partition("test auditor")[2]
    path = f"/api/v1/inspections/{appointment.id}/accesses"
    async with client.get(path) as response:
        lines = (await response.read()).splitlines()
    assert check_chain(lines)[1] is None
    assert lines
    assert [parse(line) for line in lines] == (await lines_of(app, appointment.id))[: len(lines)]
    assert await get(client, path, office.bearer("reviewer")) == 403
    await sign_in(client, "zhou")
    assert "Access log" not in await look(client, f"/inspections/{appointment.id}")


async def test_a_database_that_fails_neither_fails_nor_loses_a_look(
    client: Client,
    app: web.Application,
    office: Office,
    appointment: Appointment,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await hold(app, office, appointment.id)
    await sign_in(client)

    async def fail(*_: Any, **__: Any) -> None:
        raise OperationalError("INSERT", {}, Exception("the disk is full"))

    with monkeypatch.context() as broken:
        broken.setattr(access_recorder, "record_access", fail)
        assert await get(client, f"/inspections/{appointment.id}") == 200
        with pytest.raises(OperationalError):
            await app[ACCESSES].flush()
    assert len(await lines_of(app, appointment.id)) == 1


async def test_control_characters_are_nobodys_address_and_stop_nothing(
    client: Client, app: web.Application, office: Office, appointment: Appointment
) -> None:
    await hold(app, office, appointment.id)
    refused = office.bearer("agent")
    for path in (
        "/inspections/a%00b/package",
        "/inspections/a%00b",
        "/archive/a%0Ab",
        "/api/v1/parts/a%7F/file",
    ):
        assert await get(client, path, refused) == 404, path
    assert await get(client, "/archive?q=a%00b", office.bearer("auditor")) == 404
    assert await get(client, f"/api/v1/inspections/{appointment.id}/package", refused) == 403
    assert [told(line)[0] for line in await lines_of(app, appointment.id)] == [REFUSED]


async def test_an_act_that_the_database_never_takes_is_given_up_and_counted(
    app: web.Application, office: Office, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder, write = AccessRecorder(app[DATABASE], clock), record_access

    async def fail_for_one(
        session: Any, at: Any, actor: Actor, chain: str, type_: str, body: Any, *more: Any
    ) -> Any:
        if body.get("target") == "POISON":
            raise OperationalError("INSERT", {}, Exception("never"))
        return await write(session, at, actor, chain, type_, body, *more)

    monkeypatch.setattr(access_recorder, "record_access", fail_for_one)
    for target in ("POISON", "NEXT"):
        recorder.note(Act(office.zheng, REFUSED, target, "/", clock.now(), "forbidden"))
    for _ in range(2):
        with pytest.raises(OperationalError):
            await recorder.flush()
    await recorder.flush()
    lines = await lines_of(app, office.id)
    assert [line["type"] for line in lines] == [LOST, REFUSED]
    assert lines[0]["body"] == {"count": 1, "type": REFUSED}
    assert lines[1]["body"]["target"] == "NEXT"


async def test_while_the_database_takes_nothing_no_act_is_given_up(
    app: web.Application, office: Office, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = AccessRecorder(app[DATABASE], clock)

    async def fail(*_: Any, **__: Any) -> None:
        raise OperationalError("INSERT", {}, Exception("the disk is full"))

    recorder.note(Act(office.zheng, REFUSED, "N", "/", clock.now(), "forbidden"))
    with monkeypatch.context() as broken:
        broken.setattr(access_recorder, "record_access", fail)
        for _ in range(access_recorder.MOST_TRIES + 3):
            with pytest.raises(OperationalError):
                await recorder.flush()
    await recorder.flush()
    assert [line["type"] for line in await lines_of(app, office.id)] == [REFUSED]


async def test_what_the_queue_cannot_take_is_counted_in_the_log(
    app: web.Application, office: Office, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_recorder, "MOST_WAITING", 2)
    recorder = AccessRecorder(app[DATABASE], clock)
    for number in range(5):
        recorder.note(Act(office.zheng, REFUSED, f"N{number}", "/", clock.now(), "forbidden"))
    await recorder.flush()
    lines = await lines_of(app, office.id)
    assert [line["type"] for line in lines] == [REFUSED, LOST, REFUSED]
    assert lines[1]["body"] == {"count": 3}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("failing", [1, 2])
async def test_a_database_that_fails_once_loses_nothing_that_was_counted(
    app: web.Application,
    office: Office,
    clock: SettableClock,
    monkeypatch: pytest.MonkeyPatch,
    failing: int,
) -> None:
    recorder, write = await _three_who_were_counted(app, office, clock), record_access
    calls = count()

    async def fail_once(*given: Any) -> Any:
        if next(calls) == failing - 1:
            raise OperationalError("INSERT", {}, Exception("the disk is full"))
        return await write(*given)

    monkeypatch.setattr(access_recorder, "record_access", fail_once)
    with pytest.raises(OperationalError):
        await recorder.flush()
    await recorder.flush()
    assert await _counted_of(app, office) == [2, 2, 2]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_was_counted_stays_so_when_the_telling_is_cancelled(
    app: web.Application, office: Office, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder, begun = await _three_who_were_counted(app, office, clock), asyncio.Event()

    async def hang(*_: Any) -> None:
        begun.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as broken:
        broken.setattr(access_recorder, "record_access", hang)
        telling = asyncio.create_task(recorder.flush())
        await begun.wait()
        telling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await telling
    await recorder.flush()
    assert await _counted_of(app, office) == [2, 2, 2]


async def _three_who_were_counted(
    app: web.Application, office: Office, clock: SettableClock
) -> AccessRecorder:
    """Each has a line, and two attempts beyond it, which are due."""
    recorder = AccessRecorder(app[DATABASE], clock)
    for actor in (office.zhou, office.zheng, office.admin):
        for _ in range(3):
            recorder.note(Act(actor, REFUSED, "N", "/", clock.now(), "forbidden"))
    await recorder.flush()
    clock.advance(minutes=11)
    return recorder


async def _counted_of(app: web.Application, office: Office) -> list[int]:
    lines = await lines_of(app, office.id)
    told = [line for line in lines if line["type"] == COUNTED]
    assert len({line["actor"]["id"] for line in told}) == len(told)
    return [line["body"]["count"] for line in told]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_was_dropped_is_told_once_the_database_takes_it(
    app: web.Application, office: Office, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_recorder, "MOST_WAITING", 1)
    recorder, write = AccessRecorder(app[DATABASE], clock), record_access

    async def fail_for_losses(*given: Any) -> Any:
        if LOST in given:
            raise OperationalError("INSERT", {}, Exception("the disk is full"))
        return await write(*given)

    for number in range(4):
        recorder.note(Act(office.zheng, REFUSED, f"N{number}", "/", clock.now(), "forbidden"))
    with monkeypatch.context() as broken:
        broken.setattr(access_recorder, "record_access", fail_for_losses)
        with pytest.raises(OperationalError):
            await recorder.flush()
    await recorder.flush()
    lines = await lines_of(app, office.id)
    assert [line["type"] for line in lines] == [REFUSED, LOST]
    assert lines[1]["body"] == {"count": 3}


async def test_the_head_of_an_access_log_is_entered_and_a_cut_end_is_noticed(
    client: Client, app: web.Application, office: Office, appointment: Appointment, settings: Settings,
    clock: SettableClock,
) -> None:  # fmt: skip
    if not (settings.key_folder / keys.LOG).exists():
        keys.init(settings.key_folder, "局", clock.now())
    await hold(app, office, appointment.id)
    await get(client, f"/api/v1/inspections/{appointment.id}", office.bearer("auditor"))
    (line,) = await lines_of(app, appointment.id)
    for _ in range(2):
        clock.advance(hours=2)
        await app[HEADS].sign_if_due()
    database = app[DATABASE]
    async with database.reading() as session:
        entered = list(await session.scalars(select(OfficeEntry.record).where(OfficeEntry.kind == "access")))
        assert (await check_office_log(session, None)).faults == []
    (record,) = [parse(each.encode()) for each in entered]
    assert (record["inspection"], record["seq"]) == (appointment.id, line["seq"])
    with pytest.raises(DBAPIError, match="only ever added to"):
        async with database.transaction() as session:
            await session.execute(text("DELETE FROM accesses"))
    async with database.transaction() as session:
        fence = "fence_accesses_delete" if database.is_sqlite else "fence_accesses ON accesses"
        await session.execute(text(f"DROP TRIGGER {fence}"))
        await session.execute(text("DELETE FROM accesses"))
    async with database.reading() as session:
        (fault,) = (await check_office_log(session, None)).faults
    assert "does not have this end any more" in fault.text


async def test_the_office_log_page_names_what_was_opened_and_never_sealed(
    client: Client, app: web.Application, office: Office, appointment: Appointment, settings: Settings,
    clock: SettableClock,
) -> None:  # fmt: skip
    await sign_in(client, "zheng")
    await hold(app, office, appointment.id)
    if not (settings.key_folder / keys.LOG).exists():
        keys.init(settings.key_folder, "局", clock.now())
    clock.advance(hours=2)
    await app[HEADS].sign_if_due()
    page = await look(client, "/office-log")
    assert f'data-missing="{appointment.id}"' in page
    assert "none: no authority is set up" in shown(page)
    assert "/api/v1/log/heads/1" in page


async def test_a_check_of_receipts_is_written_down_whoever_did_it(
    client: Client,
    app: web.Application,
    office: Office,
    appointment: Appointment,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await hold(app, office, appointment.id)

    def verdict(inspection: str, outcome: Outcome) -> Any:
        receipt = SimpleNamespace(inspection=inspection, seq=3, at="2026-11-21T08:00:00.000Z", head="ab" * 32)
        return SimpleNamespace(receipt=receipt, outcome=outcome, problem=None)

    async def check(*_: Any) -> list[Any]:
        return [
            verdict(appointment.id, Outcome.HOLDS),
            verdict(appointment.id, Outcome.HOLDS),
            verdict(appointment.id, Outcome.NOT_OURS),
            verdict("01K00000000000000000000000", Outcome.NO_LOG),
        ]

    monkeypatch.setattr(verification, "check_shown", check)
    with MultipartWriter("form-data") as form:
        form.append("receipts").set_content_disposition("form-data", name="text")
    async with client.post("/verify", data=form) as response:
        assert response.status == 200, await response.text()
    assert [told(line) for line in await lines_of(app, appointment.id)] == [
        (VERIFIED, "", {"receipts": "holds"})
    ]
    await sign_in(client, "zheng")
    assert "A visitor" in shown(await look(client, f"/inspections/{appointment.id}"))

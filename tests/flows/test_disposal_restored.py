"""A disposal is approved, and then the database is put back to a copy from before: the access logs tell of it."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from sqlalchemy import select

from server.archive.disposal import certificate_path, settle_decisions
from server.archive.keys import HEADS, SEALER
from server.archive.models import Disposal
from server.db import Database
from server.evidence import keys
from server.evidence.canonical import parse
from server.evidence.ended_unsealed import UnsealedDisposal
from server.inspections import service as inspections
from server.inspections.errors import LogClosed
from server.inspections.keys import JOURNAL
from server.inspections.log import Journal
from server.live.keys import LIVE
from server.officelog.entries import find_entry
from server.officelog.models import OfficeEntry
from server.settings import Settings
from server.web.keys import DATABASE, FILES
from tests.cast import Appointment, Office, appoint, found_office
from tests.clock import SettableClock
from tests.flows.browsing import look, send_form, shown, sign_in
from tests.flows.conftest import Client
from tests.flows.test_disposal import TEN_YEARS, approved_disposal, attempted
from tests.flows.test_reindex import served, wipe

by_copying = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def end_without_result(app: web.Application, office: Office, inspection_id: str) -> Path:
    """Its recording."""
    async with app[DATABASE].transaction() as session:
        await inspections.start(session, app[JOURNAL], office.zhou, inspection_id, 1)
        await inspections.end(session, app[JOURNAL], office.zhou, inspection_id, "completed")
    recording = app[FILES].absolute(f"inspections/{inspection_id}/data/media/1.mp4")
    recording.parent.mkdir(parents=True)
    recording.write_bytes(b"filmed" * 100)
    return recording


@asynccontextmanager
async def put_back(settings: Settings, copy: Path) -> AsyncIterator[Database]:
    """The database of the copy, before anything is started with it."""
    await wipe(settings)
    for path in copy.iterdir():
        shutil.copy(path, Path(settings.database.partition(":///")[2]).parent)
    database = Database(settings.database)
    yield database
    await database.close()


async def approve_after_a_copy(
    settings: Settings, clock: SettableClock, copy: Path
) -> tuple[Office, Appointment, Path]:
    """Nothing is destroyed yet: the key of the seals is over, and there is no new one."""
    async with served(settings, clock) as (app, _):
        office = await found_office(app[DATABASE], app[JOURNAL])
        appointment = await appoint(app[DATABASE], app[JOURNAL], office)
        recording = await end_without_result(app, office, appointment.id)
        await app[SEALER].run_once()
        await app[HEADS].run_once()
    copy.mkdir()
    for path in Path(settings.database.partition(":///")[2]).parent.glob("*.sqlite3*"):
        shutil.copy(path, copy)
    clock.advance(hours=24 * TEN_YEARS)
    async with served(settings, clock) as (app, client):
        for name, act in (("zhou", "disposal"), ("admin", "disposal/approve")):
            await sign_in(client, name)
            await send_form(client, f"/inspections/{appointment.id}/{act}", {"reason": "保管期满"})
        await attempted(app, appointment.id)
        await app[HEADS].run_once()
    assert recording.exists()
    clock.advance(hours=1)
    return office, appointment, recording


@by_copying
async def test_what_was_approved_ends_also_after_the_database_was_put_back(
    settings: Settings, clock: SettableClock, tmp_path: Path
) -> None:
    _, appointment, recording = await approve_after_a_copy(settings, clock, tmp_path / "copy")
    keys.rotate(settings.key_folder, "seal", clock.now())
    async with put_back(settings, tmp_path / "copy"):
        pass
    async with served(settings, clock) as (app, client):
        await sign_in(client)
        sent = {"result": "pass", "note": ""}
        await send_form(client, f"/inspections/{appointment.id}/result", sent, status=410)
        row = await attempted(app, appointment.id)
        assert (row.problem, recording.exists()) == (None, False)
        made = UnsealedDisposal.parse(app[FILES].absolute(certificate_path(appointment.id)).read_bytes())
        async with app[DATABASE].reading() as session:
            closes = select(OfficeEntry).where(OfficeEntry.inspection_id == appointment.id)
            (close,) = await session.scalars(closes.where(OfficeEntry.kind == "close"))
        assert (made.lines, made.head) == (close.seq, parse(close.record.encode())["head"])
        assert len(made.approvers) == 2


@by_copying
async def test_nothing_is_destroyed_that_got_a_result_after_the_approval(
    settings: Settings, clock: SettableClock, tmp_path: Path
) -> None:
    office, appointment, recording = await approve_after_a_copy(settings, clock, tmp_path / "copy")
    keys.rotate(settings.key_folder, "seal", clock.now())
    async with put_back(settings, tmp_path / "copy") as database, database.transaction() as session:
        journal = Journal(clock, lambda _: None)
        await inspections.conclude(session, journal, office.zhou, appointment.id, "pass", "")
    async with served(settings, clock) as (app, _):
        await app[SEALER].run_once()
        assert recording.exists()
        async with app[DATABASE].reading() as session:
            row = await session.get_one(Disposal, appointment.id)
            assert (row.approved_at, row.done_at) == (None, None)
            assert await find_entry(session, "disposal", appointment.id) is None


async def test_an_approval_from_before_the_result_destroys_nothing_and_the_page_says_so(
    client: Client, app: web.Application, office: Office, appointment: Appointment, clock: SettableClock
) -> None:
    recording = await end_without_result(app, office, appointment.id)
    async with app[DATABASE].transaction() as session:
        session.add(approved_disposal(appointment.id, office, clock))
    clock.advance(minutes=1)
    async with app[DATABASE].transaction() as session:
        await inspections.conclude(session, app[JOURNAL], office.zhou, appointment.id, "pass", "")
    row = await attempted(app, appointment.id)
    assert row.done_at is None
    assert recording.exists()
    await sign_in(client)
    words = shown(await look(client, f"/inspections/{appointment.id}"))
    assert "its end or its result came after the approval" in words


async def test_workers_that_start_at_once_close_what_was_approved_once(
    client: Client, app: web.Application, office: Office, appointment: Appointment, clock: SettableClock
) -> None:
    recording = await end_without_result(app, office, appointment.id)
    await app[SEALER].close()
    async with app[DATABASE].transaction() as session:
        session.add(approved_disposal(appointment.id, office, clock))
    await asyncio.gather(*(settle_decisions(app[LIVE]) for _ in range(4)))
    async with app[DATABASE].reading() as session:
        closes = select(OfficeEntry).where(OfficeEntry.inspection_id == appointment.id)
        assert len(list(await session.scalars(closes.where(OfficeEntry.kind == "close")))) == 1
    async with app[DATABASE].transaction() as session:
        with pytest.raises(LogClosed):
            await inspections.conclude(session, app[JOURNAL], office.zhou, appointment.id, "pass", "")
        await session.rollback()
    row = await attempted(app, appointment.id)
    assert (row.problem, recording.exists()) == (None, False)

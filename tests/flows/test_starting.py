"""What a start finds in the data folder: left-overs are repaired, what somebody else is writing is left alone."""

import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from sqlalchemy import select

from server.app import build
from server.clock import SystemClock
from server.db import Database
from server.inspections import service as inspections
from server.inspections.keys import JOURNAL
from server.inspections.log import Journal, check, told_events
from server.live.keys import LIVE
from server.live.models import Part, RoomLease
from server.live.recording import part_stem, repair_after_kill
from server.settings import Settings
from server.storage.files import Files
from server.storage.lock import FolderInUse, hold
from server.web.keys import DATABASE, FILES
from tests.cast import Appointment, Office
from tests.clock import SettableClock
from tests.flows.cameras import add_camera, add_participant
from tests.service import ROOT, Service
from tests.unit.media.test_repair import left_behind


async def begin(database: Database, journal: Journal, office: Office, appointment: Appointment) -> str:
    """A running inspection with one camera; the slot's id."""
    now = journal.clock.now()
    async with database.transaction() as session:
        await inspections.start(session, journal, office.zhou, appointment.id, 1)
        participant = await add_participant(session, appointment.id, now)
        slot = await add_camera(session, appointment.id, participant, now)
        body = {"slot": slot, "participant": participant, "source": "camera"}
        await journal.append(session, appointment.id, "slot.opened", office.zhou, body)
    return slot


def left_file(files: Files, tmp_path: Path, inspection_id: str, slot: str) -> Path:
    """A recording as a kill leaves it, under the name that the service gives."""
    folder = files.absolute(f"inspections/{inspection_id}/data/media")
    folder.mkdir(parents=True)
    killed = left_behind(tmp_path)
    target = folder / f"{part_stem(slot, 1, 1)}{killed.suffix}"
    shutil.copy(killed, target)
    return target


def open_part(files: Files, inspection_id: str, slot: str, path: Path, now: datetime) -> Part:
    return Part(
        inspection_id=inspection_id, slot_id=slot, epoch=1, index=1, path=files.relative(path),
        media_type="video/mp4", started_at=now, closed=False,
    )  # fmt: skip


@pytest.mark.parametrize("state", ["live", "ended", "concluded"])
async def test_a_file_of_which_no_row_speaks_becomes_a_part(
    app: web.Application, office: Office, appointment: Appointment, tmp_path: Path, state: str
) -> None:
    slot = await begin(app[DATABASE], app[JOURNAL], office, appointment)
    left_file(app[FILES], tmp_path, appointment.id, slot)
    async with app[DATABASE].transaction() as session:
        if state != "live":
            await inspections.end(session, app[JOURNAL], office.zhou, appointment.id, "completed")
        if state == "concluded":
            await inspections.conclude(session, app[JOURNAL], office.zhou, appointment.id, "pass", "")
    assert await repair_after_kill(app[LIVE]) == 1
    assert await repair_after_kill(app[LIVE]) == 0
    async with app[DATABASE].reading() as session:
        (part,) = await session.scalars(select(Part))
        assert await check(session, appointment.id) is None
        types = [
            event.type for event in await told_events(session, appointment.id, "part.opened", "part.closed")
        ]
    assert (part.closed, part.repaired, part.slot_id, part.index) == (True, True, slot, 1)
    assert part.duration_s
    assert part.duration_s > 1
    assert types == ["part.opened", "part.closed"]


async def test_what_another_worker_records_is_left_to_it_while_its_lease_runs(
    app: web.Application, office: Office, appointment: Appointment, clock: SettableClock, tmp_path: Path
) -> None:
    slot = await begin(app[DATABASE], app[JOURNAL], office, appointment)
    path = left_file(app[FILES], tmp_path, appointment.id, slot)
    before = path.read_bytes()
    async with app[DATABASE].transaction() as session:
        session.add(open_part(app[FILES], appointment.id, slot, path, clock.now()))
        session.add(
            RoomLease(
                inspection_id=appointment.id,
                worker="another",
                epoch=1,
                expires_at=clock.now() + timedelta(seconds=30),
            )
        )
    assert await repair_after_kill(app[LIVE]) == 0
    assert path.read_bytes() == before
    clock.advance(minutes=1)
    assert await repair_after_kill(app[LIVE]) == 1


@asynccontextmanager
async def running(app: web.Application) -> AsyncIterator[None]:
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    try:
        yield
    finally:
        await server.close()


async def test_a_second_process_of_a_worker_does_not_start_and_another_worker_does(
    settings: Settings, server: TestServer, app: web.Application, clock: SettableClock
) -> None:
    with pytest.raises(FolderInUse):
        async with running(build(settings, clock)):
            pass
    with hold(app[FILES].root, "another"):
        pass
    await server.close()
    async with running(build(settings, clock)):
        pass


async def test_the_second_serve_says_why_it_stops_and_touches_no_recording(tmp_path: Path) -> None:
    service = Service(tmp_path)
    office, appointment = await service.prepare()
    await service.start()
    database, files = Database(service.database_url), Files(service.data, 0)
    try:
        journal = Journal(SystemClock(), lambda _: None)
        slot = await begin(database, journal, office, appointment)
        recording = left_file(files, tmp_path, appointment.id, slot)
        before = recording.read_bytes()
        async with database.transaction() as session:
            session.add(open_part(files, appointment.id, slot, recording, journal.clock.now()))
        environment = {**os.environ, "YUNKAN_DATA": str(service.data), "YUNKAN_LISTEN": "127.0.0.1:0"}

        def yunkan(*arguments: str, language: str = "en") -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [sys.executable, "-m", "server", *arguments],
                cwd=ROOT,
                env={**environment, "YUNKAN_LANGUAGE": language},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )

        second = yunkan("serve")
        assert second.returncode == 1
        assert "Another process of worker 0 is running on the data folder" in second.stderr
        assert "Traceback" not in second.stderr
        assert "已有工作进程 0 在运行" in yunkan("serve", language="zh-CN").stderr
        assert recording.read_bytes() == before
        async with database.reading() as session:
            assert list(await session.scalars(select(Part.closed))) == [False]
        # Commands that only look, or only write into the database, go on working.
        assert yunkan("check-log").returncode == 0
        assert yunkan("token", "create", "--role", "auditor").returncode == 0
        assert service.exit_code is None
    finally:
        await database.close()
        await service.stop()

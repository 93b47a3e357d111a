"""From the result to a package that strangers can check: closed, sealed, stamped, downloaded, once."""

import asyncio
import hashlib
import json
import signal
import subprocess
import sys
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from sqlalchemy import func, select, text, update

from server.accounts.rules import system_actor
from server.app import build
from server.archive import leases, sealing, stamping
from server.archive.access import EXPORTED, list_accesses
from server.archive.keys import SEALER
from server.archive.models import Seal
from server.archive.sealing import Sealer, ensure_keys
from server.clock import rfc3339
from server.db import Database
from server.errors import Gone
from server.evidence import keys
from server.evidence.certificates import fingerprint, to_pem
from server.evidence.chain import check_chain
from server.evidence.sealing import has_office_proof
from server.inspections import service as inspections
from server.inspections.errors import LogClosed
from server.inspections.keys import JOURNAL
from server.inspections.log import Journal, check
from server.inspections.models import Event
from server.live.keys import LIVE, ROOMS
from server.live.models import Part
from server.officelog.models import OfficeEntry
from server.settings import Settings
from server.web.keys import DATABASE, FILES
from server.web.languages import speaking
from tests.cast import Appointment, Office, appoint, found_office
from tests.clock import SettableClock
from tests.command import yunkan
from tests.evidence.authority import Authority, make_authority, serving
from tests.flows.browsing import look, send_form, shown, sign_in
from tests.flows.cameras import add_camera
from tests.flows.conftest import Client
from tests.flows.killed import POLL_S, seal_until_killed
from tests.flows.programs import get, post
from tests.flows.rooms import RoomClient, bearer, join
from tests.flows.test_recorded_inspection import video_is_live
from tests.peers.clients import counter_tracks, publishing

PATIENCE_S = 240
"""For a machine that is busy with other things."""


async def hold(app: web.Application, office: Office, inspection_id: str) -> None:
    """An inspection in which nobody filmed, from its start to its result."""
    journal: Journal = app[JOURNAL]
    async with app[DATABASE].transaction() as session:
        await inspections.start(session, journal, office.zhou, inspection_id, 1)
        await inspections.end(session, journal, office.zhou, inspection_id, "completed")
        await inspections.conclude(session, journal, office.zhou, inspection_id, "rectify", "补拍门牌")


async def until(
    app: web.Application, office: Office, client: Client, id_: str, **wanted: Any
) -> dict[str, Any]:
    """The seal's state once it is as wanted; the sealer is asked again and again, as its own task does."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await app[SEALER].run_once()
            told: dict[str, Any] = await get(
                client, f"/api/v1/inspections/{id_}/seal", office.bearer("auditor")
            )
            if all(told[name] == value for name, value in wanted.items()):
                return told
            await asyncio.sleep(0.02)


async def download(client: Client, id_: str, who: dict[str, str], target: Path) -> Path:
    async with client.get(f"/api/v1/inspections/{id_}/package", headers=who) as response:
        assert response.status == 200, await response.text()
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        with target.open("wb") as file:
            async for piece in response.content.iter_chunked(1 << 16):
                file.write(piece)
    return target


def shell(folder: Path, command: str) -> str:
    result = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def unpacked(zipped: Path, target: Path) -> Path:
    with zipfile.ZipFile(zipped) as archive:
        archive.extractall(target)
    (folder,) = target.iterdir()
    return folder


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    with serving(make_authority(tmp_path / "tsa")) as running:
        yield running


class TestWithAnAuthority:
    """A filmed inspection, stamped, and everything that a stranger does with its package."""

    @pytest.fixture
    def settings(self, tmp_path: Path, database_url: str, authority: Authority) -> Settings:
        return Settings(
            data=tmp_path / "data",
            database_url=database_url,
            reserve_bytes=0,
            timestamp_urls=authority.url,
            timestamp_roots=str(authority.folder / "root.pem"),
        )

    async def test_a_filmed_inspection_becomes_a_package_that_stock_tools_check(
        self,
        client: Client,
        server: TestServer,
        app: web.Application,
        office: Office,
        appointment: Appointment,
        settings: Settings,
        authority: Authority,
        tmp_path: Path,
    ) -> None:
        address = str(server.make_url("/")).rstrip("/")
        reviewer = await join(client, appointment.invitations["reviewer"])
        room = await RoomClient.connect(client, reviewer)
        async with (
            ClientSession() as session,
            publishing(session, address, appointment.invitations["enterprise"], "田", counter_tracks()),
        ):
            slot = await video_is_live(room, 0.5)
            await post(
                client, f"{reviewer['base']}/snapshots", {"slot": slot["id"], "item": None}, bearer(reviewer)
            )
            async with client.post(
                f"/api/v1/inspections/{appointment.id}/end", headers=bearer(reviewer)
            ) as response:
                assert response.status == 200, await response.text()
            await room.hear("bye")
        await get(client, f"/api/v1/inspections/{appointment.id}/package", office.bearer("auditor"), 409)
        await post(
            client,
            f"/api/v1/inspections/{appointment.id}/result",
            {"result": "pass", "note": ""},
            office.bearer("reviewer"),
            status=200,
        )
        told = await until(app, office, client, appointment.id, state="sealed", stamps=1)
        assert told["stamps_pending"] == 0

        zipped = await download(client, appointment.id, office.bearer("auditor"), tmp_path / "package.zip")
        root = tmp_path / "root.pem"
        office_keys = keys.load(settings.key_folder)
        root.write_bytes(to_pem([office_keys.root]))
        assert fingerprint(office_keys.root) == told["root_certificate"]
        tsa_root = authority.folder / "root.pem"
        trusted = ["--root", str(root), "--tsa-root", str(tsa_root)]
        assert yunkan("verify", str(zipped), *trusted) == 0
        folder = unpacked(zipped, tmp_path / "unpacked")
        assert yunkan("verify", str(folder), *trusted) == 0
        assert {path.parent.name for path in folder.glob("data/*/*")} == {"media", "snapshots"}

        shell(folder, "sha256sum --quiet -c manifest-sha256.txt")
        shell(
            folder,
            "openssl cms -verify -binary -inform DER -in seal.p7s -content seal.json "
            f"-CAfile {root} -purpose any -out /dev/null",
        )
        shell(folder, f"openssl ts -verify -data seal.p7s -in seal.tsr -CAfile {tsa_root}")
        head = shell(folder, "tail -n1 data/events.jsonl | tr -d '\\n' | sha256sum").split()[0]
        assert head == json.loads((folder / "seal.json").read_text())["log"]["head"] == told["head"]
        shell(folder, f"{sys.executable} -I -S verify.py --root {root}")

        # What is in the zip is what was recorded: one byte less is told.
        part = next((folder / "data/media").iterdir())
        part.write_bytes(part.read_bytes()[:-1])
        assert yunkan("verify", str(folder), *trusted) == 1

    async def test_a_stamp_that_the_authority_does_not_give_is_pending_and_heals(
        self,
        client: Client,
        app: web.Application,
        office: Office,
        appointment: Appointment,
        authority: Authority,
        clock: SettableClock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        await sign_in(client)
        authority.gate.clear()
        monkeypatch.setattr(stamping, "TIMEOUT_S", 0.3)
        await hold(app, office, appointment.id)
        told = await until(app, office, client, appointment.id, state="sealed", stamps_pending=1)
        async with asyncio.timeout(PATIENCE_S):
            while told["problem"] is None:
                told = await until(app, office, client, appointment.id, state="sealed")
        assert authority.url in told["problem"]
        page = shown(await look(client, f"/inspections/{appointment.id}"))
        assert "1 pending" in page
        assert "did not answer" in page
        assert "Sealed, time stamp pending" in await look(client, f"/archive/{appointment.id}")
        authority.gate.set()
        monkeypatch.setattr(stamping, "TIMEOUT_S", 20.0)
        clock.advance(seconds=60)
        told = await until(app, office, client, appointment.id, stamps=1)
        assert (told["stamps_pending"], told["problem"]) == (0, None)

    async def test_every_package_that_is_had_right_after_the_seal_passes(
        self,
        client: Client,
        app: web.Application,
        office: Office,
        appointment: Appointment,
        authority: Authority,
        settings: Settings,
        tmp_path: Path,
    ) -> None:
        """Report and stamp come while packages are being taken."""
        await hold(app, office, appointment.id)
        taken: dict[str, bytes] = {}

        async def take() -> None:
            while True:
                path = f"/api/v1/inspections/{appointment.id}/package"
                async with client.get(path, headers=office.bearer("auditor")) as response:
                    assert response.status in (200, 409), await response.text()
                    if response.status == 200:
                        data = await response.read()
                        taken.setdefault(hashlib.sha256(data).hexdigest(), data)

        takers = [asyncio.create_task(take()) for _ in range(3)]
        await until(app, office, client, appointment.id, stamps=1)
        for taker in takers:
            taker.cancel()
        await asyncio.gather(*takers, return_exceptions=True)
        assert not [taker for taker in takers if not taker.cancelled()]
        await download(client, appointment.id, office.bearer("auditor"), tmp_path / "last.zip")
        taken["last"] = (tmp_path / "last.zip").read_bytes()
        root = str(settings.key_folder / "root.pem")
        for name, data in taken.items():
            (tmp_path / "package.zip").write_bytes(data)
            assert yunkan("verify", str(tmp_path / "package.zip"), "--root", root) == 0
            folder = unpacked(tmp_path / "package.zip", tmp_path / name)
            shell(folder, f"{sys.executable} -I -S verify.py --root {root}")


async def test_nothing_follows_the_closing_event(
    client: Client, app: web.Application, office: Office, appointment: Appointment
) -> None:
    await hold(app, office, appointment.id)
    await until(app, office, client, appointment.id, state="sealed")
    async with app[DATABASE].reading() as session:
        last = await session.scalar(
            select(Event).where(Event.inspection_id == appointment.id).order_by(Event.seq.desc()).limit(1)
        )
        assert await check(session, appointment.id) is None
    assert last is not None
    assert last.type == "evidence.closed"
    assert last.body["counts"]["events"] == last.seq - 1
    with pytest.raises(LogClosed):
        async with app[DATABASE].transaction() as session:
            await app[JOURNAL].append(session, appointment.id, "chat.sent", office.zhou, {"text": "late"})
    assert issubclass(LogClosed, Gone)


async def test_the_page_shows_the_seal_what_it_does_not_prove_and_who_took_the_package(
    client: Client, app: web.Application, office: Office, appointment: Appointment, tmp_path: Path
) -> None:
    await sign_in(client)
    await hold(app, office, appointment.id)
    told = await until(app, office, client, appointment.id, state="sealed")
    page = await look(client, f"/inspections/{appointment.id}")
    for name in ("root", "head", "certificate", "root_certificate"):
        assert told[name] in page
    assert "It does not prove that what the camera saw was true" in page
    assert "none: no authority is set up" in page
    assert "Taken by" not in page
    await download(client, appointment.id, office.bearer("auditor"), tmp_path / "a.zip")
    async with client.get(f"/inspections/{appointment.id}/package") as response:
        assert (response.status, response.content_type) == (200, "application/zip")
        assert await response.read() == (tmp_path / "a.zip").read_bytes()
    page = shown(await look(client, f"/inspections/{appointment.id}"))
    assert "Taken by 周敏" in page
    async with app[DATABASE].reading() as session:
        lines = [access.line.encode() for access in reversed(await list_accesses(session, appointment.id))]
    taken = [line for line in map(json.loads, lines) if line["type"] == EXPORTED]
    assert [line["body"]["root"] for line in taken] == [told["root"]] * 2
    assert check_chain(lines)[1] is None


async def test_the_package_holds_the_offices_metadata(
    client: Client, app: web.Application, office: Office, appointment: Appointment, tmp_path: Path
) -> None:
    await hold(app, office, appointment.id)
    with speaking("en"):  # whoever happens to set the sealer going does not choose the office's language
        await until(app, office, client, appointment.id, state="sealed")
    zipped = await download(client, appointment.id, office.bearer("auditor"), tmp_path / "package.zip")
    folder = unpacked(zipped, tmp_path / "unpacked")
    written = "".join(path.read_text("utf-8") for path in (folder / "metadata").iterdir())
    for words in (
        "丰禾种业有限公司",
        "91370503MA3C0FHY70",
        "补拍门牌",
        "周敏",
        "统一社会信用代码",
        "整改后合格",
    ):
        assert words in written, words


async def test_a_failure_is_shown_and_tried_again(
    client: Client,
    app: web.Application,
    office: Office,
    appointment: Appointment,
    clock: SettableClock,
) -> None:
    await sign_in(client)
    stray = app[FILES].absolute(f"inspections/{appointment.id}/data/stray.mp4")
    stray.parent.mkdir(parents=True)
    stray.symlink_to("/etc/hostname")
    await hold(app, office, appointment.id)
    with structlog.testing.capture_logs() as logged:
        told = await until(app, office, client, appointment.id, state="failed")
    assert "stray.mp4" in told["problem"]
    assert "sealing_failed" in [entry["event"] for entry in logged]
    page = shown(await look(client, f"/inspections/{appointment.id}"))
    assert "Not sealed" in page
    assert "stray.mp4" in page
    stray.unlink()
    assert (await until(app, office, client, appointment.id, state="failed"))[
        "problem"
    ]  # not before its time
    clock.advance(minutes=1)
    assert (await until(app, office, client, appointment.id, state="sealed"))["problem"] is None


async def test_a_file_that_a_kill_left_without_its_event_is_set_aside_and_told(
    client: Client, app: web.Application, office: Office, appointment: Appointment, settings: Settings
) -> None:
    folder = app[FILES].absolute(f"inspections/{appointment.id}")
    (folder / "data/snapshots").mkdir(parents=True)
    (folder / "data/snapshots/x.png").write_bytes(b"taken, then killed")
    await hold(app, office, appointment.id)
    await until(app, office, client, appointment.id, state="sealed")
    assert (folder / "data/unclaimed/snapshots-x.png").read_bytes() == b"taken, then killed"
    async with app[DATABASE].reading() as session:
        warned = await session.scalar(
            select(Event).where(Event.inspection_id == appointment.id, Event.type == "office.warned")
        )
    assert warned is not None
    assert warned.body == {"code": "unclaimed_file", "detail": "x.png"}
    assert yunkan("verify", str(folder), "--root", str(settings.key_folder / "root.pem")) == 0


async def test_a_late_visitor_does_not_keep_an_inspection_from_being_sealed(
    client: Client, app: web.Application, office: Office, appointment: Appointment, clock: SettableClock
) -> None:
    await hold(app, office, appointment.id)
    await app[ROOMS].open(appointment.id)
    await until(app, office, client, appointment.id, state="sealing")
    clock.advance(minutes=2)
    await until(app, office, client, appointment.id, state="sealed")
    assert app[ROOMS].find(appointment.id) is None


async def test_a_lease_keeps_another_worker_away_until_it_is_over(
    client: Client, app: web.Application, office: Office, appointment: Appointment, clock: SettableClock
) -> None:
    await app[SEALER].close()
    await hold(app, office, appointment.id)
    async with app[DATABASE].transaction() as session:
        now = clock.now()
        session.add(
            Seal(
                inspection_id=appointment.id,
                retry_at=now,
                lease_until=now.replace(year=now.year + 1),
                lease_by="9",
            )
        )
    assert await app[SEALER].run_once() == 0
    async with app[DATABASE].transaction() as session:
        await session.execute(update(Seal).values(lease_until=now))
    assert await app[SEALER].run_once() == 1


class Paused:
    """A sealer's `reached` that waits in the sealing thread at one step, until it may go on."""

    def __init__(self, step: str) -> None:
        self._step = step
        self.there, self.go_on = threading.Event(), threading.Event()

    def __call__(self, step: str) -> None:
        if step == self._step:
            self.there.set()
            assert self.go_on.wait(PATIENCE_S)


async def prepare_sealers(
    app: web.Application, office: Office, monkeypatch: pytest.MonkeyPatch, renew_every_s: float = 3600
) -> tuple[Sealer, Sealer]:
    """Two of the same worker's name, the application's own at rest, and the keys made."""
    await app[SEALER].close()
    monkeypatch.setattr(leases, "RENEW_EVERY_S", renew_every_s)
    await ensure_keys(app[LIVE])
    return Sealer(app[LIVE], app[ROOMS]), Sealer(app[LIVE], app[ROOMS])


def require_verified(app: web.Application, settings: Settings, inspection_id: str) -> Path:
    """Both verifiers pass the folder as it lies there."""
    folder = app[FILES].absolute(f"inspections/{inspection_id}")
    root = str(settings.key_folder / "root.pem")
    assert yunkan("verify", str(folder), "--root", root) == 0
    shell(folder, f"{sys.executable} -I -S verify.py --root {root}")
    return folder


async def test_of_sealers_at_once_each_inspection_is_sealed_by_one(
    app: web.Application, office: Office, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealers = await prepare_sealers(app, office, monkeypatch)
    ids = [(await appoint(app[DATABASE], app[JOURNAL], office, roles=())).id for _ in range(4)]
    for inspection_id in ids:
        await hold(app, office, inspection_id)
    steps: list[str] = []
    for sealer in sealers:
        sealer.reached = steps.append
    await asyncio.gather(*(sealer.run_once() for sealer in sealers for _ in range(2)))
    counts = Counter(steps)
    assert (counts["closed"], counts["signature"], counts["recorded"], counts["reported"]) == (4, 4, 4, 4)
    for inspection_id in ids:
        require_verified(app, settings, inspection_id)
    async with app[DATABASE].reading() as session:
        entered = await session.execute(
            select(OfficeEntry.inspection_id, func.count())
            .where(OfficeEntry.kind == "seal")
            .group_by("inspection_id")
        )
        assert {row[0]: row[1] for row in entered} == dict.fromkeys(ids, 1)


@pytest.mark.parametrize("step", ["leaves", "tags", "keys"])
async def test_a_sealer_whose_lease_was_taken_over_writes_nothing_more(
    app: web.Application,
    office: Office,
    appointment: Appointment,
    settings: Settings,
    clock: SettableClock,
    step: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slow, quick = await prepare_sealers(app, office, monkeypatch)
    await hold(app, office, appointment.id)
    slow.reached = paused = Paused(step)
    late = asyncio.create_task(slow.run_once())
    assert await asyncio.to_thread(paused.there.wait, PATIENCE_S)
    assert await quick.run_once() == 0, "somebody is at it"
    clock.advance(seconds=leases.LEASE.total_seconds() + 1)
    assert await quick.run_once() == 1
    folder = require_verified(app, settings, appointment.id)
    sealed = [(folder / name).read_bytes() for name in ("seal.json", "seal.p7s", "tagmanifest-sha256.txt")]
    paused.go_on.set()
    with structlog.testing.capture_logs() as logged:
        await late
    assert "lease_lost" in [entry["event"] for entry in logged]
    require_verified(app, settings, appointment.id)
    assert sealed == [
        (folder / name).read_bytes() for name in ("seal.json", "seal.p7s", "tagmanifest-sha256.txt")
    ]
    async with app[DATABASE].reading() as session:
        seal = await session.get_one(Seal, appointment.id)
    assert (seal.lease_until, seal.problem) == (None, None)


async def test_a_lease_is_renewed_while_a_step_takes_long(
    app: web.Application,
    office: Office,
    appointment: Appointment,
    clock: SettableClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slow, quick = await prepare_sealers(app, office, monkeypatch, renew_every_s=0.02)
    await hold(app, office, appointment.id)
    slow.reached = paused = Paused("tags")
    work = asyncio.create_task(slow.run_once())
    assert await asyncio.to_thread(paused.there.wait, PATIENCE_S)
    for _ in range(3):
        clock.advance(seconds=leases.LEASE.total_seconds() - 1)
        async with asyncio.timeout(PATIENCE_S):
            while True:
                async with app[DATABASE].reading() as session:
                    until_ = (await session.get_one(Seal, appointment.id)).lease_until
                if until_ is not None and until_ > clock.now() + leases.LEASE / 2:
                    break
                await asyncio.sleep(0.01)
        assert await quick.run_once() == 0
    paused.go_on.set()
    assert await work == 1


async def test_a_service_that_stops_gives_its_leases_up(
    app: web.Application, office: Office, appointment: Appointment, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped, next_one = await prepare_sealers(app, office, monkeypatch)
    await hold(app, office, appointment.id)
    stopped.reached = paused = Paused("tags")
    stopped.start()
    assert await asyncio.to_thread(paused.there.wait, PATIENCE_S)
    closing = asyncio.create_task(stopped.close())
    paused.go_on.set()
    await closing
    assert await next_one.run_once() == 1


STEPS = (
    "closed", "documents", "events", "leaves", "manifest", "tags", "seal", "keys", "signature", "tagmanifest",
    "entered", "proved", "recorded", "reported", "stamped",
)  # fmt: skip


@pytest.mark.parametrize("step", STEPS)
async def test_a_kill_at_any_step_ends_in_one_seal_after_the_next_start(
    settings: Settings,
    clock: SettableClock,
    step: str,
    tmp_path: Path,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stamped = {"timestamp_urls": authority.url, "timestamp_roots": str(authority.folder / "root.pem")}
    settings = replace(settings, **stamped)
    database, journal = Database(settings.database), Journal(clock, lambda _: None)
    office = await found_office(database, journal)
    appointment = await appoint(database, journal, office, roles=())
    async with database.transaction() as session:
        await inspections.start(session, journal, office.zhou, appointment.id, 1)
        await inspections.end(session, journal, office.zhou, appointment.id, "completed")
        await inspections.conclude(session, journal, office.zhou, appointment.id, "pass", "")
    told = tmp_path / "killed.log"
    exit_code = await asyncio.to_thread(seal_until_killed, settings, step, told, PATIENCE_S)
    assert exit_code == -signal.SIGKILL, told.read_text()
    folder = settings.data / "inspections" / appointment.id
    before = (folder / "seal.p7s").read_bytes() if (folder / "seal.p7s").exists() else None
    assert (before is not None) == (step in STEPS[STEPS.index("signature") :])
    clock.advance(seconds=leases.LEASE.total_seconds())
    monkeypatch.setattr(sealing, "POLL_S", POLL_S)
    app = build(settings, clock)
    runner = web.AppRunner(app)
    await runner.setup()
    async with asyncio.timeout(PATIENCE_S):
        while True:
            async with database.reading() as session:
                seal = await session.get(Seal, appointment.id, populate_existing=True)
            if seal is not None and (seal.stamps, seal.lease_until) == (1, None):
                break
            await asyncio.sleep(0.02)
    await runner.cleanup()
    assert seal.sealed_at is not None
    assert seal.reported_at is not None
    assert seal.problem is None
    assert before in (None, (folder / "seal.p7s").read_bytes())
    async with database.reading() as session:
        closes = await session.scalars(select(Event.seq).where(Event.type == "evidence.closed"))
        assert len(list(closes)) == 1
        entered = await session.scalars(
            select(OfficeEntry.kind)
            .where(OfficeEntry.inspection_id == appointment.id)
            .order_by(OfficeEntry.index)
        )
        assert list(entered) == ["open", "close", "seal"]
    await database.close()
    assert has_office_proof(folder)
    require_verified(app, settings, appointment.id)


async def test_the_first_start_makes_keys_and_says_what_to_pin(
    settings: Settings, clock: SettableClock
) -> None:
    database = Database(settings.database)
    await found_office(database, Journal(clock, lambda _: None))
    await database.close()
    with structlog.testing.capture_logs() as logged:
        for _ in range(2):
            runner = web.AppRunner(build(settings, clock))
            await runner.setup()
            await runner.cleanup()
    made = keys.show(settings.key_folder)
    assert made.office == "河口新区行政审批服务局"
    told = [entry["root_fingerprint"] for entry in logged if entry["event"] == "keys_made"]
    assert told == [made.root_fingerprint]
    assert (settings.key_folder / "office.key").stat().st_mode & 0o777 == 0o600


TAMPERING = {
    "a line": (
        "UPDATE events SET line = replace(line, '补拍', '免拍') WHERE type = 'inspection.concluded'",
        8,
    ),
    "a column": ("UPDATE events SET body = '{}' WHERE seq = 3", 3),
    "a hole": ("DELETE FROM events WHERE seq = 4", 4),
    "the end": ("DELETE FROM events WHERE type = 'evidence.closed'", 9),
}


@pytest.mark.parametrize("what", TAMPERING)
async def test_without_the_fence_the_first_bad_line_is_named(
    client: Client,
    app: web.Application,
    office: Office,
    appointment: Appointment,
    settings: Settings,
    what: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await hold(app, office, appointment.id)
    await until(app, office, client, appointment.id, state="sealed")
    monkeypatch.setenv("YUNKAN_DATA", str(settings.data))
    monkeypatch.setenv("YUNKAN_DATABASE_URL", settings.database_url)
    assert await asyncio.to_thread(yunkan, "check-log") == 0
    statement, line = TAMPERING[what]
    async with app[DATABASE].transaction() as session:
        if app[DATABASE].is_sqlite:
            for act in ("update", "delete"):
                await session.execute(text(f"DROP TRIGGER fence_events_{act}"))
        else:
            for trigger in ("fence_events", "fence_events_delete"):
                await session.execute(text(f"DROP TRIGGER {trigger} ON events"))
        changed: Any = await session.execute(text(statement))
        assert changed.rowcount == 1
    capsys.readouterr()
    assert await asyncio.to_thread(yunkan, "check-log", appointment.id) == 1
    assert f"{appointment.id}，第 {line} 行" in capsys.readouterr().out


async def film_with_a_gap(
    client: Client, app: web.Application, office: Office, appointment: Appointment, clock: SettableClock
) -> dict[str, Any]:
    """A phone of which ten seconds are missing; the inspection has its result. The participant."""
    joined = await join(client, appointment.invitations["enterprise"])
    journal, start = app[JOURNAL], clock.now()
    folder = app[FILES].absolute(f"inspections/{appointment.id}/data/media")
    folder.mkdir(parents=True)
    async with app[DATABASE].transaction() as session:
        await inspections.start(session, journal, system_actor(), appointment.id, 1)
        participant = joined["participant"]
        slot_id = await add_camera(session, appointment.id, participant, start)
        body = {"slot": slot_id, "participant": participant, "source": "camera"}
        await journal.append(session, appointment.id, "slot.opened", system_actor(), body)
        for index, (begin, duration) in enumerate(((0, 10), (20, 30)), start=1):
            data = f"part {index}".encode()
            (folder / f"{index}.mp4").write_bytes(data)
            body = {
                "part": f"p{index}", "slot": slot_id, "index": index, "media_type": "video/mp4",
                "started_at": rfc3339(start + timedelta(seconds=begin)), "duration_s": duration,
                "size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(),
            }  # fmt: skip
            path = f"inspections/{appointment.id}/data/media/{index}.mp4"
            session.add(
                Part(
                    id=f"p{index}", inspection_id=appointment.id, slot_id=slot_id, epoch=1, index=index,
                    path=path, media_type="video/mp4", started_at=start, closed=True,
                    duration_s=duration, size_bytes=len(data), sha256=str(body["sha256"]),
                )
            )  # fmt: skip
            await journal.append(session, appointment.id, "part.closed", system_actor(), body)
    clock.advance(seconds=50)
    await post(client, f"/api/v1/inspections/{appointment.id}/end", {}, office.bearer("reviewer"), 200)
    result = {"result": "pass", "note": ""}
    await post(client, f"/api/v1/inspections/{appointment.id}/result", result, office.bearer("reviewer"), 200)
    return joined


async def test_what_a_phone_may_still_send_is_waited_for_until_its_deadline(
    client: Client, app: web.Application, office: Office, appointment: Appointment, clock: SettableClock
) -> None:
    joined = await film_with_a_gap(client, app, office, appointment, clock)
    told = await until(app, office, client, appointment.id, state="waiting")
    gaps = await get(client, f"{joined['base']}/gaps", bearer(joined))
    assert datetime.fromisoformat(told["awaited_until"]) == datetime.fromisoformat(gaps["deadline"])
    clock.advance(hours=25)
    assert (await until(app, office, client, appointment.id, state="sealed"))["awaited_until"] is None


async def test_a_reviewer_may_decide_not_to_wait_and_then_the_phone_is_too_late(
    client: Client, app: web.Application, office: Office, appointment: Appointment, clock: SettableClock
) -> None:
    joined = await film_with_a_gap(client, app, office, appointment, clock)
    await sign_in(client)
    await until(app, office, client, appointment.id, state="waiting")
    assert "Seal now" in await look(client, f"/inspections/{appointment.id}")
    location, _ = await send_form(client, f"/inspections/{appointment.id}/seal", {})
    assert location == f"/inspections/{appointment.id}#seal"
    await until(app, office, client, appointment.id, state="sealed")
    answer = await get(client, f"{joined['base']}/gaps", bearer(joined), 410)
    assert answer["error"]["code"] == "upload_over"

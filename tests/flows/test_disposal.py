"""The end of evidence: not before its time, not under a hold, by two people, and with a certificate that is kept."""

import asyncio
import hashlib
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from server.app import build
from server.archive.access import list_accesses
from server.archive.disposal import DONE, KeptLonger, certificate_path, propose
from server.archive.keys import SEALER
from server.archive.log_check import check_office_log
from server.archive.models import Disposal, Seal
from server.archive.package_metadata import longer, told_years
from server.archive.retention import kept_until
from server.archive.sealing import Sealer
from server.cases.rules import MATTERS, RetentionPolicy
from server.clock import parse_rfc3339
from server.db import Database
from server.evidence import certificates, cms, disposal, keys
from server.evidence.canonical import parse
from server.evidence.disposal import BadDisposal, CannotDispose
from server.evidence.ended_unsealed import UnsealedDisposal, UnsealedOrder, dispose_unsealed
from server.evidence.metadata import BASE_PATH, BaseMetadata, base_xml, parse_base
from server.inspections import service as inspections
from server.inspections.keys import JOURNAL
from server.inspections.log import check
from server.inspections.models import Event, Invitation
from server.live.keys import CARETAKER, LIVE, ROOMS
from server.officelog.entries import append_entry, append_once, find_entry
from server.officelog.models import OfficeEntry
from server.settings import BadSettings, Settings
from server.web.keys import CLOCK, DATABASE, FILES, SETTINGS
from tests.cast import Appointment, Office, appoint, found_office
from tests.clock import SettableClock
from tests.evidence.stuck import refusing
from tests.flows.browsing import look, send_form, shown, sign_in
from tests.flows.conftest import Client
from tests.flows.held import hold_whole
from tests.flows.programs import get
from tests.flows.test_reindex import in_a_thread, served, wipe
from tests.flows.test_sealing import PATIENCE_S, hold, until

TEN_YEARS = 365 * 10 + 4


async def test_evidence_ends_when_its_time_has_come_and_two_people_say_so(
    client: Client,
    app: web.Application,
    office: Office,
    appointment: Appointment,
    clock: SettableClock,
    settings: Settings,
) -> None:
    held = await hold_whole(app, office, appointment)
    await until(app, office, client, held.id, state="sealed")
    page = f"/inspections/{held.id}"
    folder = app[FILES].absolute(f"inspections/{held.id}")
    described, _ = parse_base((folder / BASE_PATH).read_bytes())
    assert described.retention == "10年"
    case = await get(client, f"/api/v1/cases/{held.case_id}", office.bearer("auditor"))
    assert parse_rfc3339(described.applied_at) - parse_rfc3339(case["created_at"]) < timedelta(seconds=1)
    assert described.applied_at == described.accepted_at

    await sign_in(client)
    _, told = await send_form(client, f"{page}/disposal", {"reason": "到期"}, status=409)
    assert "is to be kept until" in told
    words = shown(await look(client, page))
    assert "10 years" in words
    assert "Propose the disposal" not in words

    clock.advance(hours=24 * TEN_YEARS)
    await sign_in(client)
    await send_form(client, f"{page}/holds", {"reason": "复议中"})
    _, told = await send_form(client, f"{page}/disposal", {"reason": "到期"}, status=409)
    assert "复议中" in told
    html = await look(client, page)
    hold = html.partition('data-hold="')[2].partition('"')[0]
    await send_form(client, f"{page}/holds/{hold}/lift", {})
    await send_form(client, f"{page}/holds/{hold}/lift", {}, status=404)
    await send_form(client, f"{page}/disposal", {"reason": " "}, status=422)
    await send_form(client, f"{page}/disposal", {"reason": "到期"})
    await send_form(client, f"{page}/disposal", {"reason": "到期"}, status=409)
    _, told = await send_form(client, f"{page}/disposal/approve", {}, status=409)
    assert "Another person" in told
    await send_form(client, f"{page}/disposal/withdraw", {})
    await send_form(client, f"{page}/disposal/approve", {}, status=409)
    await send_form(client, f"{page}/disposal", {"reason": "保管期满"})
    assert await app[SEALER].run_once() == 0
    assert (folder / "data").exists()

    await sign_in(client, "admin")
    await send_form(client, f"{page}/disposal/approve", {})
    await send_form(client, f"{page}/disposal/withdraw", {}, status=409)
    await send_form(client, f"{page}/holds", {"reason": "太晚"}, status=409)
    # The certificate of the seal is over by now: first there must be a new one, and the page says so.
    failed = await attempted(app, held.id)
    assert (failed.attempts, failed.done_at) == (1, None)
    assert (folder / "data").exists()
    assert "is not valid at" in shown(await look(client, page))
    assert await app[SEALER].run_once() == 0, "not before its time"
    keys.rotate(settings.key_folder, "seal", clock.now())
    clock.advance(minutes=1)
    assert (await attempted(app, held.id)).problem is None
    assert not (folder / "data").exists()
    roots = [keys.load(settings.key_folder).root]
    made = disposal.check(folder, roots)
    assert made.reason == "保管期满"
    assert [name.partition(" ")[0] for name in made.approvers] == ["周敏", "管理员"]

    words = shown(await look(client, page))
    assert "Certificate of disposal" in words
    for act in (
        "Put it on hold",
        "Lifted the hold",
        "Proposed the disposal",
        "Approved the disposal",
        "Destroyed it",
    ):
        assert act in words
    assert "保管期满" in words
    assert "田海" not in words
    assert "What was found" not in words
    assert "Replay" not in words
    assert "It holds what is kept" in words
    assert "Certificate of disposal" in await look(client, f"/archive/{held.id}")  # leads back to this page
    listed = await get(client, f"/api/v1/cases/{held.case_id}/evidence", office.bearer("auditor"))
    assert listed == []
    await get(client, f"/api/v1/inspections/{held.id}/record", office.bearer("auditor"), 410)
    async with client.get(f"{page}/package") as response:
        assert response.status == 200  # what is kept: seal, leaves, certificate
        assert b"disposal.json" in await response.read()
    async with app[DATABASE].reading() as session:
        assert await session.scalar(select(func.count()).select_from(Event)) == 0
        assert await check(session, held.id) is None
        entry = await find_entry(session, "disposal", held.id)
        seal = await session.get_one(Seal, held.id)
    assert entry is not None
    assert hashlib.sha256((folder / "disposal.json").read_bytes()).hexdigest() in entry.record
    assert seal.root == made.root
    assert await app[SEALER].run_once() == 0


async def attempted(app: web.Application, inspection_id: str) -> Disposal:
    """The disposal once it was tried, whoever did it: the application's own sealer is about as well."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await app[SEALER].run_once()
            async with app[DATABASE].reading() as session:
                row = await session.get_one(Disposal, inspection_id)
                seal = await session.get_one(Seal, inspection_id)
            if seal.lease_until is None and (
                row.done_at or (row.problem and row.retry_at > app[CLOCK].now())
            ):
                return row
            await asyncio.sleep(0.02)


async def test_of_workers_at_once_one_destroys_and_the_log_says_it_once(
    client: Client, app: web.Application, office: Office, clock: SettableClock, settings: Settings
) -> None:
    ids = [(await appoint(app[DATABASE], app[JOURNAL], office, roles=())).id for _ in range(5)]
    for inspection_id in ids:
        await hold(app, office, inspection_id)
        await until(app, office, client, inspection_id, state="sealed")
    async with app[DATABASE].transaction() as session:
        for inspection_id in ids:
            session.add(approved_disposal(inspection_id, office, clock))
    workers = [Sealer(app[LIVE], app[ROOMS]) for _ in range(3)]
    await asyncio.gather(*(worker.run_once() for worker in workers for _ in range(2)))
    roots = [keys.load(settings.key_folder).root]
    for inspection_id in ids:
        row = await attempted(app, inspection_id)
        folder = app[FILES].absolute(f"inspections/{inspection_id}")
        digest = hashlib.sha256((folder / "disposal.json").read_bytes()).hexdigest()
        disposal.check(folder, roots)
        async with app[DATABASE].reading() as session:
            entered = await session.scalars(
                select(OfficeEntry).where(
                    OfficeEntry.inspection_id == inspection_id, OfficeEntry.kind == "disposal"
                )
            )
            (entry,) = entered
            done = [each for each in await list_accesses(session, inspection_id) if each.type == DONE]
        assert digest in entry.record
        assert (row.certificate, len(done)) == (digest, 1)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_could_not_be_removed_is_not_called_destroyed(
    client: Client, app: web.Application, office: Office, appointment: Appointment, clock: SettableClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    await hold(app, office, appointment.id)
    await until(app, office, client, appointment.id, state="sealed")
    folder, left = (app[FILES].absolute(f"{place}/{appointment.id}") for place in ("inspections", "incoming"))
    left.mkdir(parents=True)
    (left / "1.webm").write_bytes(b"filmed")
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", refusing(left))
        async with app[DATABASE].transaction() as session:
            session.add(approved_disposal(appointment.id, office, clock))
        failed = await attempted(app, appointment.id)
    assert (failed.attempts, failed.done_at) == (1, None)
    begun = (folder / "disposal.json").read_bytes()
    await sign_in(client)
    words = shown(await look(client, f"/inspections/{appointment.id}"))
    assert "Being destroyed" in words
    assert "Operation not permitted" in words
    async with app[DATABASE].reading() as session:
        assert await session.scalar(select(func.count()).select_from(Event)) > 0
        assert await find_entry(session, "disposal", appointment.id) is None
    clock.advance(minutes=1)
    done = await attempted(app, appointment.id)
    assert (done.problem, left.exists()) == (None, False)
    assert (folder / "disposal.json").read_bytes() == begun
    assert done.certificate == hashlib.sha256(begun).hexdigest()


def approved_disposal(inspection_id: str, office: Office, clock: SettableClock) -> Disposal:
    return Disposal(
        inspection_id=inspection_id, reason="保管期满", proposed_at=clock.now(), approved_at=clock.now(),
        proposed_by=office.zhou.id, proposed_by_name="周敏", approved_by=office.admin.id,
        approved_by_name="管理员",
    )  # fmt: skip


async def test_the_office_log_takes_no_second_disposal(app: web.Application, server: TestServer) -> None:
    async def say(session: AsyncSession) -> OfficeEntry:
        return await append_once(session, "disposal", "x", app[CLOCK].now(), certificate="ab" * 32)

    async def once() -> int:
        async with app[DATABASE].transaction() as session:
            return (await say(session)).index

    assert len(set(await asyncio.gather(*(once() for _ in range(8))))) == 1
    with pytest.raises(IntegrityError):
        async with app[DATABASE].transaction() as session:
            await append_entry(session, "disposal", "x", app[CLOCK].now(), certificate="cd" * 32)


async def test_the_fence_lets_no_other_log_go(
    client: Client, app: web.Application, office: Office, appointment: Appointment
) -> None:
    with pytest.raises(DBAPIError, match="only ever added to"):
        async with app[DATABASE].transaction() as session:
            await session.delete(await session.get_one(Event, (appointment.id, 1)))


async def test_a_program_cannot_end_evidence(
    client: Client, office: Office, appointment: Appointment
) -> None:
    for act in ("disposal", "disposal/approve", "disposal/withdraw", "holds"):
        path = f"/inspections/{appointment.id}/{act}"
        await send_form(client, path, {"reason": "x"}, status=403, who=office.bearer("administrator"))


def test_every_matter_says_how_long_evidence_is_kept() -> None:
    assert all(matter.retention_years is None or matter.retention_years >= 10 for matter in MATTERS.values())
    leap = parse_rfc3339("2028-02-29T08:00:00Z")
    assert kept_until(leap, 10) == parse_rfc3339("2038-03-01T08:00:00Z")
    assert kept_until(leap, 4) == parse_rfc3339("2032-02-29T08:00:00Z")


def schedule(**own: int | None) -> RetentionPolicy:
    return RetentionPolicy({name.replace("_", "-"): years for name, years in own.items()})


def test_the_offices_own_schedule_goes_before_that_of_the_matters() -> None:
    policy = schedule(seed_licence_address=15, food_business_premises=None, sead=3)
    assert policy.years_of("seed-licence-address") == 15
    assert policy.years_of("food-business-premises") is None
    assert policy.years_of("gathering-place-fire") == 30
    assert policy.years_of("a matter of another release") is None, "for ever"
    assert policy.years_of_not_held == 1
    assert schedule(not_held=None).years_of_not_held is None
    assert policy.unknown == ["sead"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_schedule_of_a_matter_that_there_is_not_stops_the_service(settings: Settings) -> None:
    with pytest.raises(BadSettings, match="unknown 'sead'"):
        build(replace(settings, retention_years="sead=3"))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_period_of_the_settings_is_on_the_page_in_the_package_and_in_force(
    settings: Settings, clock: SettableClock
) -> None:
    async with served(replace(settings, retention_years="seed-licence-address=2"), clock) as (app, client):
        office = await found_office(app[DATABASE], app[JOURNAL])
        held = await hold_whole(app, office, await appoint(app[DATABASE], app[JOURNAL], office))
        await until(app, office, client, held.id, state="sealed")
        described, _ = parse_base(app[FILES].absolute(f"inspections/{held.id}/{BASE_PATH}").read_bytes())
        assert described.retention == "2年"
        await sign_in(client)
        assert "2 years" in shown(await look(client, f"/inspections/{held.id}"))
        assert held.id not in await look(client, "/retention")
        await send_form(client, f"/inspections/{held.id}/disposal", {"reason": "到期"}, status=409)
        clock.advance(hours=24 * 366 * 2)
        await sign_in(client)
        assert f'data-due="{held.id}"' in await look(client, "/retention")
        await send_form(client, f"/inspections/{held.id}/disposal", {"reason": "到期"})
        assert "Disposal proposed" in shown(await look(client, "/retention"))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_shorter_schedule_takes_nothing_from_what_a_sealed_package_says(
    settings: Settings, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(replace(settings, retention_years="seed-licence-address=30"), clock) as (app, client):
        office = await found_office(app[DATABASE], app[JOURNAL])
        held = await hold_whole(app, office, await appoint(app[DATABASE], app[JOURNAL], office))
        await until(app, office, client, held.id, state="sealed")
    clock.advance(hours=24 * TEN_YEARS)
    async with served(replace(settings, retention_years="seed-licence-address=3"), clock) as (app, client):
        await sign_in(client)
        assert "30 years" in shown(await look(client, f"/inspections/{held.id}"))
        assert held.id not in await look(client, "/retention")
        with pytest.raises(KeptLonger):
            async with app[DATABASE].transaction() as session:
                policy = RetentionPolicy(app[SETTINGS].retention)
                await propose(session, app[JOURNAL], office.zhou, held.id, "到期", policy)
    await wipe(settings)
    monkeypatch.setenv("YUNKAN_DATA", str(settings.data))
    monkeypatch.setenv("YUNKAN_DATABASE_URL", settings.database_url)
    assert await in_a_thread("reindex") == 0
    database = Database(settings.database)
    async with database.reading() as session:
        assert (await session.get_one(Seal, held.id)).kept_years == 30
    await database.close()


@pytest.mark.parametrize(
    ("today", "told", "years"),
    [(3, 30, 30), (30, 3, 30), (3, None, 3), (None, 30, None), (3, 0, None), (None, None, None)],
)
def test_the_longer_period_counts(today: int | None, told: int | None, years: int | None) -> None:
    assert longer(today, told) == years


@pytest.mark.parametrize(
    ("text", "years"), [("10年", 10), ("200 years", 200), ("永久", 0), ("permanent", 0), ("", None)]
)
def test_a_package_says_in_its_own_language_how_long_it_is_kept(
    tmp_path: Path, text: str, years: int | None
) -> None:
    path = tmp_path / BASE_PATH
    path.parent.mkdir(parents=True)
    told = dict.fromkeys((each.name for each in fields(BaseMetadata)), "")
    path.write_bytes(base_xml(BaseMetadata(**{**told, "retention": text}), []))
    assert told_years(tmp_path) == years
    assert told_years(tmp_path / "disposed of") is None


async def test_a_recording_without_a_result_ends_by_two_people_and_leaves_a_certificate(
    client: Client, app: web.Application, office: Office, appointment: Appointment, clock: SettableClock,
    settings: Settings,
) -> None:  # fmt: skip
    async with app[DATABASE].transaction() as session:
        await inspections.start(session, app[JOURNAL], office.zhou, appointment.id, 1)
        await inspections.end(session, app[JOURNAL], office.zhou, appointment.id, "completed")
    recording = app[FILES].absolute(f"inspections/{appointment.id}/data/media/1.mp4")
    recording.parent.mkdir(parents=True)
    recording.write_bytes(b"filmed" * 100)
    page = f"/inspections/{appointment.id}"
    await sign_in(client)
    assert "There is no result, so nothing is sealed" in shown(await look(client, page))
    await send_form(client, f"{page}/disposal", {"reason": "到期"}, status=409)
    await app[SEALER].run_once()
    clock.advance(hours=24 * TEN_YEARS)
    keys.rotate(settings.key_folder, "seal", clock.now())
    await sign_in(client)
    assert f'data-due="{appointment.id}"' in await look(client, "/retention")
    await send_form(client, f"{page}/holds", {"reason": "复议中"})
    await send_form(client, f"{page}/disposal", {"reason": "到期"}, status=409)
    hold_id = (await look(client, page)).partition('data-hold="')[2].partition('"')[0]
    await send_form(client, f"{page}/holds/{hold_id}/lift", {})
    await send_form(client, f"{page}/disposal", {"reason": "保管期满"})
    await send_form(client, f"{page}/disposal/approve", {}, status=409)
    assert await app[SEALER].run_once() == 0
    assert recording.exists()
    await sign_in(client, "admin")
    await send_form(client, f"{page}/disposal/approve", {})
    await sign_in(client)
    await send_form(client, f"{page}/result", {"result": "pass", "note": ""}, status=410)
    row = await attempted(app, appointment.id)
    assert row.problem is None
    assert not app[FILES].absolute(f"inspections/{appointment.id}").exists()
    certificate = app[FILES].absolute(certificate_path(appointment.id))
    made = UnsealedDisposal.parse(certificate.read_bytes())
    assert (made.files, made.size_bytes, made.reason, len(made.approvers)) == (1, 600, "保管期满", 2)
    signed = cms.verify(certificate.with_suffix(".p7s").read_bytes(), certificate.read_bytes())
    root = keys.load(settings.key_folder).root
    assert certificates.why_not(signed.certificate, signed.others, [root], clock.now()) is None
    async with app[DATABASE].reading() as session:
        close = await find_entry(session, "close", appointment.id)
        ended = await find_entry(session, "disposal", appointment.id)
        assert close is not None
        assert ended is not None
        assert (made.lines, made.head) == (close.seq, parse(close.record.encode())["head"])
        assert hashlib.sha256(certificate.read_bytes()).hexdigest() == row.certificate
        assert str(row.certificate) in ended.record
        assert await session.scalar(select(func.count()).select_from(Event)) == 0
        report = await check_office_log(session, None)
    assert (report.faults, report.unsealed) == ([], [])
    words = shown(await look(client, page))
    assert "It was never sealed: kept are a signed certificate" in words
    assert "田海" not in words
    assert appointment.id not in await look(client, "/retention")
    assert await app[SEALER].run_once() == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_nobody_came_to_is_cancelled_in_the_log_and_ended_by_one_person(
    client: Client, app: web.Application, office: Office, appointment: Appointment, clock: SettableClock,
    settings: Settings,
) -> None:  # fmt: skip
    clock.advance(hours=24 * 29)
    await app[CARETAKER].run_once()
    page = f"/inspections/{appointment.id}"
    await sign_in(client)
    assert "Cancelled" not in shown(await look(client, page))
    clock.advance(hours=24 * 2)
    await app[CARETAKER].run_once()
    await sign_in(client)
    words = shown(await look(client, page))
    assert "超过约定时间 30 天仍未举行" in words
    assert "One person may end that" in words
    async with app[DATABASE].reading() as session:
        last = (await session.scalars(select(Event).order_by(Event.seq.desc()).limit(1))).one()
    assert (last.type, last.actor["kind"]) == ("inspection.cancelled", "system")
    await send_form(client, f"{page}/disposal", {"reason": "x"}, status=409)
    clock.advance(hours=24 * 366)
    await sign_in(client)
    assert "What was arranged; never held" in shown(await look(client, "/retention"))
    await send_form(client, f"{page}/disposal", {"reason": "无需保留"})
    await attempted(app, appointment.id)
    made = UnsealedDisposal.parse(app[FILES].absolute(certificate_path(appointment.id)).read_bytes())
    assert len(made.approvers) == 1
    async with app[DATABASE].reading() as session:
        assert await session.scalar(select(func.count()).select_from(Event)) == 0
        assert [name for name in await session.scalars(select(Invitation.name)) if name != "–"] == []
        assert (await check_office_log(session, None)).faults == []


def never_sealed(folder: Path) -> UnsealedOrder:
    content = folder / "inspections" / "x"
    (content / "data").mkdir(parents=True)
    (content / "data" / "1.mp4").write_bytes(b"filmed")
    return UnsealedOrder(
        inspection="x", lines=3, head="ab" * 32, folders=[content, folder / "not there" / "x"],
        certificate=folder / "disposed" / "x.certificate.json", policy="10年", reason="到期",
        approvers=("a", "b"), at=parse_rfc3339("2036-11-21T08:00:00Z"),
    )  # fmt: skip


def test_what_was_never_sealed_and_cannot_be_removed_ends_later_under_the_same_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = keys.init(tmp_path / "keys", "局", parse_rfc3339("2026-11-21T08:00:00Z"))
    order = never_sealed(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", refusing(order.folders[0]))
        with pytest.raises(CannotDispose, match="Operation not permitted"):
            dispose_unsealed(order, office)
        patch.setattr("shutil.rmtree", lambda *_, **__: None)
        with pytest.raises(CannotDispose, match="still there"):
            dispose_unsealed(order, office)
    begun = order.certificate.read_bytes()
    dispose_unsealed(replace(order, reason="another"), office)
    assert not order.folders[0].exists()
    assert order.certificate.read_bytes() == begun


def test_the_end_of_what_was_never_sealed_may_be_repeated_after_a_kill(tmp_path: Path) -> None:
    office = keys.init(tmp_path / "keys", "局", parse_rfc3339("2026-11-21T08:00:00Z"))
    order = never_sealed(tmp_path)
    content = order.folders[0]

    def kill(_step: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dispose_unsealed(order, office, reached=kill)
    assert content.exists()
    later = replace(order, at=parse_rfc3339("2036-11-21T09:00:00Z"), lines=0)
    assert dispose_unsealed(later, office) == UnsealedDisposal.parse(order.certificate.read_bytes())
    assert not content.exists()
    assert UnsealedDisposal.parse(order.certificate.read_bytes()).files == 1
    for wrong in (b"", b"{}", order.certificate.read_bytes().replace(b'"v":1', b'"v":2')):
        with pytest.raises(BadDisposal):
            UnsealedDisposal.parse(wrong)

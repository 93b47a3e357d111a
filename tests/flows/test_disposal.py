"""The end of evidence: not before its time, not under a hold, by two people, and with a certificate that is kept."""

import hashlib

import pytest
from aiohttp import web
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from server.archive.disposal import kept_until
from server.archive.keys import SEALER
from server.archive.models import Seal
from server.cases.rules import MATTERS
from server.clock import parse_rfc3339
from server.evidence import disposal, keys
from server.evidence.metadata import BASE_PATH, parse_base
from server.inspections.log import check
from server.inspections.models import Event
from server.officelog.entries import find_entry
from server.settings import Settings
from server.web.keys import DATABASE, FILES
from tests.cast import Appointment, Office
from tests.clock import SettableClock
from tests.flows.browsing import look, send_form, shown, sign_in
from tests.flows.conftest import Client
from tests.flows.held import hold_whole
from tests.flows.programs import get
from tests.flows.test_sealing import until

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
    await app[SEALER].run_once()
    assert (
        folder / "data"
    ).exists()  # the certificate of the seal is over by now: first there must be a new one
    keys.rotate(settings.key_folder, "seal", clock.now())
    await app[SEALER].run_once()
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

"""The desk: who is there now, what is on today, what is to be done."""

import re
from datetime import timedelta

import pytest
from aiohttp import web

from server.cases.service import create_case
from server.clock import TIME_ZONE
from server.inspections.keys import JOURNAL
from server.inspections.service import schedule
from server.web.keys import DATABASE, FILES
from tests.cast import FENGHE, Appointment, Office, appoint, found_office
from tests.clock import SettableClock
from tests.flows.browsing import Client, look, shown, sign_in
from tests.flows.programs import make_case, post
from tests.flows.rooms import RoomClient, join
from tests.flows.test_inspections import ended, live


def part(page: str, title: str) -> str:
    """The words of one section of the desk."""
    section = page.partition(f'id="{title}-title"')[2].partition("</section>")[0]
    return shown("<main" + section)


async def test_a_new_office_sees_an_empty_desk_that_says_so(client: Client, office: Office) -> None:
    page = await look(client, "/", who=office.bearer("reviewer"))
    assert "Nobody is waiting." in part(page, "now")
    assert "No inspections today." in part(page, "today")
    assert "Nothing to do." in part(page, "to-do")


async def test_a_disk_that_fills_is_said_before_anything_is_refused(
    client: Client, office: Office, app: web.Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = office.bearer("reviewer")
    assert "data-disk" not in await look(client, "/desk/now", who=who)
    monkeypatch.setattr(app[FILES], "reserve_bytes", 1000)
    for free, room in ((1500, "low"), (500, "full")):
        monkeypatch.setattr(app[FILES], "free_bytes", lambda free=free: free)
        assert f'data-disk="{room}"' in await look(client, "/desk/now", who=who)
        assert f'data-disk="{room}"' in await look(client, "/", who=who)


async def test_an_enterprise_that_has_joined_is_shown_as_waiting(
    client: Client, appointment: Appointment, office: Office
) -> None:
    who = office.bearer("reviewer")
    joined = await join(client, appointment.invitations["enterprise"])
    assert "Nobody is waiting." in await look(client, "/desk/now", who=who)
    phone = await RoomClient.connect(client, joined)
    await phone.hear("hello")
    fragment = await look(client, "/desk/now", who=who)
    assert "<html" not in fragment
    assert 'data-state="waiting"' in fragment
    assert "田继业" in fragment
    assert f"/inspections/{appointment.id}/console" in fragment
    assert "Waiting" in part(await look(client, "/", who=who), "now")
    await phone.socket.close()


async def test_a_live_inspection_stays_on_the_desk_even_when_nobody_is_in_the_room(
    client: Client, appointment: Appointment, office: Office, app: web.Application
) -> None:
    await live(app, office, appointment.id)
    words = await look(client, "/desk/now", who=office.bearer("reviewer"))
    assert 'data-state="live"' in words
    assert "Nobody is in the room at the moment." in words


async def test_a_paused_inspection_says_who_paused_it_and_why(
    client: Client, appointment: Appointment, office: Office, app: web.Application
) -> None:
    await live(app, office, appointment.id)
    who = office.bearer("reviewer")
    for verb, body in (("pause", {"reason": "Lunch"}), ("resume", {})):
        await post(client, f"/api/v1/inspections/{appointment.id}/{verb}", body, who, 200)
        page = shown(await look(client, "/desk/now", who=who))
        assert ("has paused the inspection: Lunch" in page) == (verb == "pause")
        assert ("Live" in page) == (verb == "resume")


async def test_a_hundred_appointments_that_nobody_kept_hide_nobody_who_waits(
    client: Client,
    office: Office,
    app: web.Application,
    clock: SettableClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    database, journal, who = app[DATABASE], app[JOURNAL], office.bearer("reviewer")
    async with database.transaction() as session:
        case = await create_case(session, office.zhou, FENGHE, clock.now())
        for _ in range(100):
            await schedule(session, journal, office.zhou, case.id)
    monkeypatch.setattr("server.desk.views.TO_DO_SHOWN", 20)
    page = await look(client, "/", who=who)
    assert page.partition('id="today-title"')[2].partition("</section>")[0].count("data-inspection=") == 100
    clock.advance(days=1)
    waiting, running = await appoint(database, journal, office), await appoint(database, journal, office)
    phone = await RoomClient.connect(client, await join(client, waiting.invitations["enterprise"]))
    await phone.hear("hello")
    await live(app, office, running.id)
    page = await look(client, "/", who=who)
    for words in (page, await look(client, "/desk/now", who=who)):
        assert sorted(re.findall(r'class="now__entry" data-state="(\w+)"', words)) == ["live", "waiting"]
    todo = page.partition('id="to-do-title"')[2].partition("</section>")[0]
    assert "100" in part(page, "to-do")
    assert todo.count("Appointment is over") == 20
    assert "The oldest are shown" in todo
    await phone.socket.close()


async def test_an_auditor_sees_who_is_there_and_gets_no_button_to_make_cases(
    client: Client, appointment: Appointment, office: Office
) -> None:
    page = await look(client, "/", who=office.bearer("auditor"))
    assert "/cases/new" not in page
    assert "丰禾种业有限公司" in part(page, "today")


async def test_an_ended_inspection_without_a_result_is_to_be_done(
    client: Client, appointment: Appointment, office: Office, app: web.Application
) -> None:
    who = office.bearer("reviewer")
    await ended(app, office, appointment.id)
    assert "Record the result" in part(await look(client, "/", who=who), "to-do")
    path = f"/api/v1/inspections/{appointment.id}/result"
    await post(client, path, {"result": "pass"}, who, status=200)
    page = await look(client, "/", who=who)
    assert "Nothing to do." in part(page, "to-do")
    assert "Pass" in part(page, "today")


async def test_an_appointment_that_nobody_kept_is_to_be_done_the_next_day(
    client: Client, appointment: Appointment, office: Office, clock: SettableClock
) -> None:
    clock.advance(days=1)
    page = await look(client, "/", who=office.bearer("reviewer"))
    assert "Appointment is over" in part(page, "to-do")
    assert "No inspections today." in part(page, "today")


async def test_today_ends_at_midnight_in_beijing(
    client: Client, office: Office, clock: SettableClock
) -> None:
    who = office.bearer("reviewer")
    midnight = clock.now().astimezone(TIME_ZONE).replace(
        hour=0, minute=0, second=0, microsecond=0
    ) + timedelta(days=1)
    for starts_at in (midnight - timedelta(seconds=1), midnight):
        case_id = await make_case(client, office)
        body = {"starts_at": starts_at.isoformat()}
        await post(client, f"/api/v1/cases/{case_id}/inspections", body, who)
    page = await look(client, "/", who=who)
    assert "-0001-1" in part(page, "today")
    assert "-0002-1" not in part(page, "today")
    assert "-0002-1" in part(page, "coming")


async def test_the_desk_of_another_office_is_empty(
    client: Client, appointment: Appointment, office: Office, app: web.Application
) -> None:
    await live(app, office, appointment.id)
    other = await found_office(app[DATABASE], app[JOURNAL], prefix="east")
    page = await look(client, "/", who=other.bearer("administrator"))
    assert "丰禾" not in page


async def test_my_cases_are_those_i_made_and_those_i_am_assigned_to(
    client: Client, office: Office, app: web.Application
) -> None:
    await appoint(app[DATABASE], app[JOURNAL], office)
    unassigned = await make_case(client, office)
    await sign_in(client)
    page = await look(client, "/")
    assert "-0001" in part(page, "cases")
    assert unassigned not in page
    await post(
        client,
        f"/api/v1/cases/{unassigned}/inspections",
        {"reviewers": ["zhou"]},
        office.bearer("administrator"),
    )
    assert "-0002" in part(await look(client, "/"), "cases")

"""An inspection from its appointment to its result, by pages and by API."""

import asyncio
import itertools
import re
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.rules import Actor
from server.clock import parse_rfc3339
from server.errors import Invalid, YunkanError
from server.evidence.chain import GENESIS
from server.inspections import service
from server.inspections.errors import (
    AlreadyEnded,
    InspectionCancelled,
    InspectionEnded,
    InvitationCancelled,
    InvitationExpired,
    InvitationTooEarly,
    InvitationUnknown,
    NotLive,
)
from server.inspections.invitations import find_invitation, list_invitations
from server.inspections.keys import JOURNAL
from server.inspections.log import check
from server.inspections.models import Inspection
from server.web.forms import as_local
from server.web.keys import DATABASE
from tests.cast import Appointment, Office, found_office
from tests.clock import SettableClock
from tests.flows.browsing import Client, look, send_form
from tests.flows.programs import get, make_case, post


async def live(app: web.Application, office: Office, inspection_id: str) -> None:
    """As if the first camera were on."""
    async with app[DATABASE].transaction() as session:
        assert await service.start(session, app[JOURNAL], office.zhou, inspection_id, 1)


async def end(app: web.Application, actor: Actor, inspection_id: str, reason: str = "completed") -> None:
    async with app[DATABASE].transaction() as session:
        await service.end(session, app[JOURNAL], actor, inspection_id, reason)


async def ended(app: web.Application, office: Office, inspection_id: str) -> None:
    await live(app, office, inspection_id)
    await end(app, office.zhou, inspection_id)


async def opens(app: web.Application, token: str) -> str:
    """The role that a link gives now, or the code of what stands in its way."""
    now = app[JOURNAL].clock.now()
    async with app[DATABASE].reading() as session:
        try:
            invitation, _ = await find_invitation(session, token, now)
        except YunkanError as error:
            return error.code
    return invitation.role


async def events_of(client: Client, office: Office, inspection_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await get(
        client, f"/api/v1/inspections/{inspection_id}/events", office.bearer("auditor")
    )
    return found


async def state_of_case(client: Client, office: Office, case_id: str) -> str:
    found = await get(client, f"/api/v1/cases/{case_id}", office.bearer("auditor"))
    state: str = found["state"]
    return state


# -- scheduling ----------------------------------------------------------------------------------


async def test_an_inspection_scheduled_by_the_api_begins_now_with_the_checklist_of_the_matter(
    client: Client, office: Office
) -> None:
    case_id = await make_case(client, office)
    who = office.bearer("reviewer")
    made = await post(client, f"/api/v1/cases/{case_id}/inspections", {}, who)
    assert made["state"] == "scheduled"
    assert made["template"] == "seed-licence-address"
    assert made["number"].endswith("-0001-1")
    assert await state_of_case(client, office, case_id) == "inspecting"
    (created,) = await events_of(client, office, made["id"])
    assert created["type"] == "inspection.created"
    assert created["actor"]["kind"] == "token"
    assert created["body"]["case"] == case_id
    assert set(created["body"]["template"]) == {"key", "version", "sha256"}
    assert (created["seq"], created["prev"]) == (1, GENESIS)


async def test_inspections_of_one_case_are_numbered_also_at_the_same_moment(
    client: Client, office: Office
) -> None:
    path = f"/api/v1/cases/{await make_case(client, office)}/inspections"
    who = office.bearer("reviewer")
    made = await asyncio.gather(*(post(client, path, {}, who) for _ in range(4)))
    assert sorted(entry["number"][-2:] for entry in made) == ["-1", "-2", "-3", "-4"]


async def test_reviewers_are_named_by_user_name_or_id_and_stand_on_the_page(
    client: Client, office: Office
) -> None:
    path = f"/api/v1/cases/{await make_case(client, office)}/inspections"
    who = office.bearer("reviewer")
    for name in ("zhou", office.zhou.id):
        made = await post(client, path, {"reviewers": [name]}, who)
        assert "周敏" in await look(client, f"/inspections/{made['id']}", who=who)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"reviewers": ["zheng"]}, "reviewers"),
        ({"reviewers": ["nobody"]}, "reviewers"),
        ({"template": "no-such"}, "template"),
        ({"starts_at": "2020-01-01T00:00:00Z"}, "starts_at"),
        ({"starts_at": "2099-01-01T00:00:00Z"}, "starts_at"),
        ({"starts_at": "2026-01-01T00:00:00"}, "starts_at"),
    ],
)
async def test_a_bad_appointment_is_refused_and_leaves_the_case_as_it_was(
    client: Client, office: Office, body: dict[str, Any], field: str
) -> None:
    case_id = await make_case(client, office)
    who = office.bearer("reviewer")
    answer = await post(client, f"/api/v1/cases/{case_id}/inspections", body, who, status=422)
    assert set(answer["error"]["fields"]) == {field}
    assert await state_of_case(client, office, case_id) == "open"


async def test_the_form_schedules_at_beijing_time(
    client: Client, office: Office, clock: SettableClock
) -> None:
    case_id, who = await make_case(client, office), office.bearer("reviewer")
    assert "周敏" in await look(client, f"/cases/{case_id}/inspections/new", who=who)
    starts_at = as_local(clock.now() + timedelta(days=1))
    fields = {
        "when": "later",
        "starts_at": starts_at,
        "template": "seed-licence-facility",
        "reviewers": [office.zhou.id],
    }
    location, _ = await send_form(client, f"/cases/{case_id}/inspections", fields, who=who)
    page = await look(client, location, who=who)
    assert starts_at.replace("T", " ") in page
    assert "full inspection of the facilities" in page


async def test_a_form_without_a_time_says_so_and_keeps_the_rest(client: Client, office: Office) -> None:
    case_id, who = await make_case(client, office), office.bearer("reviewer")
    fields = {"when": "later", "starts_at": "soon", "template": "food-business"}
    _, page = await send_form(client, f"/cases/{case_id}/inspections", fields, status=422, who=who)
    assert "Give a date and a time." in page
    assert '<option value="food-business" selected>' in page


# -- rescheduling and cancelling -----------------------------------------------------------------


async def test_rescheduling_moves_the_links_along_and_is_an_event(
    client: Client, appointment: Appointment, office: Office, app: web.Application, clock: SettableClock
) -> None:
    who, path = office.bearer("reviewer"), f"/inspections/{appointment.id}/reschedule"
    token = appointment.invitations["enterprise"]
    later = clock.now() + timedelta(days=5)
    await look(client, path, who=who)
    await send_form(client, path, {"starts_at": as_local(later)}, who=who)
    assert await opens(app, token) == "too_early"
    clock.advance(days=5)
    assert await opens(app, token) == "enterprise"
    moved = (await events_of(client, office, appointment.id))[-1]
    assert moved["type"] == "inspection.rescheduled"
    assert parse_rfc3339(moved["body"]["to"]) == later.replace(second=0, microsecond=0)


async def test_a_live_inspection_cannot_be_moved_or_cancelled(
    client: Client, appointment: Appointment, office: Office, app: web.Application, clock: SettableClock
) -> None:
    await live(app, office, appointment.id)
    who, path = office.bearer("reviewer"), f"/inspections/{appointment.id}"
    fields = {"starts_at": as_local(clock.now() + timedelta(days=1))}
    _, page = await send_form(client, f"{path}/reschedule", fields, status=409, who=who)
    assert "only be done before the inspection has begun" in page
    await send_form(client, f"{path}/cancel", {"reason": "x"}, status=409, who=who)


async def test_cancelling_needs_a_reason_tells_guests_and_frees_the_case(
    client: Client, appointment: Appointment, office: Office, app: web.Application
) -> None:
    who, path = office.bearer("reviewer"), f"/inspections/{appointment.id}/cancel"
    await look(client, path, who=who)
    _, page = await send_form(client, path, {"reason": " "}, status=422, who=who)
    assert "Say why the inspection is cancelled." in page
    await send_form(client, path, {"reason": "thunderstorm"}, who=who)
    assert "thunderstorm" in await look(client, f"/inspections/{appointment.id}", who=who)
    assert await opens(app, appointment.invitations["enterprise"]) == InspectionCancelled.code
    assert await state_of_case(client, office, appointment.case_id) == "open"
    _, page = await send_form(client, path, {"reason": "again"}, status=409, who=who)
    assert "was cancelled already" in page
    reasons = [event["body"].get("reason") for event in await events_of(client, office, appointment.id)]
    assert reasons.count("thunderstorm") == 1
    assert "again" not in reasons


# -- invitations ---------------------------------------------------------------------------------


async def test_an_invitation_by_the_api_opens_the_room(
    client: Client, appointment: Appointment, office: Office, app: web.Application
) -> None:
    path = f"/api/v1/inspections/{appointment.id}/invitations"
    made = await post(client, path, {"role": "expert", "name": "孙教授"}, office.bearer("reviewer"))
    assert made["token"].startswith("yi_")
    assert made["url"] == f"{client.make_url('/')}i/{made['token']}"
    assert await opens(app, made["token"]) == "expert"
    created = (await events_of(client, office, appointment.id))[-1]
    assert created["body"] == {
        "invitation": made["id"],
        "role": "expert",
        "name": "孙教授",
        "expires_at": created["body"]["expires_at"],
        "salt": created["body"]["salt"],
    }
    assert made["token"] not in str(await events_of(client, office, appointment.id))


@pytest.mark.parametrize("body", [{"role": "auditor", "name": "X"}, {"role": "expert", "name": " "}])
async def test_an_invitation_needs_a_guests_role_and_a_name(
    client: Client, appointment: Appointment, office: Office, body: dict[str, str]
) -> None:
    path = f"/api/v1/inspections/{appointment.id}/invitations"
    await post(client, path, body, office.bearer("reviewer"), status=422)


async def test_the_page_shows_link_and_code_once(
    client: Client, appointment: Appointment, office: Office, app: web.Application
) -> None:
    who, path = office.bearer("reviewer"), f"/inspections/{appointment.id}"
    fields = {"role": "enterprise", "name": "田园"}
    _, page = await send_form(client, f"{path}/invitations", fields, status=201, who=who)
    found = re.search(r'data-text="[^"]*/i/(yi_[\w-]+)"', page)
    assert found is not None
    assert 'src="data:image/svg+xml' in page
    assert await opens(app, found[1]) == "enterprise"
    page = await look(client, path, who=who)
    assert "田园" in page
    assert found[1] not in page


async def test_a_new_link_voids_the_old_one_and_stays_the_same_invitation(
    client: Client, appointment: Appointment, office: Office, app: web.Application
) -> None:
    who, token = office.bearer("reviewer"), appointment.invitations["enterprise"]
    async with app[DATABASE].reading() as session:
        invitation = (await list_invitations(session, appointment.id))[0]
    path = f"/inspections/{appointment.id}/invitations/{invitation.id}"
    _, page = await send_form(client, f"{path}/renew", {}, status=201, who=who)
    fresh = re.search(r'data-text="[^"]*/i/(yi_[\w-]+)"', page)
    assert fresh is not None
    assert await opens(app, token) == InvitationCancelled.code
    assert await opens(app, fresh[1]) == "enterprise"
    types = [
        (event["type"], event["body"].get("invitation"))
        for event in await events_of(client, office, appointment.id)
    ]
    assert types[-2:] == [
        ("invitation.cancelled", invitation.id),
        ("invitation.created", invitation.id),
    ]


async def test_a_withdrawn_link_is_void_and_withdrawing_twice_is_one_event(
    client: Client, appointment: Appointment, office: Office, app: web.Application
) -> None:
    who, token = office.bearer("reviewer"), appointment.invitations["enterprise"]
    async with app[DATABASE].reading() as session:
        invitation = (await list_invitations(session, appointment.id))[0]
    path = f"/inspections/{appointment.id}/invitations/{invitation.id}"
    assert "Withdraw the invitation" in await look(client, f"{path}/cancel", who=who)
    _, page = await send_form(client, f"{path}/cancel", {"reason": " "}, status=422, who=who)
    assert "Say why the invitation is withdrawn." in page
    assert await opens(app, token) == "enterprise"
    await send_form(client, f"{path}/cancel", {"reason": "联系人已更换"}, who=who)
    await send_form(client, f"{path}/cancel", {"reason": "again"}, who=who)
    assert await opens(app, token) == InvitationCancelled.code
    (event,) = [
        event
        for event in await events_of(client, office, appointment.id)
        if event["type"] == "invitation.cancelled"
    ]
    assert event["body"]["reason"] == "联系人已更换"
    await send_form(client, f"{path}/renew", {}, status=410, who=who)


async def test_a_link_says_what_stands_in_its_way(
    appointment: Appointment, office: Office, app: web.Application, clock: SettableClock
) -> None:
    token = appointment.invitations["enterprise"]
    assert await opens(app, token) == "enterprise"
    assert await opens(app, token[:-1]) == InvitationUnknown.code
    clock.advance(hours=73)
    assert await opens(app, token) == InvitationExpired.code


async def test_a_link_to_an_ended_inspection_says_that_it_has_ended(
    appointment: Appointment, office: Office, app: web.Application, client: Client
) -> None:
    await ended(app, office, appointment.id)
    assert await opens(app, appointment.invitations["enterprise"]) == InspectionEnded.code
    path = f"/api/v1/inspections/{appointment.id}/invitations"
    body = {"role": "expert", "name": "X"}
    answer = await post(client, path, body, office.bearer("reviewer"), status=409)
    assert answer["error"]["code"] == "inspection_over"


async def test_a_link_opens_half_an_hour_before_the_time_and_says_when(
    client: Client, office: Office, app: web.Application, clock: SettableClock
) -> None:
    case_id, who = await make_case(client, office), office.bearer("reviewer")
    starts_at = clock.now() + timedelta(hours=2)
    made = await post(
        client, f"/api/v1/cases/{case_id}/inspections", {"starts_at": starts_at.isoformat()}, who
    )
    invited = await post(
        client,
        f"/api/v1/inspections/{made['id']}/invitations",
        {"role": "enterprise", "name": "田"},
        who,
    )
    async with app[DATABASE].reading() as session:
        with pytest.raises(InvitationTooEarly) as caught:
            await find_invitation(session, invited["token"], clock.now(), 30)
    opens_at = parse_rfc3339(caught.value.params["opens_at"])
    assert parse_rfc3339(caught.value.params["starts_at"]) - opens_at == timedelta(minutes=30)
    clock.advance(minutes=91)
    assert await opens(app, invited["token"]) == "enterprise"


# -- beginning, ending, concluding ---------------------------------------------------------------


async def test_of_two_beginnings_at_once_one_counts(
    appointment: Appointment, office: Office, app: web.Application, client: Client
) -> None:
    async def begin() -> bool:
        async with app[DATABASE].transaction() as session:
            return await service.start(session, app[JOURNAL], office.zhou, appointment.id, 1)

    assert sorted(await asyncio.gather(begin(), begin(), begin())) == [False, False, True]
    types = [event["type"] for event in await events_of(client, office, appointment.id)]
    assert types.count("inspection.started") == 1


async def test_of_two_ends_at_once_the_second_is_told_so(
    appointment: Appointment, office: Office, app: web.Application, client: Client
) -> None:
    with pytest.raises(NotLive):
        await end(app, office.zhou, appointment.id)
    await live(app, office, appointment.id)
    results = await asyncio.gather(
        end(app, office.zhou, appointment.id),
        end(app, office.zhou, appointment.id),
        return_exceptions=True,
    )
    assert [type(result) for result in results if result is not None] == [AlreadyEnded]
    types = [event["type"] for event in await events_of(client, office, appointment.id)]
    assert types.count("inspection.ended") == 1


async def test_a_passed_inspection_lets_the_case_be_decided_and_the_first_result_stands(
    client: Client, appointment: Appointment, office: Office, app: web.Application
) -> None:
    who, path = office.bearer("reviewer"), f"/inspections/{appointment.id}/result"
    _, page = await send_form(client, path, {"result": "pass"}, status=409, who=who)
    await ended(app, office, appointment.id)
    assert "Record the result" in await look(client, f"/inspections/{appointment.id}", who=who)
    await send_form(client, path, {"result": "pass", "note": "all in order"}, who=who)
    assert await state_of_case(client, office, appointment.case_id) == "decided"
    _, page = await send_form(client, path, {"result": "fail"}, status=409, who=who)
    assert "The first one stands." in page
    assert "all in order" in page
    last = (await events_of(client, office, appointment.id))[-1]
    assert (last["type"], last["body"]) == (
        "inspection.concluded",
        {"result": "pass", "note": "all in order"},
    )


@pytest.mark.parametrize("result", ["rectify", "unverifiable"])
async def test_a_result_that_makes_work_needs_a_note_and_opens_the_case_again(
    client: Client, appointment: Appointment, office: Office, app: web.Application, result: str
) -> None:
    await ended(app, office, appointment.id)
    who, path = office.bearer("reviewer"), f"/inspections/{appointment.id}/result"
    _, page = await send_form(client, path, {"result": result, "note": " "}, status=422, who=who)
    assert "Say what has to be put right or checked on site." in page
    assert re.search(rf'value="{result}" required checked', page)
    await send_form(client, path, {"result": result, "note": "see the seal"}, who=who)
    assert await state_of_case(client, office, appointment.case_id) == "open"


async def test_a_result_nobody_knows_is_refused(
    client: Client, appointment: Appointment, office: Office, app: web.Application
) -> None:
    await ended(app, office, appointment.id)
    path = f"/api/v1/inspections/{appointment.id}/result"
    await post(client, path, {"result": "maybe"}, office.bearer("reviewer"), status=422)
    made = await post(client, path, {"result": "fail"}, office.bearer("reviewer"), status=200)
    assert made["state"] == "concluded"


async def test_a_case_waits_for_all_its_inspections(
    client: Client, appointment: Appointment, office: Office, app: web.Application
) -> None:
    who = office.bearer("reviewer")
    second = await post(client, f"/api/v1/cases/{appointment.case_id}/inspections", {}, who)
    await ended(app, office, appointment.id)
    path = "/api/v1/inspections/{}/{}"
    await post(client, path.format(appointment.id, "result"), {"result": "pass"}, who, status=200)
    assert await state_of_case(client, office, appointment.case_id) == "inspecting"
    await post(client, path.format(second["id"], "cancel"), {"reason": "done"}, who, status=200)
    assert await state_of_case(client, office, appointment.case_id) == "decided"


async def test_the_page_of_an_ended_inspection_shows_what_was_found(
    client: Client, appointment: Appointment, office: Office, app: web.Application
) -> None:
    await live(app, office, appointment.id)
    async with app[DATABASE].transaction() as session:
        for item, result in (("doorplate", "minor"), ("street", "pass")):
            body = {"item": item, "result": result, "note": f"about {item}"}
            await app[JOURNAL].append(session, appointment.id, "checklist.answered", office.zhou, body)
    await end(app, office.zhou, appointment.id)
    page = await look(client, f"/inspections/{appointment.id}", who=office.bearer("auditor"))
    assert "2 of 14 items answered" in page
    assert "about doorplate" in page
    assert "Minor defect" in page


# -- the log -------------------------------------------------------------------------------------


async def test_the_log_is_one_unbroken_chain_and_is_read_from_any_seq(
    client: Client, appointment: Appointment, office: Office, app: web.Application
) -> None:
    await ended(app, office, appointment.id)
    events = await events_of(client, office, appointment.id)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert all(later["prev"] == earlier["link"] for earlier, later in itertools.pairwise(events))
    path = f"/api/v1/inspections/{appointment.id}/events"
    rest = await get(client, f"{path}?after=2", office.bearer("auditor"))
    assert rest == events[2:]
    await get(client, f"{path}?after=-1", office.bearer("auditor"), status=422)
    async with app[DATABASE].reading() as session:
        assert await check(session, appointment.id) is None


async def test_a_refused_verb_leaves_no_event(
    client: Client, appointment: Appointment, office: Office, app: web.Application
) -> None:
    before = await events_of(client, office, appointment.id)
    with pytest.raises(NotLive):
        await end(app, office.zhou, appointment.id)
    assert await events_of(client, office, appointment.id) == before


async def test_another_office_sees_nothing_of_an_inspection(
    client: Client, appointment: Appointment, app: web.Application
) -> None:
    other = await found_office(app[DATABASE], app[JOURNAL], prefix="east")
    who = other.bearer("administrator")
    base = f"/api/v1/inspections/{appointment.id}"
    await get(client, f"{base}/events", who, status=404)
    await post(client, f"{base}/invitations", {"role": "expert", "name": "X"}, who, status=404)
    await post(client, f"{base}/cancel", {"reason": "X"}, who, status=404)
    await post(client, f"{base}/result", {"result": "pass"}, who, status=404)
    await look(client, f"/inspections/{appointment.id}", 404, who)


async def test_a_guest_reads_the_log_of_their_own_inspection_and_arranges_nothing(
    client: Client, appointment: Appointment, office: Office
) -> None:
    body = {"invitation": appointment.invitations["reviewer"], "name": "李"}
    joined = await post(client, "/api/v1/join", body, {})
    who = {"Authorization": f"Bearer {joined['token']}"}
    base = f"/api/v1/inspections/{appointment.id}"
    assert await get(client, f"{base}/events", who)
    await post(client, f"{base}/invitations", {"role": "expert", "name": "X"}, who, status=403)
    await post(client, f"{base}/result", {"result": "pass"}, who, status=403)
    second = await post(
        client, f"/api/v1/cases/{appointment.case_id}/inspections", {}, office.bearer("reviewer")
    )
    await get(client, f"/api/v1/inspections/{second['id']}/events", who, status=404)


async def test_a_note_that_is_too_long_is_refused_and_not_cut(
    app: web.Application, office: Office, appointment: Appointment
) -> None:
    await ended(app, office, appointment.id)
    for result in ("pass", "rectify"):
        with pytest.raises(Invalid) as refused:
            async with app[DATABASE].transaction() as session:
                await service.conclude(session, app[JOURNAL], office.zhou, appointment.id, result, "x" * 2001)
        assert "note" in refused.value.fields


@pytest.mark.parametrize(
    ("meanwhile", "code"), [("moved", "moved_meanwhile"), ("cancelled", "already_cancelled")]
)
async def test_who_moves_an_inspection_too_late_is_told_what_the_other_one_did(
    app: web.Application, office: Office, appointment: Appointment, clock: SettableClock,
    monkeypatch: pytest.MonkeyPatch, meanwhile: str, code: str,
) -> None:  # fmt: skip
    look = service.get_inspection
    tomorrow = clock.now() + timedelta(days=1)

    async def seen_before(session: AsyncSession, actor: Actor, inspection_id: str) -> Inspection:
        """What the one who is late has read; then the other one acts."""
        found = await look(session, actor, inspection_id)
        monkeypatch.setattr(service, "get_inspection", look)
        if meanwhile == "moved":
            values: dict[str, Any] = {"starts_at": tomorrow}
        else:
            values = {"state": "cancelled"}
        await session.execute(
            update(Inspection)
            .where(Inspection.id == inspection_id)
            .values(**values)
            .execution_options(synchronize_session=False)
        )
        return found

    monkeypatch.setattr(service, "get_inspection", seen_before)
    with pytest.raises(YunkanError) as refused:
        async with app[DATABASE].transaction() as session:
            await service.reschedule(
                session, app[JOURNAL], office.zhou, appointment.id, tomorrow + timedelta(hours=1)
            )
    assert refused.value.code == code

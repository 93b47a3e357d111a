"""Cases: made by form and by API, found, closed, with papers and evidence."""

import asyncio
import hashlib
import io
from datetime import UTC, datetime
from typing import Any

import cv2
import numpy as np
import pytest
from aiohttp import FormData, web

from server.cases.models import Evidence
from server.cases.service import attach_evidence, create_case
from server.db import Database
from server.inspections.checklists import default_template
from server.inspections.keys import JOURNAL
from server.web.keys import DATABASE, FILES
from tests.cast import FENGHE, Appointment, Office, found_office
from tests.flows.browsing import Client, look, send_form, shown
from tests.flows.programs import BODY, get, make_case, post

PNG = cv2.imencode(".png", np.zeros((40, 60, 3), np.uint8))[1].tobytes()
AT = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)

FORM = {
    "matter": "seed-licence-address",
    "enterprise_name": "丰禾种业有限公司",
    "credit_code": "91110000600037341L",
    "licence_kind": "seed-b",
    "licence_number": "B 0007",
    "old_address": "府前街 18 号",
    "new_address": "民丰路 6 号",
    "latitude": "37.5878",
    "longitude": "118.5473",
}


async def test_a_case_made_by_the_api_comes_back_as_it_was_sent(client: Client, office: Office) -> None:
    who = office.bearer("reviewer")
    made = await post(client, "/api/v1/cases", BODY, who)
    assert made["state"] == "open"
    assert made["number"].endswith("-0001")
    found = await get(client, f"/api/v1/cases/{made['id']}", who)
    assert found == made
    assert {name: found[name] for name in BODY} == BODY
    assert found["warnings"] == []


async def test_a_case_needs_no_location(client: Client, office: Office) -> None:
    change = {name: BODY["change"][name] for name in ("old_address", "new_address")}
    made = await post(client, "/api/v1/cases", {**BODY, "change": change}, office.bearer("reviewer"))
    assert made["change"]["location"] is None


async def test_the_api_takes_an_irregular_code_and_says_so(client: Client, office: Office) -> None:
    body = {**BODY, "enterprise": {"name": "X", "credit_code": "91110000600037341M"}}
    made = await post(client, "/api/v1/cases", body, office.bearer("reviewer"))
    assert made["warnings"] == ["credit_code_check_digit"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"matter": "fishing"}, "invalid"),
        ({"enterprise": {"name": "X", "credit_code": "123"}}, "invalid"),
        ({"enterprise": {"name": "X"}}, "bad_body"),
        ({"surprise": 1}, "bad_body"),
        ({"matter": 7}, "bad_body"),
    ],
)
async def test_a_bad_case_is_refused_with_what_is_wrong(
    client: Client, office: Office, change: dict[str, Any], code: str
) -> None:
    answer = await post(client, "/api/v1/cases", {**BODY, **change}, office.bearer("reviewer"), status=422)
    assert answer["error"]["code"] == code


async def test_cases_made_at_the_same_moment_get_numbers_of_their_own(client: Client, office: Office) -> None:
    who = office.bearer("reviewer")
    made = await asyncio.gather(*(post(client, "/api/v1/cases", BODY, who) for _ in range(6)))
    numbers = sorted(case["number"][-4:] for case in made)
    assert numbers == ["0001", "0002", "0003", "0004", "0005", "0006"]


async def test_each_office_counts_for_itself_and_sees_nothing_of_the_other(
    client: Client, office: Office, app: web.Application
) -> None:
    other = await found_office(app[DATABASE], app[JOURNAL], prefix="east")
    mine = await post(client, "/api/v1/cases", BODY, office.bearer("reviewer"))
    theirs = await post(client, "/api/v1/cases", BODY, other.bearer("reviewer"))
    assert mine["number"] == theirs["number"]
    who = other.bearer("administrator")
    answer = await get(client, f"/api/v1/cases/{mine['id']}", who, status=404)
    assert answer["error"]["code"] == "case_not_found"
    await get(client, f"/api/v1/cases/{mine['id']}/evidence", who, status=404)
    await look(client, f"/cases/{mine['id']}", status=404, who=who)
    listed = await get(client, "/api/v1/cases", who)
    assert [case["id"] for case in listed["cases"]] == [theirs["id"]]


async def test_the_list_filters_by_words_and_state_and_counts_pages(
    client: Client, office: Office, app: web.Application
) -> None:
    who = office.bearer("reviewer")
    for number in range(21):
        enterprise = {"name": f"Seeds w{number:02d}x 100%", "credit_code": "91110000600037341L"}
        await post(client, "/api/v1/cases", {**BODY, "enterprise": enterprise}, who)
    everything = await get(client, "/api/v1/cases", who)
    assert (everything["total"], everything["pages"], len(everything["cases"])) == (21, 2, 20)
    assert everything["cases"][0]["enterprise"]["name"].startswith("Seeds w20x")
    assert len((await get(client, "/api/v1/cases?page=2", who))["cases"]) == 1
    assert (await get(client, "/api/v1/cases?page=99", who))["page"] == 2
    assert (await get(client, "/api/v1/cases?q=seeds+W07x", who))["total"] == 1
    assert (await get(client, "/api/v1/cases?q=600037341", who))["total"] == 21
    assert (await get(client, "/api/v1/cases?q=100%25", who))["total"] == 21
    assert (await get(client, "/api/v1/cases?q=1_0", who))["total"] == 0
    assert (await get(client, "/api/v1/cases?state=closed", who))["total"] == 0
    await get(client, "/api/v1/cases?page=x", who, status=422)
    page = await look(client, "/cases?q=Seeds&page=2", who=who)
    assert "Seeds w00x" in page
    assert "q=Seeds&amp;state=&amp;page=1" in page


async def test_the_form_makes_a_case_and_leads_to_it(client: Client, office: Office) -> None:
    who = office.bearer("reviewer")
    location, _ = await send_form(client, "/cases", FORM, who=who)
    page = await look(client, location, who=who)
    for text in ("丰禾种业有限公司", "91110000600037341L", "民丰路 6 号", "37.58780° N, 118.54730° E"):
        assert text in page


async def test_the_form_asks_before_it_takes_an_irregular_code(client: Client, office: Office) -> None:
    who = office.bearer("reviewer")
    form = {**FORM, "credit_code": "91110000600037341M"}
    _, page = await send_form(client, "/cases", form, status=422, who=who)
    assert "The last character does not fit the others." in page
    assert 'name="code_confirmed"' in page
    confirmed = {**form, "code_confirmed": "91110000600037341M"}
    location, _ = await send_form(client, "/cases", confirmed, who=who)
    assert "The check digit does not fit" in await look(client, location, who=who)


async def test_a_confirmation_counts_only_for_the_code_it_was_given_for(
    client: Client, office: Office
) -> None:
    form = {**FORM, "credit_code": "91110000600037341N", "code_confirmed": "91110000600037341M"}
    await send_form(client, "/cases", form, status=422, who=office.bearer("reviewer"))


async def test_a_refused_form_keeps_what_was_written(client: Client, office: Office) -> None:
    form = {**FORM, "latitude": "97", "new_address": "<b>民丰路</b>"}
    _, page = await send_form(client, "/cases", form, status=422, who=office.bearer("reviewer"))
    assert "A latitude is from -90 to 90 degrees." in page
    assert 'value="&lt;b&gt;民丰路&lt;/b&gt;"' in page
    assert '<option value="seed-b" selected>' in page


def file_form(data: bytes, name: str = "paper", content_type: str = "image/png") -> FormData:
    form = FormData(quote_fields=False)  # as browsers do: names in UTF-8
    form.add_field("file", io.BytesIO(data), filename=name, content_type=content_type)
    return form


async def test_a_paper_is_kept_as_it_came_and_shown_with_its_digest(
    client: Client, office: Office, app: web.Application
) -> None:
    who, case_id = office.bearer("agent"), await make_case(client, office)
    location, _ = await send_form(
        client, f"/cases/{case_id}/materials", file_form(PNG, "营业执照.png"), who=who
    )
    assert location == f"/cases/{case_id}#materials"
    page = await look(client, f"/cases/{case_id}", who=who)
    assert "营业执照.png" in page
    assert hashlib.sha256(PNG).hexdigest() in page
    path = page.partition('data-material="')[2].partition('"')[0]
    async with client.get(f"/cases/{case_id}/materials/{path}", headers=who) as response:
        assert await response.read() == PNG
        assert response.headers["Content-Type"] == "image/png"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in response.headers["Content-Security-Policy"]
        assert response.headers["Content-Disposition"].startswith("inline")
    stored = app[FILES].absolute(f"cases/{case_id}/materials/{path}.png")
    assert stored.read_bytes() == PNG


async def test_a_page_dressed_up_as_a_picture_is_refused(client: Client, office: Office) -> None:
    who, case_id = office.bearer("agent"), await make_case(client, office)
    _, page = await send_form(
        client,
        f"/cases/{case_id}/materials",
        file_form(b"<script>alert(1)</script>", "licence.png"),
        status=422,
        who=who,
    )
    assert "not a PDF and not a JPEG, PNG or WebP picture" in page


async def test_nothing_chosen_is_said_so(client: Client, office: Office) -> None:
    who, case_id = office.bearer("agent"), await make_case(client, office)
    _, page = await send_form(client, f"/cases/{case_id}/materials", file_form(b"", ""), status=422, who=who)
    assert "Choose a file that is not empty." in page


async def test_the_same_file_twice_is_told_the_second_time_and_kept_once(
    client: Client, office: Office, app: web.Application
) -> None:
    who, case_id = office.bearer("agent"), await make_case(client, office)
    path = f"/cases/{case_id}/materials"
    await send_form(client, path, file_form(PNG), who=who)
    _, page = await send_form(client, path, file_form(PNG, "other name"), status=409, who=who)
    assert "This very file is on the case already." in page
    assert len(list(app[FILES].absolute(f"cases/{case_id}/materials").iterdir())) == 1


async def test_a_name_with_folders_is_only_a_name(client: Client, office: Office) -> None:
    who, case_id = office.bearer("agent"), await make_case(client, office)
    form = file_form(PNG, "..\\..\\evil.png")
    await send_form(client, f"/cases/{case_id}/materials", form, who=who)
    page = await look(client, f"/cases/{case_id}", who=who)
    assert "evil.png" in page
    assert ".." not in page.partition('id="materials"')[2].partition("</section>")[0]


async def test_a_file_over_the_limit_is_refused_with_the_limit(
    client: Client, office: Office, app: web.Application
) -> None:
    who, case_id = office.bearer("agent"), await make_case(client, office)
    data = PNG + bytes(50 * 2**20)
    _, page = await send_form(client, f"/cases/{case_id}/materials", file_form(data), status=413, who=who)
    assert "at most 50 MB" in page


async def test_a_paper_is_found_only_on_its_own_case_and_by_its_own_office(
    client: Client, office: Office, app: web.Application
) -> None:
    other = await found_office(app[DATABASE], app[JOURNAL], prefix="east")
    who, case_id, second = (
        office.bearer("agent"),
        await make_case(client, office),
        await make_case(client, office),
    )
    await send_form(client, f"/cases/{case_id}/materials", file_form(PNG), who=who)
    page = await look(client, f"/cases/{case_id}", who=who)
    material = page.partition('data-material="')[2].partition('"')[0]
    await look(client, f"/cases/{case_id}/materials/{material}", 404, other.bearer("reviewer"))
    await look(client, f"/cases/{second}/materials/{material}", 404, who)


async def test_closing_a_case_needs_a_reason_and_is_final(client: Client, office: Office) -> None:
    who, case_id = office.bearer("reviewer"), await make_case(client, office)
    path = f"/cases/{case_id}/close"
    assert "Close the case" in await look(client, path, who=who)
    _, page = await send_form(client, path, {"note": " "}, status=422, who=who)
    assert "Say why the case is closed." in page
    await send_form(client, path, {"note": "approved"}, who=who)
    page = await look(client, f"/cases/{case_id}", who=who)
    assert "approved" in page
    assert "New inspection" not in page
    _, page = await send_form(client, path, {"note": "again"}, status=409, who=who)
    assert "This case is closed." in page
    _, page = await send_form(client, f"/cases/{case_id}/materials", file_form(PNG), status=409, who=who)
    assert "This case is closed." in page
    answer = await post(client, f"/api/v1/cases/{case_id}/inspections", {}, who, status=409)
    assert answer["error"]["code"] == "case_closed"


async def test_a_case_with_an_inspection_to_come_cannot_be_closed(
    client: Client, appointment: Appointment, office: Office
) -> None:
    _, page = await send_form(
        client,
        f"/cases/{appointment.case_id}/close",
        {"note": "x"},
        status=409,
        who=office.bearer("reviewer"),
    )
    assert "still to come" in page


async def attach(database: Database, appointment: Appointment, url: str, **changes: Any) -> Evidence:
    fields: dict[str, Any] = {
        "kind": "snapshot",
        "title": "门牌",
        "media_type": "image/png",
        "size_bytes": 2_000_000,
        "sha256": "ab" * 32,
        "at": AT,
    }
    async with database.transaction() as session:
        return await attach_evidence(
            session,
            case_id=appointment.case_id,
            inspection_id=appointment.id,
            url=url,
            **{**fields, **changes},
        )


async def test_evidence_is_listed_in_order_with_its_digest(
    client: Client, appointment: Appointment, office: Office, app: web.Application
) -> None:
    later = AT.replace(hour=9)
    await attach(app[DATABASE], appointment, "/b", kind="part", media_type="video/mp4", at=later)
    await attach(app[DATABASE], appointment, "/a")
    path = f"/api/v1/cases/{appointment.case_id}/evidence"
    listed = await get(client, path, office.bearer("auditor"))
    assert [(piece["url"], piece["kind"]) for piece in listed] == [("/a", "snapshot"), ("/b", "part")]
    assert listed[0] | {"id": ""} == {
        "kind": "snapshot",
        "id": "",
        "inspection": appointment.id,
        "title": "门牌",
        "media_type": "image/png",
        "sha256": "ab" * 32,
        "size_bytes": 2_000_000,
        "url": "/a",
        "at": "2026-11-21T08:00:00Z",
    }
    page = await look(client, f"/cases/{appointment.case_id}", who=office.bearer("auditor"))
    assert "ab" * 32 in page
    assert "2.0 MB" in page


async def test_the_same_evidence_is_attached_once_however_often_and_from_however_many_sides(
    appointment: Appointment, app: web.Application
) -> None:
    pieces = await asyncio.gather(*(attach(app[DATABASE], appointment, "/same") for _ in range(4)))
    assert len({piece.id for piece in pieces}) == 1


async def test_a_renamed_enterprise_keeps_its_old_name_on_old_cases(client: Client, office: Office) -> None:
    who = office.bearer("reviewer")
    first = await post(client, "/api/v1/cases", BODY, who)
    renamed = {**BODY, "enterprise": {**BODY["enterprise"], "name": "新丰禾"}}
    await post(client, "/api/v1/cases", renamed, who)
    found = await get(client, f"/api/v1/cases/{first['id']}", who)
    assert found["enterprise"]["name"] == "丰禾种业有限公司"


async def test_a_participant_of_an_inspection_has_no_business_with_its_case(
    client: Client, appointment: Appointment
) -> None:
    body = {"invitation": appointment.invitations["reviewer"], "name": "李"}
    joined = await post(client, "/api/v1/join", body, {})
    who = {"Authorization": f"Bearer {joined['token']}"}
    await get(client, f"/api/v1/cases/{appointment.case_id}", who, status=403)
    await get(client, "/api/v1/cases", who, status=403)
    await look(client, "/", 403, who)
    await look(client, f"/inspections/{appointment.id}", 403, who)


async def test_a_number_goes_by_the_year_in_beijing(office: Office, app: web.Application) -> None:
    last_evening_in_london = datetime(2026, 12, 31, 16, 30, tzinfo=UTC)
    async with app[DATABASE].transaction() as session:
        case = await create_case(session, office.zhou, FENGHE, last_evening_in_london)
    assert case.number == "2027-0001"


async def test_a_snapshot_on_the_case_page_is_titled_by_the_words_of_its_checklist_item(
    client: Client, app: web.Application, office: Office, appointment: Appointment
) -> None:
    item = default_template("seed-licence-address").items[0]
    await attach(app[DATABASE], appointment, "/snapshot", title=item.key)
    page = await look(client, f"/cases/{appointment.case_id}", who=office.bearer("reviewer"))
    assert item.text["en"] in shown(page)
    assert item.key not in shown(page).split()

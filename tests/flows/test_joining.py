"""Joining a running inspection by an invitation."""

import html
import json
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from server.accounts.models import Office as OfficeRow
from server.inspections.texts import Audience, audience_of, current_texts
from server.web.keys import DATABASE
from tests.cast import Appointment, Office
from tests.clock import SettableClock
from tests.flows.browsing import csrf_of, look
from tests.flows.conftest import Client
from tests.flows.rooms import LANGUAGE, RoomClient, bearer, consent, join


async def test_an_enterprise_that_agreed_to_both_texts_becomes_a_participant(
    client: Client, office: Office, appointment: Appointment
) -> None:
    joined = await join(client, appointment.invitations["enterprise"])
    assert joined["role"] == "enterprise"
    assert joined["base"] == f"/live/0/{appointment.id}"
    room = await RoomClient.connect(client, joined)
    event = await room.hear_event("participant.joined")
    assert event["body"]["name"] == "田继业"
    consents = [(await room.hear_event("consent.given"))["body"]["kind"] for _ in range(2)]
    assert sorted(consents) == ["notice", "recording"]
    await room.close()


@pytest.mark.parametrize(
    "agreed", [None, {"notice": "1", "recording": "0"}, {"notice": "", "recording": "1"}]
)
async def test_an_enterprise_without_consent_to_each_text_is_told_what_to_agree_to(
    client: Client, appointment: Appointment, agreed: dict[str, str] | None
) -> None:
    body = {"invitation": appointment.invitations["enterprise"], "consent": agreed}
    async with client.post("/api/v1/join", json=body, headers=LANGUAGE) as response:
        assert response.status == 409
        error = (await response.json())["error"]
    assert error["code"] == "consent_required"
    assert {text["kind"]: text["version"] for text in error["texts"]} == consent()
    assert all(text["sha256"] and text["title"] and text["body"] for text in error["texts"])


async def test_a_second_device_is_asked_first_and_then_replaces_the_first(
    client: Client, appointment: Appointment
) -> None:
    invitation = appointment.invitations["enterprise"]
    first = await join(client, invitation, device="old phone")
    room = await RoomClient.connect(client, first)
    await room.hear("hello")
    async with client.post(
        "/api/v1/join", json={"invitation": invitation, "consent": consent()}, headers=LANGUAGE
    ) as response:
        assert response.status == 409
        error = (await response.json())["error"]
    assert (error["code"], error["device"]) == ("already_joined", "old phone")
    second = await join(client, invitation, takeover=True, device="new phone")
    assert second["participant"] == first["participant"]
    assert second["token"] != first["token"]
    bye = await room.hear("bye")
    assert bye["code"] == "replaced"
    async with client.post(f"{first['base']}/whip", data="v=0", headers=bearer(first)) as response:
        assert response.status == 401


def shown(audience: Audience, language: str = "en") -> dict[str, dict[str, str]]:
    """What a page in this language sends: the very texts that it showed."""
    return {
        text.kind: {"version": text.version, "sha256": text.sha256, "language": text.language}
        for text in current_texts(language, audience)
    }


async def consents(client: Client, joined: dict[str, Any], count: int) -> list[dict[str, Any]]:
    room = await RoomClient.connect(client, joined)
    given = [await room.hear_event("consent.given") for _ in range(count)]
    await room.close()
    return given


async def refusal(client: Client, invitation: str, agreed: Any, **fields: Any) -> dict[str, Any]:
    body = {"invitation": invitation, "consent": agreed, **fields}
    async with client.post("/api/v1/join", json=body, headers=LANGUAGE) as response:
        assert response.status == 409, await response.text()
        error: dict[str, Any] = (await response.json())["error"]
    return error


@pytest.mark.parametrize("language", ["zh-CN", "en"])
@pytest.mark.parametrize(
    ("role", "audience"),
    [("enterprise", "enterprise"), ("reviewer", "guest"), ("expert", "guest"), ("observer", "guest")],
)
async def test_the_log_names_the_very_words_that_each_person_agreed_to(
    client: Client, appointment: Appointment, role: str, audience: Audience, language: str
) -> None:
    agreed = shown(audience, language)
    joined = await join(client, appointment.invitations[role], consent=agreed, name="李静")
    given = await consents(client, joined, 2)
    assert [event["actor"]["name"] for event in given] == ["李静", "李静"]
    for event in given:
        del event["body"]["salt"]
    assert [event["body"] for event in given] == [
        {
            "participant": joined["participant"], "audience": audience, "kind": kind, "named": "digest", **agreed[kind],
        }
        for kind in ("notice", "recording")
    ]  # fmt: skip


@pytest.mark.parametrize("role", ["enterprise", "observer"])
@pytest.mark.parametrize("wrong", [{"sha256": "0" * 64}, {"version": "0"}, {"language": "zh-CN"}])
async def test_words_that_are_not_those_of_today_are_refused_with_those_of_today(
    client: Client, appointment: Appointment, role: str, wrong: dict[str, str]
) -> None:
    audience = audience_of(role)
    agreed = shown(audience)
    error = await refusal(
        client, appointment.invitations[role], {**agreed, "recording": {**agreed["recording"], **wrong}}
    )
    assert error["code"] == "consent_required"
    told = {
        text["kind"]: {name: text[name] for name in ("version", "sha256", "language")}
        for text in error["texts"]
    }
    assert told == agreed


async def test_a_guest_cannot_agree_to_the_enterprises_words(
    client: Client, appointment: Appointment
) -> None:
    error = await refusal(client, appointment.invitations["expert"], shown("enterprise"))
    assert error["code"] == "consent_required"


async def test_versions_alone_are_taken_from_a_program_and_marked_as_such(
    client: Client, appointment: Appointment
) -> None:
    joined = await join(client, appointment.invitations["enterprise"])
    given = await consents(client, joined, 2)
    assert {event["body"]["named"] for event in given} == {"version"}
    assert {event["body"]["language"] for event in given} == {"en"}


async def test_a_guests_program_may_join_without_texts_and_then_nothing_was_agreed_to(
    client: Client, office: Office, appointment: Appointment
) -> None:
    await join(client, appointment.invitations["observer"], consent=None)
    url = f"/api/v1/inspections/{appointment.id}/events"
    async with client.get(url, headers=office.bearer("reviewer")) as response:
        types = [event["type"] for event in await response.json()]
    assert "participant.joined" in types and "consent.given" not in types


async def test_who_goes_on_with_another_phone_agrees_and_is_named(
    client: Client, appointment: Appointment
) -> None:
    invitation = appointment.invitations["enterprise"]
    first = await join(client, invitation, consent=shown("enterprise", "zh-CN"), name="田继业")
    assert (await refusal(client, invitation, None, takeover=True))["code"] == "consent_required"
    still = await RoomClient.connect(client, first)
    assert (await still.hear("hello"))["participant"] == first["participant"]
    second = await join(
        client, invitation, consent=shown("enterprise"), takeover=True, device="new phone", name="李梅"
    )
    await still.hear("bye", code="replaced")
    room = await RoomClient.connect(client, second)
    replaced = await room.hear_event("participant.replaced")
    assert replaced["actor"]["name"] == "李梅"
    told = {name: replaced["body"][name] for name in ("device", "by", "name", "was")}
    assert told == {"device": "new phone", "by": "takeover", "name": "李梅", "was": "田继业"}
    given = [await room.hear_event("consent.given") for _ in range(2)]
    assert [(event["actor"]["name"], event["body"]["language"]) for event in given] == [("李梅", "en")] * 2
    present = await room.hear("presence")
    assert [person["name"] for person in present["participants"]] == ["李梅"]
    await room.close()


@pytest.mark.parametrize("role", ["enterprise", "expert"])
async def test_the_page_behind_a_link_holds_the_texts_it_shows(
    client: Client, appointment: Appointment, role: str
) -> None:
    page = await look(client, f"/i/{appointment.invitations[role]}")
    found = re.search(r'id="page-data">(.*?)</script>', page)
    assert found
    texts = json.loads(html.unescape(found[1]))["texts"]
    assert {text["kind"]: text["sha256"] for text in texts} == {
        kind: one["sha256"] for kind, one in shown(audience_of(role)).items()
    }
    for text in texts:
        assert f'id="agree-{text["kind"]}"' in page
        for paragraph in text["body"]:
            assert html.escape(paragraph, quote=False) in page.replace("&#39;", "'")


@pytest.mark.parametrize(
    ("token", "status", "code"), [("yi_unknown", 404, "invitation_unknown"), ("", 404, "invitation_unknown")]
)
async def test_an_unknown_invitation_is_named(
    client: Client, appointment: Appointment, token: str, status: int, code: str
) -> None:
    async with client.post("/api/v1/join", json={"invitation": token}, headers=LANGUAGE) as response:
        assert response.status == status
        assert (await response.json())["error"]["code"] == code


async def test_an_expired_invitation_is_named(
    client: Client, appointment: Appointment, clock: SettableClock
) -> None:
    clock.advance(days=30)
    body = {"invitation": appointment.invitations["enterprise"]}
    async with client.post("/api/v1/join", json=body, headers=LANGUAGE) as response:
        assert response.status == 410
        assert (await response.json())["error"]["code"] == "invitation_expired"


async def test_a_participant_of_one_inspection_is_nobody_in_another(
    client: Client, appointment: Appointment
) -> None:
    joined = await join(client, appointment.invitations["reviewer"])
    elsewhere = {**joined, "base": joined["base"][:-26] + "0" * 26}
    async with client.post(
        f"{elsewhere['base']}/snapshots", json={"slot": "x"}, headers=bearer(joined)
    ) as response:
        assert response.status == 404


async def test_a_participants_token_expires(
    client: Client, appointment: Appointment, clock: SettableClock
) -> None:
    joined = await join(client, appointment.invitations["observer"])
    clock.advance(hours=25)
    async with client.get(f"{joined['base']}/room", headers=bearer(joined)) as response:
        assert response.status == 401


async def test_a_link_opened_in_a_browser_shows_the_phones_page(
    new_client: Callable[[], Awaitable[Client]], appointment: Appointment
) -> None:
    client = await new_client()
    async with client.get(
        f"/i/{appointment.invitations['enterprise']}", headers={"Accept": "text/html", **LANGUAGE}
    ) as response:
        assert response.status == 200
        assert "丰禾种业有限公司" in await response.text()


async def test_a_bad_link_opened_in_a_browser_shows_a_page_that_says_so(client: Client) -> None:
    async with client.get("/i/yi_nothing", headers={"Accept": "text/html", **LANGUAGE}) as response:
        assert response.status == 404
        assert response.content_type == "text/html"


async def tell(client: Client, token: str, code: str, status: int = 204) -> None:
    """As the page behind a link does that cannot go on."""
    headers = {"X-CSRF-Token": await csrf_of(client), "User-Agent": "Old Browser 1.0"}
    async with client.post(f"/i/{token}/trouble", json={"code": code}, headers=headers) as response:
        assert response.status == status, await response.text()


async def troubles(client: Client, office: Office, inspection_id: str) -> list[dict[str, Any]]:
    url = f"/api/v1/inspections/{inspection_id}/events"
    async with client.get(url, headers=office.bearer("reviewer")) as response:
        return [event["body"] for event in await response.json() if event["type"] == "invitation.troubled"]


async def test_what_keeps_somebody_from_joining_is_in_the_log_and_on_the_desk(
    client: Client, office: Office, appointment: Appointment
) -> None:
    token = appointment.invitations["enterprise"]
    who = office.bearer("reviewer")
    assert "data-trouble" not in await look(client, "/desk/now", who=who)
    await tell(client, token, "no_api")
    [told] = await troubles(client, office, appointment.id)
    assert (told["code"], told["role"], told["device"]) == ("no_api", "enterprise", "Old Browser 1.0")
    fragment = await look(client, "/desk/now", who=who)
    assert 'data-trouble="no_api"' in fragment
    assert f"{told['name']} opened the link in a browser that cannot send video." in fragment
    assert 'data-trouble="no_api"' in await look(client, "/", who=who)
    room = await RoomClient.connect(client, await join(client, token))
    await room.hear("hello")
    assert "data-trouble" not in await look(client, "/desk/now", who=who)
    await room.close()


async def test_a_link_cannot_fill_the_log_with_its_troubles(
    client: Client, office: Office, appointment: Appointment, clock: SettableClock
) -> None:
    token = appointment.invitations["enterprise"]
    for _ in range(3):
        await tell(client, token, "insecure")
    assert len(await troubles(client, office, appointment.id)) == 1
    await tell(client, token, "disagreed")
    assert len(await troubles(client, office, appointment.id)) == 2
    for _ in range(30):
        clock.advance(minutes=11)
        await tell(client, token, "insecure")
    assert len(await troubles(client, office, appointment.id)) == 20


async def test_only_a_good_link_and_a_known_trouble_are_taken(
    client: Client, office: Office, appointment: Appointment
) -> None:
    await tell(client, "yi_nothing", "no_api", status=404)
    await tell(client, appointment.invitations["enterprise"], "anything", status=422)
    assert await troubles(client, office, appointment.id) == []


async def test_a_link_that_is_nobodys_names_the_telephone_of_the_only_office(
    client: Client, app: web.Application, appointment: Appointment
) -> None:
    assert "0546-0000000" in await look(client, "/i/yi_nothing", status=404)
    async with app[DATABASE].transaction() as session:
        session.add(OfficeRow(name="邻县", phone="0546-1111111", created_at=datetime.now(UTC)))
    page = await look(client, "/i/yi_nothing", status=404)
    assert "0546-0000000" not in page and "0546-1111111" not in page

"""Joining a running inspection by an invitation."""

from collections.abc import Awaitable, Callable

import pytest

from tests.cast import Appointment, Office
from tests.clock import SettableClock
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

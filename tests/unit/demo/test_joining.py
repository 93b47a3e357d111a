"""Joining as a person with a phone would."""

import pytest
from aiohttp import ClientSession
from yarl import URL

from server.demo.errors import Refused
from server.demo.joining import join, token_of
from tests.unit.demo.service import JOINED, Service, refused

CONSENT = refused(
    409,
    "consent_required",
    texts=[
        {"kind": "notice", "version": "n3", "language": "en", "sha256": "a1", "title": "", "body": ""},
        {"kind": "recording", "version": "r7", "language": "en", "sha256": "b2", "title": "", "body": ""},
    ],
)


@pytest.mark.parametrize("invitation", ["abc", "https://inspect.test/i/abc", "https://inspect.test/i/abc/"])
def test_an_invitation_is_its_token_or_its_url(invitation: str) -> None:
    assert token_of(invitation) == "abc"


async def test_a_join_says_who_we_are_and_where_the_room_is(
    session: ClientSession, service: Service, address: str
) -> None:
    service.join_answers = [(201, {**JOINED[1], "ice_servers": [{"urls": ["turn:t"], "username": "u"}]})]
    joined = await join(session, address, "https://x.test/i/link", "王芳")
    assert service.joins == [{"invitation": "link", "name": "王芳", "device": "yunkan demo"}]
    assert (joined.participant, joined.role, joined.inspection) == ("me", "enterprise", "one")
    assert joined.base == URL(address).join(URL("/live/0/one"))
    assert joined.headers == {"Authorization": "Bearer participant-token"}
    assert (joined.ice_servers[0].urls, joined.ice_servers[0].username) == (["turn:t"], "u")


async def test_the_texts_that_are_asked_for_are_agreed_to(
    session: ClientSession, service: Service, address: str
) -> None:
    service.join_answers = [CONSENT, JOINED]
    await join(session, address, "link", "王芳")
    assert [j.get("consent") for j in service.joins] == [
        None,
        {
            "notice": {"version": "n3", "sha256": "a1", "language": "en"},
            "recording": {"version": "r7", "sha256": "b2", "language": "en"},
        },
    ]


async def test_a_link_in_use_is_taken_over(session: ClientSession, service: Service, address: str) -> None:
    service.join_answers = [CONSENT, refused(409, "already_joined"), JOINED]
    await join(session, address, "link", "王芳")
    assert [j.get("takeover") for j in service.joins] == [None, None, True]


async def test_consent_that_is_asked_for_again_and_again_is_a_refusal(
    session: ClientSession, service: Service, address: str
) -> None:
    service.join_answers = [CONSENT]
    with pytest.raises(Refused) as refusal:
        await join(session, address, "link", "王芳")
    assert refusal.value.code == "consent_required"
    assert len(service.joins) == 2


async def test_a_refusal_carries_the_service_s_own_words(
    session: ClientSession, service: Service, address: str
) -> None:
    service.join_answers = [refused(410, "invitation_expired")]
    with pytest.raises(Refused, match="410 invitation_expired: because invitation_expired") as refusal:
        await join(session, address, "link", "王芳")
    assert refusal.value.is_final


async def test_an_answer_that_is_not_json_is_a_refusal_too(session: ClientSession, address: str) -> None:
    with pytest.raises(Refused) as refusal:
        await join(session, address + "nowhere", "link", "王芳")
    assert (refusal.value.status, refusal.value.code) == (404, "unknown")

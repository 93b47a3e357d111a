"""Signing in and out, and the administration of an office."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import select

from server.accounts import throttle
from server.accounts.current import SESSION_COOKIE
from server.accounts.models import SignInFailures
from server.inspections.keys import JOURNAL
from server.web.keys import DATABASE
from tests.cast import PASSWORD, WRONG_PASSWORD, Office, found_office
from tests.clock import SettableClock
from tests.flows.browsing import PAGE, Client, csrf_of, look, send_form, shown, sign_in

NewClient = Callable[[], Awaitable[Client]]


async def cookie(client: Client, name: str) -> str:
    found = client.session.cookie_jar.filter_cookies(client.make_url("/")).get(name)
    return found.value if found else ""


async def test_a_page_for_staff_leads_to_the_sign_in_and_back(client: Client, office: Office) -> None:
    async with client.get("/cases?q=a", headers=PAGE, allow_redirects=False) as response:
        assert response.status == 303
        assert response.headers["Location"] == "/sign-in?next=/cases%3Fq%3Da"
    location, _ = await send_form(
        client, "/sign-in", {"username": "zhou", "password": PASSWORD, "next": "/cases?q=a"}
    )
    assert location == "/cases?q=a"
    assert "周敏" in await look(client, "/")


async def test_a_user_name_does_not_differ_by_case(client: Client, office: Office) -> None:
    await sign_in(client, " ZHOU ")
    await look(client, "/")


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "/\t/evil.example", "cases"]
)
async def test_signing_in_never_leads_to_another_site(client: Client, office: Office, target: str) -> None:
    location, _ = await send_form(
        client, "/sign-in", {"username": "zhou", "password": PASSWORD, "next": target}
    )
    assert location == "/"


async def test_a_wrong_password_and_an_unknown_user_get_the_same_answer(
    client: Client, office: Office
) -> None:
    _, wrong = await send_form(
        client, "/sign-in", {"username": "zhou", "password": WRONG_PASSWORD}, status=401
    )
    _, unknown = await send_form(
        client, "/sign-in", {"username": "nobody", "password": WRONG_PASSWORD}, status=401
    )
    assert "The user name or the password is not right." in wrong
    assert shown(wrong) == shown(unknown)
    assert not await cookie(client, SESSION_COOKIE)


async def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(
    client: Client, office: Office
) -> None:
    token = await csrf_of(client)
    data = {"username": "zhou", "password": PASSWORD, "csrf": token}
    async with client.post("/sign-in", data=data, allow_redirects=False) as response:
        morsel = response.cookies[SESSION_COOKIE]
    assert morsel["httponly"]
    assert morsel["samesite"] == "Lax"
    assert not morsel["secure"], "the test speaks http; with https it is set"


async def test_signing_in_gives_the_browser_a_new_identity(client: Client, office: Office) -> None:
    before = await csrf_of(client)
    await sign_in(client)
    data = {"csrf": before}
    async with client.post("/sign-out", data=data, headers=PAGE, allow_redirects=False) as response:
        assert response.status == 403


async def test_signing_out_ends_the_session_also_for_a_copied_cookie(client: Client, office: Office) -> None:
    await sign_in(client)
    copied = await cookie(client, SESSION_COOKIE)
    await send_form(client, "/sign-out", {})
    client.session.cookie_jar.update_cookies({SESSION_COOKIE: copied}, client.make_url("/"))
    async with client.get("/", headers=PAGE, allow_redirects=False) as response:
        assert response.status == 303


async def test_a_session_ends_after_its_hours(client: Client, office: Office, clock: SettableClock) -> None:
    await sign_in(client)
    clock.advance(hours=11, minutes=59)
    await look(client, "/")
    clock.advance(minutes=2)
    async with client.get("/", headers=PAGE, allow_redirects=False) as response:
        assert response.status == 303


async def test_a_form_without_its_token_is_refused(client: Client, office: Office) -> None:
    await look(client, "/sign-in")
    data = {"username": "zhou", "password": PASSWORD}
    async with client.post("/sign-in", data=data, headers=PAGE) as response:
        assert response.status == 403


async def remember_failures(
    app: web.Application, key: str, count: int, clock: SettableClock, seconds_ago: float = 0
) -> None:
    """As if `count` attempts had failed, the last one some seconds ago."""
    async with app[DATABASE].transaction() as session:
        last_at = clock.now() - timedelta(seconds=seconds_ago)
        await session.merge(SignInFailures(key=key, count=count, last_at=last_at))


async def test_failures_are_counted_for_the_name_and_for_the_address(
    client: Client, office: Office, app: web.Application
) -> None:
    wrong = {"username": "zhou", "password": WRONG_PASSWORD}
    for _ in range(2):
        await send_form(client, "/sign-in", wrong, status=401)
    async with app[DATABASE].reading() as session:
        rows = {row.key: row.count for row in await session.scalars(select(SignInFailures))}
    assert rows == {"user:zhou": 2, "address:127.0.0.1": 2}


async def test_guessing_a_password_is_slowed_down_and_the_wait_is_told(
    client: Client, office: Office, app: web.Application, clock: SettableClock
) -> None:
    await remember_failures(app, "user:zhou", throttle.FREE_PER_USERNAME + 9, clock)
    right = {"username": "zhou", "password": PASSWORD}
    _, page = await send_form(client, "/sign-in", right, status=429)
    assert re.search(r"Please wait (51[0-2]|50\d|4\d\d) seconds", page)
    clock.advance(seconds=512)
    await sign_in(client)


async def test_a_success_forgets_the_failures_of_the_name(
    client: Client, office: Office, app: web.Application, clock: SettableClock
) -> None:
    wrong = {"username": "zhou", "password": WRONG_PASSWORD}
    await remember_failures(app, "user:zhou", throttle.FREE_PER_USERNAME + 9, clock, 512)
    await sign_in(client)
    await send_form(client, "/sign-out", {})
    await send_form(client, "/sign-in", wrong, status=401)


async def test_guessing_many_names_from_one_address_is_slowed_down_too(
    client: Client, office: Office, app: web.Application, clock: SettableClock
) -> None:
    await remember_failures(app, "address:127.0.0.1", throttle.FREE_PER_ADDRESS + 9, clock)
    await send_form(client, "/sign-in", {"username": "zhou", "password": PASSWORD}, status=429)


async def test_of_attempts_at_the_same_moment_only_the_allowed_ones_are_tried(
    client: Client, office: Office, app: web.Application, clock: SettableClock
) -> None:
    count = throttle.FREE_PER_USERNAME + 9
    await remember_failures(app, "user:zhou", count, clock, seconds_ago=512)
    token = await csrf_of(client)
    data = {"username": "zhou", "password": WRONG_PASSWORD, "csrf": token}

    async def attempt() -> int:
        async with client.post("/sign-in", data=data, headers=PAGE) as response:
            return response.status

    statuses = await asyncio.gather(*(attempt() for _ in range(5)))
    assert sorted(statuses) == [401, 429, 429, 429, 429]


async def test_an_administrator_adds_a_person_who_can_sign_in(
    client: Client, office: Office, new_client: NewClient
) -> None:
    await sign_in(client, "admin")
    fields = {
        "username": "Sun",
        "name": "孙宁",
        "role": "reviewer",
        "certificate_number": "LZ370500019",
        "password": "ten letters",
    }
    location, _ = await send_form(client, "/admin/staff", fields)
    assert location == "/admin#people"
    assert "孙宁" in await look(client, "/admin")
    await sign_in(await new_client(), "sun", "ten letters")


async def test_the_form_of_a_new_person_says_everything_that_is_wrong_and_keeps_the_answers(
    client: Client, office: Office
) -> None:
    await sign_in(client, "admin")
    fields = {"username": "zhou", "name": "", "role": "king", "password": "short"}
    _, page = await send_form(client, "/admin/staff", fields, status=422)
    for sentence in (
        "This user name is taken.",
        "Give the person&#39;s name",
        "Choose one of the roles.",
        "A password needs at least 10 characters.",
    ):
        assert sentence in page
    assert 'value="zhou"' in page
    assert "short" not in page


async def test_switching_an_account_off_ends_its_sessions_and_on_brings_it_back(
    client: Client, office: Office, new_client: NewClient
) -> None:
    zhou = await sign_in(await new_client())
    await sign_in(client, "admin")
    await send_form(client, f"/admin/staff/{office.zhou.id}/active", {"active": "0"})
    async with zhou.get("/", headers=PAGE, allow_redirects=False) as response:
        assert response.status == 303
    await send_form(zhou, "/sign-in", {"username": "zhou", "password": PASSWORD}, status=401)
    await send_form(client, f"/admin/staff/{office.zhou.id}/active", {"active": "1"})
    await sign_in(zhou)


async def test_nobody_switches_off_their_own_account(client: Client, office: Office) -> None:
    await sign_in(client, "admin")
    path = f"/admin/staff/{office.admin.id}/active"
    _, page = await send_form(client, path, {"active": "0"}, status=409)
    assert "their own account" in page


async def test_the_last_administrator_stays_also_against_a_token(client: Client, office: Office) -> None:
    path = f"/admin/staff/{office.admin.id}/active"
    headers = {**office.bearer("administrator"), **PAGE}
    async with client.post(path, data={"active": "0"}, headers=headers) as response:
        assert response.status == 409
        assert "at least one active administrator" in await response.text()


async def test_a_new_password_replaces_the_old_one_and_ends_sessions(
    client: Client, office: Office, new_client: NewClient
) -> None:
    zhou = await sign_in(await new_client())
    await sign_in(client, "admin")
    path = f"/admin/staff/{office.zhou.id}/password"
    await send_form(client, path, {"password": "short"}, status=422)
    await send_form(client, path, {"password": "another password"})
    async with zhou.get("/", headers=PAGE, allow_redirects=False) as response:
        assert response.status == 303
    await send_form(zhou, "/sign-in", {"username": "zhou", "password": PASSWORD}, status=401)
    await sign_in(zhou, "zhou", "another password")


async def test_people_of_another_office_are_not_there(
    client: Client, office: Office, app: web.Application
) -> None:
    other = await found_office(app[DATABASE], app[JOURNAL], prefix="east")
    await sign_in(client, "admin")
    assert "eastzhou" not in await look(client, "/admin")
    await look(client, f"/admin/staff/{other.zhou.id}", status=404)
    await send_form(client, f"/admin/staff/{other.zhou.id}/active", {"active": "0"}, status=404)


async def test_a_token_is_shown_once_works_and_can_be_revoked(client: Client, office: Office) -> None:
    await sign_in(client, "admin")
    fields = {"token_name": "statistics", "token_role": "auditor"}
    _, page = await send_form(client, "/admin/tokens", fields, status=201)
    secret = page.partition('data-text="')[2].partition('"')[0]
    assert secret.startswith("yk_")
    listing = await look(client, "/admin")
    assert "statistics" in listing
    assert secret not in listing

    async def use() -> int:
        bearer = {"Authorization": f"Bearer {secret}"}
        async with client.get("/api/v1/cases", headers=bearer) as response:
            return response.status

    assert await use() == 200
    path = listing.partition('href="/admin/tokens/')[2].partition('"')[0]
    assert "statistics" in await look(client, f"/admin/tokens/{path}")
    await send_form(client, f"/admin/tokens/{path}", {})
    assert await use() == 401
    await send_form(client, f"/admin/tokens/{path}", {})


async def test_a_token_needs_a_purpose_and_a_role(client: Client, office: Office) -> None:
    await sign_in(client, "admin")
    fields = {"token_name": " ", "token_role": "enterprise"}
    _, page = await send_form(client, "/admin/tokens", fields, status=422)
    assert "Say what the token is for" in page
    assert "Choose one of the roles." in page


async def test_the_office_has_a_telephone_that_the_phone_page_can_show(
    client: Client, office: Office
) -> None:
    await sign_in(client, "admin")
    fields: dict[str, Any] = {"office_name": "新局", "phone": "0546-1234567", "region_code": "370505"}
    await send_form(client, "/admin/office", fields)
    assert 'value="0546-1234567"' in await look(client, "/admin")
    _, page = await send_form(client, "/admin/office", {**fields, "region_code": "3705"}, status=422)
    assert "6, 9 or 12 digits" in page
    assert 'value="3705"' in page


async def test_an_unknown_or_garbled_token_is_nobody(client: Client, office: Office) -> None:
    for header in ("Bearer yk_unknown", "Bearer ", "Basic eg==", "Bearer yp_unknown"):
        async with client.get("/api/v1/cases", headers={"Authorization": header}) as response:
            assert response.status == 401, header


NEW_PASSWORD = "another-password-for-tests"


def change_of(**differences: str) -> dict[str, str]:
    return {"current": PASSWORD, "new": NEW_PASSWORD, "again": NEW_PASSWORD} | differences


async def test_ones_own_password_is_changed_and_ends_ones_other_sessions(
    client: Client, new_client: NewClient, office: Office
) -> None:
    other = await new_client()
    await sign_in(client)
    await sign_in(other)
    where, _ = await send_form(client, "/account/password", change_of())
    assert "Your other devices have to sign in again." in shown(await look(client, where))
    async with other.get("/", headers=PAGE, allow_redirects=False) as response:
        assert response.headers["Location"].startswith("/sign-in")
    await send_form(other, "/sign-in", {"username": "zhou", "password": PASSWORD}, status=401)
    await send_form(other, "/sign-in", {"username": "zhou", "password": NEW_PASSWORD})


@pytest.mark.parametrize(
    ("differences", "words"),
    [
        ({"current": WRONG_PASSWORD}, "This is not your password."),
        ({"new": "short", "again": "short"}, "A password needs at least 10 characters."),
        ({"again": "something-else-again"}, "The two new passwords differ."),
    ],
)
async def test_a_change_of_password_that_cannot_be_says_why_and_changes_nothing(
    client: Client, office: Office, differences: dict[str, str], words: str
) -> None:
    await sign_in(client)
    _, page = await send_form(client, "/account/password", change_of(**differences), status=422)
    assert words in shown(page)
    await send_form(client, "/sign-out", {})
    await sign_in(client)


async def test_guessing_the_password_at_an_open_desk_is_slowed_down(
    client: Client, office: Office, app: web.Application, clock: SettableClock
) -> None:
    await sign_in(client)
    await remember_failures(app, "user:zhou", throttle.FREE_PER_USERNAME + 9, clock)
    await send_form(client, "/account/password", change_of(), status=429)
    clock.advance(seconds=512)
    await send_form(client, "/account/password", change_of())

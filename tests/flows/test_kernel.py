"""What every answer carries: headers, languages, errors in words, the API's description, static files."""

import io

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from server.web.static import static_url
from tests.cast import Appointment, Office
from tests.flows.browsing import PAGE, csrf_of, look, sign_in
from tests.flows.conftest import Client
from tests.flows.rooms import RoomClient, join


async def test_every_page_forbids_inline_scripts_and_framing(client: Client) -> None:
    async with client.get("/sign-in", headers=PAGE) as response:
        policy = response.headers["Content-Security-Policy"]
        text = await response.text()
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "<script>" not in text
    assert " style=" not in text
    assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_the_browser_gets_a_cookie_that_scripts_cannot_read(client: Client) -> None:
    async with client.get("/sign-in", headers=PAGE) as response:
        cookie = response.cookies["yunkan_browser"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


@pytest.mark.parametrize(
    ("headers", "language"),
    [
        ({}, "zh-CN"),
        ({"Accept-Language": "en-GB,en;q=0.9"}, "en"),
        ({"Accept-Language": "zh-TW"}, "zh-CN"),
        ({"Accept-Language": "fr"}, "zh-CN"),
    ],
)
async def test_pages_speak_the_visitors_language(
    client: Client, headers: dict[str, str], language: str
) -> None:
    async with client.get("/sign-in", headers={"Accept": "text/html", **headers}) as response:
        assert f'lang="{language}"' in await response.text()


async def test_the_visitors_choice_of_language_is_remembered(client: Client) -> None:
    token = await csrf_of(client)
    form = {"lang": "zh-CN", "next": "/sign-in", "csrf": token}
    async with client.post("/language", data=form, headers=PAGE, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, "/sign-in")
    assert 'lang="zh-CN"' in await look(client, "/sign-in")


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "/\\evil.example"])
async def test_the_language_form_leads_to_no_other_site(client: Client, target: str) -> None:
    form = {"lang": "en", "next": target, "csrf": await csrf_of(client)}
    async with client.post("/language", data=form, headers=PAGE, allow_redirects=False) as response:
        assert response.headers["Location"] == "/"


async def test_an_unknown_page_is_a_page_and_an_unknown_address_of_the_api_is_json(
    client: Client, office: Office
) -> None:
    async with client.get("/nowhere", headers=PAGE) as response:
        assert (response.status, response.content_type) == (404, "text/html")
    async with client.get("/api/v1/nowhere", headers=office.bearer("reviewer")) as response:
        error = (await response.json())["error"]
    assert (error["code"], error["request_id"]) == ("not_found", response.headers["X-Request-Id"])


async def test_what_nobody_foresaw_is_said_without_details(client: Client, app: web.Application) -> None:
    async with client.get("/i18n/xx.json") as response:
        assert response.status == 404
    async with client.post("/api/v1/join", data=b"{", headers={"Accept-Language": "en"}) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (422, "bad_body")


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:1"])
async def test_a_form_from_another_origin_is_refused(client: Client, origin: str) -> None:
    form = {"lang": "en", "next": "/", "csrf": await csrf_of(client)}
    async with client.post("/language", data=form, headers={**PAGE, "Origin": origin}) as response:
        assert response.status == 403


async def test_a_form_without_its_token_is_refused(client: Client) -> None:
    async with client.post("/language", data={"lang": "en", "next": "/"}, headers=PAGE) as response:
        assert response.status == 403


async def test_a_body_that_is_too_large_is_refused_in_words(client: Client, office: Office) -> None:
    headers = {**office.bearer("reviewer"), "Content-Type": "application/json"}
    # aiohttp warns of sending more than a mebibyte at once, so it goes as a stream.
    async with client.post("/api/v1/cases", data=io.BytesIO(b" " * 1_100_000), headers=headers) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (413, "too_large")


async def test_static_files_are_kept_for_ever_under_their_version_only(client: Client) -> None:
    async with client.get(static_url("css/app.css")) as response:
        assert "immutable" in response.headers["Cache-Control"]
    async with client.get("/static/another-release/css/app.css") as response:
        assert response.headers["Cache-Control"] == "no-cache"
    for path in (
        "/static/x/../../pyproject.toml",
        "/static/x/%2e%2e/%2e%2e/pyproject.toml",
        "/static/x/none.css",
    ):
        async with client.get(path) as response:
            assert response.status == 404, path


async def test_the_api_describes_every_address_that_clients_rely_on(client: Client) -> None:
    async with client.get("/api/openapi.json") as response:
        document = await response.json()
    assert document["openapi"].startswith("3.1")
    for method, path in (
        ("post", "/api/v1/cases"),
        ("get", "/api/v1/cases/{case}"),
        ("get", "/api/v1/cases/{case}/evidence"),
        ("post", "/api/v1/cases/{case}/inspections"),
        ("post", "/api/v1/inspections/{inspection}/invitations"),
        ("post", "/api/v1/join"),
        ("get", "/api/v1/inspections/{inspection}"),
        ("post", "/api/v1/inspections/{inspection}/end"),
        ("get", "/api/v1/inspections/{inspection}/events"),
        ("post", "/live/{worker}/{inspection}/snapshots"),
    ):
        assert any(
            method in operations and _same(path, known) for known, operations in document["paths"].items()
        ), path


def _same(path: str, known: str) -> bool:
    """Whether two paths differ at most in the names of their parameters."""
    ours, theirs = path.split("/"), known.split("/")
    return len(ours) == len(theirs) and all(
        a == b or (a.startswith("{") and b.startswith("{")) for a, b in zip(ours, theirs, strict=True)
    )


async def test_the_secret_in_a_link_is_not_logged(
    client: Client, appointment: Appointment, capsys: pytest.CaptureFixture[str]
) -> None:
    token = appointment.invitations["enterprise"]
    await look(client, f"/i/{token}")
    await look(client, f"/i/{token}x", status=404)
    assert token not in "".join(capsys.readouterr())


async def test_a_signed_in_person_sees_the_archive(client: Client, office: Office) -> None:
    await sign_in(client, "zheng")
    await look(client, "/archive?q=x&state=ended&from=2026-01-01&to=bad&page=zzz")
    await look(client, "/archive/01NOTHING0000000000000000", status=404)


async def test_a_refusal_is_found_in_the_log_by_the_number_that_its_page_shows(
    client: Client, office: Office, appointment: Appointment
) -> None:
    with capture_logs() as logged:
        async with client.get("/i/yi_a-secret/receipts", headers={"Accept": "text/html"}) as response:
            number = response.headers["X-Request-Id"]
        async with client.get("/api/v1/cases/nowhere", headers=office.bearer("auditor")) as response:
            assert response.status == 404
        async with client.get("/", headers={"Accept": "text/html"}, allow_redirects=False) as response:
            assert response.status == 303
    by_page, by_token = (line for line in logged if line["event"] == "refused")
    assert (by_page["request_id"], by_page["path"]) == (number, "/i/…/receipts")
    assert (by_page["status"], by_page["code"]) == (404, "invitation_unknown")
    assert (by_token["status"], by_token["method"], by_token["path"]) == (404, "GET", "/api/v1/cases/nowhere")
    assert by_token["actor"]
    assert office.tokens["auditor"] not in str(logged)


async def test_a_refused_message_is_in_the_log(client: Client, appointment: Appointment) -> None:
    joined = await join(client, appointment.invitations["observer"])
    room = await RoomClient.connect(client, joined)
    with capture_logs() as logged:
        assert (await room.say(type="chat", text="a private word"))["code"] == "forbidden"
    (line,) = [line for line in logged if line["event"] == "refused"]
    assert (line["code"], line["actor"]) == ("forbidden", joined["participant"])
    assert line["request_id"]
    assert "a private word" not in str(logged)

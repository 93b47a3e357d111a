"""Characters that no database keeps are refused in words, wherever a text comes in; bytes that are no text too."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cast import Appointment, Office
from tests.flows.browsing import csrf_of, send_form, sign_in
from tests.flows.conftest import Client
from tests.flows.rooms import RoomClient, join

NUL = "农\0业"
CASE = {
    "matter": "seed-licence-address",
    "enterprise": {"name": "X", "credit_code": "91110000600037341L"},
    "licence": {"kind": "seed-d", "number": "1"},
    "change": {"old_address": "A", "new_address": "B"},
}
SERVER = Path(__file__).parents[2] / "server"


async def refusal(client: Client, path: str, body: Any, who: dict[str, str]) -> tuple[int, str]:
    async with client.post(path, json=body, headers={**who, "Accept-Language": "en"}) as response:
        error = (await response.json())["error"]
    return response.status, error["code"]


async def test_a_nul_in_a_json_body_is_refused_in_words(
    client: Client, office: Office, appointment: Appointment
) -> None:
    who, inspection = office.bearer("reviewer"), f"/api/v1/inspections/{appointment.id}"
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("/api/v1/cases", {**CASE, "enterprise": {"name": NUL, "credit_code": "91110000600037341L"}}),
        ("/api/v1/cases", {**CASE, "licence": {"kind": NUL, "number": "1"}}),
        ("/api/v1/cases", {**CASE, "change": {"old_address": "A", "new_address": NUL}}),
        (f"{inspection}/invitations", {"role": "expert", "name": NUL}),
        ("/api/v1/join", {"invitation": appointment.invitations["expert"], "name": NUL}),
        ("/api/v1/join", {"invitation": NUL, "name": "田继业"}),
    ]
    for path, body in bodies:
        assert await refusal(client, path, body, who) == (422, "unstorable_text"), body
    written = {**CASE, "enterprise": {"name": "C:\\u0000", "credit_code": "91110000600037341L"}}
    assert "\\\\u0000" in json.dumps(written)
    async with client.post("/api/v1/cases", json=written, headers=who) as response:
        assert response.status == 201, "these are six characters that somebody typed"


async def test_a_nul_in_a_form_is_refused_in_words(
    client: Client, office: Office, appointment: Appointment
) -> None:
    await send_form(client, "/sign-in", {"username": f"zhou{NUL}", "password": "x"}, status=422)
    await sign_in(client)
    forms: list[tuple[str, dict[str, Any]]] = [
        ("/account/password", {"current": NUL, "new": "y", "again": "y"}),
        (f"/inspections/{appointment.id}/result", {"result": "pass", "note": NUL}),
        (f"/cases/{appointment.case_id}/inspections", {"when": "now", "reviewers": [office.zhou.id, NUL]}),
    ]
    for path, form in forms:
        _, page = await send_form(client, path, form, status=422)
        assert "contains a character that cannot be kept" in page, path


async def test_a_nul_in_a_message_of_the_room_is_refused_and_the_room_goes_on(
    client: Client, appointment: Appointment
) -> None:
    room = await RoomClient.connect(client, await join(client, appointment.invitations["expert"]))
    assert (await room.say(type="chat", text=NUL))["code"] == "unstorable_text"
    assert (await room.say(type="chat", text="农业"))["type"] == "ack"
    await room.socket.send_bytes(b'{"type":"chat","text":"\xff"}')
    assert (await room.hear("error"))["code"] == "unknown_message"
    await room.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_bytes_that_are_no_text_are_refused(client: Client, office: Office) -> None:
    token = await csrf_of(client)
    form = {"Content-Type": "application/x-www-form-urlencoded", "X-CSRF-Token": token}
    async with client.post("/sign-in", data=b"username=\xff", headers=form) as response:
        assert response.status == 422
    async with client.post("/language", data={"csrf": "é"}) as response:
        assert response.status == 403
    as_json = {**office.bearer("agent"), "Content-Type": "application/json"}
    async with client.post("/api/v1/cases", data=b'{"matter":"\xff"}', headers=as_json) as response:
        assert response.status == 422
    for headers in (
        {"Authorization": "Bearer \udcff"},
        {"Cookie": "yunkan_session=\udcff; yunkan_browser=\udcff"},
    ):
        async with client.get("/api/v1/cases", headers=headers) as response:
            assert response.status == 401


MULTIPART = (
    b'--b\r\nContent-Disposition: form-data; name="username"\r\nContent-Type: %s\r\n\r\nzhou\r\n--b--\r\n'
)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("type_", "body"),
    [
        ("application/x-www-form-urlencoded; charset=x", b"username=zhou"),
        ("application/x-www-form-urlencoded; charset=hex", b"username=zhou"),
        ("multipart/form-data; boundary=b", MULTIPART % b"text/plain; charset=x"),
    ],
)
async def test_a_form_in_a_charset_that_does_not_exist_is_refused_before_anybody_has_signed_in(
    client: Client, type_: str, body: bytes
) -> None:
    headers = {"Content-Type": type_, "X-CSRF-Token": await csrf_of(client), "Accept": "application/json"}
    async with client.post("/sign-in", data=body, headers=headers) as response:
        told = await response.json()
    assert (response.status, told["error"]["code"]) == (422, "bad_form")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_browser_whose_name_is_no_text_may_join(client: Client, appointment: Appointment) -> None:
    body = {"invitation": appointment.invitations["expert"], "name": "田"}
    async with client.post("/api/v1/join", json=body, headers={"User-Agent": "Fox \udcff"}) as response:
        assert response.status == 201


def test_forms_come_in_one_way_only() -> None:
    others = [path for path in SERVER.rglob("*.py") if "request.post()" in path.read_text("utf-8")]
    assert [path.name for path in others] == ["texts.py"]

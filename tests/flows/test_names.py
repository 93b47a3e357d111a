"""Names that others build on: commands, settings, pages, JSON, the live routes. Fields may be added, none may go."""

import base64
import hashlib
import io
import re
import subprocess
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from aiortc import RTCConfiguration, RTCPeerConnection

from server.clock import rfc3339
from server.settings import ROOT, load
from tests.cast import Appointment, Office
from tests.command import yunkan
from tests.flows.browsing import look, sign_in
from tests.flows.conftest import Client
from tests.flows.held import hold_whole
from tests.flows.programs import BODY, get, post
from tests.flows.rooms import RoomClient, bearer, join
from tests.flows.test_recorded_inspection import video_is_live
from tests.flows.test_sealing import until
from tests.peers.clients import counter_tracks, publishing

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""What things are called does not depend on the database."""

NUMBER = (int, float)
PLACE = {"lat": NUMBER, "lon": NUMBER}
SCHEDULED = {"id": str, "state": str}
INVITATION = {"url": str, "token": str, "expires_at": str}
JOINED = {"participant": str, "role": str, "token": str, "base": str, "ice_servers": list}
TEXT = {"kind": str, "version": str, "sha256": str, "language": str, "title": str, "body": [str]}
SLOT = {"id": str, "participant": str, "kind": str, "live": bool}
PART = {
    "id": str, "slot": str, "url": str, "media_type": str, "started_at": str, "duration_s": NUMBER, "sha256": str,
}  # fmt: skip
SNAPSHOT = {"id": str, "sha256": str, "url": str, "width": int, "height": int, "rtp_timestamp": int}
INSPECTION = {"state": str, "slots": [SLOT], "parts": [PART], "snapshots": [SNAPSHOT]}
EVENT = {"seq": int, "type": str, "actor": dict, "at": str, "body": dict, "prev": str, "link": str}
EVIDENCE = {
    "kind": str, "id": str, "inspection": str, "sha256": str, "size_bytes": int, "url": str, "at": str,
}  # fmt: skip


def holds(value: Any, shape: Any, where: str = "answer") -> None:
    """Every name of `shape` is in `value`, with its type. A list must not be empty: an empty one proves nothing."""
    if isinstance(shape, dict):
        for name, inner in shape.items():
            assert name in value, f"{where} has no {name!r}"
            holds(value[name], inner, f"{where}.{name}")
    elif isinstance(shape, list):
        assert value, f"{where} is empty"
        for one in value:
            holds(one, shape[0], f"{where}[]")
    else:
        assert isinstance(value, shape), f"{where} is {value!r}"


@on_sqlite
async def test_from_a_case_to_a_seat_in_the_room(client: Client, office: Office) -> None:
    who = office.bearer("reviewer")
    case = await post(client, "/api/v1/cases", BODY, who)
    holds(case, {"id": str, "number": str, "state": str})
    holds(await get(client, f"/api/v1/cases/{case['id']}", who), {"id": str, "number": str, "state": str})
    await post(client, f"/api/v1/cases/{case['id']}/inspections", {}, who)
    wanted = {
        "starts_at": "2027-03-01T10:00:00+08:00", "template": "seed-licence-address", "reviewers": ["zhou"],
    }  # fmt: skip
    inspection = await post(client, f"/api/v1/cases/{case['id']}/inspections", wanted, who)
    holds(inspection, SCHEDULED)
    invited = {}
    for role in ("enterprise", "reviewer", "expert", "observer"):
        path = f"/api/v1/inspections/{inspection['id']}/invitations"
        invited[role] = await post(client, path, {"role": role, "name": "田"}, who)
        holds(invited[role], INVITATION)
        assert invited[role]["url"].endswith(f"/i/{invited[role]['token']}")


@on_sqlite
async def test_a_join_needs_consent_and_names_the_texts(client: Client, appointment: Appointment) -> None:
    body = {"invitation": appointment.invitations["enterprise"], "name": "田"}
    refused = await post(client, "/api/v1/join", body, {}, 409)
    holds(refused, {"error": {"code": str, "message": str, "texts": [TEXT]}})
    versions = {text["kind"]: text["version"] for text in refused["error"]["texts"]}
    joined = await post(client, "/api/v1/join", {**body, "consent": versions}, {})
    holds(joined, JOINED)
    for role in ("reviewer", "expert", "observer"):
        guest = {"invitation": appointment.invitations[role], "name": "孙"}
        holds(await post(client, "/api/v1/join", guest, {}), JOINED)


@on_sqlite
async def test_a_room_from_the_first_picture_to_the_evidence(
    client: Client, server: TestServer, office: Office, appointment: Appointment
) -> None:
    joined = await join(client, appointment.invitations["reviewer"])
    base, who = joined["base"], bearer(joined)
    room = await RoomClient.connect(client, joined, after=0)
    holds(await room.hear("hello"), {"seq": int, "state": str})
    holds((await room.hear("event"))["event"], EVENT)
    address = str(server.make_url("/")).rstrip("/")
    async with ClientSession() as session:
        invitation = appointment.invitations["enterprise"]
        async with publishing(session, address, invitation, "田", counter_tracks()):
            slot = (await video_is_live(room, 0.1))["id"]
            shot = {"slot": slot, "item": "doorplate"}
            first = await post(client, f"{base}/snapshots", shot, who)
            holds(first, SNAPSHOT)
            named = {**shot, "rtp_timestamp": first["rtp_timestamp"]}
            assert (await post(client, f"{base}/snapshots", named, who))["sha256"] == first["sha256"]
            await signal(client, f"{base}/whep/{slot}", await offer("recvonly"), who)
            await signal(client, f"{base}/whip", await offer("sendonly"), who)
            phone = await join(client, invitation, takeover=True)
            await photo(client, f"{base}/photos", first["id"], bearer(phone))
            await post(client, f"/api/v1/inspections/{appointment.id}/end", {}, who, 200)
    await room.hear("bye")
    inspection = await get(client, f"/api/v1/inspections/{appointment.id}", office.bearer("auditor"))
    holds(inspection, INSPECTION)
    events = await get(
        client, f"/api/v1/inspections/{appointment.id}/events?after=2", office.bearer("auditor")
    )
    holds(events, [EVENT])
    assert events[0]["seq"] == 3
    for url in (
        inspection["parts"][0]["url"],
        inspection["snapshots"][0]["url"],
        f"/archive/{appointment.id}",
    ):
        async with client.get(url, headers=office.bearer("auditor")) as response:
            assert response.status == 200, url


async def photo(client: Client, path: str, snapshot: str, who: dict[str, str]) -> None:
    """Announced, and sent in a piece that may be sent again."""
    data = cv2.imencode(".jpg", np.zeros((36, 64, 3), np.uint8))[1].tobytes()
    digest = hashlib.sha256(data)
    wanted = {
        "request": "photo-0001", "snapshot": snapshot, "media_type": "image/jpeg", "how": "photo",
        "taken_at": rfc3339(datetime.now(UTC)), "width": 64, "height": 36, "size_bytes": len(data),
        "sha256": digest.hexdigest(),
    }  # fmt: skip
    announced = await post(client, path, wanted, who)
    holds(announced, {"id": str, "offset": int})
    headers = {**who, "Content-Digest": f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"}
    async with client.put(f"{path}/{announced['id']}?offset=0", data=data, headers=headers) as response:
        assert response.status == 200, await response.text()
        holds(await response.json(), {"id": str, "offset": int})


async def offer(direction: str) -> str:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.addTransceiver("video", direction=direction)
    await connection.setLocalDescription(await connection.createOffer())
    sdp: str = connection.localDescription.sdp
    await connection.close()
    return sdp


async def signal(client: Client, path: str, sdp: str, who: dict[str, str]) -> None:
    """An offer is answered; candidates and another network go to its `Location`; DELETE ends it."""
    async with client.post(path, data=sdp, headers={**who, "Content-Type": "application/sdp"}) as response:
        assert (response.status, response.content_type) == (201, "application/sdp"), await response.text()
        assert (await response.text()).startswith("v=0")
        location = response.headers["Location"]
    fragment = "\r\n".join(re.findall(r"a=(?:ice-ufrag|ice-pwd|mid):.*", sdp)) + "\r\n"
    again = fragment.replace("a=ice-ufrag:", "a=ice-ufrag:new")
    headers = {**who, "Content-Type": "application/trickle-ice-sdpfrag"}
    for body, status in ((fragment, 204), (again, 200)):
        async with client.patch(location, data=body, headers=headers) as response:
            assert response.status == status, await response.text()
    async with client.delete(location, headers=who) as response:
        assert response.status == 200


@on_sqlite
async def test_what_a_sealed_inspection_left(
    client: Client, app: web.Application, office: Office, appointment: Appointment
) -> None:
    held = await hold_whole(app, office, appointment)
    await until(app, office, client, held.id, state="sealed")
    evidence = await get(client, f"/api/v1/cases/{held.case_id}/evidence", office.bearer("auditor"))
    holds(evidence, [EVIDENCE])
    assert {piece["kind"] for piece in evidence} == {"part", "snapshot", "photo", "checklist", "record"}
    async with client.get(
        f"/api/v1/inspections/{held.id}/package", headers=office.bearer("auditor")
    ) as response:
        assert response.status == 200
        assert "data/events.jsonl" in "".join(zipfile.ZipFile(io.BytesIO(await response.read())).namelist())


@on_sqlite
async def test_the_pages(client: Client, appointment: Appointment) -> None:
    assert "<phone-inspection" in await look(client, f"/i/{appointment.invitations['enterprise']}")
    await sign_in(client)
    desk, console = await look(client, "/"), await look(client, f"/inspections/{appointment.id}/console")
    assert f"/inspections/{appointment.id}" in desk
    assert "<inspection-console" in console
    assert 'data-page="archive"' in await look(client, "/archive")


@on_sqlite
async def test_the_api_describes_itself(client: Client) -> None:
    described = await get(client, "/api/openapi.json", {})
    routes = {
        "/cases": "post", "/cases/{case}": "get", "/cases/{case}/inspections": "post",
        "/inspections/{inspection}/invitations": "post", "/join": "post", "/inspections/{inspection}": "get",
        "/inspections/{inspection}/end": "post", "/inspections/{inspection}/events": "get",
        "/cases/{case}/evidence": "get", "/inspections/{inspection}/package": "get",
    }  # fmt: skip
    for path, method in routes.items():
        assert method in described["paths"][f"/api/v1{path}"], path


def test_the_commands_of_make() -> None:
    told = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    named = {line.split()[1] for line in told.stdout.splitlines()}
    assert {"run", "test", "check"} <= named


COMMANDS = (
    "serve", "token create", "demo", "verify", "reindex", "bench media", "bench archive", "bench events",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_for_scripts(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        yunkan(*command.split(), "--help")
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: yunkan {command} ")


def test_a_token_is_all_that_token_create_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("YUNKAN_DATA", str(tmp_path))
    assert yunkan("token", "create", "--role", "administrator") == 0
    assert re.fullmatch(r"[a-z]+_[A-Za-z0-9_-]{20,}\n", capsys.readouterr().out)


def test_the_settings(tmp_path: Path) -> None:
    default = load({})
    assert (default.listen, default.data) == ("127.0.0.1:8080", Path("recordings"))
    assert default.database.startswith("sqlite") and default.database.endswith("/recordings/yunkan.sqlite3")
    said = {
        "listen": "127.0.0.1:1", "data": "/x", "database_url": "sqlite+aiosqlite:////x/y", "media_address": "127.0.0.2",
        "media_port": "4000",
    }  # fmt: skip
    file = tmp_path / "yunkan.toml"
    file.write_text("".join(f'{name} = "{value}"\n' for name, value in said.items()))
    by_environment = load({f"YUNKAN_{name.upper()}": value for name, value in said.items()})
    assert by_environment == load({"YUNKAN_CONFIG": str(file)})
    assert {name: str(getattr(by_environment, name)) for name in said} == said


def test_a_name_that_is_gone_is_noticed() -> None:
    shape = {"a": [{"b": str, "c": NUMBER}]}
    holds({"a": [{"b": "x", "c": 1, "more": None}]}, shape)
    for gone in ({}, {"a": []}, {"a": [{"b": "x"}]}, {"a": [{"b": "x", "c": None}]}):
        with pytest.raises(AssertionError):
            holds(gone, shape)

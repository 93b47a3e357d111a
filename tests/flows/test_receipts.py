"""Receipts while an inspection runs: heads signed and countersigned, what is refused, and who gets the file."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from server.accounts.rules import system_actor
from server.archive.sealing import ensure_keys
from server.evidence import keys
from server.evidence.receipts import PATH, Receipt, parse_receipts
from server.evidence.signatures import public_bytes
from server.inspections import service as inspections
from server.inspections.closing import read_lines
from server.inspections.keys import JOURNAL
from server.live.heads import HEAD_EVERY_S
from server.live.keys import LIVE, ROOMS
from server.live.receipts import read_receipts
from server.live.room import TICK_S
from server.settings import Settings
from server.web.keys import DATABASE
from tests.cast import Appointment, Office
from tests.clock import SettableClock
from tests.command import yunkan
from tests.evidence.verifiers import run_standalone
from tests.flows.browsing import look
from tests.flows.conftest import Client
from tests.flows.programs import post
from tests.flows.rooms import LANGUAGE, RoomClient, bearer, join
from tests.flows.signing import Signer
from tests.flows.test_sealing import until


@dataclass
class Stage:
    """A running inspection with the enterprise and the reviewer in the room."""

    app: web.Application
    client: Client
    appointment: Appointment
    joined: dict[str, dict[str, Any]]
    phone: RoomClient
    desk: RoomClient

    @property
    def invitation(self) -> str:
        return self.appointment.invitations["enterprise"]

    async def give_head(self) -> None:
        """As the room does every ten seconds."""
        room = self.app[ROOMS].find(self.appointment.id)
        assert room is not None
        await room.give_head()

    async def lines(self) -> list[bytes]:
        async with self.app[DATABASE].reading() as session:
            return await read_lines(session, self.appointment.id)

    async def receipts(self) -> list[Receipt]:
        async with self.app[DATABASE].reading() as session:
            return await read_receipts(session, self.appointment.id)

    async def end(self) -> None:
        url = f"/api/v1/inspections/{self.appointment.id}/end"
        async with self.client.post(url, headers=bearer(self.joined["reviewer"])) as response:
            assert response.status == 200, await response.text()


@pytest.fixture
async def stage(client: Client, app: web.Application, office: Office, appointment: Appointment) -> Stage:
    return await set_up(client, app, office, appointment)


async def set_up(client: Client, app: web.Application, office: Office, appointment: Appointment) -> Stage:
    await ensure_keys(app[LIVE])
    async with app[DATABASE].transaction() as session:
        await inspections.start(session, app[JOURNAL], office.zhou, appointment.id, 1)
    joined = {role: await join(client, appointment.invitations[role]) for role in ("enterprise", "reviewer")}
    phone = await RoomClient.connect(client, joined["enterprise"])
    desk = await RoomClient.connect(client, joined["reviewer"])
    return Stage(app, client, appointment, joined, phone, desk)


async def test_everybody_gets_the_signed_head_and_countersignatures_are_kept(
    stage: Stage, settings: Settings
) -> None:
    phone, desk = Signer(stage.phone), Signer(stage.desk)
    seq = await phone.bring()
    assert await phone.bring() == seq  # after a reload it is the same key: no second event
    await desk.bring()
    await stage.give_head()
    head = await phone.head(least=seq + 1)
    assert (await phone.sign(head))["type"] == "ack"
    assert (await phone.sign(head))["type"] == "ack"  # said twice, kept once
    assert (await desk.sign(await desk.head(signature=head["signature"])))["type"] == "ack"
    kept = [each for each in await stage.receipts() if each.signature == head["signature"]]
    assert sorted(str(each.participant) for each in kept) == sorted(
        each["participant"] for each in stage.joined.values()
    )
    lines, office_keys = await stage.lines(), keys.load(settings.key_folder)
    for each in kept:
        each.require_signed([public_bytes(office_keys.head_key.public_key())])
        assert each.hold_against(lines) == "holds"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_both_browsers_get_a_head_every_ten_seconds_and_one_at_a_time(
    stage: Stage, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = stage.app[ROOMS].find(stage.appointment.id)
    assert room is not None
    await stage.give_head()
    announced: list[tuple[float, str]] = []
    tell, began_s = room.hub.announce, clock.monotonic_s()

    def announce(message: dict[str, Any]) -> None:
        if message["type"] == "head":
            announced.append((clock.monotonic_s() - began_s, message["signature"]))
        tell(message)

    monkeypatch.setattr(room.hub, "announce", announce)
    for _ in range(20):
        clock.advance(seconds=TICK_S)
        before = len(announced)
        room.tick()
        await asyncio.gather(*room._tasks)
        for _, signature in announced[before:]:
            for browser in (stage.phone, stage.desk):
                await browser.hear("head", signature=signature)
    # The machine's own seconds go by as well: a busy one may get to the next head.
    passed_s = clock.monotonic_s() - began_s
    assert len(announced) == pytest.approx(passed_s / HEAD_EVERY_S, abs=1)
    pauses = [b - a for (a, _), (b, _) in pairwise(announced)]
    assert min(pauses) > HEAD_EVERY_S - TICK_S / 2
    # A database that is slow: however many ticks pass, one head waits.
    catching_up, catch_up = asyncio.Event(), room.catch_up

    async def slow() -> None:
        await catching_up.wait()
        await catch_up()

    monkeypatch.setattr(room, "catch_up", slow)
    before = len(announced)
    for _ in range(12):
        clock.advance(seconds=TICK_S)
        room.tick()
        await asyncio.sleep(0)
    catching_up.set()
    await asyncio.gather(*room._tasks)
    assert len(announced) == before + 1


async def test_a_rotated_key_signs_the_next_head(stage: Stage, settings: Settings) -> None:
    await stage.give_head()
    first = await Signer(stage.phone).head()
    statement = keys.rotate(settings.key_folder, "head", datetime.now(UTC))
    assert first["receipt"]["key"] == statement.replaces
    await stage.give_head()
    while (await stage.phone.hear("head"))["receipt"]["key"] != statement.fingerprint:
        pass


async def test_a_wrong_countersignature_is_refused_in_words_and_the_office_reads_it(stage: Stage) -> None:
    phone = Signer(stage.phone)
    await phone.bring()
    await stage.give_head()
    head = await phone.head(least=phone.seq)
    for _ in range(2):
        answer = await phone.sign(head, key=ec.generate_private_key(ec.SECP256R1()))
        assert (answer["type"], answer["code"]) == ("error", "receipt_refused")
        assert "the participant's signature does not hold" in answer["message"]
    warned = await stage.desk.hear_event("office.warned")
    assert warned["body"] == {"code": "receipt_refused", "detail": "田继业"}
    assert sum(b'"receipt_refused"' in line for line in await stage.lines()) == 1  # one event for each head
    assert await stage.receipts() == []


async def test_who_brought_no_key_or_names_no_head_is_refused(stage: Stage) -> None:
    await stage.give_head()
    phone = Signer(stage.phone)
    head = await phone.head()
    assert "had brought no key" in (await phone.sign(head))["message"]
    await phone.bring()
    assert "had brought no key" in (await phone.sign(head))["message"]  # not by then
    unknown = await phone.sign(head | {"signature": "ab" * 64})
    assert unknown["code"] == "receipt_unknown"


async def test_without_a_usable_key_there_are_no_heads_and_the_office_reads_it(
    stage: Stage, settings: Settings
) -> None:
    (settings.key_folder / "head.key").chmod(0o644)
    (settings.key_folder / keys.LOG).touch()  # as after a change of the keys: they are read again
    for _ in range(2):
        await stage.give_head()
    assert sum(b'"receipts_unsigned"' in line for line in await stage.lines()) == 1
    assert (await stage.phone.say(type="chat", text="?"))["type"] == "ack"


async def test_what_is_no_key_is_refused_and_from_an_observer_any(stage: Stage) -> None:
    edwards = public_bytes(ed25519.Ed25519PrivateKey.generate().public_key()).hex()
    for public, code in {
        "zz": "unknown_message",
        "ab" * 201: "unknown_message",
        "00" * 91: "bad_key",
        edwards: "bad_key",
    }.items():
        assert (await stage.phone.say(type="key", public=public))["code"] == code
    joined = await join(stage.client, stage.appointment.invitations["observer"])
    observer = await RoomClient.connect(stage.client, joined)
    assert (await observer.say(type="key", public=Signer(observer).public))["code"] == "forbidden"


async def test_who_checks_the_chain_gets_the_lines_that_nobody_shows(stage: Stage) -> None:
    async with stage.app[DATABASE].transaction() as session:
        body = {"slot": "s", "part": "p", "index": 0}
        await stage.app[JOURNAL].append(session, stage.appointment.id, "part.segment", system_actor(), body)
    await stage.give_head()
    checking = await RoomClient.connect(stage.client, stage.joined["reviewer"], lines=True)
    line = await checking.hear("line")
    assert (await stage.lines())[line["seq"] - 1].decode() == line["line"]


async def test_the_end_waits_for_the_last_head_and_the_participant_alone_gets_the_file(
    stage: Stage,
    settings: Settings,
    tmp_path: Path,
    client: Client,
    app: web.Application,
    office: Office,
) -> None:
    phone = Signer(stage.phone)
    await phone.bring()
    ending = asyncio.create_task(stage.end())
    await stage.phone.hear_event("inspection.ended")
    head = await phone.head(least=len(await stage.lines()))
    assert (await phone.sign(head))["type"] == "ack"
    await stage.phone.hear("bye", code="ended")
    await ending
    (last,) = [each for each in await stage.receipts() if each.signature == head["signature"]]
    assert last.seq == len(await stage.lines())

    page = await look(client, f"/i/{stage.invitation}", status=410)
    assert f'href="/i/{stage.invitation}/receipts"' in page
    others = (stage.appointment.invitations["reviewer"], "yi_guessed", stage.joined["enterprise"]["token"])
    for token in others:
        async with client.get(f"/i/{token}/receipts", headers=LANGUAGE) as response:
            assert response.status == 404
    async with client.get(f"/i/{stage.invitation}/receipts", headers=LANGUAGE) as response:
        assert response.status == 200
        assert "receipts-" in response.headers["Content-Disposition"]
        text = await response.text()
    assert text.index("countersigned it with a key of its own") < text.index('"receipts"')
    kept = tmp_path / "kept.json"
    kept.write_text(text)
    fingerprint = keys.show(settings.key_folder).root_fingerprint
    assert yunkan("verify", "--receipt", str(kept), "--fingerprint", fingerprint) == 0
    kept.write_text(text.replace(f'"seq":{last.seq}', f'"seq":{last.seq - 1}'))
    assert yunkan("verify", "--receipt", str(kept), "--fingerprint", fingerprint) == 1
    kept.write_text(text)
    assert yunkan("verify", "--receipt", str(kept), "--fingerprint", "ab" * 32) == 2
    assert yunkan("verify") == 2

    result = f"/api/v1/inspections/{stage.appointment.id}/result"
    await post(client, result, {"result": "pass", "note": ""}, office.bearer("reviewer"), status=200)
    await until(app, office, client, stage.appointment.id, state="sealed")
    folder = settings.data / "inspections" / stage.appointment.id
    assert parse_receipts((folder / PATH).read_bytes()) == await stage.receipts()
    assert yunkan("verify", str(folder), "--receipt", str(kept), "--fingerprint", fingerprint) == 0
    code, _ = run_standalone(folder / "verify.py")
    assert code == 0

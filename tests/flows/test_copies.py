"""Viewing copies with parts left out: made by those who may, told, downloadable, and held by both verifiers."""

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from server.archive import copies
from server.archive.copies import parse_spans
from server.archive.keys import SEALER
from server.archive.leases import claim
from server.archive.models import Disposal
from server.evidence import redaction
from server.live.keys import LIVE
from server.settings import Settings
from server.web.keys import CLOCK, DATABASE, FILES
from tests.cast import Appointment, Office
from tests.clock import SettableClock
from tests.command import yunkan
from tests.evidence.verifiers import run_standalone
from tests.flows.browsing import look, send_form, shown, sign_in
from tests.flows.conftest import Client
from tests.flows.held import PIECE, hold_whole
from tests.flows.test_sealing import unpacked, until

REASON = "应申请公开"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_copy_leaves_out_what_was_chosen_and_still_leads_to_the_root(
    client: Client,
    app: web.Application,
    office: Office,
    appointment: Appointment,
    settings: Settings,
    tmp_path: Path,
) -> None:
    held = await hold_whole(app, office, appointment)
    await until(app, office, client, held.id, state="sealed")
    await sign_in(client)
    page = f"/inspections/{held.id}"
    assert "Make a copy with parts left out" in await look(client, page)
    form = await look(client, f"{page}/copies/new")
    assert held.snapshot in form
    assert f"spans-{held.part}" in form

    _, told = await send_form(client, f"{page}/copies", {"reason": "x"}, status=422)
    assert "Choose what is to be left out" in told
    wrong = {"reason": "x", f"spans-{held.part}": "soon"}
    _, told = await send_form(client, f"{page}/copies", wrong, status=422)
    assert "as in 0:10-0:25" in shown(told)

    chosen = {
        "reason": REASON,
        "snapshots": held.snapshot,
        f"spans-{held.part}": "0:02-0:04",
        "personal": ["people", "messages", "positions"],
    }
    await send_form(client, f"{page}/copies", chosen)
    words = shown(await look(client, page))
    assert REASON in words
    assert "1 pieces of recordings" in words
    (copy,) = app[FILES].absolute(f"copies/{held.id}").iterdir()
    async with client.get(f"{page}/copies/{copy.name}/package") as response:
        assert response.status == 200
        (tmp_path / "copy.zip").write_bytes(await response.read())
    folder = unpacked(tmp_path / "copy.zip", tmp_path / "unpacked")

    root = str(settings.key_folder / "root.pem")
    assert yunkan("verify", str(folder), "--root", root) == 0
    code, output = run_standalone(folder / "verify.py", "--root", root)
    assert code == 0, output
    assert "withheld" in output
    original = app[FILES].absolute(f"inspections/{held.id}")
    assert (folder / "seal.json").read_bytes() == (original / "seal.json").read_bytes()

    # Nothing personal is left in any file, and what was blanked is blank.
    for path in (path for path in folder.rglob("*") if path.is_file()):
        for secret in ("田海", "加工车间", "118.5473"):
            assert secret.encode() not in path.read_bytes(), path
    assert not list(folder.glob("data/snapshots/*"))
    assert not list(folder.glob("data/photos/*"))
    assert not (folder / "data/record.pdf").exists()
    film = next(folder.glob("data/media/*")).read_bytes()
    assert film[12 : 12 + PIECE] == held.recording[:PIECE]
    assert not any(film[12 + PIECE : 12 + 2 * PIECE])
    said = json.loads((folder / "redaction.json").read_text())
    assert (said["by"], said["reason"]) == ("周敏", REASON)

    # A changed copy passes neither of them.
    (folder / "data/checklist.json").write_bytes(b"{}")
    assert yunkan("verify", str(folder), "--root", root) == 1
    assert run_standalone(folder / "verify.py", "--root", root)[0] == 1


async def test_what_is_not_in_the_package_cannot_be_left_out(
    client: Client, app: web.Application, office: Office, appointment: Appointment
) -> None:
    held = await hold_whole(app, office, appointment)
    await until(app, office, client, held.id, state="sealed")
    await sign_in(client)
    for chosen, words in (
        ({"snapshots": "nobody"}, "One of the snapshots is not in this package"),
        ({"parts": "nobody"}, "One of the recordings is not in this package"),
        ({f"spans-{held.part}": "9:00-9:10"}, "nothing at one of these times"),
    ):
        _, told = await send_form(
            client, f"/inspections/{held.id}/copies", {"reason": "x"} | chosen, status=422
        )
        assert words in shown(told)
    assert not list(app[FILES].absolute(f"copies/{held.id}").glob("*"))


async def test_what_was_not_finished_goes_and_what_was_told_stays(
    client: Client, app: web.Application, office: Office, appointment: Appointment
) -> None:
    held = await hold_whole(app, office, appointment)
    await until(app, office, client, held.id, state="sealed")
    await sign_in(client)
    folder = app[FILES].absolute(f"copies/{held.id}")
    chosen = {"reason": "x", "snapshots": held.snapshot}
    await send_form(client, f"/inspections/{held.id}/copies", chosen)
    (copy,) = folder.iterdir()
    # A kill after the line of the access log, and one in the middle of the files.
    copy.rename(folder / f".{copy.name}")
    for name in (".01UNFINISHED", ".01UNFINISHEDTOO"):
        (folder / name / "data").mkdir(parents=True)
        (folder / name / "data/events.jsonl").write_bytes(b"half")
        await copies.sweep(app[LIVE])
        assert [path.name for path in folder.iterdir()] == [copy.name]
    (folder / ".01THIRD").mkdir()
    await send_form(client, f"/inspections/{held.id}/copies", chosen)
    assert len([path for path in folder.iterdir() if not path.name.startswith(".")]) == 2
    assert len(list(folder.iterdir())) == 2


async def test_a_copy_without_room_or_on_a_busy_folder_is_refused_and_leaves_nothing(
    client: Client,
    app: web.Application,
    office: Office,
    appointment: Appointment,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held = await hold_whole(app, office, appointment)
    await until(app, office, client, held.id, state="sealed")
    await app[SEALER].close()
    await sign_in(client)
    chosen = {"reason": "x", "snapshots": held.snapshot}
    path = f"/inspections/{held.id}/copies"
    with monkeypatch.context() as full:
        full.setattr(type(app[FILES]), "free_bytes", lambda _: 100)
        _, told = await send_form(client, path, chosen, status=507)
        assert "nearly full" in shown(told)
    monkeypatch.setattr(copies, "CLAIM_WITHIN_S", 0)
    lease = await claim(app[DATABASE], app[CLOCK], "9", held.id)
    assert lease is not None
    _, told = await send_form(client, path, chosen, status=503)
    assert "being worked on" in shown(told)
    assert not list(app[FILES].absolute(f"copies/{held.id}").glob("*"))
    await lease.release()
    await send_form(client, path, chosen)


async def test_evidence_is_not_destroyed_under_a_copy_that_is_being_made(
    client: Client,
    app: web.Application,
    office: Office,
    appointment: Appointment,
    clock: SettableClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held = await hold_whole(app, office, appointment)
    await until(app, office, client, held.id, state="sealed")
    await sign_in(client)
    there, go_on = threading.Event(), threading.Event()
    make = redaction.make_copy

    def slow(*given: Any) -> redaction.Redaction:
        there.set()
        assert go_on.wait(60)
        return make(*given)

    monkeypatch.setattr(redaction, "make_copy", slow)
    chosen = {"reason": "x", "snapshots": held.snapshot}
    making = asyncio.create_task(send_form(client, f"/inspections/{held.id}/copies", chosen))
    assert await asyncio.to_thread(there.wait, 60)
    async with app[DATABASE].transaction() as session:
        session.add(
            Disposal(
                inspection_id=held.id, reason="到期", proposed_at=clock.now(), approved_at=clock.now(),
                proposed_by=office.zhou.id, proposed_by_name="周敏", approved_by=office.admin.id,
                approved_by_name="管理员",
            )
        )  # fmt: skip
    assert await app[SEALER].run_once() == 0
    assert (app[FILES].absolute(f"inspections/{held.id}") / "data").exists()
    go_on.set()
    await making
    async with asyncio.timeout(60):
        while (app[FILES].absolute(f"inspections/{held.id}") / "data").exists():
            await app[SEALER].run_once()
            await asyncio.sleep(0.02)
    assert not app[FILES].absolute(f"copies/{held.id}").exists()
    await send_form(client, f"/inspections/{held.id}/copies", chosen, status=410)


async def test_lines_that_may_be_withheld_carry_a_salt(
    client: Client, app: web.Application, office: Office, appointment: Appointment
) -> None:
    held = await hold_whole(app, office, appointment)
    path = f"/api/v1/inspections/{held.id}/events"
    async with client.get(path, headers=office.bearer("auditor")) as response:
        events = await response.json()
    salts = {event["type"]: event["body"].get("salt") for event in events}
    assert len(salts["chat.sent"]) == 32
    assert salts["chat.sent"] != salts["location.fixed"]
    assert salts["inspection.ended"] is None


async def test_an_inspection_that_is_not_sealed_has_no_copies(
    client: Client, appointment: Appointment
) -> None:
    await sign_in(client)
    await look(client, f"/inspections/{appointment.id}/copies/new", 409)
    await send_form(client, f"/inspections/{appointment.id}/copies", {"reason": "x"}, status=409)
    await look(client, f"/inspections/{appointment.id}/copies/none/package", 404)


def test_times_are_read_as_people_write_them() -> None:
    assert parse_spans("0:10-0:25，1:02:00 – 1:02:30") == [(10_000, 25_000), (3_720_000, 3_750_000)]
    assert parse_spans(" ") == []
    for wrong in ("10", "0:20-0:10", "0:1-0:2", "a"):
        with pytest.raises(ValueError, match=wrong):
            parse_spans(wrong)

"""The key for seals is with a command: seals wait for it while it is away, and nothing else does."""

import asyncio
from pathlib import Path

import pytest
import structlog
from aiohttp import web

from server.app import build
from server.archive.keys import HEADS
from server.evidence import keys
from server.evidence.verify import Trust, verify
from server.settings import Settings
from server.web.keys import FILES
from tests.cast import Appointment, Office
from tests.clock import SettableClock
from tests.evidence.signing_command import make_command
from tests.flows.browsing import look, shown, sign_in
from tests.flows.conftest import Client
from tests.flows.test_sealing import PATIENCE_S, hold, until


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    command = make_command(tmp_path)
    return Settings(data=tmp_path / "data", database_url=database_url, reserve_bytes=0, signer=command)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_seal_waits_for_its_signer_is_seen_to_and_heals_while_heads_go_on(
    client: Client,
    app: web.Application,
    office: Office,
    appointment: Appointment,
    clock: SettableClock,
    settings: Settings,
    tmp_path: Path,
) -> None:
    await sign_in(client)
    await hold(app, office, appointment.id)
    told = await until(app, office, client, appointment.id, state="failed")
    assert "There are no keys" in told["problem"], "nobody saw what to pin"

    keys.init(settings.key_folder, "局", clock.now(), settings.signer)
    make_command(tmp_path, script="echo pin 4321 >&2; exit 7")
    clock.advance(minutes=1)
    async with asyncio.timeout(PATIENCE_S):
        while "exit code 7" not in told["problem"]:
            told = await until(app, office, client, appointment.id, state="failed")
    assert "4321" not in told["problem"]
    assert "exit code 7" in shown(await look(client, f"/inspections/{appointment.id}"))
    folder = app[FILES].absolute(f"inspections/{appointment.id}")
    assert not (folder / "seal.p7s").exists()
    clock.advance(hours=2)
    await app[HEADS].close()
    assert await app[HEADS].sign_if_due() is not None

    make_command(tmp_path)
    clock.advance(hours=1)
    assert (await until(app, office, client, appointment.id, state="sealed"))["problem"] is None
    root = keys.load(settings.key_folder).root
    assert verify(folder, Trust(now=clock.now(), roots=[root])).passed


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_first_start_of_a_service_with_a_signer_says_what_is_to_be_done(
    settings: Settings, clock: SettableClock
) -> None:
    runner = web.AppRunner(build(settings, clock))
    with structlog.testing.capture_logs() as logged:
        await runner.setup()
    await runner.cleanup()
    (wanted,) = [entry for entry in logged if entry["event"] == "keys_wanted"]
    assert wanted["command"].startswith("yunkan keys init")
    assert not settings.key_folder.exists()

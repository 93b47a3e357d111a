"""The certificate for seals comes to its end: said in time, and nothing is sealed under one that is over."""

from datetime import UTC, datetime

import pytest
import structlog
from aiohttp import web

from server.archive.keys import HEADS
from server.evidence import certificates, keys
from server.evidence.verify import Trust, verify
from server.settings import Settings
from server.web.keys import FILES
from tests.cast import Appointment, Office
from tests.clock import SettableClock
from tests.flows.browsing import look, shown, sign_in
from tests.flows.conftest import Client
from tests.flows.test_sealing import hold, until


@pytest.fixture
def clock() -> SettableClock:
    """In the morning, so that some hours later it is the same day."""
    return SettableClock(datetime.now(UTC).replace(hour=6))


async def test_its_end_is_said_three_months_before_on_the_page_and_once_a_day_in_the_log(
    client: Client, app: web.Application, office: Office, clock: SettableClock, settings: Settings
) -> None:
    await app[HEADS].close()
    if not (settings.key_folder / keys.LOG).exists():
        keys.init(settings.key_folder, "局", clock.now())

    async def head() -> list[str]:
        with structlog.testing.capture_logs() as logged:
            await app[HEADS].sign_if_due()
        return [entry["until"] for entry in logged if entry["event"] == "certificate_ends"]

    clock.advance(days=certificates.LIFE.days - 92)
    await sign_in(client, "admin")
    assert await head() == []
    assert "The certificate for seals ends" not in await look(client, "/office-log")
    clock.advance(days=3)
    await sign_in(client, "admin")
    until_ = keys.load(settings.key_folder).until
    assert await head() == [until_.date().isoformat()]
    clock.advance(hours=2)
    assert await head() == []
    clock.advance(days=1)
    assert await head() == [until_.date().isoformat()]
    await sign_in(client, "admin")
    words = shown(await look(client, "/office-log"))
    assert "The certificate for seals ends on" in words
    assert "yunkan keys rotate seal" in words
    keys.rotate(settings.key_folder, "seal", clock.now())
    assert "The certificate for seals ends" not in await look(client, "/office-log")


async def test_nothing_is_sealed_under_a_certificate_that_is_over(
    client: Client,
    app: web.Application,
    office: Office,
    appointment: Appointment,
    clock: SettableClock,
    settings: Settings,
) -> None:
    keys.load(settings.key_folder) if settings.key_folder.exists() else keys.init(
        settings.key_folder, "局", clock.now()
    )
    clock.advance(days=certificates.LIFE.days + 1)
    await hold(app, office, appointment.id)
    told = await until(app, office, client, appointment.id, state="failed")
    assert "yunkan keys rotate seal" in told["problem"]
    folder = app[FILES].absolute(f"inspections/{appointment.id}")
    assert not (folder / "seal.p7s").exists()
    assert not (folder / "data/record.pdf").exists()
    keys.rotate(settings.key_folder, "seal", clock.now())
    clock.advance(minutes=1)
    await until(app, office, client, appointment.id, state="sealed")
    root = keys.load(settings.key_folder).root
    assert verify(folder, Trust(now=clock.now(), roots=[root])).passed

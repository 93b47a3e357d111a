"""One running service and one browser for all tests of a file, each with an appointment of its own."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientSession
from playwright.async_api import BrowserContext, Page

from server.clock import SystemClock
from server.db import Database
from server.inspections.invitations import list_invitations
from server.inspections.log import Journal
from tests.browser.people import LIVE_MS, sign_in
from tests.cast import Appointment, Office, appoint
from tests.peers.chromium import Chromium
from tests.peers.faulty_camera import SCRIPT
from tests.service import Service


@dataclass
class House:
    """`appoint` makes an inspection that may be joined now."""

    service: Service
    office: Office
    browser: Chromium

    async def appoint(self) -> Appointment:
        database, journal = Database(self.service.database_url), Journal(SystemClock(), lambda _: None)
        try:
            return await appoint(database, journal, self.office)
        finally:
            await database.close()

    async def invitation_of(self, appointment: Appointment, role: str) -> str:
        """The id of an appointment's invitation."""
        database = Database(self.service.database_url)
        try:
            async with database.reading() as session:
                made = await list_invitations(session, appointment.id)
        finally:
            await database.close()
        return next(one.id for one in made if one.role == role)

    @asynccontextmanager
    async def phone(self, **options: Any) -> AsyncIterator[Page]:
        """A page in a phone of its own, whose camera a test can let fail (tests/peers/faulty_camera.py)."""
        async with self.browser.phone(self.service.address, **options) as context:
            page = await context.new_page()
            await page.add_init_script(SCRIPT)
            yield page

    @asynccontextmanager
    async def desk(self, username: str = "zhou") -> AsyncIterator[Page]:
        """A page in a browser in which somebody of the office is signed in."""
        async with self.signed_in(username) as context:
            yield context.pages[0]

    @asynccontextmanager
    async def signed_in(
        self, username: str = "zhou", *, locale: str = "zh-CN"
    ) -> AsyncIterator[BrowserContext]:
        async with self.browser.desk(self.service.address, locale=locale) as context:
            await sign_in(await context.new_page(), username)
            yield context

    async def events(self, inspection: str, type_: str) -> list[dict[str, Any]]:
        """The bodies of an inspection's events of one type, so far."""
        url = f"{self.service.address}/api/v1/inspections/{inspection}/events"
        async with (
            ClientSession() as session,
            session.get(url, headers=self.office.bearer("reviewer")) as answer,
        ):
            return [event["body"] for event in await answer.json() if event["type"] == type_]

    async def reports(self, inspection: str) -> list[str]:
        """The states that devices reported, in order."""
        return [body["state"] for body in await self.events(inspection, "device.reported")]


async def until(page: Page, holds: Callable[[], Awaitable[bool]]) -> None:
    """Ask until it holds, as `expect` does for what is on a page."""
    deadline = time.monotonic() + LIVE_MS / 1000
    while not await holds():
        assert time.monotonic() < deadline
        await page.wait_for_timeout(100)


async def open_console(page: Page, appointment: Appointment, state: str) -> None:
    """The console of an appointment, until its stage is in `state`."""
    await page.goto(f"/inspections/{appointment.id}/console")
    await stage(page, state)


async def stage(page: Page, state: str) -> None:
    await page.locator(f'console-stage[data-state="{state}"]').wait_for(timeout=LIVE_MS)

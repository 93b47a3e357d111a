"""What the network cut off is recorded by the phone itself and sent afterwards: nothing of the picture is missing."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import CAMERA_FRAMES
from tests.browser.people import LIVE_MS, end_inspection, join_by_phone, open_console, sees_numbers, sign_in
from tests.cast import Appointment, Office
from tests.peers.build_camera import FPS
from tests.peers.chromium import Chromium
from tests.peers.clients import numbers_in
from tests.peers.relay import Relay
from tests.service import Service

pytestmark = pytest.mark.browser

Cast = tuple[Office, Appointment]

CUT_MS = 20_000
MISSING_AT_MOST_S = 1.0
# The phone's own recording has every second picture; what is skipped evenly is not missing.
HOLE_FRAMES = 0.5 * FPS
UPLOAD_MS = 90_000


@dataclass(frozen=True)
class Scene:
    phone: Page
    desk: Page
    relay: Relay
    appointment: Appointment

    async def inspection(self) -> dict[str, Any]:
        return await self._get("")

    async def events(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self._get("/events")
        return found

    async def gaps(self) -> list[dict[str, Any]]:
        """The gaps of the site's camera in the ledger."""
        continuity = await self._get("/continuity")
        site = {part["slot"] for part in await self.site_parts()}
        return [
            interval
            for slot in continuity["slots"]
            if slot["slot"] in site
            for interval in slot["intervals"]
            if interval["kind"] == "gap"
        ]

    async def site_parts(self) -> list[dict[str, Any]]:
        inspection = await self.inspection()
        roles = {person["id"]: person["role"] for person in inspection["participants"]}
        site = {slot["id"] for slot in inspection["slots"] if roles[slot["participant"]] == "enterprise"}
        return [part for part in inspection["parts"] if part["slot"] in site]

    async def is_filled(self) -> None:
        """Until the ledger has no gap that the phone could still fill."""
        for _ in range(UPLOAD_MS // 500):
            gaps = await self.gaps()
            if gaps and all(unfilled_s(gap) < 1 for gap in gaps):
                return
            await self.desk.wait_for_timeout(500)
        raise AssertionError(f"still missing: {gaps}")

    async def numbers(self, folder: Path) -> list[float]:
        """The numbers of all pictures of the site, running on where the camera's film begins anew."""
        found: list[tuple[datetime, float, int]] = []
        for count, part in enumerate(await self.site_parts()):
            path = folder / f"{count}.{part['media_type'].partition('/')[2]}"
            path.write_bytes(await (await self.desk.request.get(part["url"])).body())
            started = datetime.fromisoformat(part["started_at"])
            found += [(started, at, number) for at, number in numbers_in(path) if number is not None]
        first, first_at, first_number = min(found)
        return sorted(
            _unrolled(number, first_number + ((started - first).total_seconds() + at - first_at) * FPS)
            for started, at, number in found
        )

    async def _get(self, path: str) -> Any:
        response = await self.desk.request.get(f"/api/v1/inspections/{self.appointment.id}{path}")
        assert response.ok, await response.text()
        return await response.json()


def unfilled_s(gap: dict[str, Any]) -> float:
    def seconds(span: dict[str, Any]) -> float:
        return (datetime.fromisoformat(span["to"]) - datetime.fromisoformat(span["from"])).total_seconds()

    return seconds(gap) - sum(seconds(piece) for piece in gap["filled"])


def _unrolled(number: int, expected: float) -> float:
    return number + CAMERA_FRAMES * round((expected - number) / CAMERA_FRAMES)


def missing_s(numbers: list[float]) -> float:
    holes: Iterator[float] = (after - before - 1 for before, after in pairwise(numbers))
    return sum(hole for hole in holes if hole > HOLE_FRAMES) / FPS


@asynccontextmanager
async def live_scene(service: Service, cast: Cast, browser: Chromium) -> AsyncIterator[Scene]:
    """Phone and console are live; the phone's network is the relay's."""
    _, appointment = cast
    async with (
        Relay(("127.0.0.1", service.port), ("127.0.0.1", service.media_port)) as relay,
        browser.phone(relay.address) as phone_context,
        browser.desk(service.address) as desk_context,
    ):
        await phone_context.add_init_script(relay.script)
        phone, desk = await phone_context.new_page(), await desk_context.new_page()
        await sign_in(desk)
        await join_by_phone(phone, appointment)
        await open_console(desk, appointment)
        await sees_numbers(desk)
        # Long enough for the phone's own recording to have begun.
        await desk.wait_for_timeout(4000)
        yield Scene(phone, desk, relay, appointment)


async def test_a_cut_of_twenty_seconds_leaves_less_than_a_second_missing(
    service: Service, cast: Cast, browser: Chromium, tmp_path: Path
) -> None:
    async with live_scene(service, cast, browser) as scene:
        scene.relay.cut()
        await expect(scene.phone.locator('phone-stage[data-state="lost"]')).to_be_visible(timeout=LIVE_MS)
        await expect(scene.phone.locator(".phone-card__detail")).to_contain_text("继续录制")
        await scene.phone.wait_for_timeout(CUT_MS - 10_000)
        scene.relay.mend()
        await expect(scene.phone.locator('phone-stage[data-state="live"]')).to_be_visible(timeout=LIVE_MS)
        await scene.is_filled()
        await scene.desk.wait_for_timeout(2000)
        await end_inspection(scene.desk)
        await expect(scene.phone.locator('phone-upload[data-state="done"]')).to_be_visible(timeout=UPLOAD_MS)
        assert {part["source"] for part in await scene.site_parts()} == {"received", "phone"}
        (gap,) = await scene.gaps()
        assert gap["cause"] == "network_lost"
        numbers = await scene.numbers(tmp_path)
        assert missing_s(numbers) <= MISSING_AT_MOST_S


async def test_a_killed_service_leaves_less_than_a_second_missing(
    service: Service, cast: Cast, browser: Chromium, tmp_path: Path
) -> None:
    async with live_scene(service, cast, browser) as scene:
        service.kill()
        await expect(scene.phone.locator('phone-stage[data-state="lost"]')).to_be_visible(timeout=LIVE_MS)
        await scene.phone.wait_for_timeout(5000)
        await service.start()
        await expect(scene.phone.locator('phone-stage[data-state="live"]')).to_be_visible(timeout=LIVE_MS)
        await scene.is_filled()
        await end_inspection(scene.desk)
        (gap,) = await scene.gaps()
        assert gap["cause"] == "worker_restarted"
        assert missing_s(await scene.numbers(tmp_path)) <= MISSING_AT_MOST_S

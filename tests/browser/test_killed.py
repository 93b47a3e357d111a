"""The service is killed in mid-inspection: what was written plays, and both pages come back by themselves."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import APIResponse, Page, expect

from tests.browser.people import LIVE_MS, end_inspection, join_by_phone, open_console, sees_numbers, sign_in
from tests.cast import Appointment, Office
from tests.peers.build_camera import FPS
from tests.peers.chromium import Chromium
from tests.peers.clients import numbers_in
from tests.service import Service

pytestmark = [pytest.mark.browser, pytest.mark.realtime]


async def test_after_a_kill_and_a_restart_everything_goes_on(
    service: Service, cast: tuple[Office, Appointment], browser: Chromium, tmp_path: Path
) -> None:
    _, appointment = cast
    async with browser.phone(service.address) as phone_context, browser.desk(service.address) as desk_context:
        phone, desk = await phone_context.new_page(), await desk_context.new_page()
        await sign_in(desk)
        await join_by_phone(phone, appointment)
        await open_console(desk, appointment)
        first = await sees_numbers(desk)
        while (last := await sees_numbers(desk)) < first + 4 * FPS:
            await desk.wait_for_timeout(100)

        assert len(await _site_parts(desk, appointment)) == 1
        service.kill()
        await expect(phone.locator('phone-stage[data-state="lost"]')).to_be_visible(timeout=LIVE_MS)
        await service.start()

        await expect(phone.locator('phone-stage[data-state="live"]')).to_be_visible(timeout=LIVE_MS)
        await expect(desk.locator('console-stage[data-state="live"]')).to_be_visible(timeout=LIVE_MS)
        await expect(desk.locator('recording-badge[data-state="recording"]')).to_be_visible(timeout=LIVE_MS)
        # The desk may not have noticed the kill yet: what counts is the part that the new process writes.
        async with asyncio.timeout(LIVE_MS / 1000):
            while len(await _site_parts(desk, appointment)) < 2:
                await desk.wait_for_timeout(200)
        await sees_numbers(desk)
        await desk.wait_for_timeout(3000)
        await end_inspection(desk)

        parts = await _site_parts(desk, appointment)
        assert [part["repaired"] for part in parts] == [True, False]
        before = await _numbers(desk, parts[0], tmp_path / "before.mp4")
        after = await _numbers(desk, parts[1], tmp_path / "after.mp4")
        # What the console showed at the last look was received before the kill.
        assert before[-1] >= last - FPS
        assert len(after) > FPS
        events: list[dict[str, Any]] = await (
            await desk.request.get(f"/api/v1/inspections/{appointment.id}/events")
        ).json()
        assert any(
            event["type"] == "slot.interrupted" and event["body"]["cause"] == "worker_restarted"
            for event in events
        )


async def _site_parts(desk: Page, appointment: Appointment) -> list[dict[str, Any]]:
    """What the server itself recorded of the site; what the phone sends later has a test of its own."""
    inspection = await (await desk.request.get(f"/api/v1/inspections/{appointment.id}")).json()
    roles = {person["id"]: person["role"] for person in inspection["participants"]}
    site = {slot["id"] for slot in inspection["slots"] if roles[slot["participant"]] == "enterprise"}
    return [part for part in inspection["parts"] if part["slot"] in site and part["source"] == "received"]


async def _numbers(desk: Page, part: dict[str, Any], path: Path) -> list[int]:
    response: APIResponse = await desk.request.get(part["url"])
    path.write_bytes(await response.body())
    return [number for _, number in numbers_in(path) if number is not None]

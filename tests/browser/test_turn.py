"""Networks that let no UDP out: media goes through a real TURN server, by TCP."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page

from tests.browser.conftest import require_chromium
from tests.browser.people import join_by_phone, open_console, sees_numbers, sign_in
from tests.peers.chromium import REMEMBER_CONNECTIONS, chromium
from tests.peers.turn_server import turn_server
from tests.service import Service

pytestmark = [pytest.mark.browser, pytest.mark.realtime]

# Chromium then sends no UDP at all, whoever asks it to.
NO_UDP = (
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
)
WAYS = """
async () => {
  const ways = [];
  for (const connection of connections) {
    const stats = [...(await connection.getStats()).values()];
    const pair = stats.find((one) => one.type === "candidate-pair" && one.nominated && one.state === "succeeded");
    const local = stats.find(({id}) => id === pair?.localCandidateId);
    if (local) ways.push([local.candidateType, local.relayProtocol]);
  }
  return ways;
}
"""


async def page_of(context: BrowserContext) -> Page:
    await context.add_init_script(REMEMBER_CONNECTIONS)
    return await context.new_page()


async def test_without_udp_phone_and_console_meet_through_turn(tmp_path: Path, camera: Path) -> None:
    require_chromium()
    async with turn_server(tmp_path) as turn, chromium(camera=camera, flags=NO_UDP) as browser:
        service = Service(tmp_path, turn.settings)
        _, appointment = await service.prepare()
        await service.start()
        try:
            async with browser.phone(service.address) as phones, browser.desk(service.address) as desks:
                phone, desk = await page_of(phones), await page_of(desks)
                answers: list[dict[str, Any]] = []
                desk.on("response", lambda response: answers.append(response.headers))
                await sign_in(desk)
                await join_by_phone(phone, appointment)
                await open_console(desk, appointment)
                await sees_numbers(desk)
                assert await phone.evaluate(WAYS) == [["relay", "tcp"]]
                assert await desk.evaluate(WAYS) == [["relay", "tcp"]]
                # Each with credentials of their own, and fresh ones for later.
                assert len(turn.users()) == 2
                assert any('rel="ice-server"' in headers.get("link", "") for headers in answers)
        finally:
            await service.stop()

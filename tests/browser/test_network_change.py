"""The way between a browser and the service changes or narrows under a running connection."""

import asyncio
import statistics
from collections.abc import Callable

import pytest
from playwright.async_api import Page, Response, expect

from tests.browser.house import House, open_console
from tests.browser.people import LIVE_MS, join_by_phone, sees_numbers, sign_in
from tests.peers.chromium import REMEMBER_CONNECTIONS
from tests.peers.relay import Relay, longest_gap

pytestmark = [
    pytest.mark.browser,
    pytest.mark.realtime,
    pytest.mark.alone,
    pytest.mark.asyncio(loop_scope="module"),
]

GAP_S = 0.5
# A machine that is busy elsewhere for a moment is no long gap; being quick once is not enough either.
CHANGES = 3


class Network:
    """One page behind one relay, and the requests by which the page keeps its media going."""

    def __init__(self, page: Page, relay: Relay) -> None:
        self.page = page
        self.relay = relay
        self.requests: list[str] = []
        page.on("response", self._note)

    def _note(self, response: Response) -> None:
        if any(f"/{name}" in response.url for name in ("whip", "whep", "sessions/")):
            self.requests.append(f"{response.request.method} {response.status}")

    async def change(self) -> float:
        """Another network, as the system tells it to the page; when it came (the loop's time)."""
        at = asyncio.get_running_loop().time()
        await self.relay.move()
        await self.page.evaluate(
            "port => { relayPort = port; dispatchEvent(new Event('online')); }", self.relay.port
        )
        return at

    async def gap_s(self, media: list[float]) -> float:
        """The middle one of the gaps in the media that changes of the network made."""
        gaps = []
        for _ in range(CHANGES):
            changed = await self.change()
            async with asyncio.timeout(LIVE_MS / 1000):
                while sum(time > changed for time in media) < 60:
                    await self.page.wait_for_timeout(50)
            gaps.append(longest_gap(media, changed))
        return statistics.median(gaps)


async def test_both_ends_move_to_another_network_within_half_a_second(house: House) -> None:
    appointment = await house.appoint()
    service = house.service
    ways = ("127.0.0.1", service.port), ("127.0.0.1", service.media_port)
    async with (
        Relay(*ways) as phone_relay,
        Relay(*ways) as desk_relay,
        house.browser.phone(phone_relay.address) as phone_context,
        house.browser.desk(desk_relay.address) as desk_context,
    ):
        await phone_context.add_init_script(phone_relay.script)
        await desk_context.add_init_script(desk_relay.script)
        phone = Network(await phone_context.new_page(), phone_relay)
        desk = Network(await desk_context.new_page(), desk_relay)
        await sign_in(desk.page)
        await join_by_phone(phone.page, appointment)
        await open_console(desk.page, appointment, "live")
        await sees_numbers(desk.page)
        for network, media in ((phone, phone_relay.media_up), (desk, desk_relay.media_down)):
            network.requests.clear()
            assert await network.gap_s(media) < GAP_S
            # The same connection all the while.
            assert set(network.requests) == {"PATCH 200"}
        await expect(phone.page.locator('phone-stage[data-state="live"]')).to_be_visible(timeout=LIVE_MS)
        assert await house.events(appointment.id, "slot.interrupted") == []


NARROW_BPS = 150_000
OPUS = 111
"""Chromium's payload type for it."""
ESTIMATE = """
async () => {
  const stats = [...(await connections.at(-1).getStats()).values()];
  return stats.find((one) => one.type === "candidate-pair" && one.nominated)?.availableOutgoingBitrate ?? 0;
}
"""


async def estimates(page: Page, fits: Callable[[float], bool]) -> float:
    """Until the browser believes that its way out carries so much (bit/s)."""
    async with asyncio.timeout(2 * LIVE_MS / 1000):
        while not fits(estimate := float(await page.evaluate(ESTIMATE))):
            await page.wait_for_timeout(100)
    return estimate


async def test_a_narrow_way_lowers_the_picture_and_not_the_voice_and_the_console_says_why(
    house: House,
) -> None:
    appointment = await house.appoint()
    service = house.service
    async with (
        Relay(("127.0.0.1", service.port), ("127.0.0.1", service.media_port)) as relay,
        house.browser.phone(relay.address) as phones,
        house.desk() as desk,
    ):
        await phones.add_init_script(relay.script + REMEMBER_CONNECTIONS)
        phone = await phones.new_page()
        await join_by_phone(phone, appointment)
        await open_console(desk, appointment, "live")
        await estimates(phone, lambda bps: bps > 3 * NARROW_BPS)
        relay.uplink_bps = NARROW_BPS
        low = await estimates(phone, lambda bps: bps < 1.2 * NARROW_BPS)
        await expect(desk.locator('network-meter[data-reasons~="bandwidth"]').first).to_be_attached(
            timeout=LIVE_MS
        )
        assert relay.offered_bps() < 1.2 * NARROW_BPS
        heard = [at for at, payload_type in relay.passed if payload_type == OPUS]
        assert len(heard) > 50
        assert longest_gap(heard, 0) < 1.0
        relay.uplink_bps = None
        await estimates(phone, lambda bps: bps > 1.3 * low)
        assert await house.events(appointment.id, "slot.interrupted") == []

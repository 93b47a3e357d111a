"""A recording and a snapshot that are opened by themselves, by their address, are shown."""

import asyncio

import pytest
from aiohttp import ClientSession

from server.demo.whip import join
from tests.browser.people import sign_in
from tests.cast import Appointment, Office
from tests.peers.chromium import Chromium
from tests.peers.clients import counter_tracks, publishing
from tests.service import Service

pytestmark = [pytest.mark.browser, pytest.mark.realtime]

PLAYING = """
async () => {
  const video = document.querySelector("video");
  const first = video.currentTime;
  video.muted = true;
  video.play().catch(() => {});
  for (let tries = 0; tries < 200 && video.currentTime < first + 0.5; tries++)
    await new Promise((done) => setTimeout(done, 50));
  return [video.readyState >= 2, video.currentTime >= first + 0.5, video.videoWidth];
}
"""


async def test_a_recording_opened_by_its_address_plays_and_a_snapshot_is_seen(
    service: Service, cast: tuple[Office, Appointment], browser: Chromium
) -> None:
    office, appointment = cast
    who = office.bearer("reviewer")
    one = f"{service.address}/api/v1/inspections/{appointment.id}"
    async with ClientSession() as session:
        reviewer = await join(session, service.address, appointment.invitations["reviewer"], "周", device="t")
        async with publishing(
            session, service.address, appointment.invitations["enterprise"], "田", counter_tracks()
        ):
            body: dict[str, str] = {}
            async with asyncio.timeout(60):
                while "id" not in body:
                    async with session.get(one, headers=who) as response:
                        slots = (await response.json())["slots"]
                    if slots:
                        async with session.post(
                            f"{reviewer.base}/snapshots",
                            json={"slot": slots[0]["id"]},
                            headers=reviewer.headers,
                        ) as response:
                            body = await response.json()
                    await asyncio.sleep(0.5)
            await asyncio.sleep(3)
            async with session.post(f"{one}/end", headers=who) as response:
                assert response.status == 200
        async with session.get(one, headers=who) as response:
            (part,) = (await response.json())["parts"]
    async with browser.desk(service.address) as context:
        page = await context.new_page()
        await sign_in(page, "zheng")
        await page.goto(part["url"])
        assert await page.evaluate(PLAYING) == [True, True, 640]
        await page.goto(body["url"])
        assert await page.evaluate("document.images[0].naturalWidth") == 640

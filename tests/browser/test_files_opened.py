"""Each kind of a case's files is shown when it is opened: by its address, and by a click on the case's page."""

import asyncio

import cv2
import numpy as np
import pytest
from aiohttp import ClientSession
from playwright.async_api import FilePayload, Page, expect

from server.demo.joining import Joined, join
from tests.browser.people import conclude_and_seal, sign_in
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
            await _answer(session, reviewer)
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
    async with browser.desk(service.address) as context:
        page = await context.new_page()
        await sign_in(page)
        await _add_paper(page, appointment.case_id)
        opened = await _open(page, '[data-kind="part"] a.evidence')
        assert await opened.evaluate(PLAYING) == [True, True, 640]
        opened = await _open(page, '[data-kind="snapshot"] a.evidence')
        assert await opened.evaluate("document.images[0].naturalWidth") == 640
        opened = await _open(page, '[data-kind="checklist"] a.evidence')
        assert '"item":"doorplate"' in await opened.locator("body").inner_text()
        opened = await _open(page, "#materials a[target=_blank]")
        assert await opened.evaluate("document.images[0].naturalWidth") == 640
        await conclude_and_seal(page, appointment.id)
        await page.goto(f"/cases/{appointment.case_id}")
        opened = await _open(page, '[data-kind="record"] a.evidence')
        assert await opened.evaluate("document.contentType") == "application/pdf"
        assert (await (await page.request.get(opened.url)).body()).startswith(b"%PDF-")


async def _answer(session: ClientSession, reviewer: Joined) -> None:
    """To one item of the checklist, so that its results are evidence."""
    protocols = ("yunkan.v1", f"bearer.{reviewer.token}")
    async with session.ws_connect(f"{reviewer.base}/room?after=0", protocols=protocols) as room:
        await room.send_json({"type": "answer", "id": "1", "item": "doorplate", "result": "pass", "note": ""})
        async for message in room:
            told = message.json()
            assert told["type"] != "error"
            if told["type"] == "ack":
                return


async def _add_paper(page: Page, case_id: str) -> None:
    await page.goto(f"/cases/{case_id}/materials/new")
    _, picture = cv2.imencode(".png", np.full((480, 640, 3), 200, np.uint8))
    paper: FilePayload = {"name": "paper.png", "mimeType": "image/png", "buffer": picture.tobytes()}
    await page.locator("input[type=file]").set_input_files(paper)
    await page.locator("main form button.button--primary").click()
    await expect(page.locator("#materials a[target=_blank]")).to_have_text("paper.png")


async def _open(page: Page, link: str) -> Page:
    """What a click on a link brings up in its own tab."""
    async with page.context.expect_page() as opening:
        await page.locator(link).first.click()
    opened = await opening.value
    await opened.wait_for_load_state()
    return opened

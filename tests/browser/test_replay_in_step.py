"""Sound and picture of a replay are in step, also when they were published by two different people."""

import asyncio
import statistics
from contextlib import AsyncExitStack

import pytest
from aiohttp import ClientSession
from aiortc import MediaStreamTrack
from playwright.async_api import Page, expect

from tests.browser.people import sign_in
from tests.cast import Appointment, Office
from tests.peers.chromium import Chromium
from tests.peers.clients import publishing
from tests.peers.flash_beep import BeepTrack, FlashTrack
from tests.peers.pacing import Epoch
from tests.service import Service

pytestmark = [pytest.mark.browser, pytest.mark.realtime, pytest.mark.alone]

RECORDED_S = 20
MOST_APART_S = 0.08

# Flashes: the display time of the first bright frame. Beeps: when the first loud sample leaves the <video>; what the
# audio graph of this measurement adds on the way to the speaker (its latencies) is taken off again.
# Both in seconds of performance.now(). One counts only if the page looked without a break up to it: a page that the
# machine held up notices a flash or a beep later than it came. Against files of known offset (0, 0.1 s either way)
# the median was within 0.025 s of the truth.
MEASURE = """
async () => {
  const flashes = [], beeps = [];
  const context = new AudioContext();
  await context.resume();
  window.measured = {flashes, beeps};
  const canvas = document.createElement("canvas");
  canvas.width = 16; canvas.height = 9;
  const picture = canvas.getContext("2d", {willReadFrequently: true});
  for (const video of document.querySelectorAll("replay-video video")) {
    let bright = false, lastFrame = -1;
    const look = (_now, metadata) => {
      picture.drawImage(video, 0, 0, 16, 9);
      const isBright = picture.getImageData(8, 4, 1, 1).data[1] > 128;
      const watched = metadata.presentedFrames === lastFrame + 1;
      if (isBright && !bright && watched) flashes.push(metadata.expectedDisplayTime / 1000);
      bright = isBright;
      lastFrame = metadata.presentedFrames;
      video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
    let quietSince = -1, heardUntil = -1;
    const listen = context.createScriptProcessor(256, 2, 2);
    listen.onaudioprocess = (event) => {
      const samples = event.inputBuffer.getChannelData(0);
      event.outputBuffer.getChannelData(0).set(samples);
      const first = samples.findIndex((sample) => Math.abs(sample) > 0.08);
      const heard = Math.abs(event.playbackTime - heardUntil) < 0.02;
      heardUntil = event.playbackTime + samples.length / context.sampleRate;
      if (first < 0) { quietSince = quietSince < 0 ? event.playbackTime : quietSince; return; }
      if (heard && quietSince >= 0 && event.playbackTime - quietSince > 0.2) {
        const {contextTime, performanceTime} = context.getOutputTimestamp();
        const at = event.playbackTime + first / context.sampleRate;
        const added = context.baseLatency + context.outputLatency;
        beeps.push(performanceTime / 1000 + at - contextTime - added);
      }
      quietSince = -1;
    };
    context.createMediaElementSource(video).connect(listen);
    listen.connect(context.destination);
  }
}
"""


@pytest.mark.parametrize("beeping", ["enterprise", "expert"])
async def test_a_flash_and_a_beep_come_together(
    service: Service, cast: tuple[Office, Appointment], browser: Chromium, beeping: str
) -> None:
    """The flash is always the enterprise's; the beep is its own, or that of somebody else."""
    office, appointment = cast
    await _record(service, office, appointment, beeping)
    async with browser.desk(service.address) as context:
        page = await context.new_page()
        await sign_in(page, "zheng")
        await page.goto(f"/archive/{appointment.id}")
        await expect(page.locator("inspection-replay")).not_to_have_attribute("data-state", "loading")
        await page.evaluate(MEASURE)
        await page.get_by_role("button", name="播放").first.click()
        flashes, beeps = await _heard_and_seen(page)
    nearest = [min((beep - flash for beep in beeps), key=abs) for flash in flashes]
    # They come once a second: a flash whose own beep was not counted has none near it.
    offsets = [offset for offset in nearest if abs(offset) < 0.4]
    assert len(offsets) >= 5, nearest
    # The first one or two fall into the moment in which both players are brought into step.
    assert abs(statistics.median(offsets)) < MOST_APART_S, offsets
    assert sorted(map(abs, offsets))[len(offsets) * 3 // 4] < MOST_APART_S, offsets


async def _record(service: Service, office: Office, appointment: Appointment, beeping: str) -> None:
    epoch = Epoch()
    tracks: dict[str, list[MediaStreamTrack]] = {"enterprise": [FlashTrack(epoch)]}
    tracks.setdefault(beeping, []).append(BeepTrack(epoch))
    async with ClientSession() as session, AsyncExitStack() as stack:
        for role, shown in tracks.items():
            invitation = appointment.invitations[role]
            await stack.enter_async_context(publishing(session, service.address, invitation, "田", shown))
        await asyncio.sleep(RECORDED_S)
        end = f"{service.address}/api/v1/inspections/{appointment.id}/end"
        async with session.post(end, headers=office.bearer("reviewer")) as response:
            assert response.status == 200


async def _heard_and_seen(page: Page) -> tuple[list[float], list[float]]:
    for _ in range(300):
        measured = await page.evaluate("window.measured")
        if min(len(measured["flashes"]), len(measured["beeps"])) >= 12:
            break
        await page.wait_for_timeout(100)
    return measured["flashes"], measured["beeps"]

"""Sound and picture of a replay are in step, also when they were published by two different people."""

import asyncio
import math
import statistics
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from aiortc import MediaStreamTrack
from playwright.async_api import Page, expect

from tests.browser.people import sign_in
from tests.cast import Appointment, Office
from tests.peers.chromium import Chromium
from tests.peers.clients import publishing
from tests.peers.flash_beep import BeepTrack, FlashTrack, beep_times, flash_times
from tests.peers.pacing import Epoch
from tests.service import Service

pytestmark = [pytest.mark.browser, pytest.mark.realtime, pytest.mark.alone]

RECORDED_S = 20
MOST_APART_S = 0.08
MOST_APART_IN_A_FILE_S = 0.04
PAUSED_S = 2
RESUMED_S = 4

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


# Plays from just before a gap (epoch milliseconds) until past it, or for as long as a second inside of it; every moment
# that the clock showed on the way.
PLAY_OVER = """
async ([start, end]) => {
  const {clock} = document.querySelector("inspection-replay");
  const shown = [];
  clock.seek(start - 400);
  clock.play();
  while (clock.now() < end + 300 && clock.now() < start + 1000) {
    shown.push(clock.now());
    await new Promise(requestAnimationFrame);
  }
  shown.push(clock.now());
  clock.pause();
  return shown;
}
"""


@pytest.mark.parametrize("beeping", ["enterprise", "expert"])
async def test_a_flash_and_a_beep_come_together(
    service: Service, cast: tuple[Office, Appointment], browser: Chromium, tmp_path: Path, beeping: str
) -> None:
    """The flash is always the enterprise's; the beep is its own, or that of somebody else. A pause is skipped."""
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
        parts = await _parts(page, appointment)
        if beeping == "enterprise":
            await _is_in_step_in_the_file(page, parts[0], tmp_path)
        await _is_skipped(page, _gap(parts))
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
        for act, lasts_s in (("pause", PAUSED_S), ("resume", RESUMED_S), ("end", 0)):
            address = f"{service.address}/api/v1/inspections/{appointment.id}/{act}"
            body = {"reason": "午休"} if act == "pause" else {}
            async with session.post(address, json=body, headers=office.bearer("reviewer")) as response:
                assert response.status == 200
            await asyncio.sleep(lasts_s)


async def _parts(page: Page, appointment: Appointment) -> list[dict[str, Any]]:
    inspection = await (await page.request.get(f"/api/v1/inspections/{appointment.id}")).json()
    parts: list[dict[str, Any]] = inspection["parts"]
    return sorted(parts, key=lambda part: str(part["started_at"]))


async def _is_in_step_in_the_file(page: Page, part: dict[str, Any], folder: Path) -> None:
    path = folder / "part.mp4"
    path.write_bytes(await (await page.request.get(part["url"])).body())
    flashes, beeps = flash_times(path), beep_times(path)
    assert len(flashes) > RECORDED_S // 2
    # The last flash may have lost its beep to the end of the file.
    apart = [min(abs(flash - beep) for beep in beeps) for flash in flashes[:-1]]
    assert max(apart) < MOST_APART_IN_A_FILE_S, apart


def _gap(parts: list[dict[str, Any]]) -> tuple[float, float]:
    """Between what was recorded before the pause and what was after it, in epoch ms; each slot has two parts.

    Pages know the whole milliseconds of a part's beginning."""
    spans = [
        (begins := datetime.fromisoformat(part["started_at"]).timestamp(), begins + part["duration_s"])
        for part in parts
    ]
    before, after = spans[: len(spans) // 2], spans[len(spans) // 2 :]
    return max(end for _, end in before) * 1000, math.floor(min(begin for begin, _ in after) * 1000)


async def _is_skipped(page: Page, gap: tuple[float, float]) -> None:
    begin, end = gap
    assert end - begin > PAUSED_S * 1000 - 500
    shown = await page.evaluate(PLAY_OVER, gap)
    assert shown[0] < begin
    assert shown[-1] >= end
    assert not [moment for moment in shown if begin + 1 < moment < end - 1]
    await page.locator("[data-skipping]").uncheck()
    shown = await page.evaluate(PLAY_OVER, gap)
    assert begin + 1000 <= shown[-1] < end
    assert await page.locator("[data-stage-words]").inner_text() != ""


async def _heard_and_seen(page: Page) -> tuple[list[float], list[float]]:
    for _ in range(300):
        measured = await page.evaluate("window.measured")
        if min(len(measured["flashes"]), len(measured["beeps"])) >= 12:
            break
        await page.wait_for_timeout(100)
    return measured["flashes"], measured["beeps"]

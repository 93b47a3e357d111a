"""The main job in two real browsers: the enterprise's phone and the reviewer's console, through the real service."""

import asyncio
import base64
import hashlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from playwright.async_api import Page, expect

from tests.browser.people import (
    end_inspection,
    join_by_phone,
    open_console,
    sees_numbers,
    sign_in,
)
from tests.cast import Appointment, Office
from tests.peers import counter
from tests.peers.chromium import Chromium, read_counter, until
from tests.peers.clients import numbers_in
from tests.service import Service

pytestmark = [pytest.mark.browser, pytest.mark.realtime, pytest.mark.alone]

Cast = tuple[Office, Appointment]

# What is on the screen at the click: the picture of the newest frame whose display time has come. Each frame's picture
# is drawn when the browser announces it; the click picks by its own time, in the same task.
WATCH_SCREEN = """
() => {
  const video = document.querySelector("console-stage video");
  const shown = [];
  const canvas = document.createElement("canvas");
  canvas.width = 320; canvas.height = 180;
  const context = canvas.getContext("2d", {willReadFrequently: true});
  const note = (_now, metadata) => {
    context.drawImage(video, 0, 0, 320, 180);
    shown.push({at: metadata.expectedDisplayTime, data: context.getImageData(0, 0, 320, 180).data});
    if (shown.length > 60) shown.shift();
    video.requestVideoFrameCallback(note);
  };
  video.requestVideoFrameCallback(note);
  window.isSomethingShown = () => shown.some((one) => one.at <= performance.now());
  window.clickAndSee = () => {
    const button = document.querySelector('[data-command="snapshot"]');
    let at = null;
    button.addEventListener("click", (event) => { at = event.timeStamp; }, {once: true, capture: true});
    button.click();
    const frame = shown.filter((one) => one.at <= at).at(-1);
    let luma = "";
    for (let i = 0; i < frame.data.length; i += 4)
      luma += String.fromCharCode((frame.data[i] * 77 + frame.data[i + 1] * 150 + frame.data[i + 2] * 29) >> 8);
    return btoa(luma);
  };
}
"""


# Keeps the page's connections where the test can ask them.
KEEP_CONNECTIONS = """
  window.connections = [];
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...given) { super(...given); window.connections.push(this); }
  };
"""
# The camera gives nothing more; how many frames the connection has sent, once that does not grow any more.
STOP_AND_COUNT = """
async () => {
  const senders = connections.flatMap((one) => one.getSenders()).filter((one) => one.track?.kind === "video");
  if (senders.length !== 1) throw new Error(`${senders.length} senders of a picture`);
  await senders[0].replaceTrack(null);
  const sent = async () => [...(await senders[0].getStats()).values()]
    .find((one) => one.type === "outbound-rtp").framesSent;
  for (let last = -1, count = 0; ; last = count) {
    count = await sent();
    if (count === last) return count;
    await new Promise((done) => setTimeout(done, 250));
  }
}
"""


def number_of(luma: str) -> int | None:
    return counter.read(np.frombuffer(base64.b64decode(luma), np.uint8).reshape(180, 320))


async def snapshot_number(page: Page, snapshot_id: str, inspection_id: str) -> int | None:
    response = await page.request.get(f"/api/v1/inspections/{inspection_id}/snapshots/{snapshot_id}")
    image = cv2.imdecode(np.frombuffer(await response.body(), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    return counter.read(image)


async def test_twenty_snapshots_are_the_very_frames_the_reviewer_saw(
    service: Service, cast: Cast, browser: Chromium
) -> None:
    _, appointment = cast
    async with browser.phone(service.address) as phone_context, browser.desk(service.address) as desk_context:
        phone, desk = await phone_context.new_page(), await desk_context.new_page()
        await sign_in(desk)
        await join_by_phone(phone, appointment)
        await open_console(desk, appointment)
        await sees_numbers(desk)
        await desk.evaluate(WATCH_SCREEN)
        await until(desk, "isSomethingShown()")
        seen: list[int | None] = []
        for count in range(1, 21):
            await expect(desk.locator('[data-command="snapshot"]')).to_be_enabled()
            seen.append(number_of(await desk.evaluate("clickAndSee()")))
            await expect(desk.locator('.photo-strip__item[data-state="ready"]')).to_have_count(
                count, timeout=10_000
            )
            await desk.wait_for_timeout(137)
        items = desk.locator('.photo-strip__item[data-state="ready"]')
        ids = await items.evaluate_all("items => items.map((item) => item.dataset.snapshot)")
        taken = [await snapshot_number(desk, one, appointment.id) for one in ids]
        differences = _differences(seen, taken)
        assert sum(difference == 0 for difference in differences) >= 19, (seen, taken)
        assert all(abs(difference) <= 1 for difference in differences), (seen, taken)


def _differences(seen: list[int | None], taken: list[int | None]) -> list[int]:
    """Between what was on the screen and what was stored, whichever way round the strip is sorted."""
    screen, stored = [one for one in seen if one is not None], [one for one in taken if one is not None]
    assert len(screen) == len(stored) == 20
    return [was - is_ for was, is_ in zip(sorted(screen), sorted(stored), strict=True)]


async def test_an_inspection_from_the_link_to_the_replay(
    service: Service, cast: Cast, browser: Chromium, tmp_path: Path
) -> None:
    _, appointment = cast
    async with browser.phone(service.address) as phone_context, browser.desk(service.address) as desk_context:
        phone, desk = await phone_context.new_page(), await desk_context.new_page()
        await phone.add_init_script(KEEP_CONNECTIONS)
        await sign_in(desk)
        await join_by_phone(phone, appointment)
        await expect(phone.locator('phone-stage[data-phase="waiting"]')).to_be_visible()
        await open_console(desk, appointment)
        await expect(desk.locator('recording-badge[data-state="recording"]')).to_be_visible(timeout=15_000)
        await expect(phone.locator('recording-badge[data-state="recording"]')).to_be_visible(timeout=15_000)
        first_seen = await sees_numbers(desk)

        # The reviewer talks: the phone hears and sees who is there.
        await desk.locator('[data-command="microphone"]').click()
        await expect(phone.locator(".phone-others live-video").first).to_be_attached(timeout=15_000)
        await desk.get_by_role("tab", name="消息").click()
        await desk.locator("chat-log textarea").fill("请走到门牌前")
        await desk.locator("chat-log form button").click()
        await expect(phone.locator(".phone-card__text")).to_contain_text("请走到门牌前", timeout=10_000)

        # A checklist answer and a snapshot that belongs to it.
        item = desk.locator(".check-item").first
        await item.locator("[data-open-item]").click()
        await item.locator('[data-value="pass"]').click()
        await expect(item).to_have_attribute("data-result", "pass", timeout=10_000)
        await desk.locator('[data-command="snapshot"]').click()
        await expect(desk.locator('.photo-strip__item[data-state="ready"]')).to_have_count(1, timeout=10_000)

        await expect(desk.locator(".photo-strip")).to_contain_text(
            await item.locator("[data-title]").inner_text()
        )

        sent = await phone.evaluate(STOP_AND_COUNT)
        await end_inspection(desk)
        await expect(phone.locator('phone-inspection[data-step="notice"]')).to_be_visible(timeout=15_000)
        await _recording_is_whole(desk, appointment, tmp_path, first_seen, sent)
        await _replay_shows_it(desk, appointment)
        await phone.goto(f"/i/{appointment.invitations['enterprise']}")
        assert await phone.locator("phone-stage").count() == 0


async def _recording_is_whole(
    desk: Page, appointment: Appointment, folder: Path, first_seen: int, sent: int
) -> None:
    """Every frame that was received is in the file, in order, and the file is what the digest says."""
    (part,) = await _closed_parts(desk, appointment)
    response = await desk.request.get(part["url"])
    data = await response.body()
    assert hashlib.sha256(data).hexdigest() == part["sha256"]
    path = folder / "part.mp4"
    path.write_bytes(data)
    numbers = [number for _, number in numbers_in(path)]
    assert None not in numbers
    assert first_seen in numbers
    # The phone's encoder may leave a camera's frame out when the machine is busy: what it sent is what counts. One
    # run of several had one frame fewer than was sent. That it was sent before the handshake was done is a guess, not
    # shown: until the frames are told apart by their RTP times, this bound would also hide two that were lost later.
    assert sent - 2 <= len(numbers) <= sent
    steps = {
        after - before for before, after in pairwise(numbers) if before is not None and after is not None
    }
    assert all(step >= 0 for step in steps)


async def _closed_parts(desk: Page, appointment: Appointment) -> list[dict[str, Any]]:
    """The parts of the site's camera, once the recorder has closed them: it may take a moment longer than the end."""
    async with asyncio.timeout(15):
        while True:
            inspection = await (await desk.request.get(f"/api/v1/inspections/{appointment.id}")).json()
            roles = {person["id"]: person["role"] for person in inspection["participants"]}
            site = [slot["id"] for slot in inspection["slots"] if roles[slot["participant"]] == "enterprise"]
            parts: list[dict[str, Any]] = [part for part in inspection["parts"] if part["slot"] in site]
            if all(part["sha256"] for part in parts):
                return parts
            await desk.wait_for_timeout(200)


async def _replay_shows_it(desk: Page, appointment: Appointment) -> None:
    await desk.goto(f"/archive/{appointment.id}")
    replay = desk.locator("inspection-replay")
    await expect(replay).not_to_have_attribute("data-state", "loading", timeout=15_000)
    await desk.get_by_role("button", name="播放").first.click()
    numbers: list[int] = []
    for _ in range(100):
        number = await read_counter(desk, "replay-video video[data-part]:not([hidden]) >> nth=0")
        if number is not None and (not numbers or number != numbers[-1]):
            numbers.append(number)
        if len(numbers) > 5:
            break
        await desk.wait_for_timeout(100)
    assert len(numbers) > 5
    assert numbers == sorted(numbers)

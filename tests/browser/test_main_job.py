"""The main job in two real browsers: the enterprise's phone and the reviewer's console, through the real service."""

import asyncio
import base64
import hashlib
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from playwright.async_api import Page, expect

from server.db import Database
from server.live.models import Part
from server.media import Place, moment_of
from server.media.wrap import unwrap
from tests.browser.people import (
    end_inspection,
    join_by_phone,
    open_console,
    sees_numbers,
    sign_in,
)
from tests.cast import Appointment, Office
from tests.peers import counter
from tests.peers.chromium import REMEMBER_CONNECTIONS, Chromium, read_counter, until
from tests.peers.clients import numbers_in
from tests.peers.relay import Relay, Seen
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


# The camera gives nothing more; how many frames the connection has sent, once that does not grow any more, and under
# which payload type.
STOP_AND_COUNT = """
async () => {
  const senders = connections.flatMap((one) => one.getSenders()).filter((one) => one.track?.kind === "video");
  if (senders.length !== 1) throw new Error(`${senders.length} senders of a picture`);
  await senders[0].replaceTrack(null);
  for (let last = -1, count = 0; ; last = count) {
    const stats = await senders[0].getStats();
    const stream = [...stats.values()].find((one) => one.type === "outbound-rtp");
    count = stream.framesSent;
    if (count === last) return {frames: count, payloadType: stats.get(stream.codecId).payloadType};
    await new Promise((done) => setTimeout(done, 250));
  }
}
"""
# How much sound has come out of all that the page receives (RTCInboundRtpStreamStats.totalAudioEnergy).
HEARD = """
async () => {
  let energy = 0;
  for (const one of connections)
    for (const stats of (await one.getStats()).values())
      if (stats.type === "inbound-rtp" && stats.kind === "audio") energy += stats.totalAudioEnergy ?? 0;
  return energy;
}
"""
AUDIBLE = 1e-4
"""Energy as WebRTC counts it: a tone at a tenth of full scale makes so much in some hundredths of a second."""
FRAME_S = 1 / 60


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
        clicked: list[str] = []
        for count in range(1, 21):
            await expect(desk.locator('[data-command="snapshot"]')).to_be_enabled()
            seen.append(number_of(await desk.evaluate("clickAndSee()")))
            items = desk.locator('.photo-strip__item[data-state="ready"]')
            await expect(items).to_have_count(count, timeout=10_000)
            # Each click with its own snapshot: the one that was not there before.
            ids = await items.evaluate_all("items => items.map((item) => item.dataset.snapshot)")
            clicked += [one for one in ids if one not in clicked]
            assert len(clicked) == count
            await desk.wait_for_timeout(137)
        taken = [await snapshot_number(desk, one, appointment.id) for one in clicked]
        assert None not in seen + taken
        apart = [abs((was or 0) - (is_ or 0)) for was, is_ in zip(seen, taken, strict=True)]
        assert len(apart) == 20
        assert apart.count(0) >= 19, (seen, taken)
        assert max(apart) <= 1, (seen, taken)


async def test_an_inspection_from_the_link_to_the_replay(
    service: Service, cast: Cast, browser: Chromium, tmp_path: Path
) -> None:
    _, appointment = cast
    async with (
        Relay(("127.0.0.1", service.port), ("127.0.0.1", service.media_port)) as relay,
        browser.phone(relay.address) as phone_context,
        browser.desk(service.address) as desk_context,
    ):
        phone, desk = await phone_context.new_page(), await desk_context.new_page()
        for page in (phone, desk):
            await page.add_init_script(REMEMBER_CONNECTIONS)
        await phone.add_init_script(relay.script)
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
        await _photo_is_what_the_phone_announced(desk, appointment)

        for page in (phone, desk):
            await _hears(page)

        sent = await phone.evaluate(STOP_AND_COUNT)
        received = _frames_seen(relay.seen_up, sent["payloadType"])
        await end_inspection(desk)
        await expect(phone.locator('phone-inspection[data-step="notice"]')).to_be_visible(timeout=15_000)
        await _recording_is_whole(service, desk, appointment, tmp_path, first_seen, received)
        await _replay_shows_it(desk, appointment)
        await _replay_follows_the_log(desk, appointment)
        await phone.goto(f"/i/{appointment.invitations['enterprise']}")
        assert await phone.locator("phone-stage").count() == 0


async def _hears(page: Page) -> None:
    """Until the voice of the other side has come out of this page's connections."""
    async with asyncio.timeout(20):
        while await page.evaluate(HEARD) < AUDIBLE:
            await page.wait_for_timeout(100)


def _frames_seen(seen: list[Seen], payload_type: int) -> list[int]:
    """RTP timestamps of the frames that reached the server, in the order of the stream, counted from the first."""
    packets = [each for each in seen if each.payload_type == payload_type]
    assert not any(each.lost for each in packets)
    stamps = [unwrap(each.timestamp, packets[0].timestamp, 32) - packets[0].timestamp for each in packets]
    return sorted(set(stamps))


async def _photo_is_what_the_phone_announced(desk: Page, appointment: Appointment) -> None:
    """With the snapshot the phone took a still by itself, hashed it and sent it; the strip shows it and opens it."""
    snapshot = desk.locator('.photo-strip__item[data-photo="here"]')
    await expect(snapshot).to_have_count(1, timeout=20_000)
    inspection = await (await desk.request.get(f"/api/v1/inspections/{appointment.id}")).json()
    (photo,) = inspection["photos"]
    assert photo["snapshot"] == inspection["snapshots"][0]["id"]
    events = await (await desk.request.get(f"/api/v1/inspections/{appointment.id}/events")).json()
    (said,) = [event for event in events if event["type"] == "photo.announced"]
    assert said["actor"]["role"] == "enterprise"
    await snapshot.locator("button").click()
    async with desk.expect_popup() as opening:
        await desk.locator("photo-dialog [data-photo]").click()
    opened = await opening.value
    response = await desk.request.get(opened.url)
    assert hashlib.sha256(await response.body()).hexdigest() == said["body"]["sha256"] == photo["sha256"]
    await opened.close()
    await desk.locator("photo-dialog [data-close]").click()


async def _recording_is_whole(
    service: Service, desk: Page, appointment: Appointment, folder: Path, first_seen: int, received: list[int]
) -> None:
    """Every frame that was received is in the file, each at its RTP time, and the file is what the digest says."""
    (part,) = await _closed_parts(desk, appointment)
    response = await desk.request.get(part["url"])
    data = await response.body()
    assert hashlib.sha256(data).hexdigest() == part["sha256"]
    path = folder / "part.mp4"
    path.write_bytes(data)
    recorded = numbers_in(path)
    numbers = [number for _, number in recorded]
    assert None not in numbers
    assert first_seen in numbers
    places = await _places(service, part["id"])
    expected = [moment_of(places, (places[0][0] + stamp) % 2**32) for stamp in received]
    assert len(recorded) == len(received)
    for (at_s, _), moment in zip(recorded, expected, strict=True):
        assert moment is not None
        assert 0 <= moment - at_s < FRAME_S
    assert all((after or 0) >= (before or 0) for before, after in pairwise(numbers))
    assert sound_energy(path) > AUDIBLE


async def _places(service: Service, part_id: str) -> list[Place]:
    """Where pictures of a part stand in it, by their RTP times."""
    database = Database(service.database_url)
    async with database.reading() as session:
        places = (await session.get_one(Part, part_id)).places or []
    await database.close()
    return [(stamp, at) for stamp, at in places]


def sound_energy(path: Path) -> float:
    """Mean square of a recording's sound, full scale 1."""
    with av.open(str(path)) as container:
        samples = np.concatenate([frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)])
    return float(np.mean(np.square(samples)))


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


async def _replay_follows_the_log(desk: Page, appointment: Appointment) -> None:
    """What is clicked is gone to; what was said and taken is not there before its moment, and there from then on."""
    listed = await (await desk.request.get(f"/api/v1/inspections/{appointment.id}/events")).json()
    said = next(event for event in listed if event["type"] == "chat.sent")
    taken = next(event for event in listed if event["type"] == "snapshot.taken")
    await desk.locator("[data-play]").click()
    await expect(desk.locator('inspection-replay[data-clock="paused"]')).to_be_visible()

    line = desk.locator(f'event-list [data-seq="{said["seq"]}"] button')
    await line.click()
    moment = await _now(desk)
    assert moment == datetime.fromisoformat(said["at"]).timestamp() * 1000
    await desk.get_by_role("tab", name="消息").click()
    message = desk.locator("chat-log .chat-log__message")
    await expect(message).to_contain_text("请走到门牌前")
    await expect(message).to_be_visible()
    await _seek(desk, moment - 1)
    await expect(message).to_be_hidden()
    await _seek(desk, moment)
    await expect(message).to_be_visible()

    # The snapshot: in the list, in its lane and from its own picture the way leads to the very frame.
    number = await snapshot_number(desk, taken["body"]["snapshot"], appointment.id)
    assert number is not None
    picture = desk.locator(f'photo-strip [data-snapshot="{taken["body"]["snapshot"]}"]')
    await desk.get_by_role("tab", name="时间线").click()
    ways = [
        desk.locator(f'event-list [data-seq="{taken["seq"]}"] button'),
        desk.locator('event-timeline [data-kind="snapshot"] .timeline__point'),
    ]
    for way in ways:
        await _seek(desk, 0)
        await expect(picture).to_be_hidden()
        await way.click()
        await _shows(desk, number)
        await expect(picture).to_be_visible()
    moment = await _now(desk)
    await _seek(desk, moment - 1)
    await expect(picture).to_be_hidden()
    await _seek(desk, 1e15)
    await picture.locator("button").click()
    await desk.locator("photo-dialog [data-seek]").click()
    assert await _now(desk) == moment
    await _shows(desk, number)
    await desk.set_viewport_size({"width": 390, "height": 844})
    await expect(line).to_be_visible()


async def _now(page: Page) -> float:
    now: float = await page.evaluate("document.querySelector('inspection-replay').clock.now()")
    return now


async def _seek(page: Page, moment: float) -> None:
    await page.evaluate("(to) => document.querySelector('inspection-replay').clock.seek(to)", moment)


async def _shows(page: Page, number: int) -> None:
    """Until the site's picture stands still, and then it is that frame."""
    await until(
        page,
        """[...document.querySelectorAll('replay-video[data-role="enterprise"] video:not([hidden])')]
        .every((one) => !one.seeking && one.readyState >= 2)""",
    )
    shown = await read_counter(page, 'replay-video[data-role="enterprise"] video:not([hidden])')
    assert shown == number

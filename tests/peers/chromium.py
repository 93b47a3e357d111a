"""Debian's Chromium under Playwright, as a phone and as a reviewer's desk."""

import asyncio
import base64
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from playwright.async_api import Browser, BrowserContext, Page, Playwright, async_playwright

from tests.peers import counter

EXECUTABLE = Path(os.environ.get("YUNKAN_TEST_CHROMIUM", "/usr/bin/chromium"))

FLAGS = (
    "--no-sandbox",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    # aioice and Chromium both leave loopback out by default; the tests' traffic stays on it.
    "--allow-loopback-in-peer-connection",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--disable-background-networking",
    "--disable-component-update",
)

# For `add_init_script`: a page's RTCPeerConnections in `connections`.
REMEMBER_CONNECTIONS = """
globalThis.connections = [];
const Real = RTCPeerConnection;
globalThis.RTCPeerConnection = class extends Real {
  constructor(...how) { super(...how); connections.push(this); }
};
"""

_LUMA = """
(video, [width, height]) => {
  if (video.readyState < 2) return null;
  const canvas = document.createElement("canvas");
  canvas.width = width; canvas.height = height;
  const context = canvas.getContext("2d", {willReadFrequently: true});
  context.drawImage(video, 0, 0, width, height);
  const {data} = context.getImageData(0, 0, width, height);
  let luma = "";
  for (let i = 0; i < data.length; i += 4)
    luma += String.fromCharCode((data[i] * 77 + data[i + 1] * 150 + data[i + 2] * 29) >> 8);
  return btoa(luma);
}
"""
_LUMA_SIZE = (320, 180)


@dataclass(frozen=True)
class Chromium:
    """A running browser; each context is a person's own browser profile."""

    playwright: Playwright
    browser: Browser

    @asynccontextmanager
    async def phone(
        self,
        base_url: str,
        *,
        locale: str = "zh-CN",
        permissions: Sequence[str] | None = None,
        **differences: Any,
    ) -> AsyncIterator[BrowserContext]:
        """A Pixel 7 that has granted camera, microphone and location (or just `permissions`), with `differences`."""
        device = {**self.playwright.devices["Pixel 7"], **differences}
        device.pop("default_browser_type", None)
        granted = ["camera", "microphone", "geolocation"] if permissions is None else list(permissions)
        context = await self.browser.new_context(
            **device,
            base_url=base_url,
            locale=locale,
            timezone_id="Asia/Shanghai",
            permissions=granted,
            geolocation={"latitude": 37.5878, "longitude": 118.5473, "accuracy": 12},
            ignore_https_errors=True,
        )
        async with _closing(context):
            yield context

    @asynccontextmanager
    async def desk(self, base_url: str, *, locale: str = "zh-CN") -> AsyncIterator[BrowserContext]:
        """A reviewer's desktop browser, 1366x768, with a microphone."""
        context = await self.browser.new_context(
            base_url=base_url,
            locale=locale,
            timezone_id="Asia/Shanghai",
            viewport={"width": 1366, "height": 768},
            permissions=["microphone", "camera"],
            ignore_https_errors=True,
        )
        async with _closing(context):
            yield context


@asynccontextmanager
async def chromium(*, camera: Path | None = None, flags: Sequence[str] = ()) -> AsyncIterator[Chromium]:
    """Launch Chromium, with `camera` (.mjpeg or .y4m) as what its fake camera sees, and close it whatever happens."""
    arguments = [*FLAGS, *flags]
    if camera is not None:
        arguments.append(f"--use-file-for-fake-video-capture={camera}")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=EXECUTABLE, args=arguments)
        try:
            yield Chromium(playwright, browser)
        finally:
            await browser.close()


@asynccontextmanager
async def _closing(context: BrowserContext) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await context.close()


async def read_counter(page: Page, selector: str) -> int | None:
    """The number of the frame a <video> shows now; None while it shows none that can be read."""
    luma = await page.locator(selector).evaluate(_LUMA, list(_LUMA_SIZE))
    if luma is None:
        return None
    width, height = _LUMA_SIZE
    pixels = np.frombuffer(base64.b64decode(luma), np.uint8)
    return counter.read(pixels.reshape(height, width))


async def until(page: Page, expression: str) -> None:
    """Until a JavaScript expression holds. Playwright's own waiting evaluates text inside the page, which our
    content security policy rightly forbids."""
    async with asyncio.timeout(30):
        while not await page.evaluate(expression):
            await page.wait_for_timeout(50)

"""Chromium sees the counter camera, and its numbers are read off the page."""

import asyncio
import itertools
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.peers import build_camera
from tests.peers.chromium import EXECUTABLE, chromium, read_counter

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not EXECUTABLE.exists(), reason="Chromium is not installed"),
]

PAGE = """<!doctype html><meta charset="utf-8"><title>camera</title>
<meta name="viewport" content="width=device-width">
<video autoplay muted playsinline style="width: 100%"></video><script type="module">
document.querySelector("video").srcObject = await navigator.mediaDevices.getUserMedia({video: true, audio: true});
</script>"""
FRAMES = 90


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "index.html").write_text(PAGE, "utf-8")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


async def test_the_phone_shows_running_numbers_from_the_camera_file(address: str, tmp_path: Path) -> None:
    camera = build_camera.build(tmp_path / "camera.mjpeg", frames=FRAMES)
    async with chromium(camera=camera) as browser, browser.phone(address) as context:
        page = await context.new_page()
        await page.goto("/")
        seen: list[int] = []
        async with asyncio.timeout(30):
            while len(seen) < 5 or not any(later < sooner for sooner, later in itertools.pairwise(seen)):
                number = await read_counter(page, "video")
                if number is not None and seen[-1:] != [number]:
                    seen.append(number)
        assert set(seen) <= set(range(FRAMES))
        assert await page.evaluate("innerWidth") == 412


async def test_a_video_without_a_picture_has_no_number(address: str) -> None:
    async with chromium() as browser, browser.desk(address) as context:
        page = await context.new_page()
        await page.set_content("<video></video>")
        assert await read_counter(page, "video") is None
        assert await page.evaluate("[innerWidth, innerHeight]") == [1366, 768]

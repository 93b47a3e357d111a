"""Firefox publishes into a slot and watches it, with the pages' own modules."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from ipaddress import ip_address
from pathlib import Path

import pytest

from server.media import MediaConfig, MediaEngine, Part, Session, Slot
from server.media.engine import candidate_hosts
from tests.media.peers import Observer, until
from tests.media.test_chromium import serve
from tests.media.test_recording import stem
from tests.peers.firefox import firefox, require_firefox

pytestmark = pytest.mark.browser

PUBLISH = """
import("/static/js/lib/whip.js").then(async ({Publisher}) => {
  globalThis.publisher = new Publisher({base: location.origin, token: "t"});
  const video = {width: 640, height: 360};
  await publisher.publish(await navigator.mediaDevices.getUserMedia({audio: true, video}));
})
"""
VIEW = """
import("/static/js/lib/whep.js").then(async ({Viewer}) => {
  globalThis.viewer = new Viewer({base: location.origin, token: "t", slot: "camera"});
  const video = document.querySelector("video");
  video.srcObject = await viewer.play();
})
"""


@pytest.fixture
async def engine() -> AsyncIterator[MediaEngine]:
    """On an address of the machine itself, as Firefox does not go to loopback. (Traffic to it stays inside.)"""
    require_firefox()
    (address, *_) = candidate_hosts(MediaConfig(address="0.0.0.0"))
    if ip_address(address).is_loopback:
        pytest.skip("the machine has no address but loopback")
    opened = await MediaEngine.open(MediaConfig(address=address))
    yield opened
    await opened.close()


async def test_firefox_publishes_and_watches(
    slot: Slot, observer: Observer, directory: Path, tmp_path: Path
) -> None:
    slot.start_recording(directory, stem)
    async with AsyncExitStack() as stack:
        sessions: dict[str, Session] = {}
        url = await serve(stack, slot, sessions)
        tab = await stack.enter_async_context(firefox(tmp_path))
        await tab.goto(url)
        await tab.evaluate(PUBLISH)
        await observer.wait_for("live", timeout_s=60)
        await tab.evaluate(VIEW)
        await tab.until("viewer.stats().then(stats => (stats?.frames ?? 0) > 20)")
        await tab.until("document.querySelector('video').videoWidth > 0")
        await until(lambda: slot.stats().bytes_recorded > 10_000)
        stats = slot.stats()
        assert stats.video_codec in ("VP8", "H264")
        assert stats.audio_codec == "opus"
        await tab.evaluate("[publisher.close(), viewer.close()].length")
    part: Part = await observer.wait_for("closed")
    assert part.video is not None
    assert part.audio
    assert part.duration_s > 0.5

"""Firefox publishes into a slot and watches it, with the pages' own modules."""

import os
import subprocess
import sys
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


# A pair of interfaces in a network namespace, with a way out that leads nowhere: to Firefox, a network.
NETWORK = """
ip link set lo up && ip link add inside type veth peer name outside && ip addr add 192.0.2.7/24 dev inside &&
ip link set inside up && ip link set outside up && ip route add default via 192.0.2.8 && exec "$@"
"""


def own_address() -> str:
    """The first that others could reach, else one of loopback."""
    (address, *_) = candidate_hosts(MediaConfig(address="0.0.0.0"))
    return address


def is_alone() -> bool:
    return ip_address(own_address()).is_loopback


@pytest.fixture
async def engine() -> AsyncIterator[MediaEngine]:
    """On an address of the machine itself, as Firefox does not go to loopback. (Traffic to it stays inside.)"""
    require_firefox()
    opened = await MediaEngine.open(MediaConfig(address=own_address()))
    yield opened
    await opened.close()


@pytest.mark.skipif(not is_alone(), reason="the machine has a network of its own")
def test_without_a_network_firefox_publishes_and_watches_in_one_made_for_it() -> None:
    rights = [] if os.geteuid() == 0 else ["--map-root-user"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(
        ["unshare", *rights, "--net", "sh", "-c", NETWORK, "sh", *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


@pytest.mark.skipif(is_alone(), reason="Firefox needs a network: see the test before")
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

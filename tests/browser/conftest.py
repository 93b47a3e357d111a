"""A service of its own and a Chromium whose camera shows numbered frames."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.browser.house import House
from tests.cast import Appointment, Office
from tests.peers import build_camera
from tests.peers.chromium import EXECUTABLE, Chromium, chromium
from tests.service import Service

CAMERA_FRAMES = 60 * build_camera.FPS


@pytest.fixture(scope="session")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_camera.build(tmp_path_factory.mktemp("camera") / "camera.mjpeg", CAMERA_FRAMES)


@pytest.fixture
async def browser(camera: Path) -> AsyncIterator[Chromium]:
    require_chromium()
    async with chromium(camera=camera) as running:
        yield running


def require_chromium() -> None:
    if not EXECUTABLE.exists():
        reason = "no Chromium is installed (Debian: chromium)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(camera: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """For files whose tests share a service and a browser (`pytest.mark.asyncio(loop_scope="module")`)."""
    require_chromium()
    service = Service(tmp_path_factory.mktemp("house"))
    office, _ = await service.prepare()
    await service.start()
    async with chromium(camera=camera) as browser:
        yield House(service, office, browser)
    await service.stop()


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


@pytest.fixture
async def cast(service: Service) -> AsyncIterator[tuple[Office, Appointment]]:
    """The service runs, with the standing cast."""
    people = await service.prepare()
    await service.start()
    yield people
    await service.stop()

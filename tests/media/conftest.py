"""An engine on loopback, and peers that are closed whatever happens."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiortc import MediaStreamTrack

from server.media import MediaConfig, MediaEngine, Slot
from tests.media.peers import Desk, LossySocket, Observer, Phone, lossy_engine


@pytest.fixture
async def engine() -> AsyncIterator[MediaEngine]:
    opened = await MediaEngine.open(MediaConfig())
    yield opened
    await opened.close()
    assert opened.counters.failures == 0


@pytest.fixture
async def lossy() -> AsyncIterator[tuple[MediaEngine, LossySocket]]:
    opened, network = await lossy_engine()
    yield opened, network
    await opened.close()
    assert opened.counters.failures == 0


@pytest.fixture
def observer() -> Observer:
    return Observer()


@pytest.fixture
def slot(engine: MediaEngine, observer: Observer) -> Slot:
    return engine.open_slot("camera-1", observer)


class Peers:
    """Makes peers and closes them in the end."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack

    def phone(self, *tracks: MediaStreamTrack, codec: str = "H264") -> Phone:
        made = Phone(tracks, codec)
        self._stack.push_async_callback(made.close)
        return made

    def desk(self, *kinds: str, codec: str | None = None) -> Desk:
        made = Desk(kinds or ("video", "audio"), codec)
        self._stack.push_async_callback(made.close)
        return made


@pytest.fixture
async def peers() -> AsyncIterator[Peers]:
    async with AsyncExitStack() as stack:
        yield Peers(stack)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "media"

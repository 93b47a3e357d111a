from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession

from server.demo.joining import Joined, join
from tests.unit.demo.service import Service, serving


@pytest.fixture
async def running() -> AsyncIterator[tuple[Service, str]]:
    async with serving() as pair:
        yield pair


@pytest.fixture
def service(running: tuple[Service, str]) -> Service:
    return running[0]


@pytest.fixture
def address(running: tuple[Service, str]) -> str:
    return running[1]


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


@pytest.fixture
async def joined(session: ClientSession, address: str) -> Joined:
    return await join(session, address, "link", "王芳")

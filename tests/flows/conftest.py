"""The whole application over HTTP, on a real database, with a clock that tests set."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from argon2 import PasswordHasher

from server.app import build
from server.inspections.keys import JOURNAL
from server.settings import Settings
from server.web.keys import DATABASE
from tests.cast import Appointment, Office, appoint, found_office
from tests.clock import SettableClock

Client = TestClient[web.Request, web.Application]


@pytest.fixture(autouse=True, scope="session")
def quick_passwords() -> Iterator[None]:
    """The real algorithm with its least cost: a flow is not about how long a hash takes."""
    with pytest.MonkeyPatch.context() as patch:
        quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        patch.setattr("server.accounts.passwords._hasher", quick)
        yield


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return Settings(data=tmp_path / "data", database_url=database_url, reserve_bytes=0)


@pytest.fixture
async def app(settings: Settings, clock: SettableClock) -> web.Application:
    return build(settings, clock)


@pytest.fixture
async def server(app: web.Application) -> AsyncIterator[TestServer]:
    running = TestServer(app, host="127.0.0.1")
    await running.start_server()
    yield running
    await running.close()


@pytest.fixture
async def new_client(server: TestServer) -> AsyncIterator[Callable[[], Awaitable[Client]]]:
    """Makes further browsers: each has cookies of its own."""
    clients: list[Client] = []

    async def make() -> Client:
        client = TestClient(server)
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.session.close()


@pytest.fixture
async def client(new_client: Callable[[], Awaitable[Client]]) -> Client:
    """A browser that nobody signed in with."""
    return await new_client()


@pytest.fixture
async def office(server: TestServer, app: web.Application) -> Office:
    """The standing cast, in a running application."""
    return await found_office(app[DATABASE], app[JOURNAL])


@pytest.fixture
async def appointment(app: web.Application, office: Office) -> Appointment:
    """An inspection that may be joined now."""
    return await appoint(app[DATABASE], app[JOURNAL], office)

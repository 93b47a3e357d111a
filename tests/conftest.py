"""Fixtures that more than one kind of test uses: databases at the newest schema, the settable clock."""

import asyncio
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from server.db.migrate import upgrade
from server.web.languages import current_language
from tests.clock import SettableClock
from tests.postgres import find_binaries, running_postgres

BACKENDS = ("sqlite", "postgresql")
MEDIA = Path(__file__).parent / "media"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if MEDIA in item.path.parents:
            item.add_marker(pytest.mark.realtime)


@pytest.fixture(autouse=True)
def logging_stays_as_it_was() -> Iterator[None]:
    """A command that a test runs in its own process sets logging up, on a stream that ends with the test."""
    kept = structlog.get_config()
    yield
    structlog.configure(**kept)


@pytest.fixture(autouse=True)
def nobody_has_spoken_yet() -> None:
    """A command that a test runs in its own process may leave its language behind."""
    current_language.set("zh-CN")


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database at the newest revision; tests copy it."""
    path = tmp_path_factory.mktemp("sqlite") / "template.sqlite3"
    upgrade(f"sqlite+aiosqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A PostgreSQL's URL without a database: the one named by the environment, or one of our own."""
    if given := os.environ.get("YUNKAN_TEST_DATABASE_URL"):
        yield given.rpartition("/")[0].replace("postgresql://", "postgresql+asyncpg://")
        return
    binaries = find_binaries()
    if binaries is None:
        reason = "no PostgreSQL is installed (Debian: postgresql)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with running_postgres(binaries) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> Iterator[str]:
    """The name of an empty database at the newest revision."""
    name = f"yunkan_template_{secrets.token_hex(4)}"
    asyncio.run(_execute(postgres_server, f"CREATE DATABASE {name}"))
    upgrade(f"{postgres_server}/{name}")
    yield name
    asyncio.run(_execute(postgres_server, f"DROP DATABASE {name}"))


@pytest.fixture(params=BACKENDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of the test's own, at the newest revision: on SQLite, then on PostgreSQL."""
    if request.param == "sqlite":
        path = tmp_path / "test.sqlite3"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite+aiosqlite:///{path}"
        return
    server: str = request.getfixturevalue("postgres_server")
    template: str = request.getfixturevalue("postgres_template")
    name = f"yunkan_{secrets.token_hex(6)}"
    asyncio.run(_execute(server, f"CREATE DATABASE {name} TEMPLATE {template}"))
    yield f"{server}/{name}"
    asyncio.run(_execute(server, f"DROP DATABASE {name} WITH (FORCE)"))


async def _execute(server: str, statement: str) -> None:
    engine = create_async_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(statement))
    await engine.dispose()

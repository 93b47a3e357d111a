"""Who is cancelled in the middle of a transaction holds up nobody, and nothing of it is kept."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from server.db import Database

# Some tenths of a second of work for the database.
SLOW = text(
    "WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 1000000)"
    " SELECT count(*) FROM counted"
)
INSERT = text("INSERT INTO noted VALUES (1)")


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/a.sqlite3")
    async with database.transaction() as session:
        await session.execute(text("CREATE TABLE noted (n INTEGER)"))
    yield database
    await database.close()


async def cancelled_in_a_statement(database: Database) -> asyncio.Task[None]:
    begun = asyncio.Event()

    async def work() -> None:
        async with database.transaction() as session:
            await session.execute(INSERT)
            begun.set()
            await session.execute(SLOW)

    task = asyncio.create_task(work())
    await begun.wait()
    await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.wait([task])
    return task


async def test_the_next_one_writes_at_once(database: Database) -> None:
    gc.disable()  # which would free what the cancelled task's traceback holds, at some time
    try:
        task = await cancelled_in_a_statement(database)
        assert task.cancelled()
        async with database.transaction() as session:
            await session.execute(INSERT)
            assert await session.scalar(text("SELECT count(*) FROM noted")) == 1
    finally:
        gc.enable()


async def test_an_error_within_a_cancelled_transaction_is_the_cancellation(database: Database) -> None:
    async def work() -> None:
        while True:
            try:
                async with database.transaction():
                    try:
                        await asyncio.sleep(60)
                    finally:
                        raise RuntimeError
            except Exception:  # as those do who try again and again
                continue

    task = asyncio.create_task(work())
    await asyncio.sleep(0.05)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=5)
    assert done
    assert task.cancelled()

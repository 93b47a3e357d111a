"""One engine, two ways in: `transaction()` for verbs that change something, `reading()` for those that do not."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from server.rounds import cancellation_first

_AFTER_COMMIT = "after_commit"


def after_commit(session: AsyncSession, callback: Callable[[], None]) -> None:
    """Have `callback` called once this transaction is durable; never if it rolls back."""
    session.info.setdefault(_AFTER_COMMIT, []).append(callback)


class Database:
    """Owns the engine. SQLite runs in WAL with durable commits; writers take the lock when they begin,
    so that a transaction which read first cannot fail when it comes to write."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        self.engine: AsyncEngine = create_async_engine(
            url,
            pool_pre_ping=not self.is_sqlite,
            connect_args={"factory": _SqliteConnection} if self.is_sqlite else {},
        )
        self._read_engine = self.engine.execution_options(read_only=True)
        if self.is_sqlite:
            event.listen(self.engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(self.engine.sync_engine, "begin", _begin_sqlite)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Leaving commits, raising rolls back; then the `after_commit` callbacks run."""
        with cancellation_first():
            async with AsyncSession(self.engine, expire_on_commit=False) as session:
                async with session.begin():
                    yield session
                for callback in session.info.pop(_AFTER_COMMIT, []):
                    callback()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A consistent view that takes no write lock and never commits."""
        with cancellation_first():
            async with AsyncSession(self._read_engine, expire_on_commit=False) as session:
                yield session

    async def close(self) -> None:
        await self.engine.dispose()


class _SqliteConnection(sqlite3.Connection):
    """Who is cancelled while a statement runs has its connection closed, and SQLite keeps a closed connection, with its
    lock, for as long as anything (a traceback) holds a statement of it: so the transaction ends first."""

    def close(self) -> None:
        with suppress(sqlite3.Error):
            self.rollback()
        super().close()


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own implicit BEGIN is late and deferred; `_begin_sqlite` says when and how.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "busy_timeout=15000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    read_only = connection.get_execution_options().get("read_only", False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

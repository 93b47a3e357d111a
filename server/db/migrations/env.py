"""Alembic's entry: one connection of the async engine, in one transaction."""

from __future__ import annotations

import asyncio

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine


def _run(connection: Connection) -> None:
    # The tables to compare with are passed in: the kernel knows no feature.
    context.configure(
        connection=connection, target_metadata=context.config.attributes.get("metadata"), render_as_batch=True
    )
    with context.begin_transaction():
        context.run_migrations()


async def _main() -> None:
    engine = create_async_engine(context.config.attributes["url"])
    async with engine.begin() as connection:
        await connection.run_sync(_run)
    await engine.dispose()


asyncio.run(_main())

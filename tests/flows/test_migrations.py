"""The migrations make exactly the tables that the code describes, on both databases."""

import asyncio

from server.db.migrate import differences
from server.tables import METADATA


async def test_the_newest_schema_is_what_the_tables_say(database_url: str) -> None:
    await asyncio.to_thread(differences, database_url, METADATA)

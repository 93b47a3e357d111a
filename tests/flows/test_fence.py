"""What is in a log stays as it is: the database itself refuses everything but one more line."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from server.accounts.rules import system_actor
from server.archive.access import VIEWED, record_access
from server.db import Database
from server.evidence import keys
from server.evidence.officelog import OPEN
from server.inspections.log import Journal
from server.officelog.entries import append_entry
from server.officelog.heads import sign_head
from server.officelog.models import HeadStamp
from server.settings import Settings
from tests.cast import appoint, found_office
from tests.clock import SettableClock

TABLES = {
    "events": "type",
    "accesses": "type",
    "office_entries": "kind",
    "office_heads": "document",
    "office_head_stamps": "root_pem",
}
"""Every fenced table, and a column of it."""
REPLACED = {
    "events": "inspection_id, seq",
    "accesses": "inspection_id, seq",
    "office_entries": '"index"',
    "office_heads": "number",
    "office_head_stamps": "head, authority",
}
REFUSED = "only ever added to"


@pytest.fixture
async def database(database_url: str, settings: Settings, clock: SettableClock) -> Any:
    """Two lines or more in each log."""
    database, journal = Database(database_url), Journal(clock, lambda _: None)
    office = await found_office(database, journal)
    appointment = await appoint(database, journal, office)
    own = keys.init(settings.key_folder, "局", clock.now())
    async with database.transaction() as session:
        for _ in range(2):
            await record_access(session, clock, system_actor(), appointment.id, VIEWED, {})
        await append_entry(session, OPEN, appointment.id, clock.now())
        for _ in range(2):
            head = await sign_head(session, own, clock.now())
            session.add(HeadStamp(head=head.number, authority=1, at=clock.now(), reply=b"r", root_pem="pem"))
    yield database
    await database.close()


async def refuse(database: Database, statement: str) -> None:
    with pytest.raises(DBAPIError, match=REFUSED):
        async with database.transaction() as session:
            await session.execute(text(statement))


async def content(database: Database, table: str) -> list[Any]:
    async with database.reading() as session:
        return [tuple(row) for row in await session.execute(text(f"SELECT * FROM {table} ORDER BY 1, 2"))]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("act", ["UPDATE {table} SET {column} = 'x'", "DELETE FROM {table}"])
async def test_no_line_is_changed_or_removed(database: Database, table: str, act: str) -> None:
    before = await content(database, table)
    assert len(before) > 1
    await refuse(database, act.format(table=table, column=TABLES[table]))
    assert await content(database, table) == before


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_no_table_is_emptied_at_a_stroke(database: Database, table: str) -> None:
    await refuse(database, f"TRUNCATE {table} CASCADE")


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("by", ["key", "row number"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_no_line_is_replaced(database: Database, table: str, by: str) -> None:
    async with database.reading() as session:
        found = await session.execute(text(f"SELECT rowid AS rowid_, * FROM {table} ORDER BY 1 LIMIT 1"))
        row = dict(found.mappings().one())
    number = row.pop("rowid_")
    row[TABLES[table]] = "x"
    if by == "row number":  # the line's own key is another one
        for name in REPLACED[table].replace('"', "").split(", "):
            row[name] = row[name] + 1000 if isinstance(row[name], int) else f"{row[name]}x"
        row["rowid"] = number
        if table in ("office_entries", "office_heads"):
            del row["rowid"]  # their key is the row's number
            row[REPLACED[table].replace('"', "")] = number
    names = ", ".join(f'"{name}"' for name in row)
    values = ", ".join(f":{name}" for name in row)
    before = await content(database, table)
    for words in ("INSERT OR REPLACE", "REPLACE"):
        with pytest.raises(DBAPIError, match=REFUSED):
            async with database.transaction() as session:
                await session.execute(text(f"{words} INTO {table} ({names}) VALUES ({values})"), row)
    with pytest.raises(DBAPIError, match=REFUSED):
        async with database.transaction() as session:
            await session.execute(text("PRAGMA recursive_triggers = OFF"))
            await session.execute(
                text(f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({values})"),
                row,
            )
    assert await content(database, table) == before


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_no_entry_is_replaced_by_one_that_says_the_same_once_more(database: Database) -> None:
    statement = (
        "INSERT OR REPLACE INTO office_entries SELECT 1000, kind, inspection_id, seq, at, 'x', leaf, peaks "
        "FROM office_entries WHERE kind = 'open'"
    )
    await refuse(database, statement)


async def test_one_more_line_is_taken_and_the_same_one_is_not_taken_twice(
    database: Database, clock: SettableClock
) -> None:
    async with database.transaction() as session:
        await append_entry(session, OPEN, "another", clock.now())
    with pytest.raises(IntegrityError):
        async with database.transaction() as session:
            session.add(HeadStamp(head=1, authority=1, at=clock.now(), reply=b"r", root_pem="pem"))

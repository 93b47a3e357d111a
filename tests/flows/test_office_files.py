"""The office's log as files beside the evidence, and back into an empty database."""

from pathlib import Path

import pytest
from sqlalchemy import delete, select, text

from server.archive.office_log import HeadKeeper
from server.db import Database
from server.evidence import keys
from server.evidence.officelog import OPEN
from server.officelog.checking import walk
from server.officelog.entries import append_entry
from server.officelog.mirror import ENTRIES, FOLDER, HEADS, BadMirror, Mirror, MirrorDiffers, restore
from server.officelog.models import OfficeEntry, OfficeHead
from server.settings import Settings
from tests.clock import SettableClock


async def write(database: Database, settings: Settings, clock: SettableClock, names: str) -> Path:
    """Entries and a head, and their files."""
    if not settings.key_folder.exists():
        keys.init(settings.key_folder, "局", clock.now())
    async with database.transaction() as session:
        for name in names:
            await append_entry(session, OPEN, name, clock.now(), seq=7)
    clock.advance(hours=2)
    await HeadKeeper(settings, clock, database).run_once()
    return settings.data / FOLDER


async def wipe(database: Database) -> None:
    async with database.transaction() as session:
        for table in ("office_entries", "office_heads"):
            fence = f"fence_{table}_delete" if database.is_sqlite else f"fence_{table} ON {table}"
            await session.execute(text(f"DROP TRIGGER {fence}"))
        await session.execute(delete(OfficeEntry))
        await session.execute(delete(OfficeHead))


async def test_the_files_bring_the_log_back_as_it_was(settings: Settings, clock: SettableClock) -> None:
    database = Database(settings.database)
    await write(database, settings, clock, "ab")
    folder = await write(database, settings, clock, "cde")
    # A kill in the middle of a line, and another worker that has not counted yet.
    with (folder / ENTRIES).open("ab") as file:
        file.write(b'{"at":"2026')
    await write(database, settings, clock, "f")

    async def rows() -> list[tuple[object, ...]]:
        async with database.reading() as session:
            entries = await session.scalars(select(OfficeEntry).order_by(OfficeEntry.index))
            heads = await session.scalars(select(OfficeHead).order_by(OfficeHead.number))
            return [(e.kind, e.inspection_id, e.seq, e.record, e.leaf, tuple(e.peaks)) for e in entries] + [
                (h.number, h.document, h.root) for h in heads
            ]

    before = await rows()
    assert len(before) == 2 + 6 + 3
    async with database.transaction() as session:
        assert await restore(session, folder) == 0, "nothing is missing"
    await wipe(database)
    async with database.transaction() as session:
        assert await restore(session, folder) == 8
        assert (await walk(session, None)).fault is None
    assert await rows() == before
    async with database.reading() as session:
        await Mirror(folder).update(session)
    await write(database, settings, clock, "g")
    assert len((folder / ENTRIES).read_bytes().splitlines()) == 9
    await database.close()


async def test_a_copy_of_the_database_from_some_time_ago_gets_what_came_later(
    settings: Settings, clock: SettableClock
) -> None:
    database = Database(settings.database)
    folder = await write(database, settings, clock, "ab")
    old = [(folder / name).read_bytes() for name in (ENTRIES, HEADS)]
    await write(database, settings, clock, "c")
    new = [(folder / name).read_bytes() for name in (ENTRIES, HEADS)]
    await wipe(database)

    async def take(files: list[bytes]) -> int:
        for name, data in zip((ENTRIES, HEADS), files, strict=True):
            (folder / name).write_bytes(data)
        async with database.transaction() as session:
            return await restore(session, folder)

    assert await take(old) == 4
    other = new[0].replace(b'"inspection":"a"', b'"inspection":"x"')
    with pytest.raises(BadMirror, match="another entry"):
        await take([other, new[1]])
    assert await take(new) == 1
    async with database.reading() as session:
        assert (await walk(session, None)).fault is None
    await database.close()


async def test_files_and_database_that_differ_are_told_apart(
    settings: Settings, clock: SettableClock
) -> None:
    database = Database(settings.database)
    folder = await write(database, settings, clock, "ab")
    lines = (folder / ENTRIES).read_bytes().splitlines(keepends=True)
    (folder / ENTRIES).write_bytes(b"".join(lines[:-1]) + lines[-1].replace(b'"key"', b'"KEY"'))
    async with database.reading() as session:
        with pytest.raises(MirrorDiffers):
            await Mirror(folder).update(session)
    keeper = HeadKeeper(settings, clock, database)
    await keeper.run_once()
    assert keeper.problem is not None
    assert keeper.problem.code == "mirror_differs"
    await wipe(database)
    for name, data in {
        ENTRIES: b"".join([lines[1], lines[0], *lines[2:]]),
        HEADS: (folder / HEADS).read_bytes().replace(b'"size":4', b'"size":3'),
    }.items():
        (folder / ENTRIES).write_bytes(b"".join(lines))
        kept = (folder / name).read_bytes()
        (folder / name).write_bytes(data)
        with pytest.raises(BadMirror):
            async with database.transaction() as session:
                await restore(session, folder)
        (folder / name).write_bytes(kept)
    await database.close()

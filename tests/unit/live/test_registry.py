"""A room has one owner; the epoch rises with each acquisition."""

from pathlib import Path

import pytest

from server.clock import SystemClock
from server.db import Database
from server.inspections.log import Journal
from server.live.registry import LEASE, RoomElsewhere, acquire, renew
from tests.cast import appoint, found_office
from tests.clock import SettableClock


async def test_the_epoch_rises_and_a_running_lease_keeps_others_out(
    database_url: str, tmp_path: Path
) -> None:
    database, clock = Database(database_url), SettableClock()
    journal = Journal(SystemClock(), lambda _: None)
    inspection = (await appoint(database, journal, await found_office(database, journal))).id
    try:
        async with database.transaction() as session:
            assert await acquire(session, inspection, "a", clock.now()) == 1
        async with database.transaction() as session:
            assert await acquire(session, inspection, "a", clock.now()) == 2
        with pytest.raises(RoomElsewhere):
            async with database.transaction() as session:
                await acquire(session, inspection, "b", clock.now())
        clock.advance(seconds=LEASE.total_seconds() - 1)
        async with database.transaction() as session:
            await renew(session, inspection, "a", 2, clock.now())
        clock.advance(seconds=LEASE.total_seconds() - 1)
        with pytest.raises(RoomElsewhere):
            async with database.transaction() as session:
                await acquire(session, inspection, "b", clock.now())
        clock.advance(seconds=2)
        async with database.transaction() as session:
            assert await acquire(session, inspection, "b", clock.now()) == 3
        with pytest.raises(RoomElsewhere):
            async with database.transaction() as session:
                await renew(session, inspection, "a", 2, clock.now())
    finally:
        await database.close()

"""Rounds outlive what goes wrong in them, but not being closed."""

from __future__ import annotations

import asyncio

import pytest

from server.rounds import Rounds, cancellation_first


async def test_a_round_that_fails_is_followed_by_the_next() -> None:
    rounds = 0
    third = asyncio.Event()

    async def fail() -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 3:
            third.set()
        raise RuntimeError

    task = Rounds("failing", fail, 0.001)
    task.start()
    async with asyncio.timeout(5):
        await third.wait()
        await task.close()


async def test_a_round_whose_cancellation_comes_out_as_an_error_is_the_last_one() -> None:
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            raise RuntimeError("what was held could not be let go")

    task = Rounds("held up", work, 60)
    task.start()
    async with asyncio.timeout(5):
        await begun.wait()
        await task.close()


async def test_an_error_stays_one_where_nothing_is_cancelled_and_a_time_limit_stays_a_time_limit() -> None:
    with pytest.raises(RuntimeError), cancellation_first():
        raise RuntimeError
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            with cancellation_first():
                try:
                    await asyncio.sleep(60)
                finally:
                    raise RuntimeError
    with pytest.raises(RuntimeError), cancellation_first():
        raise RuntimeError

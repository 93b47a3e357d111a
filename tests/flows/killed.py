"""A service in a process of its own that is killed at one step of sealing.

It is forked from a process that has imported the house once: importing it anew for each step takes longer than sealing.
"""

import asyncio
import multiprocessing
import os
import signal
from pathlib import Path

from aiohttp import web

from server.app import build
from server.archive import sealing
from server.archive.sealing import Sealer
from server.settings import Settings

POLL_S = 0.05
"""How soon what one task left is found by the other: a machine that does nothing else need not wait seconds."""
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload([__name__, "pyhanko.sign.signers", "typst"])


def seal_until_killed(settings: Settings, step: str, told: Path, patience_s: float) -> int:
    """The exit code of a service that is killed as soon as it has `reached` that step; what it says goes to `told`."""
    process = _forks.Process(target=_serve, args=(settings, step, told), daemon=True)
    process.start()
    process.join(patience_s)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise TimeoutError(told.read_text())
    return process.exitcode


def _serve(settings: Settings, step: str, told: Path) -> None:
    output = os.open(told, os.O_WRONLY | os.O_CREAT)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sealing.POLL_S = POLL_S
    asyncio.run(_sealing(settings, step))


async def _sealing(settings: Settings, step: str) -> None:
    def reached(there: str) -> None:
        if there == step:
            os.kill(os.getpid(), signal.SIGKILL)

    start = Sealer.start

    def start_watched(sealer: Sealer) -> None:
        sealer.reached = reached
        start(sealer)

    Sealer.start = start_watched
    await web.AppRunner(build(settings)).setup()
    await asyncio.Event().wait()

"""Asks the time stamp authorities of the settings for what a seal still lacks."""

from __future__ import annotations

import asyncio
from pathlib import Path

from server.clock import Clock
from server.evidence import sealing, timestamps
from server.evidence.errors import EvidenceError
from server.officelog.authority import AuthorityUnreachable, ask

TIMEOUT_S = 20.0


async def stamp(folder: Path, authorities: list[tuple[str, Path]], clock: Clock) -> int:
    """How many authorities have stamped, all of them after this. AuthorityUnreachable, timestamps.BadStamp."""
    pending = await asyncio.to_thread(sealing.pending_stamps, folder, len(authorities))
    failure: EvidenceError | None = None
    done = len(authorities) - len(pending)
    for number in pending:
        address, root = authorities[number - 1]
        try:
            await _ask(folder, number, address, root, clock)
            done += 1
        except EvidenceError as error:  # the other authority may still answer
            failure = error
    if failure is not None:
        raise failure
    return done


async def _ask(folder: Path, number: int, address: str, root: Path, clock: Clock) -> None:
    signature = await asyncio.to_thread((folder / sealing.SIGNATURE).read_bytes)
    asked = timestamps.request(signature)
    reply = await ask(address, asked, TIMEOUT_S)
    try:
        roots = await asyncio.to_thread(root.read_bytes)
    except OSError as error:
        raise AuthorityUnreachable(address=address, detail=str(error)) from error
    await asyncio.to_thread(sealing.add_stamp, folder, number, reply, asked, roots, clock.now())

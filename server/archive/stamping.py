"""Asks the time stamp authorities of the settings for what a seal still lacks."""

from __future__ import annotations

import asyncio
from pathlib import Path

from server.clock import Clock
from server.evidence import sealing, timestamps
from server.evidence.errors import EvidenceError
from server.officelog.authority import AuthorityUnreachable, ask

TIMEOUT_S = 20.0


class Round:
    """One round over all that is pending: an authority that does not answer is not asked again in it."""

    def __init__(self, authorities: list[tuple[str, Path]], clock: Clock) -> None:
        self._authorities = authorities
        self._clock = clock
        self._away: dict[str, AuthorityUnreachable] = {}

    async def stamp(self, folder: Path) -> int:
        """How many authorities have stamped, all of them after this. AuthorityUnreachable, timestamps.BadStamp."""
        wanted = len(self._authorities)
        pending = await asyncio.to_thread(sealing.pending_stamps, folder, wanted)
        failure: EvidenceError | None = None
        done = wanted - len(pending)
        for number in pending:
            address, root = self._authorities[number - 1]
            try:
                if address in self._away:
                    raise self._away[address]
                await _ask(folder, number, address, root, self._clock)
                done += 1
            except EvidenceError as error:  # the other authority may still answer
                failure = error
                if isinstance(error, AuthorityUnreachable):
                    self._away[address] = error
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

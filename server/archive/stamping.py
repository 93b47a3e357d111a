"""Asks the time stamp authorities of the settings for what a seal still lacks."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiohttp import ClientError, ClientSession, ClientTimeout

from server.clock import Clock
from server.errors import N_
from server.evidence import sealing, timestamps
from server.evidence.errors import EvidenceError

TIMEOUT_S = 20.0


class AuthorityUnreachable(EvidenceError):
    code = "authority_unreachable"
    text = N_("The time stamp authority {address} did not answer: {detail}")


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
    try:
        async with (
            ClientSession(timeout=ClientTimeout(total=TIMEOUT_S)) as session,
            session.post(
                address, data=asked.body, headers={"Content-Type": timestamps.REQUEST_TYPE}
            ) as answer,
        ):
            if answer.status != 200:
                raise AuthorityUnreachable(address=address, detail=f"HTTP {answer.status}")
            reply = bytearray()
            async for piece in answer.content.iter_chunked(1 << 16):
                reply += piece
                if len(reply) > timestamps.MAX_REPLY:
                    raise AuthorityUnreachable(address=address, detail="too long")
        roots = await asyncio.to_thread(root.read_bytes)
    except (ClientError, TimeoutError, OSError) as error:
        raise AuthorityUnreachable(address=address, detail=str(error) or type(error).__name__) from error
    await asyncio.to_thread(sealing.add_stamp, folder, number, bytes(reply), asked, roots, clock.now())

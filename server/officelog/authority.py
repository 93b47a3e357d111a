"""One question to a time stamp authority."""

from __future__ import annotations

from aiohttp import ClientError, ClientSession, ClientTimeout

from server.errors import N_
from server.evidence import timestamps
from server.evidence.errors import EvidenceError


class AuthorityUnreachable(EvidenceError):
    code = "authority_unreachable"
    text = N_("The time stamp authority {address} did not answer: {detail}")


async def ask(address: str, asked: timestamps.StampRequest, timeout_s: float) -> bytes:
    """The reply as it came, not checked. AuthorityUnreachable."""
    try:
        async with (
            ClientSession(timeout=ClientTimeout(total=timeout_s)) as session,
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
            return bytes(reply)
    except (ClientError, TimeoutError, OSError) as error:
        raise AuthorityUnreachable(address=address, detail=str(error) or type(error).__name__) from error

"""How a folder of evidence leaves the house: as a zip, piece by piece, and not destroyed meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from urllib.parse import quote

from aiohttp import web

from server.archive.keys import SEALER
from server.web.keys import REQUEST_ID
from server.web.middlewares import SECURITY_HEADERS


@contextmanager
def kept_meanwhile(request: web.Request, inspection_id: str) -> Iterator[None]:
    """The inspection's disposal waits for this download."""
    downloads = request.app[SEALER].downloads
    downloads[inspection_id] += 1
    try:
        yield
    finally:
        downloads[inspection_id] -= 1


def file_headers(request: web.Request, media_type: str, disposition: str) -> dict[str, str]:
    """For an answer that is sent while it is made: it cannot get them afterwards."""
    return {
        **SECURITY_HEADERS,
        "X-Request-Id": request[REQUEST_ID],
        "Content-Type": media_type,
        "Content-Disposition": disposition,
        "Cache-Control": "no-store",
    }


async def send_zip(request: web.Request, name: str, pieces: AsyncIterator[bytes]) -> web.StreamResponse:
    """`name` without its ending. Memory does not grow with what is sent."""
    disposition = f"attachment; filename*=UTF-8''{quote(name)}.zip"
    response = web.StreamResponse(headers=file_headers(request, "application/zip", disposition))
    await response.prepare(request)
    async for piece in pieces:
        await response.write(piece)
    await response.write_eof()
    return response

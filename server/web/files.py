"""Files of the data folder as answers: never run, never framed, always asked for again."""

from __future__ import annotations

from aiohttp import web

from server.errors import NotFound
from server.web.keys import FILES

_NOTHING = "default-src 'none'; sandbox"
# A browser shows a recording that is opened by itself in a page of its own making, which needs these and no sandbox.
_PLAYER = "default-src 'none'; media-src 'self'; style-src 'unsafe-inline'"
_POLICIES = {"video": _PLAYER, "audio": _PLAYER}


def send_file(request: web.Request, path: str, media_type: str) -> web.StreamResponse:
    """`path`: relative to the data folder. NotFound if it is not there."""
    absolute = request.app[FILES].absolute(path)
    if not absolute.is_file():
        raise NotFound
    return web.FileResponse(
        absolute,
        headers={
            "Content-Type": media_type,
            "Cache-Control": "private, max-age=0, must-revalidate",
            "Content-Security-Policy": _POLICIES.get(media_type.partition("/")[0], _NOTHING),
        },
    )

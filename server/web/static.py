"""The files of `static/`, under an address that changes with their content.

The digest of the whole folder is a part of the path, so that relative imports of scripts and styles carry it along:
browsers may keep everything for ever, and a new release is never mixed with an old one.
"""

from __future__ import annotations

import hashlib
from functools import cache

from aiohttp import web

from server.errors import NotFound
from server.settings import ROOT

FOLDER = ROOT / "static"
FOR_EVER = "public, max-age=31536000, immutable"


@cache
def version() -> str:
    """Of the folder as it was when the service started."""
    digest = hashlib.sha256()
    for path in sorted(FOLDER.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(FOLDER).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def static_url(path: str) -> str:
    """The address of a file in `static/`; FileNotFoundError if there is none."""
    if not (FOLDER / path).is_file():
        raise FileNotFoundError(f"static/{path}")
    return f"/static/{version()}/{path}"


async def serve(request: web.Request) -> web.StreamResponse:
    """`GET /static/<version>/<path>`. Another release's version gets today's file, not to be kept."""
    path = (FOLDER / request.match_info["path"]).resolve()
    if not path.is_relative_to(FOLDER) or not path.is_file():
        raise NotFound
    is_current = request.match_info["version"] == version()
    return web.FileResponse(path, headers={"Cache-Control": FOR_EVER if is_current else "no-cache"})


def routes() -> list[web.RouteDef]:
    return [web.get("/static/{version}/{path:.+}", serve)]

"""Where the application carries the sealer."""

from aiohttp import web

from server.archive.sealing import Sealer

SEALER = web.AppKey("sealer", Sealer)

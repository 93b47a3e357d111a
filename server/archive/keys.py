"""Where the application carries the archive's workers."""

from aiohttp import web

from server.archive.office_log import HeadKeeper
from server.archive.sealing import Sealer

SEALER = web.AppKey("sealer", Sealer)
HEADS = web.AppKey("heads", HeadKeeper)

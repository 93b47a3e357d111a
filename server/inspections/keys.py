"""Where the application carries the journal."""

from aiohttp import web

from server.inspections.log import Journal

JOURNAL = web.AppKey("journal", Journal)

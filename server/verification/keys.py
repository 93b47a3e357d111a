"""Where the application counts what strangers have checked."""

from aiohttp import web

from server.verification.rules import Allowance

ALLOWANCE = web.AppKey("allowance", Allowance)

"""Where the application counts what strangers have checked."""

import asyncio

from aiohttp import web

from server.verification.rules import Allowance

ALLOWANCE = web.AppKey("allowance", Allowance)
ONE_CHECK = web.AppKey("one_check", asyncio.Lock)
"""Checks wait for each other: they compute, and inspections that run are not to feel it."""

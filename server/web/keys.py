"""Typed keys under which the application and a request carry what the kernel owns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from aiohttp import web

from server.clock import Clock
from server.db import Database
from server.settings import Settings
from server.storage.files import Files


class Principal(Protocol):
    """Whoever sent a request, as far as the kernel needs to know."""

    @property
    def name(self) -> str: ...

    @property
    def role(self) -> str: ...

    def can(self, action: str) -> bool: ...


Authenticate = Callable[[web.Request], Awaitable[Principal | None]]

SETTINGS = web.AppKey("settings", Settings)
CLOCK = web.AppKey("clock", Clock)
DATABASE = web.AppKey("database", Database)
FILES = web.AppKey("files", Files)
SECRET = web.AppKey("secret", bytes)
AUTHENTICATE: web.AppKey[Authenticate] = web.AppKey("authenticate")

PRINCIPAL: web.RequestKey[Principal | None] = web.RequestKey("principal", object)  # type: ignore[arg-type]
REQUEST_ID = web.RequestKey("request_id", str)
BROWSER_ID = web.RequestKey("browser_id", str)
LANGUAGE = web.RequestKey("language", str)

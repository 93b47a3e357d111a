"""The address of an invitation, and its QR code."""

from __future__ import annotations

import segno
from aiohttp import web

from server.web.keys import SETTINGS
from server.web.middlewares import is_secure


def base_url(request: web.Request) -> str:
    """How people reach this service, without a slash at the end: the settings' word, else as this visitor came."""
    configured = request.app[SETTINGS].public_url.rstrip("/")
    return configured or f"{'https' if is_secure(request) else 'http'}://{request.host}"


def invitation_url(base: str, token: str) -> str:
    """Short, because people read it out and QR codes grow with it."""
    return f"{base}/i/{token}"


def qr_data_uri(url: str) -> str:
    """The QR code as an SVG `data:` address for an `<img>`: dark on white, also on dark pages."""
    return segno.make(url, error="m", micro=False).svg_data_uri(
        scale=4, border=4, dark="#16202b", light="#ffffff", xmldecl=False
    )

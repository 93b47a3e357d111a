"""Jinja2 with what every template may use: translation, dates, static URLs, CSRF fields, permissions."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any

import jinja2
from aiohttp import web
from babel.dates import format_date, format_datetime, format_time
from markupsafe import Markup

from server.clock import TIME_ZONE
from server.settings import ROOT
from server.web.csrf import FIELD, csrf_token
from server.web.keys import LANGUAGE, PRINCIPAL
from server.web.languages import current_language, explain, translate
from server.web.static import static_url

_BABEL = {"zh-CN": "zh_CN", "en": "en_GB"}


def _datetime(moment: datetime | None) -> str:
    if moment is None:
        return "–"
    return format_datetime(
        moment.astimezone(TIME_ZONE), "yyyy-MM-dd HH:mm", locale=_BABEL[current_language.get()]
    )


def _date(moment: datetime | None) -> str:
    if moment is None:
        return "–"
    return format_date(moment.astimezone(TIME_ZONE), "long", locale=_BABEL[current_language.get()])


def _time(moment: datetime | None) -> str:
    """The time of day to the second."""
    return _time_of_day(moment, "HH:mm:ss")


def _minute(moment: datetime | None) -> str:
    """The time of day as appointments are made."""
    return _time_of_day(moment, "HH:mm")


def _time_of_day(moment: datetime | None, pattern: str) -> str:
    if moment is None:
        return "–"
    return format_time(moment.astimezone(TIME_ZONE), pattern, locale=_BABEL[current_language.get()])


def _duration(seconds: float | None) -> str:
    """`12:03` or `1:02:03`."""
    if seconds is None:
        return "–"
    minutes, second = divmod(round(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02d}:{second:02d}" if hour else f"{minute}:{second:02d}"


def _filesize(size_bytes: int | None) -> str:
    if size_bytes is None:
        return "–"
    size = float(size_bytes)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.2f} GB"


def _coords(value: tuple[float, float] | None) -> str:
    """WGS-84 latitude and longitude, with hemispheres."""
    if value is None:
        return "–"
    latitude, longitude = value
    north, east = "NS"[latitude < 0], "EW"[longitude < 0]
    return f"{abs(latitude):.5f}° {north}, {abs(longitude):.5f}° {east}"


def _gettext(text: str, /, **params: Any) -> str:
    return translate(text, **params)


def _ngettext(singular: str, plural: str, count: int, /, **params: Any) -> str:
    return translate(singular if count == 1 else plural, **{"n": count, **params})


@cache
def build_environment() -> jinja2.Environment:
    """Autoescaping, strict about names: a missing value is a defect, not an empty string.

    One for the process: it keeps the compiled pages, and compiling one takes far longer than filling it.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROOT / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(_=_gettext, ngettext=_ngettext, explain=explain, static_url=static_url)
    environment.filters.update(
        datetime=_datetime,
        date=_date,
        time=_time,
        minute=_minute,
        duration=_duration,
        filesize=_filesize,
        coords=_coords,
    )
    return environment


ENVIRONMENT = web.AppKey("templates", jinja2.Environment)


def render(
    request: web.Request, template: str, context: dict[str, Any] | None = None, *, status: int = 200
) -> web.Response:
    """The page as a response. Besides `context`, templates see `lang`, `path`, `staff`, `can`, CSRF."""
    principal = request.get(PRINCIPAL)
    token = csrf_token(request)
    page = request.app[ENVIRONMENT].get_template(template)
    text = page.render(
        lang=request.get(LANGUAGE, "zh-CN"),
        path=request.path_qs,
        staff=principal,
        can=principal.can if principal else _nothing,
        csrf_token=lambda: token,
        csrf_input=lambda: Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, token),
        **(context or {}),
    )
    return web.Response(
        text=text, content_type="text/html", status=status, headers={"Cache-Control": "no-store"}
    )


def _nothing(_action: str) -> bool:
    return False

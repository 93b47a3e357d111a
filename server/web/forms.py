"""Values of HTML forms, parsed at the edge."""

from __future__ import annotations

from datetime import UTC, datetime

from server.clock import TIME_ZONE


def same_site_path(target: str, default: str = "/") -> str:
    """`target` if it is a path of this site, else `default`.

    Browsers drop tabs and line ends and read `\\` as `/` before they resolve an address, so that `/<tab>/other.example`
    would leave the site.
    """
    if not target.startswith("/") or target.startswith(("//", "/\\")) or not target.isprintable():
        return default
    return target


def local_moment(text: str) -> datetime:
    """What `<input type="datetime-local">` sends (Beijing time, `2026-11-21T16:30`) in UTC; ValueError otherwise."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=TIME_ZONE)
    return moment.astimezone(UTC)


def as_local(moment: datetime) -> str:
    """The value for `<input type="datetime-local">`, to the minute."""
    return f"{moment.astimezone(TIME_ZONE):%Y-%m-%dT%H:%M}"

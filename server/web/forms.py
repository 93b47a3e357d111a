"""Values of HTML forms, parsed at the edge."""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp import web

from server.clock import TIME_ZONE
from server.errors import Invalid, YunkanError
from server.web.languages import translate
from server.web.texts import read_form


def local_moment(text: str) -> datetime:
    """What `<input type="datetime-local">` sends (Beijing time, `2026-11-21T16:30`) in UTC; ValueError otherwise."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=TIME_ZONE)
    return moment.astimezone(UTC)


def as_local(moment: datetime) -> str:
    """The value for `<input type="datetime-local">`, to the minute."""
    return f"{moment.astimezone(TIME_ZONE):%Y-%m-%dT%H:%M}"


def see_other(path: str) -> web.Response:
    """After a form was taken: go and look at `path` (303), so that reloading does not send the form again."""
    return web.Response(status=303, headers={"Location": path})


async def texts_of(request: web.Request, *names: str) -> dict[str, str]:
    """The named text fields of the submitted form, stripped; absent ones are empty."""
    form = await read_form(request)
    values = {name: form.get(name, "") for name in names}
    return {name: value.strip() if isinstance(value, str) else "" for name, value in values.items()}


def explained(error: YunkanError) -> dict[str, str]:
    """The error for the form's summary, in the request's language: by field, or "" for the whole form."""
    if isinstance(error, Invalid) and error.fields:
        return {name: translate(text) for name, text in error.fields.items()}
    return {"": translate(error.text, **error.params)}

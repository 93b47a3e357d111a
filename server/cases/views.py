"""Pages of making a case, closing it and adding its papers. The case's own page is the desk's."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from aiohttp.web_request import FileField
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.current import actor
from server.cases import materials, service
from server.cases.models import Case
from server.cases.new_case import CHECK_DIGIT_QUESTION, parse_new_case
from server.cases.papers import EXTENSIONS
from server.cases.rules import DEFAULT_MATTER, MATTERS
from server.errors import Conflict, Invalid, TooLarge, Unavailable, YunkanError
from server.web.forms import explained, see_other, texts_of
from server.web.keys import CLOCK, DATABASE, FILES, SETTINGS
from server.web.middlewares import status_of
from server.web.templates import render
from server.web.texts import read_form

_FIELDS = (
    "matter",
    "enterprise_name",
    "credit_code",
    "code_confirmed",
    "licence_kind",
    "licence_number",
    "old_address",
    "new_address",
    "latitude",
    "longitude",
)
_TEXTS = ("enterprise_name", "licence_kind", "licence_number", "old_address", "new_address")


async def new_case_page(request: web.Request) -> web.Response:
    """`GET /cases/new`."""
    service.require(actor(request), "case.create")
    form = dict.fromkeys(_FIELDS, "") | {"matter": DEFAULT_MATTER}
    return render(request, "cases/new.html", _new_case(form))


async def create_case(request: web.Request) -> web.Response:
    """`POST /cases`: to the new case, or the form again with what is to be checked."""
    who = actor(request)
    service.require(who, "case.create")
    form = await texts_of(request, *_FIELDS)
    try:
        new = parse_new_case(
            matter=form["matter"],
            credit_code=form["credit_code"],
            latitude=form["latitude"],
            longitude=form["longitude"],
            # A confirmation is of the code it was given for, not of one typed afterwards.
            is_code_confirmed=form["code_confirmed"] == form["credit_code"] != "",
            **{name: form[name] for name in _TEXTS},
        )
    except Invalid as error:
        return render(request, "cases/new.html", _new_case(form, error), status=422)
    async with request.app[DATABASE].transaction() as session:
        case = await service.create_case(session, who, new, request.app[CLOCK].now())
    return see_other(f"/cases/{case.id}")


def _new_case(form: dict[str, str], error: Invalid | None = None) -> dict[str, Any]:
    is_confirmed = form["code_confirmed"] == form["credit_code"] != ""
    is_asked = error is not None and error.fields.get("credit_code") == CHECK_DIGIT_QUESTION
    return {
        "form": form,
        "errors": explained(error) if error else {},
        "asks_to_confirm": is_asked or is_confirmed,
        "is_confirmed": is_confirmed,
        "matters": MATTERS.values(),
    }


async def close_page(request: web.Request) -> web.Response:
    """`GET /cases/<id>/close`."""
    who = actor(request)
    service.require(who, "case.edit")
    async with request.app[DATABASE].reading() as session:
        case = await service.get_case(session, who, request.match_info["case"])
    return render(request, "cases/close.html", {"case": case, "note": "", "errors": {}})


async def close_case(request: web.Request) -> web.Response:
    """`POST /cases/<id>/close` with `note`."""
    who, case_id = actor(request), request.match_info["case"]
    sent = await texts_of(request, "note")
    try:
        async with request.app[DATABASE].transaction() as session:
            await service.close_case(session, who, case_id, sent["note"], request.app[CLOCK].now())
    except (Invalid, Conflict) as error:
        async with request.app[DATABASE].reading() as session:
            case = await service.get_case(session, who, case_id)
        context = {"case": case, "note": sent["note"], "errors": explained(error)}
        return render(request, "cases/close.html", context, status=status_of(error))
    return see_other(f"/cases/{case_id}")


async def add_material_page(request: web.Request) -> web.Response:
    """`GET /cases/<id>/materials/new`."""
    who = actor(request)
    service.require(who, "material.add")
    async with request.app[DATABASE].reading() as session:
        return await _material_page(request, session)


async def add_material(request: web.Request) -> web.Response:
    """`POST /cases/<id>/materials`, multipart with `file`: back to the case, or the form with the reason."""
    who, case_id = actor(request), request.match_info["case"]
    service.require(who, "material.add")
    sent = (await read_form(request)).get("file")
    name, data = (sent.filename, sent.file.read()) if isinstance(sent, FileField) else ("", b"")
    try:
        await materials.add_material(
            request.app[DATABASE],
            request.app[FILES],
            who,
            case_id=case_id,
            name=name,
            data=data,
            limit_bytes=request.app[SETTINGS].upload_limit_bytes,
            now=request.app[CLOCK].now(),
        )
    except (Invalid, Conflict, TooLarge, Unavailable) as error:
        async with request.app[DATABASE].reading() as session:
            return await _material_page(request, session, error)
    return see_other(f"/cases/{case_id}#materials")


async def _material_page(
    request: web.Request, session: AsyncSession, error: YunkanError | None = None
) -> web.Response:
    case: Case = await service.get_case(session, actor(request), request.match_info["case"])
    problem = next(iter(explained(error).values()), "") if error else ""
    context = {
        "case": case,
        "errors": {"file": problem} if problem else {},
        "accept": ",".join(EXTENSIONS),
        "limit_bytes": request.app[SETTINGS].upload_limit_bytes,
    }
    return render(request, "cases/add_material.html", context, status=status_of(error) if error else 200)


_PICTURE = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self'"
# In a sandbox Safari shows an empty window instead of a PDF. Its viewer runs no script of ours.
_PDF = "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'"


async def material_file(request: web.Request) -> web.StreamResponse:
    """`GET /cases/<id>/materials/<mid>`: the paper as it came. A browser may show it and nothing more."""
    who = actor(request)
    async with request.app[DATABASE].reading() as session:
        material = await materials.get_material(
            session, who, request.match_info["case"], request.match_info["material"]
        )
    shown_as = f"{material.id}.{EXTENSIONS[material.media_type]}"
    return web.FileResponse(
        request.app[FILES].absolute(material.path),
        headers={
            "Content-Type": material.media_type,
            "Content-Disposition": f'inline; filename="{shown_as}"',
            "Content-Security-Policy": _PDF if material.media_type == "application/pdf" else _PICTURE,
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, no-store",
        },
    )


def routes() -> list[web.RouteDef]:
    return [
        web.get("/cases/new", new_case_page),
        web.post("/cases", create_case),
        web.get("/cases/{case}/close", close_page),
        web.post("/cases/{case}/close", close_case),
        web.get("/cases/{case}/materials/new", add_material_page),
        web.post("/cases/{case}/materials", add_material),
        web.get("/cases/{case}/materials/{material}", material_file),
    ]

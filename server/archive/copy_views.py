"""Pages of viewing copies: choose what is left out, make the copy, take it away."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from server.accounts.current import actor as current_actor
from server.archive import copies, packages
from server.archive.access import EXPORTED, record_access
from server.archive.copy_plan import PERSONAL, Wanted
from server.archive.downloads import kept_meanwhile, send_zip
from server.archive.service import Recording, get_recording
from server.errors import N_, Conflict, Invalid, StorageFull, Unavailable, YunkanError
from server.evidence.errors import EvidenceError
from server.inspections.lookup import require
from server.live.keys import LIVE
from server.live.photos import photo_url
from server.live.service import snapshot_url, template_of
from server.web.forms import explained, see_other
from server.web.keys import CLOCK, DATABASE, FILES, LANGUAGE
from server.web.languages import explain
from server.web.middlewares import status_of
from server.web.templates import render
from server.web.texts import read_form


async def new_copy_page(request: web.Request) -> web.Response:
    """`GET /inspections/<id>/copies/new`."""
    return await _page(request, {})


async def make_copy(request: web.Request) -> web.Response:
    """`POST /inspections/<id>/copies`: to the inspection's page, or the form again."""
    actor, inspection_id = current_actor(request), request.match_info["inspection"]
    require(actor, "archive.redact")
    sent = await read_form(request)
    form = {
        "reason": str(sent.get("reason", "")).strip(),
        "snapshots": [str(each) for each in sent.getall("snapshots", [])],
        "photos": [str(each) for each in sent.getall("photos", [])],
        "parts": [str(each) for each in sent.getall("parts", [])],
        "personal": [str(each) for each in sent.getall("personal", [])],
        "spans": {name[6:]: str(value) for name, value in sent.items() if name.startswith("spans-")},
    }
    try:
        await copies.make(request.app[LIVE], actor, inspection_id, _wanted(form))
    except (Invalid, Conflict, Unavailable, StorageFull, EvidenceError) as error:
        return await _page(request, form, error)
    return see_other(f"/inspections/{inspection_id}#copies")


def _wanted(form: dict[str, Any]) -> Wanted:
    spans = {}
    for part, text in form["spans"].items():
        try:
            if found := copies.parse_spans(text):
                spans[part] = found
        except ValueError as error:
            raise Invalid(
                {f"spans-{part}": N_("Give times as minutes and seconds, as in 0:10-0:25, 1:02-1:30.")}
            ) from error
    return Wanted(
        reason=form["reason"],
        snapshots=frozenset(form["snapshots"]),
        photos=frozenset(form["photos"]),
        parts=frozenset(form["parts"]),
        spans=spans,
        personal=frozenset(form["personal"]) & frozenset(PERSONAL),
    )


async def _page(
    request: web.Request, form: dict[str, Any], error: YunkanError | EvidenceError | None = None
) -> web.Response:
    actor = current_actor(request)
    require(actor, "archive.redact")
    async with request.app[DATABASE].reading() as session:
        recording = await get_recording(
            session, actor, request.match_info["inspection"], request.app[CLOCK].now()
        )
        await packages.get_record(session, actor, recording.inspection.id)
    empty = {"reason": "", "snapshots": [], "photos": [], "parts": [], "personal": [], "spans": {}}
    context = {
        "inspection": recording.inspection,
        "case": recording.case,
        "form": empty | form,
        "errors": _told(error),
        "snapshots": _snapshots(recording, request[LANGUAGE]),
        "photos": [
            {
                "id": each.id,
                "url": photo_url(each),
                "at": each.taken_at,
                "size": f"{each.width} × {each.height}",
            }
            for each in recording.photos
        ],
        "parts": [
            {"part": part, "name": recording.people[slot.participant_id].name}
            for part in recording.parts
            for slot in recording.slots
            if slot.id == part.slot_id
        ],
    }
    status = 200 if error is None else 422 if isinstance(error, EvidenceError) else status_of(error)
    return render(request, "archive/new_copy.html", context, status=status)


def _told(error: YunkanError | EvidenceError | None) -> dict[str, str]:
    if error is None:
        return {}
    if isinstance(error, YunkanError):
        return explained(error)
    return {"": explain(error.text, error.params)}


def _snapshots(recording: Recording, language: str) -> list[dict[str, Any]]:
    checklist = template_of(recording.inspection).localised(language)
    titles = {item["key"]: item["title"] for group in checklist["groups"] for item in group["items"]}
    return [
        {
            "id": each.id,
            "url": snapshot_url(each),
            "title": titles.get(each.item or "", ""),
            "at": each.captured_at,
        }
        for each in recording.snapshots
    ]


async def copy_package(request: web.Request) -> web.StreamResponse:
    """`GET /inspections/<id>/copies/<copy>/package`: the copy as a zip."""
    actor = current_actor(request)
    inspection_id, copy_id = request.match_info["inspection"], request.match_info["copy"]
    async with request.app[DATABASE].transaction() as session:
        name, made = await copies.find_copy(session, actor, inspection_id, copy_id)
        await record_access(session, request.app[CLOCK], actor, inspection_id, EXPORTED, {"copy": made.id})
    with kept_meanwhile(request, inspection_id):
        path = copies.copy_path(inspection_id, copy_id)
        pieces = await packages.stream_folder(request.app[FILES], path, name, made.at)
        return await send_zip(request, name, pieces)


def routes() -> list[web.RouteDef]:
    one = "/inspections/{inspection}/copies"
    return [
        web.get(f"{one}/new", new_copy_page),
        web.post(one, make_copy),
        web.get(f"{one}/{{copy}}/package", copy_package, allow_head=False),
    ]

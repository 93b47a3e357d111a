"""JSON and zip of an inspection's seal."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import quote

from aiohttp import web

from server.accounts.current import actor as current_actor
from server.archive import packages
from server.archive.access import read_chain
from server.archive.downloads import file_headers, kept_meanwhile, send_zip
from server.archive.index import RECORD_PATH
from server.archive.models import Seal
from server.inspections.lookup import require
from server.inspections.service import get_inspection
from server.web.bodies import Reply, reply
from server.web.forms import see_other
from server.web.keys import CLOCK, DATABASE, FILES, SETTINGS
from server.web.languages import translate
from server.web.openapi import operation


class SealReply(Reply):
    state: str
    """`open`, `waiting` (for phones, until `awaited_until`), `sealing`, `failed` (`problem` says why; it is tried
    again), `sealed`."""
    sealed_at: datetime | None
    head: str | None
    root: str | None
    certificate: str | None
    root_certificate: str | None
    stamps: int
    stamps_pending: int
    awaited_until: datetime | None
    problem: str | None


@operation("Whether an inspection is sealed, and under which head, root and certificate", gives=SealReply)
async def seal_status(request: web.Request) -> web.Response:
    actor = current_actor(request)
    actor.require("archive.view")
    async with request.app[DATABASE].reading() as session:
        inspection = await get_inspection(session, actor, request.match_info["inspection"])
        status = await packages.find_status(session, inspection, len(request.app[SETTINGS].authorities))
    seal = status.seal
    return reply(
        SealReply(
            state=status.state,
            sealed_at=seal.sealed_at if seal else None,
            head=seal.head if seal else None,
            root=seal.root if seal else None,
            certificate=seal.certificate if seal else None,
            root_certificate=seal.root_certificate if seal else None,
            stamps=seal.stamps if seal else 0,
            stamps_pending=status.stamps_pending,
            awaited_until=seal.awaited_until if seal else None,
            problem=_problem(seal),
        )
    )


def _problem(seal: Seal | None) -> str | None:
    if seal is None or seal.problem is None:
        return None
    text = seal.problem["text"]
    return translate(text, **seal.problem["params"])


@operation(
    "The sealed package as a zip: a BagIt bag that strangers can check",
    gives="application/zip",
    errors=(401, 403, 404, 409, 503),
)
async def package(request: web.Request) -> web.StreamResponse:
    """Constant memory whatever its size. What comes in meanwhile, such as a stamp, is in the next one."""
    actor, inspection_id = current_actor(request), request.match_info["inspection"]
    with kept_meanwhile(request, inspection_id):
        async with request.app[DATABASE].transaction() as session:
            export = await packages.export(session, actor, inspection_id, request.app[CLOCK])
        pieces = await packages.stream(request.app[FILES], export)
        return await send_zip(request, export.name, pieces)


@operation(
    "The inspection record as PDF/A, signed by the office",
    gives="application/pdf",
    errors=(401, 403, 404, 409),
)
async def record(request: web.Request) -> web.StreamResponse:
    """As it lies in the sealed package."""
    async with request.app[DATABASE].reading() as session:
        name = await packages.get_record(session, current_actor(request), request.match_info["inspection"])
    path = request.app[FILES].absolute(f"inspections/{request.match_info['inspection']}/{RECORD_PATH}")
    disposition = f"inline; filename*=UTF-8''{quote(name)}.pdf"
    return web.FileResponse(path, headers=file_headers(request, "application/pdf", disposition))


@operation(
    "The access log of an inspection: canonical lines, each with the link of the one before",
    gives="application/jsonl",
    errors=(401, 403, 404),
)
async def accesses(request: web.Request) -> web.Response:
    """The whole chain, for whoever wants to check it or to keep it elsewhere."""
    actor, inspection_id = current_actor(request), request.match_info["inspection"]
    require(actor, "access.view")
    async with request.app[DATABASE].reading() as session:
        inspection = await get_inspection(session, actor, inspection_id)
        lines = await read_chain(session, inspection_id)
    return web.Response(
        body=b"".join(line + b"\n" for line in lines),
        content_type="application/jsonl",
        headers={
            "Cache-Control": "no-store",
            "Content-Disposition": f'attachment; filename="{inspection.number}-accesses.jsonl"',
        },
    )


async def seal_at_once(request: web.Request) -> web.Response:
    """`POST /inspections/<id>/seal`: without waiting for what phones may still send."""
    inspection_id = request.match_info["inspection"]
    async with request.app[DATABASE].transaction() as session:
        await packages.seal_at_once(session, current_actor(request), inspection_id, request.app[CLOCK].now())
    return see_other(f"/inspections/{inspection_id}#seal")


def routes() -> list[web.RouteDef]:
    one = "/inspections/{inspection}"
    return [
        web.get(f"/api/v1{one}/seal", seal_status),
        web.get(f"/api/v1{one}/package", package, allow_head=False),
        web.get(f"/api/v1{one}/record", record, allow_head=False),
        web.get(f"/api/v1{one}/accesses", accesses),
        web.get(f"{one}/package", package, allow_head=False),
        web.post(f"{one}/seal", seal_at_once),
    ]

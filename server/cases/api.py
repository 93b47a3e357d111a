"""JSON of cases: create, list, get, and the evidence that hangs on one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from aiohttp import web

from server.accounts.current import actor
from server.cases import service
from server.cases.models import Case
from server.cases.new_case import parse_new_case
from server.cases.rules import has_good_check_digit
from server.web.bodies import Body, Reply, integer, read_json, reply
from server.web.keys import CLOCK, DATABASE
from server.web.openapi import operation

Text = Annotated[str, msgspec.Meta(max_length=500)]


class EnterpriseBody(Body):
    name: Text
    credit_code: Text


class LicenceBody(Body):
    kind: Text
    number: Text


class LocationBody(Body):
    """WGS-84 degrees."""

    lat: float
    lon: float


class ChangeBody(Body):
    old_address: Text
    new_address: Text
    location: LocationBody | None = None


class NewCaseBody(Body):
    """A credit code whose check digit does not fit is taken; `warnings` of the answer says so."""

    matter: Text
    enterprise: EnterpriseBody
    licence: LicenceBody
    change: ChangeBody


class EnterpriseReply(Reply):
    name: str
    credit_code: str


class LicenceReply(Reply):
    kind: str
    number: str


class LocationReply(Reply):
    lat: float
    lon: float


class ChangeReply(Reply):
    old_address: str
    new_address: str
    location: LocationReply | None


class CaseReply(Reply):
    id: str
    number: str
    state: str
    matter: str
    enterprise: EnterpriseReply
    licence: LicenceReply
    change: ChangeReply
    created_at: datetime
    closed_at: datetime | None
    url: str
    warnings: list[str]
    """`credit_code_check_digit`: the code is accepted, but its last character does not fit the others."""


class CasesReply(Reply):
    cases: list[CaseReply]
    page: int
    pages: int
    total: int


class EvidenceReply(Reply):
    """`kind`: part, phone-part (recorded by the phone itself and sent later), snapshot, photo, checklist or record."""

    kind: str
    id: str
    inspection: str
    title: str
    media_type: str
    sha256: str
    size_bytes: int
    url: str
    at: datetime


@operation("Create a case", takes=NewCaseBody, gives=CaseReply, status=201, errors=(401, 403, 422))
async def create_case(request: web.Request) -> web.Response:
    """`POST /api/v1/cases`."""
    who = actor(request)
    service.require(who, "case.create")
    body = await read_json(request, NewCaseBody)
    location = body.change.location
    new = parse_new_case(
        matter=body.matter,
        enterprise_name=body.enterprise.name,
        credit_code=body.enterprise.credit_code,
        licence_kind=body.licence.kind,
        licence_number=body.licence.number,
        old_address=body.change.old_address,
        new_address=body.change.new_address,
        latitude=location.lat if location else None,
        longitude=location.lon if location else None,
        is_code_confirmed=True,
    )
    async with request.app[DATABASE].transaction() as session:
        case = await service.create_case(session, who, new, request.app[CLOCK].now())
    return reply(case_reply(case), status=201, headers={"Location": f"/api/v1/cases/{case.id}"})


@operation(
    "Cases of the office, newest first",
    gives=CasesReply,
    query={
        "q": "words that number, enterprise, licence, address or credit code contain",
        "state": "open, inspecting, decided or closed",
        "page": "from 1",
    },
    errors=(401, 403, 422),
)
async def list_cases(request: web.Request) -> web.Response:
    """`GET /api/v1/cases`."""
    who = actor(request)
    async with request.app[DATABASE].reading() as session:
        page = await service.list_cases(
            session,
            who,
            text=request.query.get("q", ""),
            state=request.query.get("state", ""),
            page=integer(request, "page", 1, least=1, most=1_000_000),
        )
    cases = [case_reply(case) for case in page.cases]
    return reply(CasesReply(cases=cases, page=page.number, pages=page.pages, total=page.total))


@operation("One case", gives=CaseReply)
async def get_case(request: web.Request) -> web.Response:
    """`GET /api/v1/cases/<id>`."""
    async with request.app[DATABASE].reading() as session:
        case = await service.get_case(session, actor(request), request.match_info["case"])
    return reply(case_reply(case))


@operation("The evidence on a case, in the order of time", gives=list[EvidenceReply])
async def list_evidence(request: web.Request) -> web.Response:
    """`GET /api/v1/cases/<id>/evidence`."""
    async with request.app[DATABASE].reading() as session:
        case = await service.get_case(session, actor(request), request.match_info["case"])
        found = await service.list_evidence(session, case.id)
    return reply(
        [
            EvidenceReply(
                kind=piece.kind,
                id=piece.id,
                inspection=piece.inspection_id,
                title=piece.title,
                media_type=piece.media_type,
                sha256=piece.sha256,
                size_bytes=piece.size_bytes,
                url=piece.url,
                at=piece.at,
            )
            for piece in found
        ]
    )


def case_reply(case: Case) -> CaseReply:
    """The case as clients get it; its enterprise must be loaded."""
    location = None
    if case.latitude is not None and case.longitude is not None:
        location = LocationReply(lat=case.latitude, lon=case.longitude)
    code = case.enterprise.credit_code
    return CaseReply(
        id=case.id,
        number=case.number,
        state=case.state,
        matter=case.matter,
        enterprise=EnterpriseReply(name=case.enterprise_name, credit_code=code),
        licence=LicenceReply(kind=case.licence_kind, number=case.licence_number),
        change=ChangeReply(old_address=case.old_address, new_address=case.new_address, location=location),
        created_at=case.created_at,
        closed_at=case.closed_at,
        url=f"/cases/{case.id}",
        warnings=[] if has_good_check_digit(code) else ["credit_code_check_digit"],
    )


def routes() -> list[web.RouteDef]:
    return [
        web.post("/api/v1/cases", create_case),
        web.get("/api/v1/cases", list_cases),
        web.get("/api/v1/cases/{case}", get_case),
        web.get("/api/v1/cases/{case}/evidence", list_evidence),
    ]

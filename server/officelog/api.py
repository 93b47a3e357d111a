"""The office's log for anybody: signed heads, their stamps, key history, proofs. There is no personal data in it."""

from __future__ import annotations

import asyncio

from aiohttp import web
from sqlalchemy import select

from server.errors import N_, Invalid, NotFound
from server.evidence import keys, merkle
from server.evidence.officelog import Consistency
from server.officelog.entries import read_roots
from server.officelog.heads import find_newest_head
from server.officelog.models import HeadStamp, OfficeEntry, OfficeHead
from server.web.allowance import take_allowance
from server.web.bodies import Reply, integer, reply
from server.web.keys import DATABASE, SETTINGS
from server.web.openapi import operation

HEAD_NUMBER = "Yunkan-Head"


class NoHead(NotFound):
    code = "no_head"
    text = N_("The office has signed no such head of its log.")


class InclusionReply(Reply):
    index: int
    size: int
    path: list[str]
    """Hashes in hex, from the leaf upwards (RFC 6962 section 2.1.1)."""


@operation("The newest signed head of the office's log", gives="application/json", errors=(404,))
async def newest_head(request: web.Request) -> web.Response:
    """The canonical bytes, as they are signed, stamped and deposited."""
    async with request.app[DATABASE].reading() as session:
        return _document(await find_newest_head(session))


@operation("A signed head of the office's log by its number", gives="application/json", errors=(404,))
async def head(request: web.Request) -> web.Response:
    async with request.app[DATABASE].reading() as session:
        return _document(await session.get(OfficeHead, _number(request, "head")))


@operation("An authority's time stamp over a head", gives="application/timestamp-reply", errors=(404,))
async def head_stamp(request: web.Request) -> web.Response:
    """`openssl ts -verify -data head.json -in head.tsr -CAfile …` checks it."""
    async with request.app[DATABASE].reading() as session:
        stamp = await session.get(HeadStamp, (_number(request, "head"), _number(request, "authority")))
    if stamp is None:
        raise NoHead
    return web.Response(body=stamp.reply, content_type="application/timestamp-reply")


@operation(
    "The history of the office's keys, each signed by the one before",
    gives="application/jsonl",
    errors=(404,),
)
async def key_history(request: web.Request) -> web.Response:
    path = request.app[SETTINGS].key_folder / keys.LOG
    try:
        return web.Response(body=await asyncio.to_thread(path.read_bytes), content_type="application/jsonl")
    except FileNotFoundError as error:
        raise NoHead from error


@operation(
    "That the log of one size begins with the log of another (RFC 6962 section 2.1.2)",
    gives="application/json",
    query={"from": "the smaller size", "to": "the larger size; without it that of the newest head"},
    errors=(404, 422, 429),
)
async def consistency(request: web.Request) -> web.Response:
    """What `yunkan log compare --proof` reads."""
    take_allowance(request)
    newest = await _signed_size(request)
    new = integer(request, "to", newest, most=newest)
    old = integer(request, "from", 0, most=new)
    async with request.app[DATABASE].reading() as session:
        path = await read_roots(session, merkle.consistency_spans(new, old))
    proof = Consistency(old, new, [node.hex() for node in path])
    return web.Response(body=proof.to_bytes(), content_type="application/json")


@operation(
    "That a leaf is in the log of a size (RFC 6962 section 2.1.1)",
    gives=InclusionReply,
    query={"leaf": "the leaf's hash in hex", "size": "of the log; without it that of the newest head"},
    errors=(404, 422, 429),
)
async def inclusion(request: web.Request) -> web.Response:
    take_allowance(request)
    newest = await _signed_size(request)
    size = integer(request, "size", newest, most=newest)
    async with request.app[DATABASE].reading() as session:
        query = select(OfficeEntry.index).where(OfficeEntry.leaf == request.query.get("leaf", "").lower())
        index = await session.scalar(query.order_by(OfficeEntry.index).limit(1))
        if index is None or index >= size:
            raise NotFound
        path = await read_roots(session, merkle.inclusion_spans(size, index))
    return reply(InclusionReply(index=index, size=size, path=[node.hex() for node in path]))


async def _signed_size(request: web.Request) -> int:
    """Proofs are given about what is signed, and about nothing beyond."""
    async with request.app[DATABASE].reading() as session:
        newest = await find_newest_head(session)
    if newest is None:
        raise NoHead
    return newest.size


def _document(head: OfficeHead | None) -> web.Response:
    if head is None:
        raise NoHead
    return web.Response(
        body=head.document.encode(),
        content_type="application/json",
        headers={HEAD_NUMBER: str(head.number), "Cache-Control": "no-cache"},
    )


def _number(request: web.Request, name: str) -> int:
    text = request.match_info[name]
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise Invalid({name: N_("This must be a whole number within its bounds.")})
    return int(text)


def routes() -> list[web.RouteDef]:
    log = "/api/v1/log"
    return [
        web.get(f"{log}/head", newest_head),
        web.get(f"{log}/heads/{{head}}", head),
        web.get(f"{log}/heads/{{head}}/stamps/{{authority}}", head_stamp),
        web.get(f"{log}/keys", key_history),
        web.get(f"{log}/consistency", consistency),
        web.get(f"{log}/inclusion", inclusion),
    ]

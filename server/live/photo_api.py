"""Photos in JSON: the addresses by which a phone announces and sends them, and the pictures (docs/PROTOCOL.md)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from aiohttp import web

from server.accounts.current import actor as current_actor
from server.errors import NotFound
from server.inspections import service as inspections
from server.live import photos
from server.live.keys import LIVE
from server.live.models import Photo
from server.live.pieces import find_digest, progress_of, read_piece
from server.live.signalling import device
from server.web.bodies import Body, Reply, integer, read_json, reply
from server.web.files import send_file
from server.web.keys import DATABASE
from server.web.openapi import operation

Pixels = Annotated[int, msgspec.Meta(ge=1, le=65_535)]


class PhotoBody(Body):
    request: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9-]{8,40}$")]
    """The phone's own name for it, so that a repeated announcement is the same photo."""
    media_type: Literal["image/jpeg", "image/png", "image/webp"]
    taken_at: Annotated[datetime, msgspec.Meta(tz=True)]
    width: Pixels
    height: Pixels
    how: Literal["photo", "frame"]
    size_bytes: Annotated[int, msgspec.Meta(ge=1, lt=2**53)]
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    snapshot: Annotated[str, msgspec.Meta(max_length=26)] | None = None


class PhotoProgressReply(Reply):
    id: str
    state: str
    offset: int
    size_bytes: int


class PhotoReply(Reply):
    id: str
    snapshot: str | None
    slot: str
    state: str
    """`receiving` (announced, not here), `accepted` or `refused`."""
    how: str
    taken_at: datetime
    width: int
    height: int
    size_bytes: int
    sha256: str
    url: str | None
    """None until it is here."""


def photo_reply(row: Photo) -> PhotoReply:
    return PhotoReply(
        id=row.id,
        snapshot=row.snapshot_id,
        slot=row.slot_id,
        state=row.state,
        how=row.how,
        taken_at=row.taken_at,
        width=row.width,
        height=row.height,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        url=photos.photo_url(row) if row.state == "accepted" else None,
    )


@operation(
    "Announce a photo, with its digest, before it is sent",
    takes=PhotoBody,
    gives=PhotoProgressReply,
    status=201,
    errors=(401, 403, 404, 409, 410, 413, 422, 507),
)
async def announce(request: web.Request) -> web.Response:
    actor = device(request)
    body = await read_json(request, PhotoBody)
    said = photos.Announced(
        request=body.request,
        snapshot=body.snapshot,
        media_type=body.media_type,
        taken_at=body.taken_at,
        width=body.width,
        height=body.height,
        how=body.how,
        size_bytes=body.size_bytes,
        sha256=body.sha256,
    )
    row, made = await photos.announce(request.app[LIVE], actor, said)
    return reply(_progress(row), status=201 if made else 200)


async def progress(request: web.Request) -> web.Response:
    """`HEAD <base>/photos/<id>`: how much of it is here."""
    row = await photos.find_photo(request.app[LIVE], device(request), request.match_info["photo"])
    return web.Response(headers=progress_of(row))


@operation(
    "Send the next piece of an announced photo",
    gives=PhotoProgressReply,
    query={"offset": "where the piece begins, in bytes"},
    errors=(401, 403, 404, 409, 410, 413, 422, 503, 507),
)
async def receive(request: web.Request) -> web.Response:
    actor = device(request)
    offset = integer(request, "offset", 0)
    data = await read_piece(request)
    row = await photos.receive(
        request.app[LIVE], actor, request.match_info["photo"], offset, find_digest(request), data
    )
    return reply(_progress(row), headers=progress_of(row))


def _progress(row: Photo) -> PhotoProgressReply:
    return PhotoProgressReply(
        id=row.id, state=row.state, offset=row.received_bytes, size_bytes=row.size_bytes
    )


@operation("The picture of a photo, as the phone sent it", gives="image/jpeg")
async def photo_image(request: web.Request) -> web.StreamResponse:
    actor = current_actor(request)
    actor.require("inspection.view")
    async with request.app[DATABASE].reading() as session:
        row = await session.get(Photo, request.match_info["photo"])
        inspection_id = request.match_info["inspection"]
        if row is None or row.inspection_id != inspection_id or row.state != "accepted":
            raise NotFound
        await inspections.get_inspection(session, actor, inspection_id)
    return send_file(request, photos.photo_path(row), row.media_type)


def routes() -> list[web.RouteDef]:
    base = "/live/{worker}/{inspection}/photos"
    return [
        web.post(base, announce),
        web.head(f"{base}/{{photo}}", progress),
        web.put(f"{base}/{{photo}}", receive),
        web.get("/api/v1/inspections/{inspection}/photos/{photo}", photo_image),
    ]

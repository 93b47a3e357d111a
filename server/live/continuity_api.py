"""JSON of the continuity ledger, and the addresses by which a phone fills gaps (docs/PROTOCOL.md)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from aiohttp import web

from server.accounts.current import actor as current_actor
from server.inspections import service as inspections
from server.inspections.continuity import read_ledgers
from server.inspections.ledger import Interval, SlotLedger
from server.live import gap_filling
from server.live.gap_filling import Announced, Chunk
from server.live.keys import LIVE
from server.live.models import PhoneRecording
from server.live.pieces import find_digest, progress_of, read_piece
from server.live.signalling import device, participant
from server.live.uploads import LARGEST_PIECE
from server.web.bodies import Body, Reply, integer, read_json, reply
from server.web.keys import DATABASE
from server.web.openapi import operation


class FillingReply(Reply):
    from_: datetime = msgspec.field(name="from")
    to: datetime
    part: str


class IntervalReply(Reply):
    from_: datetime = msgspec.field(name="from")
    to: datetime
    kind: str
    cause: str | None
    by: str | None
    reason: str | None
    lacks: list[str]
    filled: list[FillingReply]


class SlotContinuityReply(Reply):
    slot: str
    participant: str
    name: str
    source: str
    received_s: float
    gap_s: float
    filled_s: float
    intervals: list[IntervalReply]


class ContinuityReply(Reply):
    slots: list[SlotContinuityReply]


class SpanReply(Reply):
    from_: datetime = msgspec.field(name="from")
    to: datetime


class PausedReply(Reply):
    from_: datetime = msgspec.field(name="from")
    to: datetime | None


class GapsReply(Reply):
    now: datetime
    slot: str | None
    gaps: list[SpanReply]
    settled: datetime | None
    """Up to here the answer is certain: what lies before and in no gap is on the server."""
    deadline: datetime | None
    """Until when recordings are taken; None while the inspection runs."""
    replaced_at: datetime | None
    """Another device took this one's place then: only what was recorded before is taken from it."""
    pauses: list[PausedReply]
    """Nothing that a phone recorded then is taken."""


class ChunkBody(Body):
    size: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_PIECE)]
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class RecordingBody(Body):
    run: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9-]{8,40}$")]
    media_type: Literal["video/webm", "video/mp4", "audio/webm", "audio/mp4"]
    started_at: Annotated[datetime, msgspec.Meta(tz=True)]
    duration_s: Annotated[float, msgspec.Meta(gt=0, le=gap_filling.LONGEST_S)]
    chunks: Annotated[list[ChunkBody], msgspec.Meta(min_length=1, max_length=gap_filling.MOST_CHUNKS)]
    source: Literal["camera", "screen"] = "camera"


class RecordingReply(Reply):
    id: str
    state: str
    offset: int
    size_bytes: int
    part: str | None


@operation("What was received from each slot, what was not, and why", gives=ContinuityReply)
async def continuity(request: web.Request) -> web.Response:
    actor = current_actor(request)
    actor.require("inspection.view")
    inspection_id = request.match_info["inspection"]
    async with request.app[DATABASE].reading() as session:
        await inspections.get_inspection(session, actor, inspection_id)
        ledgers = await read_ledgers(session, inspection_id, request.app[LIVE].clock.now())
    return reply(ContinuityReply(slots=[slot_reply(ledger) for ledger in ledgers]))


@operation("The same, for who takes part in the running inspection", gives=ContinuityReply)
async def live_continuity(request: web.Request) -> web.Response:
    """Looked at every few seconds from a console: of a running room the event log tells, not the access log."""
    actor = participant(request)
    live = request.app[LIVE]
    async with live.database.reading() as session:
        ledgers = await read_ledgers(session, actor.inspection_id or "", live.clock.now())
    return reply(ContinuityReply(slots=[slot_reply(ledger) for ledger in ledgers]))


def slot_reply(ledger: SlotLedger) -> SlotContinuityReply:
    return SlotContinuityReply(
        slot=ledger.slot,
        participant=ledger.participant,
        name=ledger.name,
        source=ledger.source,
        received_s=round(ledger.received_s, 3),
        gap_s=round(ledger.gap_s, 3),
        filled_s=round(ledger.filled_s, 3),
        intervals=[_interval(interval) for interval in ledger.intervals],
    )


def _interval(interval: Interval) -> IntervalReply:
    return IntervalReply(
        from_=interval.start,
        to=interval.end,
        kind=interval.kind,
        cause=interval.cause,
        by=interval.by,
        reason=interval.reason,
        lacks=list(interval.lacks),
        filled=[FillingReply(from_=piece.start, to=piece.end, part=piece.part) for piece in interval.filled],
    )


@operation(
    "What the server lacks of a participant's own slot",
    gives=GapsReply,
    query={"source": "camera (default) or screen"},
    errors=(401, 403, 404, 409, 410),
)
async def gaps(request: web.Request) -> web.Response:
    live = request.app[LIVE]
    source, actor = request.query.get("source", "camera"), device(request)
    lacking = await gap_filling.find_lacking(live, actor, source)
    return reply(
        GapsReply(
            now=live.clock.now(),
            slot=lacking.slot_id,
            gaps=[SpanReply(from_=gap.start, to=gap.end) for gap in lacking.gaps],
            settled=lacking.settled,
            deadline=lacking.deadline,
            replaced_at=actor.replaced_at,
            pauses=[PausedReply(from_=pause.start, to=pause.end) for pause in lacking.pauses],
        )
    )


@operation(
    "Say that this device has sent all that it had recorded of the gaps", errors=(401, 403, 404, 409, 410)
)
async def done(request: web.Request) -> web.Response:
    await gap_filling.settle(request.app[LIVE], device(request))
    return web.Response(status=204)


@operation(
    "Announce a recording that the phone made itself",
    takes=RecordingBody,
    gives=RecordingReply,
    status=201,
    errors=(401, 403, 404, 409, 410, 413, 422, 507),
)
async def announce(request: web.Request) -> web.Response:
    actor = device(request)
    body = await read_json(request, RecordingBody)
    said = Announced(
        run=body.run,
        source=body.source,
        media_type=body.media_type,
        started_at=body.started_at,
        duration_s=body.duration_s,
        chunks=[Chunk(chunk.size, chunk.sha256) for chunk in body.chunks],
    )
    row, made = await gap_filling.announce(request.app[LIVE], actor, said)
    return reply(_recording(row), status=201 if made else 200)


async def progress(request: web.Request) -> web.Response:
    """`HEAD <base>/recordings/<id>`: how much of it is here."""
    row = await gap_filling.find_recording(
        request.app[LIVE], device(request), request.match_info["recording"]
    )
    return web.Response(headers=progress_of(row))


@operation(
    "Send the next piece of an announced recording",
    gives=RecordingReply,
    query={"offset": "where the piece begins, in bytes"},
    errors=(401, 403, 404, 409, 410, 413, 422, 503),
)
async def receive(request: web.Request) -> web.Response:
    actor = device(request)
    offset = integer(request, "offset", 0)
    data = await read_piece(request)
    row = await gap_filling.receive(
        request.app[LIVE], actor, request.match_info["recording"], offset, find_digest(request), data
    )
    return reply(_recording(row), headers=progress_of(row))


def _recording(row: PhoneRecording) -> RecordingReply:
    return RecordingReply(
        id=row.id,
        state=row.state,
        offset=row.received_bytes,
        size_bytes=row.size_bytes,
        part=row.part_id,
    )


def routes() -> list[web.RouteDef]:
    base = "/live/{worker}/{inspection}"
    return [
        web.get("/api/v1/inspections/{inspection}/continuity", continuity),
        web.get(f"{base}/continuity", live_continuity),
        web.get(f"{base}/gaps", gaps),
        web.post(f"{base}/gaps/done", done),
        web.post(f"{base}/recordings", announce),
        web.head(f"{base}/recordings/{{recording}}", progress),
        web.put(f"{base}/recordings/{{recording}}", receive),
    ]

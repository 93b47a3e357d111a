"""JSON of a running inspection and of what it left: join, state, end, snapshots, parts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from aiohttp import web
from sqlalchemy import select

from server.accounts.current import actor as current_actor
from server.accounts.rules import Actor
from server.errors import NotFound
from server.inspections import service as inspections
from server.inspections.models import Inspection
from server.inspections.pausing import Pause, find_pause
from server.inspections.rules import LONGEST_NOTE
from server.live import ending, pausing, service
from server.live.consent import Agreed, Consent
from server.live.join import Joined, join_by_invitation
from server.live.keys import LIVE, ROOMS
from server.live.models import Part, Participant, Photo, Slot, Snapshot
from server.live.photo_api import PhotoReply, photo_reply
from server.live.recording import part_url
from server.live.signalling import participant
from server.web.bodies import Body, Reply, read_json, reply
from server.web.files import send_file
from server.web.keys import DATABASE, LANGUAGE
from server.web.openapi import operation
from server.web.texts import user_agent

Text = Annotated[str, msgspec.Meta(max_length=200)]


class AgreedBody(Body):
    """A text as it was shown: `sha256` and `language` as the page or the 409 gave them."""

    version: Text
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    language: Text


class ConsentBody(Body):
    """Each text by its version, or as it was shown."""

    notice: Text | AgreedBody
    recording: Text | AgreedBody


class JoinBody(Body):
    invitation: Text
    name: Annotated[str, msgspec.Meta(max_length=80)] = ""
    consent: ConsentBody | None = None
    device: Annotated[str, msgspec.Meta(max_length=400)] = ""
    takeover: bool = False


class JoinReply(Reply):
    participant: str
    role: str
    token: str
    base: str
    ice_servers: list[dict[str, Any]]
    inspection: str
    expires_at: datetime


class SnapshotBody(Body):
    slot: Text
    rtp_timestamp: Annotated[int, msgspec.Meta(ge=0, lt=2**32)] | None = None
    item: Text | None = None
    request: Annotated[str, msgspec.Meta(min_length=1, max_length=80)] | None = None


class SnapshotReply(Reply):
    id: str
    sha256: str
    url: str
    width: int
    height: int
    rtp_timestamp: int
    slot: str
    item: str | None
    captured_at: datetime


class SlotReply(Reply):
    id: str
    participant: str
    source: str
    kind: str
    live: bool


class PartReply(Reply):
    id: str
    slot: str
    url: str
    media_type: str
    started_at: datetime
    duration_s: float | None
    size_bytes: int | None
    sha256: str | None
    repaired: bool
    source: str
    """`received`, or `phone`: recorded there and uploaded later."""


class ParticipantReply(Reply):
    id: str
    name: str
    role: str


class PauseReply(Reply):
    by: str
    reason: str
    since: datetime


class InspectionReply(Reply):
    id: str
    number: str
    case: str
    state: str
    starts_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    result: str | None
    paused: PauseReply | None
    participants: list[ParticipantReply]
    slots: list[SlotReply]
    parts: list[PartReply]
    snapshots: list[SnapshotReply]
    photos: list[PhotoReply]


class PauseBody(Body):
    """`reason`: for everybody who is present, and for the record."""

    reason: Annotated[str, msgspec.Meta(max_length=LONGEST_NOTE)]


class StandingReply(Reply):
    id: str
    state: str
    paused: PauseReply | None


class EndReply(Reply):
    id: str
    state: str


def join_reply(request: web.Request, joined: Joined) -> web.Response:
    """201 with the token, which is shown this once, and where the room is."""
    one = joined.participant
    worker = request.app[LIVE].settings.worker
    return reply(
        JoinReply(
            participant=one.id,
            role=one.role,
            token=joined.token,
            base=f"/live/{worker}/{one.inspection_id}",
            ice_servers=request.app[LIVE].ice_servers(one.id),
            inspection=one.inspection_id,
            expires_at=one.token_expires_at,
        ),
        status=201,
    )


@operation(
    "Join an inspection by an invitation",
    takes=JoinBody,
    gives=JoinReply,
    status=201,
    errors=(404, 409, 410, 425),
)
async def join(request: web.Request) -> web.Response:
    body = await read_json(request, JoinBody)
    consent = Consent(_agreed(body.consent.notice), _agreed(body.consent.recording)) if body.consent else None
    joined = await join_by_invitation(
        request.app[LIVE],
        request.app[ROOMS],
        invitation_token=body.invitation,
        name=body.name.strip(),
        device=body.device or user_agent(request),
        consent=consent,
        takeover=body.takeover,
        language=request[LANGUAGE],
    )
    return join_reply(request, joined)


def _agreed(text: str | AgreedBody) -> Agreed:
    return Agreed(text) if isinstance(text, str) else Agreed(text.version, text.sha256, text.language)


@operation("An inspection with its slots, parts and snapshots", gives=InspectionReply)
async def get_inspection(request: web.Request) -> web.Response:
    actor = current_actor(request)
    actor.require("inspection.view")
    inspection_id = request.match_info["inspection"]
    async with request.app[DATABASE].reading() as session:
        inspection = await inspections.get_inspection(session, actor, inspection_id)
        people = list(
            await session.scalars(
                select(Participant)
                .where(Participant.inspection_id == inspection_id)
                .order_by(Participant.joined_at)
            )
        )
        slots = list(
            await session.scalars(
                select(Slot).where(Slot.inspection_id == inspection_id).order_by(Slot.opened_at)
            )
        )
        parts = list(
            await session.scalars(
                select(Part).where(Part.inspection_id == inspection_id).order_by(Part.started_at)
            )
        )
        snapshots = list(
            await session.scalars(
                select(Snapshot).where(Snapshot.inspection_id == inspection_id).order_by(Snapshot.taken_at)
            )
        )
        paused = await find_pause(session, inspection_id)
        photos = list(
            await session.scalars(
                select(Photo)
                .where(Photo.inspection_id == inspection_id)
                .order_by(Photo.announced_at, Photo.id)
            )
        )
    room = request.app[ROOMS].find(inspection_id)
    return reply(
        InspectionReply(
            id=inspection.id,
            number=inspection.number,
            case=inspection.case_id,
            state=inspection.state,
            starts_at=inspection.starts_at,
            started_at=inspection.started_at,
            ended_at=inspection.ended_at,
            result=inspection.result,
            paused=_pause_reply(paused),
            participants=[ParticipantReply(id=p.id, name=p.name, role=p.role) for p in people],
            slots=[
                SlotReply(
                    id=slot.id,
                    participant=slot.participant_id,
                    source=slot.source,
                    kind=slot.source,
                    live=bool(room and (found := room.find_slot(slot.id)) and found.live),
                )
                for slot in slots
            ],
            parts=[part_reply(part) for part in parts],
            snapshots=[snapshot_reply(snapshot) for snapshot in snapshots],
            photos=[photo_reply(photo) for photo in photos],
        )
    )


def part_reply(part: Part) -> PartReply:
    return PartReply(
        id=part.id,
        slot=part.slot_id,
        url=part_url(part.id),
        media_type=part.media_type,
        started_at=part.started_at,
        duration_s=part.duration_s,
        size_bytes=part.size_bytes,
        sha256=part.sha256 or None,
        repaired=part.repaired,
        source=part.source,
    )


def snapshot_reply(snapshot: Snapshot) -> SnapshotReply:
    return SnapshotReply(
        id=snapshot.id,
        sha256=snapshot.sha256,
        url=service.snapshot_url(snapshot),
        width=snapshot.width,
        height=snapshot.height,
        rtp_timestamp=snapshot.rtp_timestamp,
        slot=snapshot.slot_id,
        item=snapshot.item,
        captured_at=snapshot.captured_at,
    )


@operation("End an inspection; the first one wins", gives=EndReply, errors=(401, 403, 404, 409))
async def end(request: web.Request) -> web.Response:
    actor = current_actor(request)
    inspection_id = request.match_info["inspection"]
    await ending.end(request.app[LIVE], request.app[ROOMS], actor, inspection_id)
    return reply(EndReply(id=inspection_id, state="ended"))


@operation(
    "Pause a live inspection: nothing is recorded or shown until it is resumed; the first one wins",
    takes=PauseBody,
    gives=StandingReply,
    errors=(401, 403, 404, 409, 422),
)
async def pause(request: web.Request) -> web.Response:
    actor = current_actor(request)
    actor.require("inspection.pause")
    inspection_id = request.match_info["inspection"]
    body = await read_json(request, PauseBody)
    paused = await pausing.pause(request.app[LIVE], request.app[ROOMS], actor, inspection_id, body.reason)
    return reply(StandingReply(id=inspection_id, state="live", paused=_pause_reply(paused)))


@operation(
    "Resume a paused inspection; the first one wins",
    gives=StandingReply,
    errors=(401, 403, 404, 409),
)
async def resume(request: web.Request) -> web.Response:
    actor = current_actor(request)
    inspection_id = request.match_info["inspection"]
    await pausing.resume(request.app[LIVE], request.app[ROOMS], actor, inspection_id)
    return reply(StandingReply(id=inspection_id, state="live", paused=None))


def _pause_reply(pause: Pause | None) -> PauseReply | None:
    return PauseReply(by=pause.by, reason=pause.reason, since=pause.start) if pause else None


@operation(
    "Take a snapshot: the very frame that was on screen",
    takes=SnapshotBody,
    gives=SnapshotReply,
    status=201,
    errors=(401, 403, 404, 409, 410, 422),
)
async def take_snapshot(request: web.Request) -> web.Response:
    actor = participant(request)
    body = await read_json(request, SnapshotBody)
    snapshot, made = await service.take_snapshot(
        request.app[LIVE],
        request.app[ROOMS],
        actor,
        slot_id=body.slot,
        rtp_timestamp=body.rtp_timestamp,
        item=body.item,
        request=body.request,
    )
    return reply(snapshot_reply(snapshot), status=201 if made else 200)


@operation("The picture of a snapshot", gives="image/png")
async def snapshot_image(request: web.Request) -> web.StreamResponse:
    actor = current_actor(request)
    actor.require("inspection.view")
    async with request.app[DATABASE].reading() as session:
        snapshot = await session.get(Snapshot, request.match_info["snapshot"])
        if snapshot is None or snapshot.inspection_id != request.match_info["inspection"]:
            raise NotFound
        await inspections.get_inspection(session, actor, snapshot.inspection_id)
    return send_file(request, snapshot.path, "image/png")


@operation("The file of a recorded part; ranges are served", gives="video/mp4")
async def part_file(request: web.Request) -> web.StreamResponse:
    actor = current_actor(request)
    async with request.app[DATABASE].reading() as session:
        part = await session.get(Part, request.match_info["part"])
        if part is None:
            raise NotFound
        await _require_recordings(session, actor, part.inspection_id)
    return send_file(request, part.path, part.media_type)


@operation("The standing answers of the checklist, as kept at the end", gives="application/json")
async def checklist_file(request: web.Request) -> web.StreamResponse:
    actor = current_actor(request)
    actor.require("inspection.view")
    inspection_id = request.match_info["inspection"]
    async with request.app[DATABASE].reading() as session:
        await inspections.get_inspection(session, actor, inspection_id)
    return send_file(request, f"{request.app[LIVE].folder(inspection_id)}/checklist.json", "application/json")


async def _require_recordings(session: Any, actor: Actor, inspection_id: str) -> Inspection:
    """Recordings are for staff and tokens of the office; a participant hears and sees the live room only."""
    actor.require("archive.view")
    return await inspections.get_inspection(session, actor, inspection_id)


def routes() -> list[web.RouteDef]:
    return [
        web.post("/api/v1/join", join),
        web.get("/api/v1/inspections/{inspection}", get_inspection),
        web.post("/api/v1/inspections/{inspection}/pause", pause),
        web.post("/api/v1/inspections/{inspection}/resume", resume),
        web.post("/api/v1/inspections/{inspection}/end", end),
        web.get("/api/v1/inspections/{inspection}/snapshots/{snapshot}", snapshot_image),
        web.get("/api/v1/inspections/{inspection}/checklist", checklist_file),
        web.get("/api/v1/parts/{part}/file", part_file),
        web.post("/live/{worker}/{inspection}/snapshots", take_snapshot),
    ]

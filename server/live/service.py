"""The verbs of a running inspection: publish, view, snapshot, say, answer."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

import structlog
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from server import media
from server.accounts.rules import Actor, system_actor
from server.cases.models import Case
from server.cases.service import attach_evidence
from server.clock import rfc3339
from server.errors import N_, Conflict, Gone, Invalid, NotFound, StorageFull
from server.ids import new_id
from server.inspections import service as inspections
from server.inspections.checklists import Template, get_template
from server.inspections.models import Event, Inspection
from server.inspections.rules import JOINABLE
from server.live.context import Live
from server.live.join import NotRunning
from server.live.messages import (
    AnswerItem,
    Chat,
    ClientMessage,
    Countersign,
    Device,
    Key,
    Leave,
    Location,
    Mute,
    Network,
    Ping,
)
from server.live.models import Part, Slot, Snapshot
from server.live.photos import may_photograph
from server.live.receipts import bring_key, countersign
from server.live.room import Room
from server.live.rooms import Rooms
from server.live.whereabouts import judge
from server.vision.quality import encode_png, measure

log = structlog.get_logger("live")

SOURCES = ("camera", "screen")


class SlotUnknown(NotFound):
    code = "slot_unknown"
    text = N_("There is no such camera in this inspection.")


class BadOffer(Invalid):
    code = "bad_offer"
    text = N_("The media offer cannot be accepted: {detail}")


class FrameGone(Gone):
    code = "frame_gone"
    text = N_("This frame is no longer held. Please take the snapshot again.")


class NoPicture(NotRunning):
    code = "no_picture"
    text = N_("No picture has been received from this camera yet.")


class PictureTooLarge(Conflict):
    code = "picture_too_large"
    text = N_("The picture of this camera is too large for a snapshot.")


class Paused(Conflict):
    """Nothing is recorded now, so nothing can become evidence."""

    code = "inspection_paused"
    text = N_("The inspection is paused: nothing is recorded now. Resume it first.")


class ItemUnknown(Invalid):
    code = "item_unknown"
    text = N_("The checklist has no such item.")


class AnsweredMeanwhile(Conflict):
    """`seq`, `result`, `note`, `by`, `at`: the answer that stands, which this one's author had not seen."""

    code = "answered_meanwhile"
    text = N_("{by} has answered this item meanwhile. Look at that answer, then answer again.")


async def publish(live: Live, rooms: Rooms, actor: Actor, source: str, offer: str) -> media.Session:
    """A participant's camera (or screen) comes in. The first one starts the inspection.

    StorageFull if that would start it while the disk is nearly full.
    """
    actor.require("room.publish")
    if source not in SOURCES:
        raise SlotUnknown
    inspection_id = actor.inspection_id or ""
    room = await rooms.open(inspection_id)
    state = room.hub.state.state
    if state not in JOINABLE or room.closing:
        raise NotRunning
    room.allow_connection(actor.id)
    if state == "scheduled":
        await _require_room_on_disk(live, room)
    slot_id, parts = await _slot_row(live, actor, source)
    if room.closing:
        raise NotRunning
    slot = room.open_slot(slot_id, first_index=parts + 1)
    try:
        session = await slot.publish(offer)
    except media.OfferRejected as error:
        raise BadOffer(detail=str(error)) from error
    except media.MediaError as error:
        # The slot was closed between the look and the call: the inspection is ending.
        raise NotRunning from error
    try:
        async with live.database.transaction() as writing:
            await inspections.start(writing, live.journal, actor, inspection_id, room.epoch)
    except BaseException:
        # Nobody has the answer yet, so nothing can have been sent: what did not enter the office's log is not filmed.
        await session.close()
        raise
    await room.catch_up()
    room.keep_session(actor.id, session)
    return session


async def view(live: Live, rooms: Rooms, actor: Actor, slot_id: str, offer: str) -> media.Session:
    """A participant watches a slot of their inspection. A slot without a publisher waits for one."""
    room = await rooms.open(actor.inspection_id or "")
    if slot_id not in room.hub.state.slots:
        raise SlotUnknown
    room.allow_connection(actor.id)
    async with live.database.reading() as session:
        parts = await _count_parts(session, slot_id)
    if room.hub.state.state not in JOINABLE or room.closing:
        raise NotRunning
    slot = room.open_slot(slot_id, first_index=parts + 1)
    try:
        viewing = await slot.view(offer)
    except media.OfferRejected as error:
        raise BadOffer(detail=str(error)) from error
    except media.MediaError as error:
        # The slot was closed between the look and the call: the inspection is ending.
        raise NotRunning from error
    room.keep_session(actor.id, viewing)
    return viewing


async def take_snapshot(
    live: Live,
    rooms: Rooms,
    actor: Actor,
    *,
    slot_id: str,
    rtp_timestamp: int | None,
    item: str | None,
    request: str | None,
) -> tuple[Snapshot, bool]:
    """The frame that was on screen, as evidence; (snapshot, whether this call made it).

    A request that was answered already gives the same snapshot again.
    """
    actor.require("room.snapshot")
    inspection_id = actor.inspection_id or ""
    name = request or new_id()
    if (known := await _find_snapshot(live, actor, name)) is not None:
        return known, False
    room = await rooms.open(inspection_id)
    if room.hub.state.state != "live" or room.closing:
        raise NotRunning
    if room.hub.state.pause is not None:
        raise Paused
    slot = room.find_slot(slot_id)
    if slot is None or slot_id not in room.hub.state.slots:
        raise SlotUnknown
    await _require_snapshot(live, inspection_id, item)
    picture = await _picture(slot, rtp_timestamp)
    quality, png = await asyncio.to_thread(lambda: (measure(picture.image), encode_png(picture.image)))
    snapshot_id = new_id()
    path = f"{live.folder(inspection_id)}/snapshots/{snapshot_id}.png"
    stored = await asyncio.to_thread(live.files.write, path, png)
    snapshot = Snapshot(
        id=snapshot_id,
        inspection_id=inspection_id,
        slot_id=slot_id,
        participant_id=actor.id,
        request=name,
        item=item,
        rtp_timestamp=picture.rtp_timestamp,
        captured_at=picture.captured_at,
        width=picture.width,
        height=picture.height,
        size_bytes=stored.size_bytes,
        sha256=stored.sha256,
        path=stored.path,
        taken_by_name=actor.name,
        taken_at=live.clock.now(),
    )
    try:
        told = {
            "named": "newest" if rtp_timestamp is None else "screen",
            "quality": asdict(quality),
            "photo_asked": _can_photograph(room, slot_id),
        }
        await _record_snapshot(live, actor, snapshot, told)
    except IntegrityError:
        # The same click came twice and the other request was first: its snapshot stands.
        await _remove_unless_recorded(live, snapshot)
        known = await _find_snapshot(live, actor, name)
        if known is None:
            raise
        return known, False
    except BaseException:
        await _remove_unless_recorded(live, snapshot)
        raise
    return snapshot, True


async def hear(live: Live, room: Room, actor: Actor, message: ClientMessage) -> int | None:
    """Do what a client says; the seq of the event that this made, if any."""
    match message:
        case Ping():
            return None
        case Network():
            room.report_network(actor.id, message)
            return None
        case Chat(text=text):
            actor.require("room.chat")
            return await _append(live, actor, "chat.sent", {"text": text})
        case AnswerItem():
            actor.require("room.answer")
            return await _answer(live, actor, message)
        case Mute(slot=slot, kind=kind, muted=muted):
            known = room.hub.state.slots.get(slot)
            if known is None or known.participant != actor.id:
                raise SlotUnknown
            return await _append(live, actor, "slot.muted", {"slot": slot, "kind": kind, "muted": muted})
        case Device(state=state, detail=detail):
            body = {"participant": actor.id, "state": state, "detail": detail}
            if message.happened_at is not None:
                body["happened_at"] = rfc3339(message.happened_at)
            return await _append(live, actor, "device.reported", body)
        case Location():
            actor.require("room.locate")
            return await _locate(live, room, actor, message)
        case Key(public=public):
            await room.catch_up()  # a page that is reloaded at once brings the key that it has just brought
            return await bring_key(live, room.hub.state.keys, actor, public)
        case Countersign(signature=signature, countersignature=own):
            await countersign(live, room.heads, room.hub.state.keys, actor, signature, own)
            return None
        case Leave():
            await room.close_sessions(actor.id)
            body = {"participant": actor.id, "cause": "left"}
            return await _append(live, actor, "participant.left", body)


async def _answer(live: Live, actor: Actor, answer: AnswerItem) -> int:
    async with live.database.transaction() as session:
        inspection = await session.get_one(Inspection, actor.inspection_id, with_for_update=True)
        if inspection.state not in JOINABLE:
            raise NotRunning
        if template_of(inspection).find_item(answer.item) is None:
            raise ItemUnknown
        if answer.was is not None:
            await _require_seen(session, inspection.id, answer.item, answer.was)
        body = {"item": answer.item, "result": answer.result, "note": answer.note}
        event = await live.journal.append(session, inspection.id, "checklist.answered", actor, body)
    return event.seq


async def _require_seen(session: AsyncSession, inspection_id: str, item: str, was: int) -> None:
    """AnsweredMeanwhile if the item has an answer that is newer than event `was`."""
    newer = await session.scalars(
        select(Event)
        .where(Event.inspection_id == inspection_id, Event.type == "checklist.answered", Event.seq > was)
        .order_by(Event.seq.desc())
    )
    last = next((event for event in newer if event.body["item"] == item), None)
    if last is not None and (was or last.body["result"] != "none"):
        raise AnsweredMeanwhile(
            seq=last.seq,
            result=last.body["result"],
            note=last.body["note"],
            by=last.actor["name"],
            at=rfc3339(last.at),
        )


async def _locate(live: Live, room: Room, actor: Actor, fix: Location) -> int | None:
    """A position with what it is worth against the case's place, as it was judged when it came.

    None during a pause: whoever is told that nothing is recorded does not expect it of their whereabouts.
    """
    if room.hub.state.pause is not None:
        return None
    async with live.database.reading() as session:
        place = (
            await session.execute(
                select(Case.latitude, Case.longitude)
                .join(Inspection, Inspection.case_id == Case.id)
                .where(Inspection.id == actor.inspection_id)
            )
        ).one()
    known = None if place[0] is None or place[1] is None else (place[0], place[1])
    where = judge(fix.lat, fix.lon, fix.accuracy_m, known)
    body = {
        "participant": actor.id,
        "lat": fix.lat,
        "lon": fix.lon,
        "accuracy_m": fix.accuracy_m,
        "taken_at": fix.taken_at,
        "permission": fix.permission,
        "distance_m": where.distance_m,
        "grade": where.grade,
        "reasons": list(where.reasons),
    }
    return await _append(live, actor, "location.fixed", body)


async def _append(live: Live, actor: Actor, type_: str, body: dict[str, Any]) -> int:
    """An event of a participant, while the inspection is not over."""
    async with live.database.transaction() as session:
        inspection = await session.get_one(Inspection, actor.inspection_id, with_for_update=True)
        if inspection.state not in JOINABLE:
            raise NotRunning
        event = await live.journal.append(session, inspection.id, type_, actor, body)
    return event.seq


async def _require_room_on_disk(live: Live, room: Room) -> None:
    """StorageFull if an inspection cannot start; the phone asks again and again, the office is told once each time."""
    try:
        await asyncio.to_thread(live.files.require_room)
    except StorageFull:
        if not room.refused_for_space:
            room.refused_for_space = True
            log.error("disk_nearly_full", inspection=room.inspection_id)
            body = {"code": "storage_full", "detail": str(live.files.free_bytes())}
            async with live.database.transaction() as session:
                await live.journal.append(session, room.inspection_id, "office.warned", system_actor(), body)
        raise
    room.refused_for_space = False


async def _slot_row(live: Live, actor: Actor, source: str) -> tuple[str, int]:
    """The slot's id and how many parts it has already; made with its event if it is new."""
    async with live.database.transaction() as session:
        # There is no row of a new slot to lock: the inspection's is the lock of its slots.
        inspection = await session.get_one(Inspection, actor.inspection_id, with_for_update=True)
        if inspection.state not in JOINABLE:
            raise NotRunning
        slot = await session.scalar(
            select(Slot).where(Slot.participant_id == actor.id, Slot.source == source)
        )
        if slot is None:
            slot = Slot(
                id=new_id(),
                inspection_id=actor.inspection_id or "",
                participant_id=actor.id,
                source=source,
                opened_at=live.clock.now(),
            )
            session.add(slot)
            await session.flush()
            body = {"slot": slot.id, "participant": actor.id, "source": source}
            await live.journal.append(session, slot.inspection_id, "slot.opened", actor, body)
        return slot.id, await _count_parts(session, slot.id)


async def _count_parts(session: Any, slot_id: str) -> int:
    """How many parts the server recorded; what a phone sent later has no number."""
    counted = select(func.count()).where(Part.slot_id == slot_id, Part.source == "received")
    return int(await session.scalar(counted))


async def _picture(slot: media.Slot, rtp_timestamp: int | None) -> media.Picture:
    try:
        return await slot.snapshot(rtp_timestamp)
    except media.FrameGone as error:
        raise FrameGone from error
    except media.NoPicture as error:
        raise NoPicture from error
    except media.NotSupported as error:
        raise PictureTooLarge from error


async def _find_snapshot(live: Live, actor: Actor, request: str) -> Snapshot | None:
    async with live.database.reading() as session:
        found: Snapshot | None = await session.scalar(
            select(Snapshot).where(Snapshot.participant_id == actor.id, Snapshot.request == request)
        )
    return found


async def _require_snapshot(live: Live, inspection_id: str, item: str | None) -> None:
    """Before anything is decoded or written. NotRunning, ItemUnknown."""
    async with live.database.reading() as session:
        _check_snapshot(await session.get_one(Inspection, inspection_id), item)


def _check_snapshot(inspection: Inspection, item: str | None) -> None:
    if inspection.state != "live":
        raise NotRunning
    if item is not None and template_of(inspection).find_item(item) is None:
        raise ItemUnknown


async def _remove_unless_recorded(live: Live, snapshot: Snapshot) -> None:
    """A commit whose answer was lost may stand: then the picture is evidence."""
    async with live.database.reading() as session:
        recorded = await session.scalar(select(Snapshot.id).where(Snapshot.id == snapshot.id))
    if recorded is None:
        await asyncio.to_thread(live.files.absolute(snapshot.path).unlink, missing_ok=True)


def _can_photograph(room: Room, slot_id: str) -> bool:
    """Whether somebody holds this camera who hears of the snapshot and may add a photo to it."""
    slot = room.hub.state.slots[slot_id]
    return slot.source == "camera" and any(
        person.participant_id == slot.participant and may_photograph(person.role) for person in room.online()
    )


async def _record_snapshot(live: Live, actor: Actor, snapshot: Snapshot, told: dict[str, Any]) -> None:
    """`told`: what else its event says. `named`: "screen" if the client said which frame was on its screen, "newest" if
    it could not; `photo_asked`: the phone hears in this event that a photo is wanted."""
    async with live.database.transaction() as session:
        inspection = await session.get_one(Inspection, snapshot.inspection_id, with_for_update=True)
        _check_snapshot(inspection, snapshot.item)
        session.add(snapshot)
        await session.flush()
        body = {
            "snapshot": snapshot.id,
            "slot": snapshot.slot_id,
            "item": snapshot.item,
            "rtp_timestamp": snapshot.rtp_timestamp,
            "captured_at": rfc3339(snapshot.captured_at),
            "width": snapshot.width,
            "height": snapshot.height,
            "size_bytes": snapshot.size_bytes,
            "sha256": snapshot.sha256,
            **told,
        }
        await live.journal.append(session, inspection.id, "snapshot.taken", actor, body)
        await attach_evidence(
            session,
            case_id=inspection.case_id,
            inspection_id=inspection.id,
            kind="snapshot",
            title=snapshot.item or "",
            media_type="image/png",
            size_bytes=snapshot.size_bytes,
            sha256=snapshot.sha256,
            url=snapshot_url(snapshot),
            at=snapshot.captured_at,
        )


def template_of(inspection: Inspection) -> Template:
    """The checklist that the inspection was scheduled with."""
    return get_template(inspection.template_key, inspection.template_version)


def snapshot_url(snapshot: Snapshot) -> str:
    return f"/api/v1/inspections/{snapshot.inspection_id}/snapshots/{snapshot.id}"

"""Photos: full-resolution stills that a phone takes beside the stream, hashed on the phone before they are sent.

A photo is announced with its digest, which enters the log, comes piece by piece, and becomes evidence only if the whole
is what was announced. One that never comes stays announced, for everybody to see.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.rules import PERMISSIONS, Actor
from server.cases.service import attach_evidence
from server.clock import rfc3339
from server.errors import N_, Conflict, Invalid, NotFound, TooLarge, Unavailable
from server.ids import new_id
from server.inspections.errors import LogClosed
from server.inspections.models import Event, Inspection
from server.inspections.pausing import Pause, list_pauses
from server.live.context import Live
from server.live.join import NotRunning
from server.live.models import Photo, Slot, Snapshot
from server.live.uploads import (
    INTO_A_PAUSE,
    OfAnotherDevice,
    OfAPause,
    UploadOver,
    WrongDigest,
    WrongOffset,
    get_open_inspection,
    get_whole,
    take_piece,
)
from server.storage.files import sha256_of, sync_folder
from server.vision import pictures

log = structlog.get_logger("photos")

How = Literal["photo", "frame"]
"""By the camera's own still, or a frame of its picture at the camera's resolution."""

OUT_OF_TIME = timedelta(minutes=1)
"""How far outside of the inspection a phone may say that it took a photo."""
LARGEST_PHOTO = 32 << 20
MOST_PHOTOS = 500
MOST_BYTES = 2 << 30
"""Of one participant in one inspection."""


class PhotoUnknown(NotFound):
    code = "photo_unknown"
    text = N_("This photo was not announced.")


class SnapshotUnknown(NotFound):
    code = "snapshot_unknown"
    text = N_("Your camera has no such snapshot.")


class AnnouncedOtherwise(Conflict):
    """The same name again, for other bytes: what was announced stands in the log."""

    code = "announced_otherwise"
    text = N_("A photo of this name was announced with another digest.")


class TooMany(Conflict):
    code = "too_many_photos"
    text = N_("No more photos are taken in this inspection.")


class PhotoDiffers(Invalid):
    """`sha256`: of what came."""

    code = "photo_differs"
    text = N_("The photo that arrived is not the one that was announced, so it is not taken.")


class BadPhoto(Invalid):
    code = "bad_photo"
    text = N_("This is not a JPEG, PNG or WebP picture that can be opened, so it is not taken.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """What a phone says of a photo before it sends it. `request`: its own name for it. Sizes in bytes and pixels."""

    request: str
    snapshot: str | None
    media_type: str
    taken_at: datetime
    width: int
    height: int
    how: How
    size_bytes: int
    sha256: str


async def announce(live: Live, actor: Actor, said: Announced) -> tuple[Photo, bool]:
    """The photo's row, and whether this call made it. The same again answers with what is there.

    NotRunning, UploadOver, StorageFull, TooLarge, TooMany, SnapshotUnknown, AnnouncedOtherwise, OfAPause,
    OfAnotherDevice, Invalid.
    """
    actor.require("room.photo")
    await asyncio.to_thread(live.files.require_room, said.size_bytes)
    try:
        return await _announce(live, actor, said)
    except IntegrityError:  # the same photo twice at once
        return await _announce(live, actor, said)


async def _announce(live: Live, actor: Actor, said: Announced) -> tuple[Photo, bool]:
    async with live.database.transaction() as session:
        inspection = await get_open_inspection(session, live, actor)
        known: Photo | None = await session.scalar(
            select(Photo).where(Photo.participant_id == actor.id, Photo.request == said.request)
        )
        if known is not None:
            if (known.sha256, known.size_bytes) != (said.sha256, said.size_bytes):
                raise AnnouncedOtherwise
            return known, False
        _check_time(said, inspection, live.clock.now())
        if actor.replaced_at is not None and said.taken_at >= actor.replaced_at:
            raise OfAnotherDevice
        _check_pauses(said, await list_pauses(session, inspection.id))
        await _check_amount(session, actor, said.size_bytes)
        slot = await _slot(session, actor)
        await _check_snapshot(session, slot, said.snapshot)
        row = _row(slot, actor, said, live.clock.now())
        session.add(row)
        await session.flush()
        try:
            await live.journal.append(session, inspection.id, "photo.announced", actor, told_of(row))
        except LogClosed as error:
            raise UploadOver from error
    return row, True


def _row(slot: Slot, actor: Actor, said: Announced, now: datetime) -> Photo:
    return Photo(
        id=new_id(),
        inspection_id=slot.inspection_id,
        slot_id=slot.id,
        participant_id=actor.id,
        snapshot_id=said.snapshot,
        request=said.request,
        media_type=said.media_type,
        taken_at=said.taken_at,
        width=said.width,
        height=said.height,
        how=said.how,
        size_bytes=said.size_bytes,
        sha256=said.sha256,
        received_bytes=0,
        state="receiving",
        announced_at=now,
    )


def told_of(row: Photo) -> dict[str, Any]:
    """What both of its events say of a photo."""
    return {
        "photo": row.id,
        "snapshot": row.snapshot_id,
        "slot": row.slot_id,
        "participant": row.participant_id,
        "taken_at": rfc3339(row.taken_at),
        "how": row.how,
        "media_type": row.media_type,
        "width": row.width,
        "height": row.height,
        "size_bytes": row.size_bytes,
        "sha256": row.sha256,
    }


def _check_time(said: Announced, inspection: Inspection, now: datetime) -> None:
    since = (inspection.started_at or now) - OUT_OF_TIME
    until = (inspection.ended_at or now) + OUT_OF_TIME
    if not since <= said.taken_at <= until:
        raise Invalid({"taken_at": N_("This photo is not of the time of the inspection.")})


def _check_pauses(said: Announced, pauses: Iterable[Pause]) -> None:
    for pause in pauses:
        if pause.start + INTO_A_PAUSE < said.taken_at < (pause.end or datetime.max.replace(tzinfo=UTC)):
            raise OfAPause


async def _check_amount(session: AsyncSession, actor: Actor, size_bytes: int) -> None:
    sums = select(func.count(), func.coalesce(func.sum(Photo.size_bytes), 0))
    photos, total = (await session.execute(sums.where(Photo.participant_id == actor.id))).one()
    if size_bytes > LARGEST_PHOTO or total + size_bytes > MOST_BYTES:
        raise TooLarge
    if photos >= MOST_PHOTOS:
        raise TooMany


async def _slot(session: AsyncSession, actor: Actor) -> Slot:
    found: Slot | None = await session.scalar(
        select(Slot).where(Slot.participant_id == actor.id, Slot.source == "camera")
    )
    if found is None:
        raise NotRunning
    return found


async def _check_snapshot(session: AsyncSession, slot: Slot, snapshot_id: str | None) -> None:
    if snapshot_id is None:
        return
    snapshot = await session.get(Snapshot, snapshot_id)
    if snapshot is None or snapshot.slot_id != slot.id:
        raise SnapshotUnknown


async def find_photo(live: Live, actor: Actor, photo_id: str) -> Photo:
    """The participant's own photo; PhotoUnknown for anybody else's."""
    async with live.database.reading() as session:
        await get_open_inspection(session, live, actor)
        row = await session.get(Photo, photo_id)
    if row is None or row.participant_id != actor.id:
        raise PhotoUnknown
    return row


async def receive(
    live: Live, actor: Actor, photo_id: str, offset: int, digest: str | None, data: bytes
) -> Photo:
    """One piece, durable when this returns. The last one makes it evidence; so does an empty one after all are here.

    WrongOffset, WrongDigest, TooLarge (more than was announced); PhotoDiffers or BadPhoto, for good. Unavailable: an
    empty piece at the end asks again.
    """
    async with live.uploads.of(photo_id):
        row = await find_photo(live, actor, photo_id)
        if row.state == "accepted":
            return row
        if row.state == "refused":
            raise await _refusal(live, row)
        if offset != row.received_bytes:
            raise WrongOffset(offset=row.received_bytes)
        if offset + len(data) > row.size_bytes:
            raise TooLarge
        if digest is not None and digest != hashlib.sha256(data).hexdigest():
            raise WrongDigest
        if data:
            await take_piece(live, row, data)
        if offset + len(data) == row.size_bytes:
            await _accept(live, actor, row)
        return await find_photo(live, actor, photo_id)


async def _refusal(live: Live, row: Photo) -> Invalid:
    """What was said of it then: the log has why."""
    told = select(Event).where(Event.inspection_id == row.inspection_id, Event.type == "photo.refused")
    async with live.database.reading() as session:
        reasons = {event.body["photo"]: event.body["reason"] for event in await session.scalars(told)}
    return BadPhoto() if reasons.get(row.id) == "unreadable" else PhotoDiffers()


async def _accept(live: Live, actor: Actor, row: Photo) -> None:
    source = await get_whole(live, row, photo_path(row))
    try:
        sha256 = await asyncio.to_thread(sha256_of, source)
        if sha256 != row.sha256:
            await _refuse(live, actor, row, source, "digest", sha256)
            raise PhotoDiffers(sha256=sha256)
        picture = await _examine(row, source)
        if picture is None or picture.media_type != row.media_type:
            await _refuse(live, actor, row, source, "unreadable", sha256)
            raise BadPhoto
        await _enter(live, actor, row, picture, source)
    except LogClosed as error:
        await asyncio.to_thread(source.unlink, missing_ok=True)
        raise UploadOver from error


async def _examine(row: Photo, source: Path) -> pictures.PictureFile | None:
    """What the file is, whatever it claims to be; None for what is no picture, or broke its reader. Unavailable."""
    try:
        return await pictures.recognise(source.read_bytes)
    except (pictures.NotAPicture, pictures.BrokenPicture) as error:
        log.warning("photo_unreadable", photo=row.id, reason=str(error))
        return None
    except (pictures.NotOpenedNow, OSError) as error:
        log.warning("photo_not_opened_now", photo=row.id, reason=str(error))
        raise Unavailable from error


async def _refuse(live: Live, actor: Actor, row: Photo, source: Path, reason: str, sha256: str) -> None:
    """`reason`: `digest`, or `unreadable`. What came is not kept; that it came is in the log."""
    body = {"photo": row.id, "snapshot": row.snapshot_id, "reason": reason, "sha256": sha256}
    async with live.database.transaction() as session:
        if await _settle(session, row, state="refused"):
            await live.journal.append(session, row.inspection_id, "photo.refused", actor, body)
    await asyncio.to_thread(source.unlink, missing_ok=True)
    log.warning("photo_refused", photo=row.id, reason=reason)


async def _settle(session: AsyncSession, row: Photo, **values: Any) -> bool:
    """Whether this call ended its being received."""
    changed = await session.execute(
        update(Photo).where(Photo.id == row.id, Photo.state == "receiving").values(**values)
    )
    return bool(changed.rowcount == 1)  # type: ignore[attr-defined]


async def _enter(live: Live, actor: Actor, row: Photo, picture: pictures.PictureFile, source: Path) -> None:
    """Row, event, evidence and the file's move into the inspection's folder, in one transaction.

    The event comes before the move: it holds the log's lock, so that nobody closes and seals meanwhile.
    """
    async with live.database.transaction() as session:
        size = {"width": picture.width, "height": picture.height}
        if not await _settle(session, row, state="accepted", **size):
            return
        inspection = await session.get_one(Inspection, row.inspection_id)
        snapshot = await session.get(Snapshot, row.snapshot_id) if row.snapshot_id else None
        body = {**told_of(row), **size}
        await live.journal.append(session, inspection.id, "photo.added", actor, body)
        await attach_evidence(
            session,
            case_id=inspection.case_id,
            inspection_id=inspection.id,
            kind="photo",
            title=(snapshot.item if snapshot else None) or "",
            media_type=row.media_type,
            size_bytes=row.size_bytes,
            sha256=row.sha256,
            url=photo_url(row),
            at=row.taken_at,
        )
        await asyncio.to_thread(_move, source, live.files.absolute(photo_path(row)))


def _move(source: Path, target: Path) -> None:
    """Blocks. May be repeated after a kill."""
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
    sync_folder(target.parent)


def may_photograph(role: str) -> bool:
    """Whether who has this role may add photos."""
    return any(role == name and "room.photo" in actions for name, actions in PERMISSIONS.items())


def photo_path(row: Photo) -> str:
    """Where a photo is kept as it came, relative to the data folder."""
    name = f"{row.id}.{pictures.EXTENSIONS[row.media_type]}"
    return f"inspections/{row.inspection_id}/data/photos/{name}"


def photo_url(row: Photo) -> str:
    return f"/api/v1/inspections/{row.inspection_id}/photos/{row.id}"

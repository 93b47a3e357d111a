"""What phones send piece by piece, recordings and photos: until when, each piece durable, resumed at any of them.

Pieces are collected outside of the inspection's folder, which is to be sealed; the whole moves in with its event.
"""

from __future__ import annotations

import asyncio
import errno
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.rules import Actor
from server.errors import N_, Conflict, Forbidden, Gone, Invalid, StorageFull
from server.inspections.continuity import missing, read_ledgers
from server.inspections.models import Inspection
from server.live.context import Live
from server.live.join import NotRunning
from server.live.models import FormerDevice, Participant, PhoneRecording, Photo, Slot

UPLOAD_LIFE = timedelta(hours=24)
"""How long after the end of the inspection a phone may still send."""
LARGEST_PIECE = 1 << 20
INTO_A_PAUSE = timedelta(seconds=2)
"""How far what a phone took may reach into a pause, of which it hears a moment later."""

Upload = PhoneRecording | Photo


class UploadOver(Gone):
    code = "upload_over"
    text = N_("The time for sending recordings and photos of this inspection is over.")


class OfAnotherDevice(Forbidden):
    """Taken after another device had taken the place: from then on the other one's count."""

    code = "recording_of_another_device"
    text = N_("Another device had gone on by then: only what was recorded before is taken.")


class OfAPause(Conflict):
    """Nobody was to be recorded then, on the phone neither; it may forget what it took."""

    code = "recording_of_a_pause"
    text = N_("The inspection was paused at that time: nothing of it is kept.")


class WrongOffset(Conflict):
    """`offset` is where the next piece begins."""

    code = "wrong_offset"
    text = N_("The next piece begins at byte {offset}.")


class WrongDigest(Invalid):
    code = "wrong_digest"
    text = N_("The piece is not what its digest says. Please send it again.")


async def get_open_inspection(session: AsyncSession, live: Live, actor: Actor) -> Inspection:
    """The participant's inspection while it takes uploads. Forbidden, NotRunning, UploadOver."""
    actor.require("room.upload")
    inspection = await session.get_one(Inspection, actor.inspection_id)
    if inspection.state not in ("live", "ended", "concluded"):
        raise NotRunning
    if inspection.log_closed:
        raise UploadOver
    if inspection.ended_at is not None and live.clock.now() > inspection.ended_at + UPLOAD_LIFE:
        raise UploadOver
    return inspection


async def take_piece(live: Live, row: Upload, data: bytes) -> None:
    """The next piece, durable when this returns. StorageFull; WrongOffset if somebody else's came meanwhile."""
    offset = row.received_bytes
    await asyncio.to_thread(_write_at, live.files.absolute(incoming_path(row)), offset, data)
    if not await change(live, row, offset, received_bytes=offset + len(data)):
        kind: type[Upload] = type(row)
        async with live.database.reading() as session:
            received = await session.scalar(select(kind.received_bytes).where(kind.id == row.id))
        raise WrongOffset(offset=received)


async def change(live: Live, row: Upload, at: int, **values: Any) -> bool:
    """Whether the row was changed: only while it is being received, and `at` bytes of it are here."""
    kind: type[Upload] = type(row)
    async with live.database.transaction() as session:
        changed = await session.execute(
            update(kind)
            .where(kind.id == row.id, kind.state == "receiving", kind.received_bytes == at)
            .values(**values)
            .execution_options(synchronize_session=False)
        )
    return bool(changed.rowcount == 1)  # type: ignore[attr-defined]


def incoming_path(row: Upload) -> str:
    """Where pieces are collected."""
    return f"incoming/{row.inspection_id}/{row.id}"


async def get_whole(live: Live, row: Upload, kept: str) -> Path:
    """The file as it came; `kept`: where it stays once it is accepted, relative to the data folder.

    A kill between its move there and the transaction's end left it there. WrongOffset, at the beginning, if what was
    acknowledged is not here (a disk that was put back): the phone still has it.
    """
    source = await asyncio.to_thread(_find_whole, live, row, kept)
    if source is None:
        await change(live, row, row.size_bytes, received_bytes=0)
        raise WrongOffset(offset=0)
    return source


def _find_whole(live: Live, row: Upload, kept: str) -> Path | None:
    for path in (incoming_path(row), kept):
        whole = live.files.absolute(path)
        if whole.is_file() and whole.stat().st_size >= row.size_bytes:
            os.truncate(whole, row.size_bytes)
            return whole
    return None


def _write_at(path: Path, offset: int, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        if os.pwrite(descriptor, data, offset) < len(data):
            raise StorageFull
        os.fsync(descriptor)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull from error
        raise
    finally:
        os.close(descriptor)


async def keep_tokens(session: AsyncSession, inspection_id: str, ended_at: datetime) -> None:
    """The inspection is over: the phones that filmed it may still send until the deadline."""
    deadline = ended_at + UPLOAD_LIFE
    filmed = select(Slot.participant_id).where(Slot.inspection_id == inspection_id)
    await session.execute(
        update(Participant)
        .where(Participant.id.in_(filmed), Participant.token_expires_at < deadline)
        .values(token_expires_at=deadline)
        .execution_options(synchronize_session=False)
    )
    await session.execute(
        update(FormerDevice)
        .where(FormerDevice.participant_id.in_(filmed), FormerDevice.token_expires_at < deadline)
        .values(token_expires_at=deadline)
        .execution_options(synchronize_session=False)
    )


async def awaited_until(session: AsyncSession, inspection: Inspection, now: datetime) -> datetime | None:
    """Until when phones may still send something that is missing of an ended inspection: film of a gap, or a photo
    that they announced. None: nothing is awaited, for each has said that it sent all it had."""
    if inspection.ended_at is None or now > inspection.ended_at + UPLOAD_LIFE:
        return None
    announced = exists().where(Photo.inspection_id == inspection.id, Photo.state == "receiving")
    if await session.scalar(select(announced)):
        return inspection.ended_at + UPLOAD_LIFE
    for ledger in await read_ledgers(session, inspection.id, now):
        gaps = missing(ledger)
        if gaps and await _somebody_may_send(session, ledger.participant, gaps[0].start):
            return inspection.ended_at + UPLOAD_LIFE
    return None


async def _somebody_may_send(session: AsyncSession, participant_id: str, since: datetime) -> bool:
    """Whether a device that was in the place after `since` has not said yet that it sent all it had.

    Only the enterprise's page records by itself: the cameras of desks, and of their guests, have nothing to send."""
    present = select(Participant.id).where(
        Participant.id == participant_id,
        Participant.role == "enterprise",
        Participant.sent_all_at.is_(None),
    )
    former = select(FormerDevice.participant_id).where(
        FormerDevice.participant_id == participant_id,
        FormerDevice.sent_all_at.is_(None),
        FormerDevice.replaced_at > since,
    )
    return any([await session.scalar(query.limit(1)) for query in (present, former)])

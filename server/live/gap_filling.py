"""Filling gaps from the phone: what the server lacks of a slot, and the files that the phone recorded itself meanwhile.

A file is announced with its pieces and their digests, comes piece by piece in order, can be resumed at any piece, and
becomes a part only when it is whole, can be opened, and shows something that is missing.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from server import media
from server.accounts.rules import Actor
from server.errors import N_, Conflict, Invalid, NotFound, TooLarge, Unavailable
from server.ids import new_id
from server.inspections.continuity import find_ledger, missing
from server.inspections.errors import LogClosed
from server.inspections.ledger import Span
from server.inspections.models import Inspection
from server.inspections.pausing import Pause, list_pauses
from server.live.context import Live
from server.live.models import FormerDevice, Part, Participant, PhoneRecording, Slot
from server.live.recording import record_part
from server.live.uploads import (
    INTO_A_PAUSE,
    UPLOAD_LIFE,
    OfAnotherDevice,
    OfAPause,
    UploadOver,
    WrongDigest,
    WrongOffset,
    change,
    get_open_inspection,
    get_whole,
    incoming_path,
    take_piece,
)
from server.storage.files import sha256_of, sync_folder

log = structlog.get_logger("gap_filling")

SETTLED_AFTER = timedelta(seconds=10)
"""A file that is being written may lose its last moments: what is younger is not yet certain to be here."""
OUT_OF_TIME = timedelta(minutes=1)
"""How far outside of the inspection a phone's recording may begin or end."""
LONGEST_S = 120.0
MOST_CHUNKS = 240
LARGEST_RECORDING = 32 << 20
MOST_BYTES = 2 << 30
"""Of one participant in one inspection."""
MOST_CRASHES = 3
"""A file that has broken its reader so often is taken for one that does."""


class NothingMissing(Conflict):
    """The recording shows nothing that the server lacks; the phone may forget it."""

    code = "recording_not_needed"
    text = N_("Nothing of this recording is missing.")


class StillRunning(Conflict):
    code = "inspection_running"
    text = N_("The inspection is still running: there may be more to send.")


class RecordingUnknown(NotFound):
    code = "recording_unknown"
    text = N_("This recording was not announced.")


class BadRecording(Invalid):
    code = "bad_recording"
    text = N_("This is not a recording that can be shown: {detail}")


class NotOpenedNow(Unavailable):
    """The whole is here and kept; an empty piece at its end asks again."""

    code = "recording_not_opened"
    text = N_("The recording has arrived but cannot be looked at just now. Please try again shortly.")


@dataclass(frozen=True, slots=True)
class Lacking:
    """What the server lacks of a slot, and up to when that is certain: the file in hand only as far as it is on the
    disk. `settled` None: nothing is known of the slot."""

    slot_id: str | None
    gaps: tuple[Span, ...]
    settled: datetime | None
    deadline: datetime | None
    pauses: tuple[Pause, ...]
    """What the phone recorded meanwhile, before it heard of the pause, is wanted by nobody."""


@dataclass(frozen=True, slots=True)
class Chunk:
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """What a phone says of a recording before it sends it."""

    run: str
    source: str
    media_type: str
    started_at: datetime
    duration_s: float
    chunks: Sequence[Chunk]


async def find_lacking(live: Live, actor: Actor, source: str) -> Lacking:
    """What this participant's phone should send. UploadOver after the deadline."""
    async with live.database.reading() as session:
        inspection = await get_open_inspection(session, live, actor)
        slot = await _slot(session, actor, source)
        deadline = inspection.ended_at + UPLOAD_LIFE if inspection.ended_at else None
        ledger = await find_ledger(session, inspection.id, slot.id, live.clock.now()) if slot else None
        pauses = tuple(await list_pauses(session, inspection.id))
    now = live.clock.now()
    if slot is None or ledger is None:
        return Lacking(slot.id if slot else None, (), None, deadline, pauses)
    # After the end nothing more is wanted: also what a phone recorded in its last moment is settled.
    settled = now if inspection.ended_at else now - SETTLED_AFTER
    certain = min(settled, ledger.certain or settled)
    return Lacking(slot.id, tuple(missing(ledger)), certain, deadline, pauses)


async def announce(live: Live, actor: Actor, said: Announced) -> tuple[PhoneRecording, bool]:
    """The recording's row, and whether this call made it. The same run again answers with what is there."""
    await asyncio.to_thread(live.files.require_room)
    try:
        return await _announce(live, actor, said)
    except IntegrityError:  # the same run twice at once
        return await _announce(live, actor, said)


async def _announce(live: Live, actor: Actor, said: Announced) -> tuple[PhoneRecording, bool]:
    async with live.database.transaction() as session:
        inspection = await get_open_inspection(session, live, actor)
        known: PhoneRecording | None = await session.scalar(
            select(PhoneRecording).where(
                PhoneRecording.participant_id == actor.id, PhoneRecording.run == said.run
            )
        )
        if known is not None:
            return known, False
        slot = await _slot(session, actor, said.source)
        ledger = await find_ledger(session, inspection.id, slot.id, live.clock.now()) if slot else None
        if slot is None or ledger is None:
            raise NothingMissing
        _check(said, inspection, live.clock.now())
        if actor.replaced_at is not None and said.started_at >= actor.replaced_at:
            raise OfAnotherDevice
        shown = Span(said.started_at, said.started_at + timedelta(seconds=said.duration_s))
        if not any(gap.start < shown.end and shown.start < gap.end for gap in missing(ledger)):
            raise NothingMissing
        _check_pauses(shown, await list_pauses(session, inspection.id))
        earlier: Iterable[list[dict[str, Any]]] = await session.scalars(
            select(PhoneRecording.chunks).where(PhoneRecording.participant_id == actor.id)
        )
        total = sum(int(chunk["size"]) for chunks in earlier for chunk in chunks)
        if total + sum(chunk.size for chunk in said.chunks) > MOST_BYTES:
            raise TooLarge
        row = PhoneRecording(
            id=new_id(),
            inspection_id=inspection.id,
            slot_id=slot.id,
            participant_id=actor.id,
            run=said.run,
            media_type=said.media_type,
            started_at=said.started_at,
            duration_s=said.duration_s,
            chunks=[{"size": chunk.size, "sha256": chunk.sha256} for chunk in said.chunks],
            announced_at=live.clock.now(),
            received_bytes=0,
            state="receiving",
        )
        session.add(row)
        await session.flush()
    return row, True


def _check(said: Announced, inspection: Inspection, now: datetime) -> None:
    if sum(chunk.size for chunk in said.chunks) > LARGEST_RECORDING:
        raise TooLarge
    since = (inspection.started_at or now) - OUT_OF_TIME
    until = (inspection.ended_at or now) + OUT_OF_TIME
    if not since <= said.started_at <= said.started_at + timedelta(seconds=said.duration_s) <= until:
        raise Invalid({"started_at": N_("This recording is not of the time of the inspection.")})


def _check_pauses(shown: Span, pauses: Iterable[Pause]) -> None:
    for pause in pauses:
        end = min(shown.end, pause.end or shown.end)
        if end - max(shown.start, pause.start) > INTO_A_PAUSE:
            raise OfAPause


async def find_recording(live: Live, actor: Actor, recording_id: str) -> PhoneRecording:
    """The participant's own recording; RecordingUnknown for anybody else's."""
    async with live.database.reading() as session:
        await get_open_inspection(session, live, actor)
        row = await session.get(PhoneRecording, recording_id)
    if row is None or row.participant_id != actor.id:
        raise RecordingUnknown
    return row


async def receive(
    live: Live, actor: Actor, recording_id: str, offset: int, digest: str | None, data: bytes
) -> PhoneRecording:
    """One piece, durable when this returns. The last one makes the part; so does an empty one after all are here.

    WrongOffset, WrongDigest; BadRecording if the whole cannot be opened (it is forgotten then); NotOpenedNow.
    """
    async with live.uploads.of(recording_id):
        row = await find_recording(live, actor, recording_id)
        if row.state == "accepted":
            return row
        if row.state == "refused":
            raise BadRecording(detail="refused before")
        if offset != row.received_bytes:
            raise WrongOffset(offset=row.received_bytes)
        if row.received_bytes < row.size_bytes:
            _check_piece(row, offset, digest, data)
            await take_piece(live, row, data)
        elif data:
            raise WrongOffset(offset=row.received_bytes)
        if offset + len(data) == row.size_bytes:
            await _accept(live, actor, row)
        return await find_recording(live, actor, recording_id)


def _check_piece(row: PhoneRecording, offset: int, digest: str | None, data: bytes) -> None:
    at = 0
    for chunk in row.chunks:
        if at == offset:
            found = hashlib.sha256(data).hexdigest()
            if len(data) != chunk["size"] or found != chunk["sha256"] or (digest or found) != found:
                raise WrongDigest
            return
        at += int(chunk["size"])
    raise WrongOffset(offset=row.received_bytes)


def original_path(row: PhoneRecording) -> str:
    """Where an accepted recording is kept as it came."""
    return f"inspections/{row.inspection_id}/data/originals/{row.id}.{row.media_type.partition('/')[2]}"


async def _accept(live: Live, actor: Actor, row: PhoneRecording) -> None:
    """Whole: the original is kept as it came, a copy that can be seeked becomes the part."""
    source = await get_whole(live, row, original_path(row))
    copy = live.files.absolute(f"{incoming_path(row)}.{secrets.token_hex(4)}.copy")
    try:
        file = await _copy(live, row, source, copy)
        await _enter(live, actor, row, file, _Move(source, copy, *_places(live, row)))
    except LogClosed as error:
        await asyncio.to_thread(source.unlink, missing_ok=True)
        raise UploadOver from error
    finally:
        await asyncio.to_thread(copy.unlink, missing_ok=True)


async def _copy(live: Live, row: PhoneRecording, source: Path, copy: Path) -> media.PhoneFile:
    """BadRecording for what is none, and for what broke its reader time after time; else NotOpenedNow."""
    try:
        return await asyncio.to_thread(media.copy_seekable, source, row.media_type, copy)
    except media.NotARecording as error:
        await _refuse(live, row, source, str(error))
        raise BadRecording(detail=str(error)) from error
    except media.ReaderFailed as error:
        if row.crashes + 1 >= MOST_CRASHES:
            await _refuse(live, row, source, str(error))
            raise BadRecording(detail=str(error)) from error
        await change(live, row, row.size_bytes, crashes=row.crashes + 1)
        log.warning("phone_recording_broke_its_reader", recording=row.id, reason=str(error))
        raise NotOpenedNow from error
    except (media.NotReadNow, OSError) as error:
        log.warning("phone_recording_not_read_now", recording=row.id, reason=str(error))
        raise NotOpenedNow from error


async def _refuse(live: Live, row: PhoneRecording, source: Path, reason: str) -> None:
    if await change(live, row, row.size_bytes, state="refused"):
        await asyncio.to_thread(source.unlink, missing_ok=True)
    log.warning("phone_recording_refused", recording=row.id, reason=reason)


def _places(live: Live, row: PhoneRecording) -> tuple[Path, Path]:
    """Where an accepted recording and its copy are kept: in the inspection's folder, which is to be sealed."""
    suffix = row.media_type.partition("/")[2]
    name = f"{row.slot_id}-phone-{row.id}.{suffix}"
    part = live.files.absolute(f"{live.folder(row.inspection_id)}/media/{name}")
    return live.files.absolute(original_path(row)), part


@dataclass(frozen=True, slots=True)
class _Move:
    source: Path
    copy: Path
    original: Path
    part: Path

    def make(self) -> None:
        """Blocks. May be repeated after a kill."""
        for here, there in ((self.source, self.original), (self.copy, self.part)):
            there.parent.mkdir(parents=True, exist_ok=True)
            here.replace(there)
            sync_folder(there.parent)


async def _enter(live: Live, actor: Actor, row: PhoneRecording, file: media.PhoneFile, move: _Move) -> None:
    """Row, part, event, evidence and the files' move into the inspection's folder, in one transaction.

    The event comes before the move: it holds the log's lock, so that nobody closes and seals meanwhile (LogClosed
    before anything is moved). The second of two finds it done.
    """
    original_sha256 = await asyncio.to_thread(sha256_of, move.source)
    extra = {
        "source": "phone",
        "recording": row.id,
        "original": {"sha256": original_sha256, "size_bytes": row.size_bytes},
    }
    part = _part(live, row, move.part, file)
    async with live.database.transaction() as session:
        moved = await session.execute(
            update(PhoneRecording)
            .where(PhoneRecording.id == row.id, PhoneRecording.state == "receiving")
            .values(state="accepted")
        )
        if moved.rowcount != 1:  # type: ignore[attr-defined]
            return
        session.add(part)
        await session.flush()
        await session.execute(
            update(PhoneRecording).where(PhoneRecording.id == row.id).values(part_id=part.id)
        )
        await record_part(session, live, part, actor, kind="phone-part", extra=extra)
        await asyncio.to_thread(move.make)


def _part(live: Live, row: PhoneRecording, target: Path, copy: media.PhoneFile) -> Part:
    return Part(
        id=new_id(),
        inspection_id=row.inspection_id,
        slot_id=row.slot_id,
        epoch=0,
        index=0,
        source="phone",
        path=live.files.relative(target),
        media_type=copy.media_type,
        started_at=row.started_at,
        closed=True,
        repaired=False,
        duration_s=copy.duration_s,
        size_bytes=copy.size_bytes,
        sha256=copy.sha256,
        width=copy.width,
        height=copy.height,
    )


async def settle(live: Live, actor: Actor) -> None:
    """A device has sent all it had: nobody need wait for it any more. Said again it changes nothing.

    StillRunning for the one that still holds its place in a running inspection.
    """
    now = live.clock.now()
    async with live.database.transaction() as session:
        inspection = await get_open_inspection(session, live, actor)
        if inspection.state == "live" and actor.replaced_at is None:
            raise StillRunning
        if actor.replaced_at is None:
            says = update(Participant).where(Participant.id == actor.id, Participant.sent_all_at.is_(None))
        else:
            says = update(FormerDevice).where(
                FormerDevice.participant_id == actor.id,
                FormerDevice.replaced_at == actor.replaced_at,
                FormerDevice.sent_all_at.is_(None),
            )
        said = await session.execute(
            says.values(sent_all_at=now).execution_options(synchronize_session=False)
        )
        if said.rowcount == 1:  # type: ignore[attr-defined]
            body = {"participant": actor.id, "replaced": actor.replaced_at is not None}
            await live.journal.append(session, inspection.id, "gaps.done", actor, body)


async def _slot(session: AsyncSession, actor: Actor, source: str) -> Slot | None:
    found: Slot | None = await session.scalar(
        select(Slot).where(Slot.participant_id == actor.id, Slot.source == source)
    )
    return found

"""Rows of somebody who films, for what is about something else than how they came to be."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from server.ids import new_id
from server.live.models import Participant, Slot


async def add_participant(session: AsyncSession, inspection_id: str, now: datetime) -> str:
    """The enterprise's phone; its id."""
    participant = Participant(
        id=new_id(), inspection_id=inspection_id, role="enterprise", name="田", device="",
        token_hash="ab" * 32, token_expires_at=now, joined_at=now,
    )  # fmt: skip
    session.add(participant)
    await session.flush()
    return participant.id


async def add_camera(session: AsyncSession, inspection_id: str, participant: str, now: datetime) -> str:
    """The slot of a participant's camera; its id."""
    slot = Slot(
        id=new_id(), inspection_id=inspection_id, participant_id=participant, source="camera", opened_at=now
    )
    session.add(slot)
    await session.flush()
    return slot.id

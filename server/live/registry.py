"""Which worker owns a room: a lease with an epoch that rises at each acquisition.

The epoch is a fencing token: it stands in every part's name and in `inspection.started`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.errors import N_, Unavailable
from server.live.models import RoomLease

LEASE = timedelta(seconds=30)


class RoomElsewhere(Unavailable):
    """Another worker holds a lease that has not run out."""

    code = "room_elsewhere"
    text = N_("This inspection is being served by another part of the service. Please try again shortly.")


async def is_elsewhere(session: AsyncSession, inspection_id: str, worker: str, now: datetime) -> bool:
    """Whether another worker holds the room now."""
    lease = await session.get(RoomLease, inspection_id)
    return lease is not None and lease.worker != worker and lease.expires_at > now


async def rooms_elsewhere(session: AsyncSession, worker: str, now: datetime) -> set[str]:
    """The inspections whose rooms other workers hold now."""
    held = select(RoomLease.inspection_id).where(RoomLease.worker != worker, RoomLease.expires_at > now)
    return set(await session.scalars(held))


async def acquire(session: AsyncSession, inspection_id: str, worker: str, now: datetime) -> int:
    """The room's new epoch; RoomElsewhere while another worker's lease runs."""
    lease = await session.get(RoomLease, inspection_id, with_for_update=True)
    if lease is None:
        session.add(RoomLease(inspection_id=inspection_id, worker=worker, epoch=1, expires_at=now + LEASE))
        return 1
    if lease.worker != worker and lease.expires_at > now:
        raise RoomElsewhere
    lease.worker, lease.epoch, lease.expires_at = worker, lease.epoch + 1, now + LEASE
    return lease.epoch


async def renew(session: AsyncSession, inspection_id: str, worker: str, epoch: int, now: datetime) -> None:
    """Hold on to the room; RoomElsewhere if it was taken over meanwhile."""
    lease = await session.get(RoomLease, inspection_id, with_for_update=True)
    if lease is None or lease.worker != worker or lease.epoch != epoch:
        raise RoomElsewhere
    lease.expires_at = now + LEASE

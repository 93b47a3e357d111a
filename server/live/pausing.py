"""The verbs of a pause: the log first, then the room obeys it."""

from __future__ import annotations

from server.accounts.rules import Actor
from server.inspections import pausing
from server.inspections import service as inspections
from server.inspections.pausing import Pause
from server.live.context import Live
from server.live.room import Room
from server.live.rooms import Rooms


async def pause(live: Live, rooms: Rooms, actor: Actor, inspection_id: str, reason: str) -> Pause:
    """When this returns every part in hand is closed and nothing of what cameras send is kept or forwarded.

    The first wins: AlreadyPaused tells the second. NotLive; RoomElsewhere, before anything has changed, if another
    worker has the room.
    """
    room = await _room(live, rooms, actor, inspection_id)
    try:
        async with live.database.transaction() as session:
            return await pausing.pause(session, live.journal, actor, inspection_id, reason)
    finally:
        # Also for the second one: what the first was told to do may have failed.
        await _obey(room)


async def resume(live: Live, rooms: Rooms, actor: Actor, inspection_id: str) -> None:
    """When this returns every camera is recorded again from its next keyframe on. NotPaused for the second."""
    room = await _room(live, rooms, actor, inspection_id)
    try:
        async with live.database.transaction() as session:
            await pausing.resume(session, live.journal, actor, inspection_id)
    finally:
        await _obey(room)


async def _room(live: Live, rooms: Rooms, actor: Actor, inspection_id: str) -> Room | None:
    async with live.database.reading() as session:
        inspection = await inspections.get_inspection(session, actor, inspection_id)
    actor.require("inspection.pause")
    return await rooms.open(inspection_id) if inspection.state == "live" else None


async def _obey(room: Room | None) -> None:
    if room is not None:
        await room.catch_up()
        await room.obey_pause()

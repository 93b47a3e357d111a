"""The rooms that this worker owns: opened, renewed, ticked and let go."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable

import structlog

from server.accounts.rules import system_actor
from server.live import registry
from server.live.context import Live
from server.live.heads import HeadKey
from server.live.room import TICK_S, Online, Room
from server.storage.files import DiskRoom

log = structlog.get_logger("room")

DISK_TICKS = 5
"""The disk is looked at every tenth second."""
RENEW_TICKS = 5
"""A lease is renewed every tenth second: three times before it would run out."""


class Rooms:
    """All rooms of this worker."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._rooms: dict[str, Room] = {}
        self._opening: dict[str, asyncio.Lock] = {}
        self._disk: DiskRoom = "ample"
        self._head_key = HeadKey(live.settings.key_folder)
        self._writing: set[asyncio.Task[None]] = set()
        """The scribes of rooms that are closed already."""
        self._ticker = asyncio.create_task(self._tick(), name="rooms")

    async def open(self, inspection_id: str) -> Room:
        """The room, acquired and caught up; the same one for everybody."""
        if (room := self._rooms.get(inspection_id)) is not None:
            return room
        async with self._opening.setdefault(inspection_id, asyncio.Lock()):
            if (room := self._rooms.get(inspection_id)) is not None:
                return room
            live = self._live
            async with live.database.transaction() as session:
                epoch = await registry.acquire(session, inspection_id, live.settings.worker, live.clock.now())
            room = Room(live, inspection_id, epoch, self._head_key)
            await room.catch_up()
            await self._close_stale_slots(room)
            self._rooms[inspection_id] = room
        return room

    def find(self, inspection_id: str) -> Room | None:
        return self._rooms.get(inspection_id)

    def occupied(self) -> list[str]:
        """The inspections in whose rooms somebody is now."""
        return [inspection_id for inspection_id, room in self._rooms.items() if room.hub.connections]

    def online(self, inspection_id: str) -> list[Online]:
        """Who is connected now."""
        room = self._rooms.get(inspection_id)
        return room.online() if room else []

    def grown(self, inspection_id: str) -> None:
        """The journal's word that a log has grown."""
        if room := self._rooms.get(inspection_id):
            room.grown()

    async def finish(self, inspection_id: str) -> None:
        """The inspection has ended: its room closes for everybody. It is kept until they have heard and signed it."""
        if room := self._rooms.get(inspection_id):
            try:
                await room.close("ended")
            finally:
                self._let_go(room)
        self._opening.pop(inspection_id, None)

    async def close(self) -> None:
        """The service stops: clients are told to come back."""
        self._ticker.cancel()
        await asyncio.gather(self._ticker, return_exceptions=True)
        rooms, self._rooms = list(self._rooms.values()), {}
        await asyncio.gather(*(room.close("restarting") for room in rooms))
        await asyncio.gather(*(room.scribe.close() for room in rooms))
        for writing in tuple(self._writing):
            writing.cancel()
        await asyncio.gather(*self._writing, return_exceptions=True)

    async def _close_stale_slots(self, room: Room) -> None:
        """A slot that the log holds for live while this worker has just taken the room was cut by a restart."""
        stale = [slot.id for slot in room.hub.state.slots.values() if slot.live]
        for slot_id in stale:
            body = {"slot": slot_id, "cause": "worker_restarted"}
            async with self._live.database.transaction() as session:
                await self._live.journal.append(
                    session, room.inspection_id, "slot.interrupted", system_actor(), body
                )
        if stale:
            await room.catch_up()

    async def _tick(self) -> None:
        for count in itertools.count():
            await asyncio.sleep(TICK_S)
            now_s = self._live.clock.monotonic_s()
            for room in tuple(self._rooms.values()):
                self._tick_one(room)
            await self._drop([room for room in self._rooms.values() if room.is_idle(now_s)], None)
            if count % DISK_TICKS == 0:
                await self.look_at_disk()
            if count % RENEW_TICKS == 0:
                await self._renew()

    def _tick_one(self, room: Room) -> None:
        try:
            room.tick()
        except Exception:
            # One room's trouble must not cost the others their leases.
            log.exception("tick", inspection=room.inspection_id)

    async def look_at_disk(self) -> None:
        """Tell every room how much room the disk has."""
        try:
            room_left = await asyncio.to_thread(self._live.files.room_left)
            if room_left != self._disk:
                log.warning("disk", room=room_left, was=self._disk, free_bytes=self._live.files.free_bytes())
                self._disk = room_left
            for room in tuple(self._rooms.values()):
                await room.note_disk(room_left)
        except Exception:
            # Neither the disk nor the database may end the ticking.
            log.exception("disk")

    async def _renew(self) -> None:
        """Hold on to the rooms; one that another worker has taken meanwhile is given up, its clients sent there."""
        live, lost = self._live, []
        for room in tuple(self._rooms.values()):
            try:
                async with live.database.transaction() as session:
                    await registry.renew(
                        session, room.inspection_id, live.settings.worker, room.epoch, live.clock.now()
                    )
            except registry.RoomElsewhere:
                log.error("room_lost", inspection=room.inspection_id, epoch=room.epoch)
                lost.append(room)
            except Exception:
                # A database that does not answer for a moment costs no room: the lease outlasts two tries.
                log.exception("renew", inspection=room.inspection_id)
        await self._drop(lost, "restarting")

    async def _drop(self, rooms: Iterable[Room], code: str | None) -> None:
        for room in rooms:
            self._rooms.pop(room.inspection_id, None)
            await room.close(code)
            self._let_go(room)

    def _let_go(self, room: Room) -> None:
        """A closed room goes; its scribe stays until all is written."""
        if self._rooms.get(room.inspection_id) is room:
            del self._rooms[room.inspection_id]
        task = asyncio.create_task(room.scribe.finish(), name=f"scribe's end {room.inspection_id}")
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

"""One room and what lives in it: hub, scribe, media slots, peer sessions."""

from __future__ import annotations

import asyncio
import contextlib
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import func, select

from server import media
from server.accounts.rules import Actor, system_actor
from server.clock import rfc3339
from server.errors import Throttled
from server.inspections.log import UNTOLD, as_json, events_after
from server.live.context import Live
from server.live.heads import LAST_HEAD_WAIT_S, HeadKey, Heads
from server.live.hub import Connection, Hub
from server.live.messages import Network
from server.live.models import Part, Participant
from server.live.network import Measured, SteadyGrade, grade
from server.live.recording import DRAIN_S, Scribe, part_stem
from server.pace import TokenBucket
from server.storage.files import DiskRoom

log = structlog.get_logger("room")

TICK_S = 2.0
CATCH_UP = 1000
"""How many events are read and told at a time."""
RECORD_AGAIN_S = 10.0
"""The first pause before a recording that failed is begun again; it doubles up to a quarter of an hour."""
AWAY_AFTER_S = 5.0
"""How long a lost connection may take to come back before the log calls the participant away."""
IDLE_S = 120.0
MOST_VIEWS = 6
"""Connections of one participant that look at one slot: some windows, and what a change of network leaves behind."""
CONNECTIONS_AT_ONCE = 30
CONNECTION_REFILL_S = 2.0
"""A console opens one for each picture; and each new one costs the phone a keyframe."""


@dataclass(frozen=True, slots=True)
class Online:
    """A participant who is connected now."""

    participant_id: str
    name: str
    role: str
    since: datetime


class Room:
    """One inspection while somebody is in it. Only the room changes its own state; others ask it to."""

    def __init__(self, live: Live, inspection_id: str, epoch: int, head_key: HeadKey) -> None:
        self.inspection_id = inspection_id
        self.epoch = epoch
        self.hub = Hub()
        self.scribe = Scribe(live, inspection_id, epoch)
        self.heads = Heads(live, inspection_id, head_key)
        self.closing = False
        self.refused_for_space = False
        """Whether the office knows that this inspection could not start for want of space."""
        self.busy_at = live.clock.monotonic_s()
        self._live = live
        self._slots: dict[str, media.Slot] = {}
        self._first_index: dict[str, int] = {}
        self._sessions: dict[str, tuple[str, media.Session]] = {}
        self._connecting: dict[str, TokenBucket] = {}
        self._reports: dict[str, Network] = {}
        self._grades: dict[str, SteadyGrade] = {}
        self._since: dict[str, datetime] = {}
        self._disk: DiskRoom = "ample"
        self._told_of_disk = False
        self._record_again: dict[str, tuple[float, float]] = {}
        self._followed = 0
        self._announced_live: set[str] = set()
        self._tail_lock = asyncio.Lock()
        self._head_lock = asyncio.Lock()
        self._pause_lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._departures: dict[str, asyncio.TimerHandle] = {}

    # -- the log ---------------------------------------------------------------------------------

    async def catch_up(self) -> None:
        """Read what the log has beyond what the hub has told."""
        async with self._tail_lock:
            while True:
                async with self._live.database.reading() as session:
                    events = await events_after(session, self.inspection_id, self.hub.state.seq, CATCH_UP)
                self.hub.extend(
                    as_json(event) | ({"line": event.line} if event.type in UNTOLD else {})
                    for event in events
                )
                if len(events) < CATCH_UP:
                    return

    def grown(self) -> None:
        """The log has new events; tell everybody soon."""
        self._spawn(self._follow())

    async def give_head(self) -> None:
        """Sign the head of the log as it is now, and tell everybody."""
        async with self._head_lock:
            await self.catch_up()
            message = await self.heads.give(self.hub.state.seq, self.hub.link)
            if message is not None:
                self.hub.announce(message)

    async def _give_last_head(self) -> None:
        """The head of the whole inspection; browsers that can countersign get a moment to do so before `bye`."""
        try:
            await self.give_head()
        except Exception:
            log.exception("last_head", inspection=self.inspection_id)  # the end itself must not fail for it
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_HEAD_WAIT_S):
                while self.heads.missing(self._signers()):
                    await self.heads.wait()

    def _signers(self) -> set[str]:
        """Who is here and has brought a key."""
        return {each.participant for each in self.hub.state.keys if self.hub.is_online(each.participant)}

    # -- who is here -----------------------------------------------------------------------------

    async def enter(self, connection: Connection) -> None:
        """A connection is up. A participant whom the log holds for away has returned."""
        person = connection.actor.id
        if departure := self._departures.pop(person, None):
            departure.cancel()
        self.hub.add(connection)
        self._since.setdefault(person, self._live.clock.now())
        self.announce_presence()
        known = self.hub.state.people.get(person)
        if known is not None and not known.present:
            await self._append("participant.returned", connection.actor, {"participant": person})

    def leave(self, connection: Connection) -> None:
        """A connection is gone; the participant is away unless another one comes within some seconds."""
        self.hub.remove(connection)
        self.heads.stir()
        actor = connection.actor
        if not self.hub.is_online(actor.id):
            self._since.pop(actor.id, None)
            self._reports.pop(actor.id, None)
            if not self.closing:
                self._departures[actor.id] = asyncio.get_running_loop().call_later(
                    AWAY_AFTER_S, lambda: self._spawn(self._away(actor))
                )
        self.announce_presence()

    async def _away(self, actor: Actor) -> None:
        self._departures.pop(actor.id, None)
        known = self.hub.state.people.get(actor.id)
        if known is not None and known.present and not self.hub.is_online(actor.id):
            body = {"participant": actor.id, "cause": "lost"}
            await self._append("participant.left", actor, body)

    def online(self) -> list[Online]:
        actors = {connection.actor.id: connection.actor for connection in self.hub.connections}
        now = self._live.clock.now()
        return [
            Online(actor.id, actor.name, actor.role, self._since.get(actor.id, now))
            for actor in actors.values()
        ]

    def report_network(self, participant_id: str, report: Network) -> None:
        self._reports[participant_id] = report
        self.announce_presence()

    def replace_device(self, participant_id: str) -> None:
        """Another device goes on in this participant's place: the old one hears `bye` and its media ends."""
        self.hub.dismiss("replaced", participant_id)
        self._spawn(self.close_sessions(participant_id))

    # -- media -----------------------------------------------------------------------------------

    def open_slot(self, slot_id: str, *, first_index: int) -> media.Slot:
        """The engine's slot, recording from its first packet unless the inspection is paused; the same one for every
        publisher of it."""
        if (known := self._slots.get(slot_id)) is not None:
            return known
        slot = self._live.engine.open_slot(slot_id, self.scribe)
        if self.hub.state.pause is not None:
            slot.hold()
        else:
            self._start_recording(slot, first_index)
        self._first_index[slot_id] = first_index
        self._slots[slot_id] = slot
        return slot

    async def obey_pause(self) -> None:
        """Hold every slot or let it go on, as the log says. When this returns, the parts of held slots are closed."""
        async with self._pause_lock:
            is_paused = self.hub.state.pause is not None
            changed = [slot for slot in self._slots.values() if slot.held != is_paused and not self.closing]
            for slot in changed:
                if is_paused:
                    slot.hold()
                else:
                    self._release(slot)
            if is_paused:
                await asyncio.gather(*(slot.stop_recording() for slot in changed))
            if changed:
                self.announce_media()

    def _release(self, slot: media.Slot) -> None:
        slot.release()
        first_index = max(self._first_index.get(slot.id, 1), self.scribe.last_index(slot.id) + 1)
        try:
            self._start_recording(slot, first_index)
        except Exception as error:
            # It is begun again like every recording that failed, and the other cameras go on.
            log.error("not_resumed", inspection=self.inspection_id, slot=slot.id, exc_info=error)

    async def note_disk(self, room: DiskRoom) -> None:
        """The office is warned of a disk that fills, once each time; what could not be recorded is begun again."""
        before, self._disk = self._disk, room
        if room != before:
            self.announce_media()
        if room == "ample":
            self._told_of_disk = False
        elif self.hub.state.state == "live" and not self._told_of_disk:
            body = {"code": "disk_low", "detail": str(self._live.files.free_bytes())}
            await self._append("office.warned", system_actor(), body)
            self._told_of_disk = True
        if room != "full":
            for slot in tuple(self._slots.values()):
                await self._record_if_failed(slot)

    async def _record_if_failed(self, slot: media.Slot) -> None:
        now_s = self._live.clock.monotonic_s()
        due_s, pause_s = self._record_again.get(slot.id, (0.0, RECORD_AGAIN_S))
        if slot.stats().recording or slot.held or not slot.live or self.closing or now_s < due_s:
            return
        if not self.scribe.is_idle:
            # What the failed one wrote must have its rows before the next part is numbered.
            return
        self._record_again[slot.id] = (now_s + pause_s, min(2 * pause_s, 900.0))
        async with self._live.database.reading() as session:
            last = await session.scalar(select(func.max(Part.index)).where(Part.slot_id == slot.id))
        if self.closing or slot.held or slot.stats().recording:
            return
        log.info("recording_again", inspection=self.inspection_id, slot=slot.id)
        self._start_recording(slot, (last or 0) + 1)

    def _start_recording(self, slot: media.Slot, first_index: int) -> None:
        folder = self._live.files.absolute(f"{self._live.folder(self.inspection_id)}/media")
        folder.mkdir(parents=True, exist_ok=True)
        slot.start_recording(folder, lambda index: part_stem(slot.id, self.epoch, index), first_index)

    def find_slot(self, slot_id: str) -> media.Slot | None:
        return self._slots.get(slot_id)

    def allow_connection(self, participant_id: str) -> None:
        """One more connection for media. Throttled for who makes them faster than any network changes."""
        now = self._live.clock.monotonic_s()
        pace = self._connecting.setdefault(
            participant_id, TokenBucket(CONNECTIONS_AT_ONCE, CONNECTION_REFILL_S, now)
        )
        if not pace.take(now):
            raise Throttled(seconds=math.ceil(pace.wait_s(now)))

    def keep_session(self, participant_id: str, session: media.Session) -> None:
        """Of too many of one participant looking at one slot the oldest is let go."""
        same = [
            kept
            for owner, kept in self._sessions.values()
            if owner == participant_id and kept.kind == "view" and kept.slot_id == session.slot_id
        ]
        if session.kind == "view":
            for oldest in same[: max(0, len(same) + 1 - MOST_VIEWS)]:
                self._spawn(oldest.close())
        self._sessions[session.id] = (participant_id, session)
        session.on_closed(lambda closed: self._forget_session(closed.id))
        self.announce_media()

    def find_session(self, session_id: str, participant_id: str) -> media.Session | None:
        """The session, if it is this participant's."""
        owner, session = self._sessions.get(session_id, ("", None))
        return session if owner == participant_id else None

    async def close_sessions(self, participant_id: str) -> None:
        for owner, session in tuple(self._sessions.values()):
            if owner == participant_id:
                await session.close()

    def _forget_session(self, session_id: str) -> None:
        self._sessions.pop(session_id, None)

    # -- what is announced but not logged --------------------------------------------------------

    def announce_presence(self) -> None:
        people = []
        for person in self.hub.state.people.values():
            verdict, reasons = grade(self._measure(person.id))
            people.append(
                {
                    "id": person.id,
                    "name": person.name,
                    "role": person.role,
                    "online": self.hub.is_online(person.id),
                    "network": {"grade": verdict, "reasons": list(reasons)},
                }
            )
        self.hub.announce({"type": "presence", "participants": people})

    def announce_media(self) -> None:
        self.hub.announce({"type": "media", "slots": [self._describe(slot) for slot in self._slots.values()]})

    async def _follow(self) -> None:
        """Read on in the log. A camera that came or went is announced at once, not at the next tick; somebody whose
        invitation was withdrawn has to leave."""
        await self.catch_up()
        await self.obey_pause()
        events, self._followed = self.hub.events[self._followed :], len(self.hub.events)
        if (live := self._live_slots()) != self._announced_live:
            self._announced_live = live
            self.announce_media()
            self.announce_presence()
        for event in events:
            # A link that was merely replaced by a new one, without a reason, removes nobody.
            if (
                isinstance(event, dict)
                and event["type"] == "invitation.cancelled"
                and "reason" in event["body"]
            ):
                await self._remove_uninvited(event["body"], event["actor"]["name"])

    async def _remove_uninvited(self, withdrawn: dict[str, str], by: str) -> None:
        """Who and why is told."""
        async with self._live.database.reading() as session:
            person = await session.scalar(
                select(Participant.id).where(Participant.invitation_id == withdrawn["invitation"])
            )
        if person is not None:
            self.hub.dismiss("removed", person, by=by, reason=withdrawn["reason"])
            await self.close_sessions(person)

    def _live_slots(self) -> set[str]:
        return {slot.id for slot in self.hub.state.slots.values() if slot.live}

    def tick(self) -> None:
        """Every two seconds: figures that nobody reports by themselves."""
        is_paused = self.hub.state.pause is not None
        if not self.closing and any(slot.held != is_paused for slot in self._slots.values()):
            # A database or disk that failed at the moment of a pause must not let what was told go undone.
            self._spawn(self.obey_pause())
        if self.hub.connections or any(slot.live for slot in self._slots.values()):
            self.busy_at = self._live.clock.monotonic_s()
        if self.hub.connections:
            self.announce_media()
            self.announce_presence()
            if self._is_head_due():
                self._spawn(self.give_head())
        self._grade_networks()

    def _is_head_due(self) -> bool:
        """While one waits for a slow database there is no second one."""
        if self.hub.state.state != "live" or self._head_lock.locked():
            return False
        return self.heads.is_due(self._live.clock.monotonic_s(), TICK_S)

    def _grade_networks(self) -> None:
        """How well those who send picture or sound are connected enters the log, once it has held for a moment."""
        state, now_s = self.hub.state, self._live.clock.monotonic_s()
        sending: set[str] = set()
        if state.state == "live" and state.pause is None and not self.closing:
            sending = {slot.participant for slot in state.slots.values() if slot.live}
        for gone in self._grades.keys() - sending:
            # Who comes back is graded anew: meanwhile the log says that nothing came.
            del self._grades[gone]
        for person in sorted(sending):
            verdict, reasons = grade(self._measure(person))
            held_s = self._grades.setdefault(person, SteadyGrade()).held_s(verdict, now_s)
            if held_s is not None:
                since = self._live.clock.now() - timedelta(seconds=held_s)
                body = {
                    "participant": person,
                    "grade": verdict,
                    "reasons": list(reasons),
                    "from": rfc3339(since),
                }
                self._spawn(self._append("network.graded", system_actor(), body))

    def is_idle(self, now_s: float) -> bool:
        return now_s - self.busy_at > IDLE_S

    def _describe(self, slot: media.Slot) -> dict[str, Any]:
        stats = slot.stats()
        known = self.hub.state.slots.get(slot.id)
        return {
            "id": slot.id,
            "participant": known.participant if known else None,
            "source": known.source if known else None,
            "live": slot.live,
            "kinds": [
                kind
                for kind, codec in (("audio", stats.audio_codec), ("video", stats.video_codec))
                if codec is not None
            ],
            "muted": sorted(known.muted) if known else [],
            "recording": stats.recording,
            "recorded_bytes": stats.bytes_recorded,
            "disk": self._disk,
            "width": stats.width,
            "height": stats.height,
            "fps": stats.fps,
            "bitrate_bps": stats.bitrate_bps,
            "loss": stats.loss,
            "last_packet_age_s": stats.last_packet_age_s,
        }

    def _measure(self, participant_id: str) -> Measured:
        report = self._reports.get(participant_id)
        sent = self._sent_by(participant_id)
        ages = [each.last_packet_age_s for each in sent if each.last_packet_age_s is not None]
        views = (view for owner, view in self._sessions.values() if owner == participant_id)
        return Measured(
            loss=max((each.loss for each in sent), default=report.loss if report else None),
            loss_down=max((view.loss for view in views if view.kind == "view"), default=None),
            rtt_s=report.rtt_s if report else None,
            bitrate_bps=sum(each.bitrate_bps for each in sent) if sent else None,
            last_packet_age_s=min(ages, default=None),
            limited=report.limited if report else None,
        )

    def _sent_by(self, participant_id: str) -> list[media.SlotStats]:
        """The figures of their live slots; of all if none is live, which tells since when nothing has come."""
        own = [
            slot.stats()
            for slot in self._slots.values()
            if (known := self.hub.state.slots.get(slot.id)) and known.participant == participant_id
        ]
        return [each for each in own if each.live] or own

    # -- the end ---------------------------------------------------------------------------------

    async def finish_media(self) -> None:
        """Close every part and write it down, if the database takes it soon; nothing is recorded after this."""
        self.closing = True
        while self._slots:
            slots, self._slots = list(self._slots.values()), {}
            await asyncio.gather(*(slot.close() for slot in slots))
        await self.scribe.drain()

    async def close(self, code: str | None) -> None:
        """Finish the media, say `bye` with `code` (if any), and stop all that runs for this room.

        Its scribe is left to the caller: it may have to wait for the database.
        """
        self.scribe.restarting = code == "restarting"
        try:
            await self.finish_media()
            async with asyncio.timeout(DRAIN_S):
                await self.catch_up()
            # Perhaps somebody has recorded the result meanwhile.
            if code == "ended" and self.hub.state.state in ("ended", "concluded"):
                await self._give_last_head()
        except Exception:
            log.exception("room_close", inspection=self.inspection_id)
        finally:
            if code is not None:
                self.hub.dismiss(code)
        for departure in self._departures.values():
            departure.cancel()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _append(self, type_: str, actor: Actor, body: dict[str, Any]) -> None:
        async with self._live.database.transaction() as session:
            await self._live.journal.append(session, self.inspection_id, type_, actor, body)

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("room_task", inspection=self.inspection_id, exc_info=error)

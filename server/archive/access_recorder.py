"""Writes down who looked at evidence, beside the requests: a page neither waits for it nor fails with it.

A request only puts what it did into a bounded queue. One task of the worker writes: it finds out what the act was
about, leaves out what belongs to an act already written, and appends to the chain. What the queue could not take, and
what the database refuses again and again while it takes other lines, is counted and becomes a line itself; so do failed
attempts beyond the first ones, before they get into the queue. Exports are not written here: they are in the
transaction that allows them, before a byte is sent.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.models import Office
from server.accounts.rules import Actor
from server.archive.access import (
    CASE_VIEWED,
    COUNTED,
    LOST,
    PAPER_VIEWED,
    PLAYED,
    REFUSED,
    SIGN_IN_FAILED,
    VERIFIED,
    VIEWED,
    record_access,
)
from server.archive.attempts import Attempts, Counted
from server.archive.models import Access
from server.cases.models import Case
from server.clock import Clock, rfc3339
from server.db import Database
from server.evidence.canonical import parse
from server.inspections.models import Inspection
from server.live.models import Part

log = structlog.get_logger("accesses")

ONE_ACT = timedelta(minutes=10)
"""Requests of one person for one thing, each within this time of the one before, are one act."""
MOST_WAITING = 5000
MOST_REMEMBERED = 20_000
RETRY_S = 2.0
MOST_TRIES = 3
"""Then it is asked whether the fault is the act's: one that is never taken must not keep all others waiting."""
OVER = ("ended", "concluded")
LOOK_AT_COUNTS_S = 60.0
ATTEMPTS = (REFUSED, SIGN_IN_FAILED)
DATA = "data"
"""What programs, and the scripts of a page, fetch: no act of its own for somebody who has the page open."""

VISITOR = Actor(kind="system", id="visitor", name="", role="observer", office_id="")
"""Somebody who is not known: who checks receipts, who fails to sign in, who asks without having signed in."""


@dataclass(frozen=True, slots=True)
class Act:
    """`target`: the id that was asked for, of an inspection, a part or a case, or nothing for what is the office's.

    `what` tells pages apart; of a refusal it is the route, and `code` says why; of a check it is what came out, of
    another than that of receipts with its kind before a colon; of a paper its id; of a search which list; of a sign-in
    the account, empty if there is none. `more`: what was searched for, or from which address.
    """

    actor: Actor
    type: str
    target: str
    what: str
    at: datetime
    code: str = ""
    more: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> tuple[str, ...]:
        return (
            self.actor.id,
            self.type,
            self.target,
            self.what,
            *(text for each in self.more for text in each),
        )

    @property
    def who(self) -> str:
        """Whose attempt it is: of strangers at one account, or at all other things, together."""
        return f"account:{self.what}" if self.type == SIGN_IN_FAILED else self.actor.id

    @property
    def body(self) -> dict[str, Any]:
        return self._told() | dict(self.more)

    def _told(self) -> dict[str, Any]:
        if self.type == PLAYED:
            return {"part": self.target}
        if self.type == VERIFIED:
            kind, _, outcome = self.what.rpartition(":")
            return {kind or "receipts": outcome}
        if self.type == REFUSED:
            return {"what": self.what, "code": self.code, "target": self.target}
        if self.type == SIGN_IN_FAILED:
            return {"account": self.what, "code": self.code}
        if self.type == PAPER_VIEWED:
            return {"paper": self.what, "case": self.target}
        if self.type == CASE_VIEWED:
            return {"what": self.what, "case": self.target}
        return {"what": self.what}


class AccessRecorder:
    """One task of a worker."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._waiting: deque[Act] = deque()
        self._dropped = 0
        self._last: Actor = VISITOR
        """Whose act was written last: what the queue could not take is told to that office."""
        self._tries = 0
        """Of the first in the queue."""
        self._recent: OrderedDict[tuple[str, ...], datetime] = OrderedDict()
        self._attempts = Attempts()
        self._actors: dict[str, Actor] = {}
        """Who is meant by the names that attempts are counted under."""
        self._news = asyncio.Event()
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def note(self, act: Act) -> None:
        """Never waits, never fails."""
        if act.type in ATTEMPTS and not self._admit(act):
            return
        if len(self._waiting) >= MOST_WAITING:
            self._dropped += 1
            return
        self._waiting.append(act)
        self._news.set()

    def _admit(self, act: Act) -> bool:
        """Before the queue: what hostile people can do without end must not push out what others did."""
        admitted = self._attempts.admit(act.who, act.key, act.type, act.at)
        if not admitted:
            self._actors[act.who] = act.actor
        return admitted

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="access recorder")

    async def close(self) -> None:
        """What is waiting is written first, if it can be."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            await self.flush()
            async with self._writing:
                await self._tell_counted(everything=True)
        except Exception:
            log.exception("accesses_lost", count=len(self._waiting))

    async def _run(self) -> None:
        while True:
            # What was counted is told after a while, also when nothing more happens.
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AT_COUNTS_S):
                    await self._news.wait()
            self._news.clear()
            try:
                await self.flush()
            except Exception:
                log.exception("accesses_waiting", count=len(self._waiting))
                await asyncio.sleep(RETRY_S)
                self._news.set()

    async def flush(self) -> None:
        """Writes all that waits. What fails stays first in the queue, unless it is the only thing that fails."""
        async with self._writing:
            while self._waiting:
                act = self._waiting[0]
                try:
                    if self._belongs_to_another(act) or await self._write(act):
                        self._remember(act)
                except Exception:
                    self._tries += 1
                    if self._tries < MOST_TRIES:
                        raise
                    await self._give_up(act)
                self._tries, self._last = 0, act.actor
                self._waiting.popleft()
                await self._tell_dropped()
            # What could not be told after the last act has nothing else to wait for.
            await self._tell_dropped()
            await self._tell_counted()

    async def _tell_counted(self, *, everything: bool = False) -> None:
        """Whatever ends it, also a cancellation: what is not told by then stays counted."""
        due = deque(self._attempts.take(self._clock.now(), all_=everything))
        try:
            while due:
                await self._tell(due[0])
                self._actors.pop(due.popleft().who, None)
        finally:
            for counted in due:
                self._attempts.give_back(counted)

    async def _tell(self, counted: Counted) -> None:
        actor = self._actors.get(counted.who, VISITOR)
        body = {
            "count": sum(counted.by_type.values()),
            "types": counted.by_type,
            "since": rfc3339(counted.since),
        }
        if counted.who.startswith("account:"):
            body["account"] = counted.who.partition(":")[2]
        async with self._database.transaction() as session:
            if (office := await _office_of(session, actor)) is not None:
                await record_access(session, self._clock, actor, office, COUNTED, body)

    def _belongs_to_another(self, act: Act) -> bool:
        if act.type in ATTEMPTS:
            return False  # decided before the queue
        names = {act.key}
        if act.what == DATA:
            names |= {(*act.key[:3], page) for page in ("page", "replay")}
        return any(
            (seen := self._recent.get(name)) is not None and abs(act.at - seen) < ONE_ACT for name in names
        )

    def _remember(self, act: Act) -> None:
        self._recent[act.key] = act.at
        self._recent.move_to_end(act.key)
        while len(self._recent) > MOST_REMEMBERED:
            self._recent.popitem(last=False)

    async def _write(self, act: Act) -> bool:
        """Whether the chain has it now; False for what is not worth a line."""
        async with self._database.reading() as session:
            chain = await self._chain_of(session, act)
            if chain is None:
                return False
            if await _is_written(session, chain, act):
                if act.type in ATTEMPTS:
                    self._attempts.count(act.who, act.type, act.at)
                    self._actors[act.who] = act.actor
                return True
        async with self._database.transaction() as session:
            await record_access(session, self._clock, act.actor, chain, act.type, act.body, act.at)
        return True

    async def _chain_of(self, session: AsyncSession, act: Act) -> str | None:
        """The inspection's; the office's for what is of no inspection. None: not worth a line.

        Before its end an inspection is at work in, and who works in it is in its event log; but an administrator's
        look is always written down.
        """
        inspection_id = act.target
        if part := await session.get(Part, act.target):
            inspection_id = part.inspection_id
        state = await session.scalar(select(Inspection.state).where(Inspection.id == inspection_id))
        if state is None:
            office = await session.scalar(select(Case.office_id).where(Case.id == act.target))
            return office or await _office_of(session, act.actor)
        if act.type == VIEWED and state not in OVER and act.actor.role != "administrator":
            return None
        return inspection_id

    async def _give_up(self, act: Act) -> None:
        """A line says that one is missing. Where even that cannot be written it is not the act: that is raised."""
        async with self._database.transaction() as session:
            office = await _office_of(session, act.actor)
            if office is not None:
                body = {"count": 1, "type": act.type}
                await record_access(session, self._clock, act.actor, office, LOST, body)
        log.exception("access_given_up", type=act.type, target=repr(act.target))

    async def _tell_dropped(self) -> None:
        count, actor = self._dropped, self._last
        if not count:
            return
        log.error("accesses_dropped", count=count)
        async with self._database.transaction() as session:
            office = await _office_of(session, actor)
            if office is not None:
                await record_access(session, self._clock, actor, office, LOST, {"count": count})
        # Only now, and not to 0: more may have been dropped meanwhile.
        self._dropped -= count


async def _office_of(session: AsyncSession, actor: Actor) -> str | None:
    """Whose log has what belongs to no inspection: of somebody who is not known that of the office that was first."""
    first = select(Office.id).order_by(Office.created_at, Office.id).limit(1)
    return actor.office_id or await session.scalar(first)


async def _is_written(session: AsyncSession, chain: str, act: Act) -> bool:
    """Whether another worker has written this act down already."""
    lines = await session.scalars(
        select(Access.line).where(
            Access.inspection_id == chain, Access.type == act.type, Access.at > act.at - ONE_ACT
        )
    )
    told = [parse(line.encode()) for line in lines]
    return any(each["actor"]["id"] == act.actor.id and each["body"] == act.body for each in told)

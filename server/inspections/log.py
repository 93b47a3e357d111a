"""The event log of an inspection: append in the transaction that does the act, read from a given seq, check.

It belongs to the inspection rather than to its room, because scheduling, inviting and concluding are acts too.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, cast

import msgspec
from sqlalchemy import Table, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.rules import Actor
from server.clock import Clock, rfc3339
from server.db import after_commit
from server.errors import N_, Unavailable
from server.evidence.canonical import parse, parse_time
from server.evidence.chain import BadLine, Entry, canonical_line, check_chain, link_of
from server.inspections.errors import LogClosed
from server.inspections.models import Event, Inspection

SALTED = frozenset(
    {
        "chat.sent",
        "checklist.answered",
        "consent.given",
        "device.reported",
        "invitation.cancelled",
        "invitation.created",
        "invitation.troubled",
        "location.fixed",
        "participant.joined",
        "participant.left",
        "participant.replaced",
        "participant.returned",
    }
)
"""Types that a viewing copy may withhold: with a random salt nobody finds their words by trying links."""
UNTOLD = frozenset({"part.segment"})
"""An hour has 1,800 digests for each slot. No page shows them and no state follows from them."""


# A running inspection appends all the time: these are built once, and take no detour by mapped objects.
_INSPECTIONS, _EVENTS = cast(Table, Inspection.__table__), cast(Table, Event.__table__)
_END = (
    select(Inspection.last_seq, Inspection.head, Inspection.log_closed)
    .where(Inspection.id == bindparam("inspection"))
    .with_for_update()
)
# In one order for everybody, and without waiting for a log that somebody else appends to.
_OPEN_ENDS = (
    select(Inspection.id, Inspection.last_seq, Inspection.head)
    .where(Inspection.id.in_(bindparam("inspections", expanding=True)), ~Inspection.log_closed)
    .order_by(Inspection.id)
    .with_for_update(skip_locked=True)
)
_MOVE = (
    update(_INSPECTIONS)
    .where(
        _INSPECTIONS.c.id == bindparam("inspection"),
        _INSPECTIONS.c.last_seq == bindparam("from_seq"),
        ~_INSPECTIONS.c.log_closed,
    )
    .values(last_seq=bindparam("to_seq"), head=bindparam("link"))
)
_ADD = insert(_EVENTS)


class Addition(NamedTuple):
    """An event before it has its place in a log."""

    type: str
    actor: Actor
    body: dict[str, Any]
    at: datetime | None = None
    t_client: str | None = None


@dataclass(frozen=True, slots=True)
class Journal:
    """What an append needs besides the act: the clock, and who wants to know that a log has grown.

    `grown` is called with the inspection's id once the events are durable.
    """

    clock: Clock
    grown: Callable[[str], None]

    async def append(
        self,
        session: AsyncSession,
        inspection_id: str,
        type_: str,
        actor: Actor,
        body: dict[str, Any],
        *,
        at: datetime | None = None,
        t_client: str | None = None,
    ) -> Event:
        """Add one event at the end of the chain. The inspection's row is the chain's lock and end.

        `body` must be JSON with whole numbers below 2**53 (RFC 8785). Unavailable if somebody else
        appended between the reading and the writing, which the row lock rules out on both databases.
        LogClosed after the closing event.
        """
        if session.new or session.dirty:
            await session.flush()
        row = await session.execute(_END, {"inspection": inspection_id})
        last_seq, head, closed = row.one()
        if closed:
            raise LogClosed
        values = self._line(inspection_id, last_seq, head, Addition(type_, actor, body, at, t_client))
        moved = await session.execute(_MOVE, _moved(values))
        if moved.rowcount != 1:  # type: ignore[attr-defined]
            raise Unavailable
        await session.execute(_ADD, values)
        after_commit(session, lambda: self.grown(inspection_id))
        return Event(**values)

    async def append_to_many(
        self, session: AsyncSession, additions: Mapping[str, Sequence[Addition]]
    ) -> dict[str, int]:
        """Add events at the ends of several chains in three statements. The new last seq of each inspection; one whose
        log is closed, or locked by somebody else, is left out and has got nothing."""
        if session.new or session.dirty:
            await session.flush()
        ends = (await session.execute(_OPEN_ENDS, {"inspections": list(additions)})).all()
        values: list[dict[str, Any]] = []
        moves: list[dict[str, Any]] = []
        for inspection_id, last_seq, head in ends:
            seq, link = last_seq, head
            for addition in additions[inspection_id]:
                line = self._line(inspection_id, seq, link, addition)
                values.append(line)
                seq, link = line["seq"], line["link"]
            if seq > last_seq:
                moves.append(_moved(line, from_seq=last_seq))
        if moves:
            await session.execute(_MOVE, moves)
            # Had somebody appended in between, this would find the places taken.
            await session.execute(_ADD, values)
        for move in moves:
            after_commit(session, partial(self.grown, move["inspection"]))
        return {
            inspection_id: last_seq + len(additions[inspection_id]) for inspection_id, last_seq, _ in ends
        }

    def _line(self, inspection_id: str, last_seq: int, head: str, addition: Addition) -> dict[str, Any]:
        """The row of the line after `last_seq`."""
        type_, actor, body, at, t_client = addition
        moment = at or self.clock.now()
        if type_ in SALTED:
            body = {**body, "salt": secrets.token_hex(16)}
        entry = Entry(
            inspection=inspection_id,
            seq=last_seq + 1,
            type=type_,
            actor=actor.as_record(),
            t_utc=rfc3339(moment),
            t_mono=round(self.clock.monotonic_s(), 3),
            t_client=t_client,
            body=body,
            prev=head,
        )
        line = canonical_line(entry)
        return {
            "inspection_id": inspection_id,
            "seq": entry.seq,
            "type": type_,
            "at": moment,
            "actor": entry.actor,
            "body": body,
            "prev": head,
            "link": link_of(line),
            "line": line.decode(),
        }


def _moved(line: dict[str, Any], *, from_seq: int | None = None) -> dict[str, Any]:
    """What `_MOVE` is told after this line; `from_seq` if it was not the only one."""
    return {
        "inspection": line["inspection_id"],
        "from_seq": line["seq"] - 1 if from_seq is None else from_seq,
        "to_seq": line["seq"],
        "link": line["link"],
    }


async def events_after(
    session: AsyncSession, inspection_id: str, after: int, limit: int | None = None
) -> list[Event]:
    """Events with `seq > after`, in order: all of them, or the first `limit`."""
    found = await session.scalars(
        select(Event)
        .where(Event.inspection_id == inspection_id, Event.seq > after)
        .order_by(Event.seq)
        .limit(limit)
    )
    return list(found)


async def told_events(session: AsyncSession, inspection_id: str, *types: str) -> list[Event]:
    """All events of these types in order; without types the whole log but for `UNTOLD`, which is most of it."""
    wanted = Event.type.in_(types) if types else Event.type.not_in(UNTOLD)
    found = await session.scalars(
        select(Event).where(Event.inspection_id == inspection_id, wanted).order_by(Event.seq)
    )
    return list(found)


async def check(session: AsyncSession, inspection_id: str) -> BadLine | None:
    """The first line at which the stored log does not hold, or None: chain, the columns beside it, and its end."""
    found = await session.scalars(
        select(Event).where(Event.inspection_id == inspection_id).order_by(Event.seq)
    )
    events = list(found)
    head, bad = check_chain(event.line.encode() for event in events)
    good = events[: bad.line - 1] if bad else events
    for number, event in enumerate(good, start=1):
        if not _columns_agree(event):
            return BadLine(number, N_("the columns beside it say something else"))
    if bad is not None:
        return bad
    end = (
        await session.execute(
            select(Inspection.last_seq, Inspection.head).where(Inspection.id == inspection_id)
        )
    ).one()
    if (len(events), head) != tuple(end):
        return BadLine(len(events) + 1, f"the log ends here, but its inspection names {end[0]} lines")
    return None


def _columns_agree(event: Event) -> bool:
    told = parse(event.line.encode())
    columns = {
        "seq": event.seq,
        "type": event.type,
        "actor": event.actor,
        "body": event.body,
        "prev": event.prev,
        "t_utc": rfc3339(event.at),
    }
    return all(told[name] == value for name, value in columns.items()) and event.link == link_of(
        event.line.encode()
    )


class _Times(msgspec.Struct):
    t_mono: float
    t_client: str | None


_TIMES = msgspec.json.Decoder(_Times)


def as_json(event: Event) -> dict[str, Any]:
    """The event as clients get it: with everything that its line, and so the chain, is recomputed from."""
    times = _TIMES.decode(event.line)
    return {
        "seq": event.seq,
        "type": event.type,
        "actor": event.actor,
        "at": rfc3339(event.at),
        "t_mono": times.t_mono,
        "t_client": times.t_client,
        "body": event.body,
        "prev": event.prev,
        "link": event.link,
    }


def event_of(line: bytes) -> Event:
    """The row of a line that was read from a file. KeyError, ValueError."""
    told: dict[str, Any] = parse(line)
    return Event(
        inspection_id=told["inspection"],
        seq=told["seq"],
        type=told["type"],
        at=parse_time(told["t_utc"]),
        actor=told["actor"],
        body=told["body"],
        prev=told["prev"],
        link=link_of(line),
        line=line.decode(),
    )

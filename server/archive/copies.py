"""Viewing copies of a sealed package with parts left out: made by somebody with a reason, kept beside the data, told.

A copy is a package of its own, below `copies/<inspection>/`. A line of the access log links it to the original, and
that line is all that is kept of it in the database.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.rules import Actor
from server.archive.access import record_access
from server.archive.copy_plan import Wanted, plan
from server.archive.leases import Lease, LeaseLost, claim, is_to_end
from server.archive.models import Access, Seal
from server.archive.packages import require_kept
from server.archive.threads import to_its_end
from server.errors import N_, Invalid, NotFound, Unavailable
from server.evidence import bag, keys, redaction
from server.evidence.canonical import parse, parse_time
from server.ids import new_id
from server.inspections.lookup import get_inspection, require
from server.live.context import Live
from server.storage.files import Files

log = structlog.get_logger("copies")

COPIES = "copies"
"""In the data folder: `copies/<inspection>/<copy>`."""
MADE = "copy.made"
FOUND = "copy.found"
"""It lay there and no line told of it: the log was lost."""
LONGEST_REASON = 500
CLAIM_WITHIN_S, LOOK_AGAIN_S = 10.0, 0.2
"""How long a copy waits for who is at the inspection's folder just now."""
_SPAN = re.compile(r"(?:(\d+):)?([0-5]?\d):([0-5]\d)\s*[-\u2013~]\s*(?:(\d+):)?([0-5]?\d):([0-5]\d)")


class CopyNotFound(NotFound):
    code = "copy_not_found"
    text = N_("There is no such viewing copy.")


class FolderBusy(Unavailable):
    code = "folder_busy"
    text = N_("This evidence is being worked on at the moment. Please try again shortly.")


@dataclass(frozen=True, slots=True)
class Made:
    """A copy as its line in the access log tells of it. `at` and `by` of one that was found are what it says itself."""

    id: str
    at: datetime
    by: str
    reason: str
    files: int
    pieces: int
    events: int


def parse_spans(text: str) -> list[tuple[int, int]]:
    """`0:10-0:25, 1:02:00-1:03:00` as milliseconds; ValueError if it is anything else."""
    spans = []
    for entry in (one.strip() for one in re.split(r"[,;\uff0c\uff1b\n]", text)):
        if not entry:
            continue
        found = _SPAN.fullmatch(entry)
        if found is None:
            raise ValueError(entry)
        numbers = [int(each or 0) for each in found.groups()]
        start, end = ((h * 3600 + m * 60 + s) * 1000 for h, m, s in (numbers[:3], numbers[3:]))
        if end <= start:
            raise ValueError(entry)
        spans.append((start, end))
    return spans


async def make(live: Live, actor: Actor, inspection_id: str, wanted: Wanted) -> str:
    """The new copy's id. NotSealed, Disposed, Invalid, redaction.CannotRedact, StorageFull, FolderBusy."""
    require(actor, "archive.redact")
    _check(wanted)
    async with live.database.reading() as session:
        await get_inspection(session, actor, inspection_id)
        await require_kept(session, inspection_id)
    lease = await _claim(live, inspection_id)
    try:
        async with lease.kept():
            return await _make(live, lease, actor, wanted)
    finally:
        with suppress(LeaseLost):
            await lease.release()


async def _claim(live: Live, inspection_id: str) -> Lease:
    """Under the same lease as sealing and disposal: what is copied is neither added to nor destroyed meanwhile."""
    until_s = live.clock.monotonic_s() + CLAIM_WITHIN_S
    worker, clock, database = live.settings.worker, live.clock, live.database
    while True:
        lease = await claim(database, clock, worker, inspection_id, Seal.sealed_at.is_not(None), ~is_to_end())
        if lease is not None:
            return lease
        async with database.reading() as session:
            await require_kept(session, inspection_id)
        if clock.monotonic_s() >= until_s:
            raise FolderBusy
        await asyncio.sleep(LOOK_AGAIN_S)


async def _make(live: Live, lease: Lease, actor: Actor, wanted: Wanted) -> str:
    inspection_id, copy_id = lease.inspection_id, new_id()
    await _sweep(live, inspection_id)
    office = await asyncio.to_thread(keys.load, live.settings.key_folder)
    office.require_usable(live.clock.now())
    source = live.files.absolute(f"inspections/{inspection_id}")
    target = live.files.absolute(copy_path(inspection_id, copy_id))
    interim = target.with_name(f".{copy_id}")
    order = await asyncio.to_thread(plan, source, interim, wanted, actor.name, live.clock.now())
    await asyncio.to_thread(_require_room, live.files, order)
    target.parent.mkdir(parents=True, exist_ok=True)
    made = await to_its_end(asyncio.to_thread(redaction.make_copy, order, office))
    async with live.database.transaction() as session:
        await lease.hold(session)
        await record_access(session, live.clock, actor, inspection_id, MADE, body_of(copy_id, made))
    await asyncio.to_thread(interim.rename, target)
    return copy_id


def body_of(copy_id: str, made: redaction.Redaction) -> dict[str, Any]:
    """What a line tells of a copy."""
    return {
        "copy": copy_id,
        "reason": made.reason,
        "redaction": hashlib.sha256(made.to_bytes()).hexdigest(),
        "files": sum(each.path is None for each in made.omissions) + len(made.tags),
        "pieces": sum(len(each.pieces) for each in made.omissions),
        "events": len(made.withheld),
    }


def _require_room(files: Files, order: redaction.RedactionOrder) -> None:
    """StorageFull. Blocks."""
    payload = bag.walk(order.source)
    needed = sum((order.source / path).stat().st_size for path in payload if path not in order.omit)
    files.require_room(needed)


async def sweep(live: Live) -> None:
    """Removes what a kill left of copies that were not finished, unless somebody is at the folder."""
    folder = live.files.absolute(COPIES)
    found = await asyncio.to_thread(lambda: sorted(folder.iterdir()) if folder.is_dir() else [])
    for path in found:
        lease = await claim(live.database, live.clock, live.settings.worker, path.name)
        if lease is not None:
            await _sweep(live, path.name)
            await lease.release()


async def _sweep(live: Live, inspection_id: str) -> None:
    """Under the lease: what has an interim name was told in the access log, and gets its own, or was not finished."""
    async with live.database.reading() as session:
        told = {made.id for made in await list_copies(session, inspection_id)}
    folder = live.files.absolute(f"{COPIES}/{inspection_id}")

    def settle() -> None:
        for path in folder.glob(".*"):
            if path.name[1:] in told:
                path.rename(path.with_name(path.name[1:]))
            else:
                log.info("unfinished_copy_removed", inspection=inspection_id, copy=path.name[1:])
                shutil.rmtree(path)

    await asyncio.to_thread(settle)


def _check(wanted: Wanted) -> None:
    problems: dict[str, str] = {}
    if not wanted.reason or len(wanted.reason) > LONGEST_REASON:
        problems["reason"] = N_("Say why parts are left out (at most 500 characters).")
    if not (wanted.snapshots or wanted.photos or wanted.parts or wanted.spans or wanted.personal):
        problems["snapshots"] = N_(
            "Choose what is to be left out. The whole package can be downloaded as it is."
        )
    if problems:
        raise Invalid(problems)


async def list_copies(session: AsyncSession, inspection_id: str) -> list[Made]:
    """The newest first."""
    found = await session.scalars(
        select(Access)
        .where(Access.inspection_id == inspection_id, Access.type.in_((MADE, FOUND)))
        .order_by(Access.seq.desc())
    )
    return [_made(access) for access in found]


def _made(access: Access) -> Made:
    body = parse(access.line.encode())["body"]
    numbers = (body["files"], body["pieces"], body["events"])
    at, by = access.at, access.actor["name"]
    if access.type == FOUND:
        at, by = parse_time(body["made_at"]), body["made_by"]
    return Made(body["copy"], at, by, body["reason"], *numbers)


async def find_copy(
    session: AsyncSession, actor: Actor, inspection_id: str, copy_id: str
) -> tuple[str, Made]:
    """(name without ending, the copy). CopyNotFound."""
    require(actor, "archive.export")
    inspection = await get_inspection(session, actor, inspection_id)
    for number, made in enumerate(reversed(await list_copies(session, inspection_id)), start=1):
        if made.id == copy_id:
            await require_kept(session, inspection_id)
            return f"{inspection.number}-copy-{number}", made
    raise CopyNotFound


def copy_path(inspection_id: str, copy_id: str) -> str:
    """Outside of the inspection's folder, which is a bag."""
    return f"{COPIES}/{inspection_id}/{copy_id}"

"""Viewing copies of a sealed package with parts left out: made by somebody with a reason, kept beside the data, told.

A copy is a package of its own, below `copies/<inspection>/`. A line of the access log links it to the original, and
that line is all that is kept of it in the database.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.rules import Actor
from server.archive.access import record_access
from server.archive.index import PATH as INDEX_PATH
from server.archive.index import RECORD_PATH
from server.archive.models import Access
from server.archive.packages import require_kept
from server.errors import N_, Invalid, NotFound
from server.evidence import keys, redaction, sealing
from server.evidence.canonical import dump, parse
from server.evidence.metadata import BASE_PATH, PROCESS_PATH
from server.evidence.seal import parse_leaves
from server.ids import new_id
from server.inspections.lookup import get_inspection, require
from server.live.context import Live

MADE = "copy.made"
LONGEST_REASON = 500
GUESTS = ("enterprise", "expert", "observer")
PERSONAL = ("people", "messages", "positions")
"""What can be left out of the log: who the guests are and what they did, chat, positions."""
_SPAN = re.compile(r"(?:(\d+):)?([0-5]?\d):([0-5]\d)\s*[-\u2013~]\s*(?:(\d+):)?([0-5]?\d):([0-5]\d)")


class CopyNotFound(NotFound):
    code = "copy_not_found"
    text = N_("There is no such viewing copy.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be left out. `parts` and `snapshots`: ids; `spans`: part -> (from, to) in ms of it."""

    reason: str
    snapshots: frozenset[str] = frozenset()
    parts: frozenset[str] = frozenset()
    spans: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict)
    personal: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Made:
    """A copy as its line in the access log tells of it."""

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
    """The new copy's id. NotSealed, Disposed, Invalid, redaction.CannotRedact."""
    require(actor, "archive.redact")
    _check(wanted)
    async with live.database.reading() as session:
        await get_inspection(session, actor, inspection_id)
        await require_kept(session, inspection_id)
    copy_id = new_id()
    office = await asyncio.to_thread(keys.load, live.settings.key_folder)
    office.require_usable(live.clock.now())
    source = live.files.absolute(f"inspections/{inspection_id}")
    target = live.files.absolute(copy_path(inspection_id, copy_id))
    order = await asyncio.to_thread(plan, source, target, wanted, actor.name, live.clock.now())
    target.parent.mkdir(parents=True, exist_ok=True)
    made = await asyncio.to_thread(redaction.make_copy, order, office)
    body = {
        "copy": copy_id,
        "reason": wanted.reason,
        "redaction": hashlib.sha256(made.to_bytes()).hexdigest(),
        "files": sum(each.path is None for each in made.omissions) + len(made.tags),
        "pieces": sum(len(each.pieces) for each in made.omissions),
        "events": len(made.withheld),
    }
    async with live.database.transaction() as session:
        await record_access(session, live.clock, actor, inspection_id, MADE, body)
    return copy_id


def _check(wanted: Wanted) -> None:
    problems: dict[str, str] = {}
    if not wanted.reason or len(wanted.reason) > LONGEST_REASON:
        problems["reason"] = N_("Say why parts are left out (at most 500 characters).")
    if not (wanted.snapshots or wanted.parts or wanted.spans or wanted.personal):
        problems["snapshots"] = N_(
            "Choose what is to be left out. The whole package can be downloaded as it is."
        )
    if problems:
        raise Invalid(problems)


def plan(source: Path, target: Path, wanted: Wanted, by: str, at: datetime) -> redaction.RedactionOrder:
    """Which files, pieces and events these are. What would tell of them otherwise is left out with them. Blocks."""
    lines = (source / sealing.EVENTS).read_bytes().splitlines()
    events = [parse(line) for line in lines]
    leaves = parse_leaves((source / sealing.LEAVES).read_bytes())
    files = [leaf.file for leaf in leaves if leaf.file is not None]
    withhold = _withheld(lines, events, wanted.personal)
    by_digest = {(file.path.split("/")[1], file.sha256): file.path for file in files}
    omit: set[str] = {file.path for file in files if file.path.startswith("data/unclaimed/")}
    spans: dict[str, Sequence[tuple[int, int]]] = {}
    for event in events:
        body = event["body"]
        if event["type"] == "snapshot.taken" and body["snapshot"] in wanted.snapshots:
            omit.add(by_digest["snapshots", body["sha256"]])
        if event["type"] != "part.closed" or not body["sha256"]:
            continue
        path = by_digest["media", body["sha256"]]
        if body["part"] in wanted.parts or event["seq"] in withhold:
            omit.add(path)
        elif body["part"] in wanted.spans:
            spans[path] = wanted.spans[body["part"]]
        else:
            continue
        original = by_digest.get(("originals", body.get("original", {}).get("sha256", "")))
        omit |= {original} if original else set()  # the same film, as the phone sent it
    if wanted.snapshots or wanted.personal:
        omit.add(RECORD_PATH)
    if "people" in wanted.personal:
        omit |= {INDEX_PATH, BASE_PATH, PROCESS_PATH}
    known = {file.path for file in files} | {BASE_PATH, PROCESS_PATH}
    return redaction.RedactionOrder(
        source=source,
        target=target,
        omit=frozenset(omit & known),
        spans=spans,
        withhold=frozenset(withhold),
        by=by,
        reason=wanted.reason,
        at=at,
    )


def _withheld(lines: Sequence[bytes], events: Sequence[dict[str, Any]], personal: frozenset[str]) -> set[int]:
    """Numbers of the lines that are not to be shown. With the people goes every line in which a guest's name stands."""
    names: set[bytes] = set()
    if "people" in personal:
        for event in events:
            told = [event["body"]] if event["type"] in ("participant.joined", "invitation.created") else []
            told += [event["actor"]] if event["actor"]["kind"] == "participant" else []
            names |= {dump(each["name"])[1:-1] for each in told if each["role"] in GUESTS}
    kinds = {"chat.sent": {"messages", "people"}, "location.fixed": {"positions", "people"}}
    return {
        number
        for number, (line, event) in enumerate(zip(lines, events, strict=True), start=1)
        if kinds.get(event["type"], set()) & personal or any(name in line for name in names if name)
    }


async def list_copies(session: AsyncSession, inspection_id: str) -> list[Made]:
    """The newest first."""
    found = await session.scalars(
        select(Access)
        .where(Access.inspection_id == inspection_id, Access.type == MADE)
        .order_by(Access.seq.desc())
    )
    return [_made(access) for access in found]


def _made(access: Access) -> Made:
    body = parse(access.line.encode())["body"]
    numbers = (body["files"], body["pieces"], body["events"])
    return Made(body["copy"], access.at, access.actor["name"], body["reason"], *numbers)


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
    return f"copies/{inspection_id}/{copy_id}"

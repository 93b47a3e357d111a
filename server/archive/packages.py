"""Seal and package of an inspection as people and programs get them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.rules import Actor
from server.archive.access import EXPORTED, list_accesses, record_access
from server.archive.models import Access, Disposal, Seal
from server.clock import Clock
from server.errors import N_, Conflict, Gone, Unavailable
from server.evidence import package
from server.inspections.lookup import get_inspection, require
from server.inspections.models import Inspection
from server.storage.files import Files

State = Literal["open", "waiting", "sealing", "failed", "sealed"]


SHOWN = 20
"""Lines of the access log on the inspection's page; the others have a page of their own."""


class Disposed(Gone):
    code = "disposed"
    text = N_("This evidence was disposed of. Seal and certificate are kept in the package.")


class BeingChanged(Unavailable):
    code = "being_changed"


class NotSealed(Conflict):
    code = "not_sealed"
    text = N_("This inspection is not sealed yet. Its package can be had as soon as it is.")


@dataclass(frozen=True, slots=True)
class SealStatus:
    """`open`: no result yet; `waiting`: for phones, until `seal.awaited_until`; `failed`: will be tried again.

    `stamps_wanted`: authorities in the settings. `accesses`: who took the package; `log`: the newest of all that was
    done with the evidence, for those who may see that. Both newest first.
    """

    state: State
    seal: Seal | None
    stamps_wanted: int
    accesses: list[Access]
    log: list[Access]

    @property
    def stamps_pending(self) -> int:
        if self.seal is None or self.seal.sealed_at is None:
            return 0
        return max(0, self.stamps_wanted - self.seal.stamps)


@dataclass(frozen=True, slots=True)
class Export:
    """A package that may be sent: `name` without ending."""

    inspection_id: str
    name: str
    sealed_at: datetime
    root: str


async def find_status(session: AsyncSession, inspection: Inspection, stamps_wanted: int) -> SealStatus:
    """What is to be said about an inspection's seal."""
    seal = await session.get(Seal, inspection.id, populate_existing=True)
    state: State = "open" if inspection.state != "concluded" else "sealing"
    if seal is not None:
        if seal.sealed_at is not None:
            state = "sealed"
        elif seal.problem is not None:
            state = "failed"
        elif seal.awaited_until is not None:
            state = "waiting"
    accesses = await list_accesses(session, inspection.id, type_=EXPORTED) if state == "sealed" else []
    newest = await list_accesses(session, inspection.id, SHOWN)
    return SealStatus(state, seal, stamps_wanted, accesses, newest)


async def seal_at_once(session: AsyncSession, actor: Actor, inspection_id: str, now: datetime) -> None:
    """Do not wait for what phones may still send."""
    require(actor, "inspection.conclude")
    await get_inspection(session, actor, inspection_id)
    await session.execute(
        update(Seal)
        .where(Seal.inspection_id == inspection_id, Seal.sealed_at.is_(None))
        .values(at_once=True, retry_at=now)
    )


async def export(session: AsyncSession, actor: Actor, inspection_id: str, clock: Clock) -> Export:
    """Permission, and the line in the access log that says who took it. NotSealed before."""
    require(actor, "archive.export")
    inspection = await get_inspection(session, actor, inspection_id)
    seal = await session.get(Seal, inspection_id)
    if seal is None or seal.sealed_at is None or seal.root is None:
        raise NotSealed
    await record_access(session, clock, actor, inspection_id, EXPORTED, {"root": seal.root})
    return Export(inspection_id, inspection.number, seal.sealed_at, seal.root)


async def require_kept(session: AsyncSession, inspection_id: str) -> None:
    """NotSealed before the seal, Disposed once its end is decided."""
    seal = await session.get(Seal, inspection_id)
    if seal is None or seal.sealed_at is None:
        raise NotSealed
    disposal = await session.get(Disposal, inspection_id)
    if disposal is not None and disposal.approved_at is not None:
        raise Disposed


async def get_record(session: AsyncSession, actor: Actor, inspection_id: str) -> str:
    """Whether the record may be read: its name without ending. NotSealed, Disposed."""
    require(actor, "archive.view")
    inspection = await get_inspection(session, actor, inspection_id)
    await require_kept(session, inspection_id)
    return inspection.number


async def stream(files: Files, export: Export) -> AsyncIterator[bytes]:
    """The zip in pieces of about a megabyte, made in a thread while it is sent. BeingChanged."""
    path = f"inspections/{export.inspection_id}"
    return await stream_folder(files, path, export.name, export.sealed_at)


async def stream_folder(files: Files, path: str, name: str, at: datetime) -> AsyncIterator[bytes]:
    """The package at `path` as it is now, as a zip with one folder `name` in it, its files dated `at`. BeingChanged."""
    try:
        pieces = await asyncio.to_thread(package.stream, files.absolute(path), name, at)
    except package.BeingChanged as error:
        raise BeingChanged from error
    return _stepped(pieces)


async def _stepped(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(next, pieces, b""):
        yield piece

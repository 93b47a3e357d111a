"""The papers of a case: taken in by what they are, kept as they came."""

from __future__ import annotations

import asyncio
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.rules import Actor
from server.cases.models import Material
from server.cases.papers import PaperType, recognise
from server.cases.service import CaseClosed, get_case, require
from server.db import Database
from server.errors import N_, Conflict, Invalid, NotFound, TooLarge
from server.ids import new_id
from server.storage.files import Files


class MaterialNotFound(NotFound):
    code = "material_not_found"
    text = N_("There is no such paper on this case.")


class MaterialExists(Conflict):
    code = "material_exists"
    text = N_("This very file is on the case already.")


class MaterialTooLarge(TooLarge):
    code = "material_too_large"
    text = N_("A file may have at most {limit_mb} MB.")


async def add_material(
    database: Database,
    files: Files,
    actor: Actor,
    *,
    case_id: str,
    name: str,
    data: bytes,
    limit_bytes: int,
    now: datetime,
) -> Material:
    """Check a paper by its bytes, store it under `cases/<case>/materials/`, and put it on the case.

    Raises UnknownPaper, BrokenPaper, MaterialTooLarge, MaterialExists, CaseClosed, StorageFull, Unavailable.
    `name` is only shown. It takes the database, because no transaction should wait while a picture is opened and a
    file is written.
    """
    if not data:
        raise Invalid({"file": N_("Choose a file that is not empty.")})
    if len(data) > limit_bytes:
        raise MaterialTooLarge(limit_mb=limit_bytes // 2**20)
    async with database.reading() as session:
        await _open_case(session, actor, case_id)
    material_id = new_id()
    kind = await recognise(data)
    path = f"cases/{case_id}/materials/{material_id}.{kind.extension}"
    stored = await asyncio.to_thread(files.write, path, data)
    material = Material(
        id=material_id,
        case_id=case_id,
        name=_shown_name(name, kind),
        media_type=kind.media_type,
        size_bytes=stored.size_bytes,
        sha256=stored.sha256,
        path=stored.path,
        added_by_name=actor.name,
        added_at=now,
    )
    try:
        async with database.transaction() as session:
            await _open_case(session, actor, case_id)
            session.add(material)
    except IntegrityError as error:
        await asyncio.to_thread(files.absolute(stored.path).unlink)
        raise MaterialExists from error
    return material


async def list_materials(session: AsyncSession, case_id: str) -> list[Material]:
    """A case's papers, oldest first."""
    query = select(Material).where(Material.case_id == case_id).order_by(Material.added_at, Material.id)
    return list(await session.scalars(query))


async def get_material(session: AsyncSession, actor: Actor, case_id: str, material_id: str) -> Material:
    """A paper of a case that the actor may see."""
    await get_case(session, actor, case_id)
    material = await session.scalar(
        select(Material).where(Material.id == material_id, Material.case_id == case_id)
    )
    if material is None:
        raise MaterialNotFound(material_id=material_id)
    return material


async def _open_case(session: AsyncSession, actor: Actor, case_id: str) -> None:
    require(actor, "material.add")
    case = await get_case(session, actor, case_id)
    if case.state == "closed":
        raise CaseClosed


def _shown_name(name: str, kind: PaperType) -> str:
    """The file's name as its owner called it, without folders and control characters."""
    last = name.replace("\\", "/").rpartition("/")[2]
    printable = "".join(character for character in last if character.isprintable()).strip()
    return printable[:200] or f"paper.{kind.extension}"

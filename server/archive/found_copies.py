"""Viewing copies of which no access log tells any more: checked, and written down again as found."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.rules import system_actor
from server.archive.access import record_access
from server.archive.copies import COPIES, FOUND, body_of, list_copies
from server.archive.models import Seal
from server.clock import Clock
from server.errors import N_
from server.evidence.redaction import REDACTION, BadRedaction, Redaction
from server.evidence.verify import Finding, Trust, verify
from server.inspections.models import Inspection
from server.storage.files import Files
from server.web.languages import explain, translate


@dataclass(slots=True)
class Found:
    """How many were entered; `<inspection>/<copy>` of those left out, with why in the current language."""

    entered: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)


async def enter_found(session: AsyncSession, clock: Clock, files: Files, trust: Trust) -> Found:
    """A line for each copy that lies there and is listed nowhere. Access logs must have come back before.

    The line is of now and nobody's: who made the copy, and when, is what the copy says of itself.
    """
    found = Found()
    for folder in await asyncio.to_thread(lambda: list(_folders(files.absolute(COPIES)))):
        inspection_id, copy_id = folder.parent.name, folder.name
        if copy_id in {made.id for made in await list_copies(session, inspection_id)}:
            continue
        name = f"{inspection_id}/{copy_id}"
        query = select(Seal.inspection_id).join(Inspection).where(Inspection.id == inspection_id)
        if await session.scalar(query) is None:
            found.refused.append((name, translate(N_("its inspection did not come back"))))
            continue
        try:
            redaction = await asyncio.to_thread(_check, folder, trust)
        except (BadRedaction, OSError) as error:
            found.refused.append((name, translate(str(error))))
            continue
        body = body_of(copy_id, redaction) | {"made_at": redaction.at, "made_by": redaction.by}
        await record_access(session, clock, system_actor(), inspection_id, FOUND, body)
        found.entered += 1
    return found


def told_of(finding: Finding) -> str:
    """What is wrong with a package, in the current language."""
    told = explain(finding.text, finding.params)
    return f"{finding.subject}: {told}" if finding.subject else told


def _folders(folder: Path) -> Iterator[Path]:
    """Of copies that were finished. Blocks."""
    for inspection in sorted(folder.iterdir()) if folder.is_dir() else ():
        if inspection.is_dir():
            yield from (each for each in sorted(inspection.iterdir()) if not each.name.startswith("."))


def _check(folder: Path, trust: Trust) -> Redaction:
    """BadRedaction, OSError unless it is a viewing copy that holds, of the inspection whose folder it is in."""
    redaction = Redaction.parse((folder / REDACTION).read_bytes())
    if redaction.inspection != folder.parent.name:
        raise BadRedaction(N_("it is of another inspection"))
    if problem := verify(folder, trust).first_failure:
        raise BadRedaction(told_of(problem))
    return redaction

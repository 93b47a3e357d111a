"""What the inspection's page says of keeping its evidence: viewing copies."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from server.archive.copies import Made, list_copies
from server.inspections.models import Inspection


@dataclass(frozen=True, slots=True)
class Care:
    """`copies`: newest first."""

    copies: list[Made]


async def find_care(session: AsyncSession, inspection: Inspection) -> Care:
    return Care(copies=await list_copies(session, inspection.id))

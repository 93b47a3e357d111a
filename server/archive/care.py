"""What the inspection's page says of keeping its evidence: viewing copies, retention, disposal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from server.archive.copies import Made, list_copies
from server.archive.disposal import Retention, find_retention
from server.inspections.models import Inspection


@dataclass(frozen=True, slots=True)
class Care:
    """`copies`: newest first."""

    copies: list[Made]
    retention: Retention


async def find_care(session: AsyncSession, inspection: Inspection, now: datetime) -> Care:
    return Care(
        copies=await list_copies(session, inspection.id),
        retention=await find_retention(session, inspection, now),
    )

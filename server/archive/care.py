"""What the inspection's page says of keeping its evidence: copies, retention, disposal, four-property report."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from server.archive.copies import Made, list_copies
from server.archive.four_properties import Checked, find_report
from server.archive.retention import Retention, find_retention
from server.cases.rules import RetentionPolicy
from server.inspections.models import Inspection
from server.storage.files import Files


@dataclass(frozen=True, slots=True)
class Care:
    """`copies`: newest first."""

    copies: list[Made]
    retention: Retention
    four_properties: Checked | None


async def find_care(
    session: AsyncSession, inspection: Inspection, now: datetime, files: Files, policy: RetentionPolicy
) -> Care:
    folder = files.absolute(f"inspections/{inspection.id}")
    return Care(
        copies=await list_copies(session, inspection.id),
        retention=await find_retention(session, inspection, now, policy),
        four_properties=await asyncio.to_thread(find_report, folder),
    )

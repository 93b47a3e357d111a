"""Where the application carries the journal."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from server.inspections.log import Journal
from server.inspections.models import Inspection

JOURNAL = web.AppKey("journal", Journal)
SealStatus = Callable[[AsyncSession, Inspection], Awaitable[Any]]
SEAL_STATUS: web.AppKey[SealStatus] = web.AppKey("seal_status", object)  # type: ignore[arg-type]
"""What the inspection's page shows of its seal. The archive, which this feature may not import, answers."""
CARE: web.AppKey[SealStatus] = web.AppKey("care", object)  # type: ignore[arg-type]
"""What the page shows of keeping the evidence: viewing copies, retention, disposal. Answered likewise."""

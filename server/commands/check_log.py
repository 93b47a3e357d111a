"""`yunkan check-log`: the event logs as they stand in the database, each from its first line to its end."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from sqlalchemy import select

from server.db import Database
from server.errors import N_
from server.inspections.log import check
from server.inspections.models import Inspection
from server.settings import Settings
from server.web.languages import current_language, translate


def add_to(commands: Any) -> None:
    parser = commands.add_parser("check-log", help="check the event logs in the database")
    parser.add_argument(
        "inspection", nargs="?", default="", help="an inspection's id; without it, all of them"
    )
    parser.set_defaults(run=run)


def run(settings: Settings, options: argparse.Namespace) -> int:
    """0 if every log holds, 1 with the first bad line of each that does not, 2 if there is no such inspection."""
    current_language.set(settings.language)
    return asyncio.run(_check(settings, options.inspection))


async def _check(settings: Settings, wanted: str) -> int:
    database = Database(settings.database)
    failed = 0
    try:
        async with database.reading() as session:
            query = select(Inspection.id).order_by(Inspection.id)
            ids = list(await session.scalars(query.where(Inspection.id == wanted) if wanted else query))
        for inspection_id in ids:
            async with database.reading() as session:
                bad = await check(session, inspection_id)
            if bad is not None:
                failed += 1
                told = translate(
                    N_("Inspection {inspection}, line {line}: {reason}"),
                    inspection=inspection_id,
                    line=bad.line,
                    reason=bad.reason,
                )
                print(told)
    finally:
        await database.close()
    print(translate(N_("{checked} logs checked, {failed} do not hold"), checked=len(ids), failed=failed))
    if wanted and not ids:
        return 2
    return 1 if failed else 0

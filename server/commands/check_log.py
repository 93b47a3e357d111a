"""`yunkan check-log`: the logs as they stand in the database, each from its first line to its end."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import select

from server.archive.log_check import access_chains, check_accesses, check_office_log
from server.db import Database
from server.errors import N_
from server.evidence import keys
from server.evidence.keylog import BadKeyLog, check_log
from server.evidence.signatures import fingerprint_of
from server.inspections.log import check
from server.inspections.models import Inspection
from server.settings import Settings
from server.web.languages import current_language, explain, translate


def add_to(commands: Any) -> None:
    parser = commands.add_parser("check-log", help="check the logs in the database")
    parser.add_argument(
        "inspection",
        nargs="?",
        default="",
        help="an inspection's id; without it, all of them and the office's log",
    )
    parser.set_defaults(run=run)


def run(settings: Settings, options: argparse.Namespace) -> int:
    """0 if every log holds, 1 with the first bad line of each that does not, 2 if what is asked for is not there."""
    current_language.set(settings.language)
    if why_no_database(settings):
        return 2
    return asyncio.run(_check(settings, options.inspection))


def why_no_database(settings: Settings) -> str:
    """Said to the caller as well; empty if there is one. SQLite would make the file that it does not find."""
    path = settings.database.partition("sqlite+aiosqlite:///")[2]
    if not path or Path(path).exists():
        return ""
    told = translate(N_("There is no database at {path}"), path=path)
    print(f"yunkan: {told}", file=sys.stderr)
    return told


async def _check(settings: Settings, wanted: str) -> int:
    database = Database(settings.database)
    try:
        async with database.reading() as session:
            query = select(Inspection.id).order_by(Inspection.id)
            ids = list(await session.scalars(query.where(Inspection.id == wanted) if wanted else query))
            chains = [chain for chain in await access_chains(session) if not wanted or chain == wanted]
        failed = await _check_events(database, ids) + await _check_accesses(database, chains)
        if not wanted:
            failed += await _check_office_log(database, settings)
    finally:
        await database.close()
    checked = len(ids) + len(chains) + (not wanted)
    print(translate(N_("{checked} logs checked, {failed} do not hold"), checked=checked, failed=failed))
    if wanted and not ids:
        return 2
    return 1 if failed else 0


async def _check_events(database: Database, ids: list[str]) -> int:
    failed = 0
    for inspection_id in ids:
        async with database.reading() as session:
            bad = await check(session, inspection_id)
        if bad is not None:
            failed += 1
            told = translate(
                N_("Inspection {inspection}, line {line}: {reason}"),
                inspection=inspection_id,
                line=bad.line,
                reason=translate(bad.reason),
            )
            print(told)
    return failed


async def _check_accesses(database: Database, chains: list[str]) -> int:
    failed = 0
    for chain in chains:
        async with database.reading() as session:
            bad = await check_accesses(session, chain)
        if bad is not None:
            failed += 1
            told = translate(
                N_("Access log of {inspection}, line {line}: {reason}"),
                inspection=chain,
                line=bad.line,
                reason=translate(bad.reason),
            )
            print(told)
    return failed


async def _check_office_log(database: Database, settings: Settings) -> int:
    """1 if it does not hold. Inspections without a seal are told: most are under way, one may have vanished."""
    known: dict[str, bytes] | None = None
    try:
        statements = check_log((settings.key_folder / keys.LOG).read_bytes())
        public = [bytes.fromhex(each.public) for each in statements if each.purpose == "head"]
        known = {fingerprint_of(each): each for each in public}
    except FileNotFoundError:
        print(translate(N_("Office log: there are no keys here, the heads' signatures are not checked")))
    except BadKeyLog as error:
        print(explain(error.text, error.params))
        return 1
    async with database.reading() as session:
        report = await check_office_log(session, known)
    for inspection_id, index, state in report.unsealed:
        told = translate(
            N_("Office log: inspection {inspection} was opened (entry {index}), is {state} and not sealed"),
            inspection=inspection_id,
            index=index,
            state=state,
        )
        print(told)
    for fault in report.faults:
        print(translate(N_("Office log: {problem}"), problem=translate(fault.text, **fault.params)))
    return 1 if report.faults else 0

"""`yunkan reindex`: cases, evidence and logs of sealed inspections, from their folders into an empty database."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any

from server.archive.reindex import NotEmpty, Outcome, reindex
from server.clock import SystemClock
from server.db import Database
from server.db.migrate import upgrade
from server.errors import N_
from server.evidence import keys
from server.evidence.certificates import from_pem
from server.evidence.errors import EvidenceError
from server.settings import Settings
from server.storage.files import Files
from server.web.languages import current_language, explain, translate

LOST = (
    N_("What the folders do not hold, and what therefore did not come back:"),
    N_(
        "- passwords, sign-in sessions and API tokens: make a token with `yunkan token create`, and new passwords;"
    ),
    N_(
        "- staff who had nothing to do with a sealed inspection, and user names of those who only decided on an end;"
    ),
    N_("- links of invitations: nobody can join by an old one;"),
    N_("- cases without a sealed inspection;"),
    N_("- what happened to a case after its last seal: that it was closed, how later papers were called;"),
    N_(
        "- what was done in the last seconds before the loss: the files of access logs, and the holds that they "
        "tell of, are late by so much;"
    ),
    N_(
        "- access logs whose files are lost too: of them only the viewing copies that lie beside the evidence are "
        "entered again, with what they say of themselves;"
    ),
    N_("- holds on, and decisions about, inspections that did not come back themselves;"),
    N_("- logs of inspections that were not sealed: their recordings are in their folders."),
)


def add_to(commands: Any) -> None:
    parser = commands.add_parser(
        "reindex", help="rebuild an empty database from the folders of sealed inspections"
    )
    parser.add_argument("--root", type=Path, metavar="PEM", help="the office's root, if the keys are lost")
    parser.set_defaults(run=run)


def run(settings: Settings, options: argparse.Namespace) -> int:
    """0 if every sealed folder is back, 1 if some do not hold, 2 if nothing could be begun."""
    current_language.set(settings.language)
    try:
        return asyncio.run(_reindex(settings, options.root))
    except (NotEmpty, EvidenceError) as error:
        print(f"yunkan: {explain(error.text, error.params)}", file=sys.stderr)
        return 2
    except ValueError as error:
        print(f"yunkan: {error}", file=sys.stderr)
        return 2


async def _reindex(settings: Settings, root: Path | None) -> int:
    if root is not None:
        roots = from_pem(await asyncio.to_thread(root.read_bytes))
    elif (settings.key_folder / keys.LOG).exists():
        roots = [(await asyncio.to_thread(keys.load, settings.key_folder)).root]
    else:
        roots = []
    files = Files(settings.data, settings.reserve_bytes)
    await asyncio.to_thread(files.prepare)
    await asyncio.to_thread(upgrade, settings.database)
    database = Database(settings.database)
    try:
        outcome = await reindex(database, files, roots, SystemClock(), _progress)
    finally:
        await database.close()
    _tell(outcome, bool(roots))
    return 1 if outcome.refused or outcome.refused_logs or outcome.copies.refused else 0


def _progress(done: int, total: int) -> None:
    """On the terminal one line that counts, elsewhere a line for every hundred folders."""
    words = translate(N_("{done} of {total} folders"), done=done, total=total)
    if sys.stderr.isatty():
        print(f"\r{words}", end="\n" if done == total else "", file=sys.stderr, flush=True)
    elif done % 100 == 0 or done == total:
        print(words, file=sys.stderr, flush=True)


def _tell(outcome: Outcome, is_pinned: bool) -> None:
    numbers = {"inspections": len(outcome.restored), "cases": outcome.cases}
    print(translate(N_("{inspections} inspections of {cases} cases are back."), **numbers))
    print(translate(N_("{n} entries of the office's log are back."), n=outcome.office_entries))
    print(translate(N_("{n} lines of access logs are back."), n=outcome.access_lines))
    if not is_pinned:
        print(translate(N_("No root of the office is here: each package was checked against its own.")))
    for text, ids in (
        (N_("Disposed of; page and certificate are back: {ids}"), outcome.disposed),
        (N_("Not sealed, so without a log: {ids}"), outcome.unsealed),
    ):
        if ids:
            print(translate(text, ids=" ".join(ids)))
    for inspection, reason in outcome.refused:
        told = N_("Left out, because it does not hold: {inspection}: {reason}")
        print(translate(told, inspection=inspection, reason=reason))
    for chain, error in outcome.refused_logs:
        told = N_("The access log of {chain} is left out: {reason}")
        print(translate(told, chain=chain, reason=explain(error.text, error.params)))
    if outcome.copies.entered:
        told = N_("{n} viewing copies that no access log told of are entered again.")
        print(translate(told, n=outcome.copies.entered))
    for copy, reason in outcome.copies.refused:
        print(translate(N_("The viewing copy {copy} is left out: {reason}"), copy=copy, reason=reason))
    if outcome.nameless_papers:
        print(translate(N_("{n} papers are back without their names."), n=outcome.nameless_papers))
    for line in LOST:
        print(translate(line))

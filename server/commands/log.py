"""`yunkan log`: heads of the office's log for outsiders, and what two of them say about each other."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from server.archive.office_log import NotOpened, fresh_head, prove_inspection
from server.commands.check_log import why_no_database
from server.db import Database
from server.errors import N_
from server.evidence import keys, merkle, officelog
from server.evidence.errors import EvidenceError
from server.evidence.keylog import check_log
from server.evidence.officelog import BadHead, BadProof, Comparison, Consistency, Head
from server.officelog.entries import read_leaves
from server.settings import Settings
from server.web.languages import current_language, explain, translate

_SAID = {
    Comparison.CONSISTENT: N_(
        "Consistent: the log of {old} entries is the beginning of the log of {new} entries."
    ),
    Comparison.SPLIT: N_(
        "NOT CONSISTENT: there are two histories; neither log can have grown out of the other."
    ),
    Comparison.UNPROVED: N_("NOT PROVED: the proof is missing or does not connect the two heads."),
}
_EXIT = {Comparison.CONSISTENT: 0, Comparison.SPLIT: 1, Comparison.UNPROVED: 1}


def add_to(commands: Any) -> None:
    actions = commands.add_parser("log", help="the office's log, as outsiders check it").add_subparsers(
        required=True, metavar="ACTION"
    )
    deposit = actions.add_parser("deposit", help="a signed head of the log, for somebody outside to keep")
    deposit.add_argument("--out", type=Path, help="file to write; without it, standard output")
    deposit.set_defaults(run=_deposit)
    compare = actions.add_parser("compare", help="whether one deposited head is the beginning of another")
    compare.add_argument("heads", nargs=2, type=Path, metavar="HEAD", help="files of `log deposit`")
    compare.add_argument(
        "--proof", type=Path, help="of /api/v1/log/consistency; without it, the office's own log"
    )
    compare.add_argument("--keys", type=Path, help="key history (keys.jsonl); without it, the office's own")
    compare.add_argument("--json", action="store_true", help="the result as JSON")
    compare.set_defaults(run=_compare)
    prove = actions.add_parser("prove", help="that an inspection's entries are in the log")
    prove.add_argument("inspection", help="its id")
    prove.add_argument("--out", type=Path, help="file to write; without it, standard output")
    prove.set_defaults(run=_prove)


def _deposit(settings: Settings, options: argparse.Namespace) -> int:
    """0, or 1 if the head cannot be signed."""

    async def act(database: Database) -> bytes:
        office = keys.load(settings.key_folder)
        async with database.transaction() as session:
            head = await fresh_head(session, office, datetime.now(UTC))
        told = translate(
            N_("Head {number}: {size} entries, root {root}"),
            number=head.number,
            size=head.size,
            root=head.root,
        )
        print(told, file=sys.stderr)
        return head.document.encode()

    return _written(settings, act, options.out)


def _prove(settings: Settings, options: argparse.Namespace) -> int:
    """0, or 1 if the log does not know the inspection."""

    async def act(database: Database) -> bytes:
        office = keys.load(settings.key_folder)
        proof = await prove_inspection(database, office, options.inspection, datetime.now(UTC))
        return proof.to_bytes()

    return _written(settings, act, options.out)


def _compare(settings: Settings, options: argparse.Namespace) -> int:
    """0 consistent; 1 two histories, or a proof that does not hold; 2 nothing that can be compared."""
    current_language.set(settings.language)
    try:
        older, newer = sorted(
            (Head.parse(path.read_bytes()) for path in options.heads), key=lambda head: head.size
        )
        history = (options.keys or settings.key_folder / keys.LOG).read_bytes()
        public = [bytes.fromhex(each.public) for each in check_log(history) if each.purpose == "head"]
        if options.proof is None and why_no_database(settings):
            return 2
        if options.proof is None:
            result = asyncio.run(_against_own_log(settings, older, newer, public))
        else:
            proof = Consistency.parse(options.proof.read_bytes())
            fits = (proof.old, proof.new) == (older.size, newer.size)
            result = officelog.compare(older, newer, public, proof.hashes() if fits else None)
    except EvidenceError as error:
        return _unusable(explain(error.text, error.params), options.json)
    except (OSError, BadHead, BadProof) as error:
        return _unusable(str(error), options.json)
    if options.json:
        told = {"result": result.value, "older": older.to_json(), "newer": newer.to_json()}
        print(json.dumps(told, ensure_ascii=False, indent=2))
    else:
        for head in (older, newer):
            print(
                translate(N_("{at}: {size} entries, root {root}"), at=head.at, size=head.size, root=head.root)
            )
        print(translate(_SAID[result], old=older.size, new=newer.size))
    return _EXIT[result]


async def _against_own_log(settings: Settings, older: Head, newer: Head, public: list[bytes]) -> Comparison:
    """By the proof that the office's entries give. A head that those entries do not lead to is another history."""
    database = Database(settings.database)
    try:
        async with database.reading() as session:
            leaves = await read_leaves(session, newer.size)
    finally:
        await database.close()
    proof = merkle.consistency_proof(leaves, older.size) if older.size <= len(leaves) == newer.size else None
    result = officelog.compare(older, newer, public, proof)
    alien = any(officelog.compare_with_log(head, leaves) is Comparison.SPLIT for head in (older, newer))
    return Comparison.SPLIT if alien else result


def _unusable(reason: str, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"result": "unusable", "reason": reason}, ensure_ascii=False, indent=2))
    else:
        told = translate(N_("The heads cannot be compared: {reason}"), reason=reason)
        print(f"yunkan: {told}", file=sys.stderr)
    return 2


def _written(settings: Settings, act: Any, out: Path | None) -> int:
    current_language.set(settings.language)

    if why_no_database(settings):
        return 2

    async def run() -> bytes:
        database = Database(settings.database)
        try:
            made: bytes = await act(database)
            return made
        finally:
            await database.close()

    try:
        data = asyncio.run(run())
    except (EvidenceError, NotOpened) as error:
        print(f"yunkan: {explain(error.text, error.params)}", file=sys.stderr)
        return 1
    if out is None:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    else:
        out.write_bytes(data)
    return 0

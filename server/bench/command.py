"""`yunkan bench` on the command line."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.bench import archive, events, evidence, run
from server.bench.processes import ServerFailed
from server.bench.report import ROWS, as_json, markdown, table
from server.bench.subject import Unavailable

if TYPE_CHECKING:
    from server.settings import Settings

MAX_INSPECTIONS = 128
MAX_VIEWERS = 10
MAX_SECONDS = 600
MAX_ROUNDS = 25
MAX_SOAK_MINUTES = 120


def add_command(commands: Any) -> None:
    """Adds `bench` to the parser's subcommands."""
    bench = commands.add_parser("bench", help="measure this machine").add_subparsers(
        required=True, metavar="WHAT"
    )
    media = bench.add_parser("media", help="the media engine beside its peers, under the same load")
    media.add_argument("--inspections", type=_within(MAX_INSPECTIONS), default=8, metavar="N")
    media.add_argument("--viewers", type=_within(MAX_VIEWERS), nargs="+", default=[1], metavar="V")
    media.add_argument("--seconds", type=_within(MAX_SECONDS), default=20)
    media.add_argument(
        "--rounds",
        type=_within(MAX_ROUNDS),
        default=1,
        help="all rows so many times; the middle one is shown",
    )
    media.add_argument("--rows", default=",".join(ROWS), help="comma separated (default: %(default)s)")
    media.add_argument("--soak", type=_within(MAX_SOAK_MINUTES), metavar="MINUTES", help="is memory flat?")
    media.add_argument("--capacity", action="store_true", help="how many inspections one worker carries")
    media.add_argument(
        "--plain", action="store_true", help="packets without the header extensions that a browser sends"
    )
    media.add_argument("--json", type=Path, metavar="FILE")
    media.add_argument("--markdown", type=Path, metavar="FILE")
    media.set_defaults(run=_media)
    archive.add_to(bench)
    events.add_to(bench)
    evidence.add_to(bench)


def _media(_settings: Settings, options: argparse.Namespace) -> int:
    names = options.rows.split(",")
    if unknown := sorted(set(names) - set(ROWS)):
        print(f"yunkan bench: no row {unknown[0]!r}; there are {', '.join(ROWS)}", file=sys.stderr)
        return 2
    try:
        if options.soak:
            return asyncio.run(_soak(options))
        if options.capacity:
            return asyncio.run(_capacity(options))
        return asyncio.run(_rows(options, names))
    except (ServerFailed, Unavailable) as error:
        print(f"yunkan bench: {error}", file=sys.stderr)
        return 1


async def _rows(options: argparse.Namespace, names: list[str]) -> int:
    rows, machine = await run.rows(
        names,
        options.inspections,
        options.viewers,
        options.seconds,
        plain=options.plain,
        rounds=options.rounds,
        say=_progress,
    )
    print(table(rows))
    _write(options.json, json.dumps(as_json(rows, machine), indent=1) + "\n")
    _write(options.markdown, markdown(rows, machine))
    return 0


async def _soak(options: argparse.Namespace) -> int:
    soak = await run.soak(
        options.inspections, options.viewers[0], options.soak * 60, plain=options.plain, say=_progress
    )
    print(run.describe_soak(soak))
    _write(options.json, json.dumps(run.soak_as_json(soak), indent=1) + "\n")
    _write(options.markdown, run.describe_soak(soak) + "\n")
    return 0


async def _capacity(options: argparse.Namespace) -> int:
    search = run.Search(most=MAX_INSPECTIONS)
    found = await run.capacity(search, options.viewers[0], plain=options.plain, say=_progress)
    text = run.describe_capacity(found)
    print(text)
    _write(options.json, json.dumps(run.capacity_as_json(found), indent=1) + "\n")
    _write(options.markdown, text + "\n")
    return 0


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _write(path: Path | None, text: str) -> None:
    if path is not None:
        path.write_text(text, encoding="utf-8")


def _within(highest: int) -> Any:
    def convert(text: str) -> int:
        value = int(text)
        if not 1 <= value <= highest:
            raise argparse.ArgumentTypeError(f"must be from 1 to {highest}")
        return value

    return convert

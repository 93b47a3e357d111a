"""The commands of `yunkan`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from datetime import timedelta
from typing import get_args

import structlog
from sqlalchemy import select

from server import __version__, trial
from server.accounts.models import Office
from server.accounts.rules import STAFF_ROLES, Role
from server.accounts.service import create_api_token, create_office
from server.bench.command import add_command as add_bench_command
from server.clock import SystemClock
from server.commands import check_log as check_log_command
from server.commands import keys as keys_command
from server.commands import log as log_command
from server.commands import record as record_command
from server.commands import reindex as reindex_command
from server.commands import verify as verify_command
from server.db import Database
from server.db.migrate import upgrade
from server.serving import serve_until_stopped
from server.settings import BadSettings, Settings, load
from server.storage.files import Files
from server.storage.lock import FolderInUse
from server.web.languages import speaking, translate


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code."""
    options = _parser().parse_args(arguments)
    try:
        settings = load(os.environ)
    except BadSettings as error:
        print(f"yunkan: {error}", file=sys.stderr)
        return 2
    _set_up_logging(settings)
    try:
        result: int = options.run(settings, options)
    except KeyboardInterrupt:
        return 130
    except BadSettings as error:
        print(f"yunkan: {error}", file=sys.stderr)
        return 2
    except FolderInUse as error:
        with speaking(settings.language):
            print(f"yunkan: {translate(error.text, **error.params)}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"yunkan: {error}", file=sys.stderr)
        return 1
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="yunkan", description="Video-based remote inspection.")
    parser.add_argument("--version", action="version", version=f"yunkan {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="run the service (settings from the environment)")
    serve.set_defaults(run=_serve)
    try_out = commands.add_parser("try", help="run the service with demo data and a simulated phone")
    try_out.add_argument("--host", default="", help="0.0.0.0 to reach it from a real phone")
    try_out.add_argument("--port", type=int, default=8080)
    try_out.add_argument("--no-phone", action="store_true", help="without the simulated phone")
    try_out.set_defaults(run=_try)
    demo = commands.add_parser("demo", help="a simulated phone that joins an inspection")
    demo.add_argument("--address", default="", help="the service's address")
    demo.add_argument(
        "--invitation", default="", help="an invitation's link or token; default: that of `yunkan try`"
    )
    demo.add_argument("--name", default="")
    demo.add_argument("--language", choices=("zh-CN", "en"), default="zh-CN")
    demo.add_argument("--insecure", action="store_true", help="accept a self-signed certificate")
    demo.set_defaults(run=_demo)
    token = commands.add_parser("token", help="API tokens").add_subparsers(required=True, metavar="ACTION")
    create = token.add_parser("create", help="make an API token and print it")
    create.add_argument("--role", choices=STAFF_ROLES, required=True)
    create.add_argument("--name", default="command line")
    create.add_argument("--office", default="", help="the office's id; needed if there are several")
    create.set_defaults(run=_create_token)
    add_bench_command(commands)
    verify_command.add_to(commands)
    record_command.add_to(commands)
    check_log_command.add_to(commands)
    keys_command.add_to(commands)
    log_command.add_to(commands)
    reindex_command.add_to(commands)
    return parser


def _serve(settings: Settings, _options: argparse.Namespace) -> int:
    asyncio.run(serve_until_stopped(settings))
    return 0


def _try(settings: Settings, options: argparse.Namespace) -> int:
    asyncio.run(trial.run(settings, host=options.host, port=options.port, with_phone=not options.no_phone))
    return 0


def _demo(settings: Settings, options: argparse.Namespace) -> int:
    return asyncio.run(
        trial.run_phone(
            settings,
            options.invitation,
            address=options.address,
            name=options.name,
            language=options.language,
            verify_tls=not options.insecure,
        )
    )


def _create_token(settings: Settings, options: argparse.Namespace) -> int:
    try:
        print(asyncio.run(_make_token(settings, options.role, options.name, options.office)))
    except LookupError as error:
        print(f"yunkan: {error.args[0]}", file=sys.stderr)
        return 1
    return 0


async def _make_token(settings: Settings, role: Role, name: str, office_id: str) -> str:
    """A new token of the only office, or of the one named; the first office is made if there is none."""
    assert role in get_args(Role)  # noqa: S101 - argparse offers no other
    await asyncio.to_thread(Files(settings.data, settings.reserve_bytes).prepare)
    await asyncio.to_thread(upgrade, settings.database)
    database = Database(settings.database)
    now = SystemClock().now()
    try:
        async with database.transaction() as session:
            offices = list(await session.scalars(select(Office).order_by(Office.created_at)))
            if office_id:
                offices = [office for office in offices if office.id == office_id]
            if not offices and not office_id:
                offices = [await create_office(session, name="Yunkan", now=now)]
            if len(offices) != 1:
                known = "there are several" if offices else "there is none with this id"
                raise LookupError(f"say which office with --office: {known}")
            _, secret = await create_api_token(session, offices[0].id, name, role, now + timedelta(0))
    finally:
        await database.close()
    return secret


def _set_up_logging(settings: Settings) -> None:
    """Everything to standard error: standard output is for what a command was asked for."""
    renderer: structlog.typing.Processor = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    if settings.log_format == "json":
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )

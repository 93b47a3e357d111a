"""`yunkan keys`: the office's keys for seals and heads, in the folder that the settings name."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from server.errors import N_
from server.evidence import keys
from server.evidence.errors import EvidenceError
from server.evidence.keylog import BadKeyLog
from server.settings import Settings
from server.web.languages import current_language, translate


def add_to(commands: Any) -> None:
    actions = commands.add_parser("keys", help="the keys that seal inspections").add_subparsers(
        required=True, metavar="ACTION"
    )
    init = actions.add_parser("init", help="make a root, a certificate for seals and a key for heads")
    init.add_argument("--office", default="", help="the office's name, as it stands in the certificate")
    init.add_argument(
        "--certificate", type=Path, help="PEM of an authority's certificate, its chain behind it"
    )
    init.add_argument("--key", type=Path, help="PEM of its private key")
    init.add_argument("--root", type=Path, help="PEM of the authority's root")
    init.set_defaults(run=_init)
    rotate = actions.add_parser("rotate", help="a new key takes over, signed by the one before")
    rotate.add_argument("purpose", choices=("seal", "head"))
    rotate.set_defaults(run=_rotate)
    actions.add_parser("show", help="fingerprints, validity, history").set_defaults(run=_show)


def _init(settings: Settings, options: argparse.Namespace) -> int:
    folder = settings.key_folder
    given = [options.certificate, options.key, options.root]
    if any(given) and not all(given):
        print("yunkan: --certificate, --key and --root go together", file=sys.stderr)
        return 2

    def act() -> None:
        now = datetime.now(UTC)
        if all(given):
            certificate, key, root = (path.read_bytes() for path in given)
            keys.import_certificate(
                folder, options.office or "Yunkan", now, certificate=certificate, key=key, root=root
            )
        else:
            keys.init(folder, options.office or "Yunkan", now)
        _print_summary(folder)

    return _told(settings, act)


def _rotate(settings: Settings, options: argparse.Namespace) -> int:
    def act() -> None:
        keys.rotate(settings.key_folder, options.purpose, datetime.now(UTC))
        _print_summary(settings.key_folder)

    return _told(settings, act)


def _show(settings: Settings, _options: argparse.Namespace) -> int:
    return _told(settings, lambda: _print_summary(settings.key_folder))


def _told(settings: Settings, act: Any) -> int:
    """Runs it; 1 with the reason if it cannot be done."""
    current_language.set(settings.language)
    try:
        act()
    except EvidenceError as error:
        print(f"yunkan: {translate(error.text, **error.params)}", file=sys.stderr)
        return 1
    except (BadKeyLog, ValueError) as error:
        print(f"yunkan: {error}", file=sys.stderr)
        return 1
    return 0


def _print_summary(folder: Path) -> None:
    told = keys.show(folder)
    for name, value in (
        (N_("Office"), told.office),
        (N_("Fingerprint of the root (SHA-256), to be told to outsiders"), told.root_fingerprint),
        (N_("Root valid until"), told.root_until.date().isoformat()),
        (N_("Fingerprint of the certificate for seals"), told.seal_fingerprint),
        (N_("Certificate valid until"), told.seal_until.date().isoformat()),
        (N_("Fingerprint of the key for heads"), told.head_fingerprint),
    ):
        print(f"{translate(name)}: {value}")
    for statement in told.statements:
        print(f"  {statement.number}. {statement.at} {statement.purpose} {statement.fingerprint}")

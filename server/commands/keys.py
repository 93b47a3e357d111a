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
from server.web.languages import current_language, explain, translate


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
    init.add_argument("--signer", help="command that holds the key for seals (default: YUNKAN_SIGNER)")
    init.set_defaults(run=_init)
    rotate = actions.add_parser("rotate", help="a new key takes over, signed by the one before")
    rotate.add_argument("purpose", choices=("seal", "head"))
    rotate.add_argument("--signer", help="command that holds the next key for seals (default: YUNKAN_SIGNER)")
    rotate.set_defaults(run=_rotate)
    actions.add_parser("show", help="fingerprints, validity, history").set_defaults(run=_show)


def _init(settings: Settings, options: argparse.Namespace) -> int:
    folder, office, now = settings.key_folder, options.office or "Yunkan", datetime.now(UTC)
    command = options.signer or ("" if options.key else settings.signer)
    given = [options.certificate, options.root, options.key or command or None]
    if (options.certificate or options.root or options.key) and not all(given):
        print("yunkan: --certificate and --root go together with --key or --signer", file=sys.stderr)
        return 2
    if options.key and command:
        print("yunkan: the key is in the file of --key or with the command of --signer", file=sys.stderr)
        return 2

    def act() -> None:
        if options.certificate:
            keys.import_certificate(
                folder,
                office,
                now,
                certificate=options.certificate.read_bytes(),
                root=options.root.read_bytes(),
                key=options.key.read_bytes() if options.key else b"",
                command=command,
            )
        else:
            keys.init(folder, office, now, command)
        _print_summary(folder)

    return _told(settings, act)


def _rotate(settings: Settings, options: argparse.Namespace) -> int:
    def act() -> None:
        command = (options.signer or settings.signer) if options.purpose == "seal" else ""
        keys.rotate(settings.key_folder, options.purpose, datetime.now(UTC), command)
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
        print(f"yunkan: {explain(error.text, error.params)}", file=sys.stderr)
        return 1
    except (BadKeyLog, ValueError) as error:
        print(f"yunkan: {error}", file=sys.stderr)
        return 1
    return 0


def _print_summary(folder: Path) -> None:
    """SignerFailed, after the rest was said, if a command does not sign now."""
    told = keys.show(folder)
    kept = told.signer.program if told.signer else translate(N_("in a file"))
    for name, value in (
        (N_("Office"), told.office),
        (N_("Fingerprint of the root (SHA-256), to be told to outsiders"), told.root_fingerprint),
        (N_("Root valid until"), told.root_until.date().isoformat()),
        (N_("Fingerprint of the certificate for seals"), told.seal_fingerprint),
        (N_("Certificate valid until"), told.seal_until.date().isoformat()),
        (N_("The key for seals is"), kept),
        (N_("Fingerprint of the key for heads"), told.head_fingerprint),
    ):
        print(f"{translate(name)}: {value}")
    for statement in told.statements:
        print(f"  {statement.number}. {statement.at} {statement.purpose} {statement.fingerprint}")
    if told.signer:
        told.signer.require_signing()

"""`yunkan record`: the inspection record made again from a package, and compared with the signed one in it."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from server.archive.index import PATH, RECORD_PATH, BadIndex, Index
from server.archive.record import make_record
from server.errors import N_
from server.evidence.errors import EvidenceError
from server.evidence.sealing import EVENTS
from server.evidence.verify.source import Source, Unreadable, open_source, read
from server.settings import Settings
from server.web.languages import LANGUAGES, current_language, explain, translate

SNAPSHOTS = "data/snapshots/"
MOST_BYTES = 256 << 20


def add_to(commands: Any) -> None:
    parser = commands.add_parser(
        "record", help="make an inspection's record again from its package and compare it with the signed one"
    )
    parser.add_argument("path", type=Path, help="the package: a folder or a zip")
    parser.add_argument("--output", type=Path, metavar="PDF", help="also keep what was made, unsigned")
    parser.add_argument("--language", choices=LANGUAGES, default=None)
    parser.set_defaults(run=run)


def run(settings: Settings, options: argparse.Namespace) -> int:
    """0 the same, 1 another one, 2 nothing that could be made again."""
    current_language.set(options.language or settings.language)
    try:
        signed, again = make_again(options.path, settings.font_folder)
    except (Unreadable, EvidenceError) as error:
        return _cannot(explain(error.text, error.params))
    except (BadIndex, KeyError, ValueError) as error:
        return _cannot(str(error))
    if options.output is not None:
        options.output.write_bytes(again)
    if signed.startswith(again):
        print(
            translate(
                N_("The record is what log, index and snapshots of the package tell, to the last byte.")
            )
        )
        print(translate(N_("That does not check the package or the signature: `yunkan verify` does.")))
        return 0
    place = next(
        n
        for n, (one, other) in enumerate(zip(again, signed + b"\0" * len(again), strict=False))
        if one != other
    )
    print(
        translate(
            N_("The record is not what the package tells: it differs from byte {place} on."), place=place
        )
    )
    print(
        translate(
            N_("Other fonts, or another release of Yunkan, also make another document: see YUNKAN_FONTS.")
        )
    )
    return 1


def make_again(path: Path, fonts: Path | None) -> tuple[bytes, bytes]:
    """The signed record and the one made now. Unreadable, BadIndex, KeyError for what is missing, EvidenceError."""
    source = open_source(path)
    try:
        with tempfile.TemporaryDirectory(prefix="record-") as name:
            folder = Path(name)
            for each in source.sizes:
                if each.startswith(SNAPSHOTS):
                    target = folder / each
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(read(source, each, MOST_BYTES))
            lines = _piece(source, EVENTS).splitlines()
            index = Index.parse(_piece(source, PATH))
            return _piece(source, RECORD_PATH), make_record(folder, lines, index, fonts)
    finally:
        source.close()


def _piece(source: Source, path: str) -> bytes:
    if path not in source.sizes:
        raise Unreadable(detail=f"there is no {path} in it")
    return read(source, path, MOST_BYTES)


def _cannot(reason: str) -> int:
    print(f"yunkan: {reason}", file=sys.stderr)
    return 2

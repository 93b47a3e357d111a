"""Where a benchmark works, and where its figures go."""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any


def add_outputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", type=Path, help="where to work (default: the system's temporary folder)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE")


@contextmanager
def working_folder(options: argparse.Namespace) -> Iterator[Path]:
    """Gone afterwards, whatever happens."""
    folder = Path(tempfile.mkdtemp(prefix="yunkan-bench-", dir=options.folder))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_outputs(options: argparse.Namespace, figures: Any, text: str) -> None:
    """`text` to standard output and as Markdown; the dataclass `figures` as JSON."""
    print(text)
    if options.json:
        options.json.write_text(json.dumps(asdict(figures), indent=1) + "\n", encoding="utf-8")
    if options.markdown:
        options.markdown.write_text(text + "\n", encoding="utf-8")

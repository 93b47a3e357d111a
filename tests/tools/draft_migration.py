"""Drafts a migration: a throw-away database at the newest revision is compared with the tables."""

import sys
import tempfile
from pathlib import Path

from server.db.migrate import draft, upgrade
from server.tables import METADATA


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite+aiosqlite:///{Path(folder) / 'draft.sqlite3'}"
        upgrade(url)
        draft(url, METADATA, sys.argv[1])


if __name__ == "__main__":
    main()

"""The migrations are one chain, each number once, and make exactly the tables that the code describes; or it is told.

Two people who add a migration at the same time take the same number: Alembic runs one of the two and only warns.
"""

import ast
import sys
import tempfile
from pathlib import Path

from alembic.util.exc import CommandError

from server.db.migrate import MIGRATIONS, differences, upgrade
from server.tables import METADATA


def chain_problems(folder: Path) -> list[str]:
    """What is wrong with the numbers of the revisions in `folder`: `NNNN_words.py`, each after the one before."""
    problems, before = [], None
    for expected, path in enumerate(sorted(folder.glob("*.py")), start=1):
        number = path.name.partition("_")[0]
        names = _names(path)
        if number != f"{expected:04d}":
            problems.append(f"{path.name}: its number should be {expected:04d}")
        if names.get("revision") != number:
            problems.append(f"{path.name}: calls itself revision {names.get('revision')!r}")
        if names.get("down_revision") != before:
            problems.append(f"{path.name}: comes after {names.get('down_revision')!r} instead of {before!r}")
        before = number
    return problems


def _names(path: Path) -> dict[str, object]:
    """The constants that a module gives names to."""
    return {
        target.id: statement.value.value
        for statement in ast.parse(path.read_text("utf-8")).body
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }


def table_problems() -> list[str]:
    """What a new database has otherwise than the tables say."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite+aiosqlite:///{Path(folder) / 'new.sqlite3'}"
        upgrade(url)
        try:
            differences(url, METADATA)
        except CommandError as error:
            return [f"{error}. To draft a migration: make migration MESSAGE=…"]
    return []


def main() -> int:
    problems = chain_problems(MIGRATIONS / "versions") or table_problems()
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

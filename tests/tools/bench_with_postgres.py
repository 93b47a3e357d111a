"""`python -m tests.tools.bench_with_postgres WHAT …`: `yunkan bench WHAT` with a PostgreSQL beside SQLite.

The server is started for it from the system's programs, durable as an office's is; without them SQLite is alone.
"""

import sys

from server.__main__ import main
from tests.postgres import find_binaries, running_postgres


def run(arguments: list[str]) -> int:
    binaries = find_binaries()
    if binaries is None:
        print("no PostgreSQL is installed (Debian: postgresql): SQLite alone", file=sys.stderr)
        return main(["bench", *arguments])
    with running_postgres(binaries, durable=True) as url:
        return main(["bench", *arguments, "--database-url", f"{url}/postgres"])


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))

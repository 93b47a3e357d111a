"""The command line: `yunkan serve`, `yunkan demo`, `yunkan token create`, …; settings in, the right part started."""

from __future__ import annotations

import sys

from server.cli import main

if __name__ == "__main__":
    sys.exit(main())

"""Opens one picture, to see whether it can be. A program of its own, run by `pictures` in a process of its own: a
stranger sent it, and what was made to fill the memory or to keep a decoder busy does so only here. It imports nothing
of the house.

    python picture_reader.py MEMORY_BYTES CPU_S < PICTURE

prints `begun` before it reads the picture, whose doing is only what happens from then on; then `opened` or `refused`.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
from pathlib import Path

import cv2
import numpy as np

BEGUN, OPENED, REFUSED = "begun", "opened", "refused"


def opens(data: bytes) -> bool:
    """Whether the whole picture can be decoded."""
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_8)
    except cv2.error:
        return False
    return picture is not None and picture.size > 0


def main(memory_bytes: int, cpu_s: int) -> None:
    _limit(memory_bytes, cpu_s)
    print(BEGUN, flush=True)
    print(OPENED if opens(sys.stdin.buffer.read()) else REFUSED, flush=True)
    # At once: with no memory left a library may fail at its own end, when all has been said.
    os._exit(0)


def _limit(memory_bytes: int, cpu_s: int) -> None:
    """`memory_bytes` beside what the libraries take by being loaded, which differs between machines."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    most = pages * resource.getpagesize() + memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        # On a machine that runs out of memory this is to end, not the rooms.
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))

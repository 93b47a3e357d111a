"""Runs a program of ours in a process of its own: what a stranger sent is read there, and a file made to break its
reader breaks only that. The program itself sets the limits of its memory and time before it reads.
"""

from __future__ import annotations

import signal
import subprocess
import sys

_ENDED_FROM_OUTSIDE = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP})


class NotRun(Exception):
    """The machine's trouble: it did not start, or was ended from outside (a service that stops, no memory left)."""


class Unfinished(Exception):
    """`said`: what it had printed by then."""

    def __init__(self, words: str, said: bytes) -> None:
        super().__init__(words)
        self.said = said


class OutOfTime(Unfinished):
    """It was ended because it took too long."""


class Broke(Unfinished):
    """It ended by itself otherwise than it should."""


def run_apart(program: str, *arguments: str, patience_s: float, data: bytes = b"") -> bytes:
    """What the Python file `program` printed, given `data` to read. Blocks. NotRun, OutOfTime, Broke."""
    command = [sys.executable, "-I", program, *arguments]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=patience_s, check=False)  # noqa: S603 - our own program
    except subprocess.TimeoutExpired as error:
        raise OutOfTime(f"not read within {patience_s} s", error.output or b"") from error
    except OSError as error:
        raise NotRun(f"the program that reads it did not start: {error}") from error
    if -done.returncode in _ENDED_FROM_OUTSIDE:
        raise NotRun(f"the program that reads it was ended by signal {-done.returncode}")
    if done.returncode != 0:
        raise Broke(f"the program that reads it ended with {done.returncode}", done.stdout)
    return done.stdout

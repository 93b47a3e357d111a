"""Servers under test as child processes: started in a folder of their own, ended by their own id."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

STOP_TIMEOUT_S = 20.0


class ServerFailed(Exception):
    """A server under test did not come up or went away; the message holds the end of its log."""


class Child:
    """A process with its output in a file."""

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - the benchmark's own commands
                list(command),
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def check(self) -> None:
        """Raises ServerFailed when it has ended."""
        if self._process.poll() is not None:
            raise ServerFailed(f"exit code {self._process.returncode}: {self.tail()}")

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]

    async def line(self, containing: str, timeout_s: float = 30.0) -> str:
        """The first line of its output with this text. Raises ServerFailed."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for line in self.log.read_text(errors="replace").splitlines():
                if containing in line:
                    return line
            self.check()
            await asyncio.sleep(0.05)
        raise ServerFailed(f"no {containing!r} within {timeout_s:.0f} s: {self.tail()}")

    async def stop(self) -> None:
        if self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(self._process.wait, STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await asyncio.to_thread(self._process.wait, STOP_TIMEOUT_S)

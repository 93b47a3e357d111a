"""A real coturn on loopback (Debian: coturn), with a log that tells who allocated a relay."""

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

SECRET = "north"
READY_S = 20


@dataclass(frozen=True)
class TurnServer:
    port: int
    log: Path

    @property
    def settings(self) -> dict[str, str]:
        """For a service that hands out credentials."""
        return {
            "YUNKAN_TURN_URLS": f"turn:127.0.0.1:{self.port}?transport=tcp",
            "YUNKAN_TURN_SECRET": SECRET,
        }

    def users(self) -> set[str]:
        """The participants for whom a relay was allocated."""
        lines = [line for line in self.log.read_text().splitlines() if "ALLOCATE processed, success" in line]
        return {line.partition("user <")[2].partition(">")[0].partition(":")[2] for line in lines}


def require_coturn() -> str:
    found = shutil.which("turnserver")
    if found is None:
        reason = "no TURN server is installed (Debian: coturn)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@asynccontextmanager
async def turn_server(folder: Path) -> AsyncIterator[TurnServer]:
    """Runs until the block ends."""
    program = require_coturn()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    server = TurnServer(port, folder / "turn.log")
    arguments = [
        *("-n", "--no-cli", "--no-tls", "--no-dtls", "--simple-log", "--log-file", "stdout", "--verbose"),
        *("--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1", "--listening-port", str(port)),
        *("--use-auth-secret", "--static-auth-secret", SECRET, "--realm", "yunkan.test"),
        # The worker of the test is on loopback, which coturn rightly does not relay to by itself.
        *("--allow-loopback-peers", "--pidfile", str(folder / "turn.pid")),
        *("--userdb", str(folder / "turn.sqlite")),
    ]
    with server.log.open("wb") as log:
        process = subprocess.Popen([program, *arguments], stdout=log, stderr=log, cwd=folder)
    try:
        async with asyncio.timeout(READY_S):
            while not await _answers(port):
                assert process.poll() is None, server.log.read_text()[-2000:]
                await asyncio.sleep(0.05)
        yield server
    finally:
        process.kill()
        await asyncio.to_thread(process.wait)


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True

"""The service in a process of its own, so that it can be killed, with the standing cast in its database."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from server.clock import SystemClock
from server.db import Database
from server.db.migrate import upgrade
from server.inspections.log import Journal
from tests.cast import Appointment, Office, appoint, found_office

READY_S = 30
ROOT = Path(__file__).resolve().parents[1]


class Service:
    """`python -m server serve` on loopback; the same address and data after every start."""

    def __init__(self, folder: Path, settings: dict[str, str] | None = None) -> None:
        self._settings = settings or {}
        self.data = folder / "data"
        self.log = folder / "service.log"
        self.port = _free_port()
        self.media_port = _free_port(socket.SOCK_DGRAM)
        self.address = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def database_url(self) -> str:
        return f"sqlite+aiosqlite:///{self.data / 'yunkan.sqlite3'}"

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._process.poll() if self._process is not None else None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def prepare(self) -> tuple[Office, Appointment]:
        """The cast and an inspection that may be joined now; before the first start."""
        self.data.mkdir(parents=True)
        await asyncio.to_thread(upgrade, self.database_url)
        database, journal = Database(self.database_url), Journal(SystemClock(), lambda _: None)
        office = await found_office(database, journal)
        appointment = await appoint(database, journal, office)
        await database.close()
        return office, appointment

    async def start(self) -> None:
        """Until it answers; fails with its log if it does not come up."""
        environment = {
            **os.environ,
            "YUNKAN_LISTEN": f"127.0.0.1:{self.port}",
            "YUNKAN_DATA": str(self.data),
            "YUNKAN_MEDIA_PORT": str(self.media_port),
            "YUNKAN_RESERVE_BYTES": "0",
            "PYTHONUNBUFFERED": "1",
            **self._settings,
        }
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "server", "serve"],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        async with asyncio.timeout(READY_S):
            while not await self._answers():
                if self._process.poll() is not None:
                    raise RuntimeError(f"the service stopped:\n{self.log.read_text()[-3000:]}")
                await asyncio.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL: nothing is said, closed or flushed."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    async def stop(self) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(self._process.wait, 20)

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
        return True


def _free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(type=kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

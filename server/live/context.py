"""What every verb of a running inspection may use, passed as one value."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from server.clock import Clock
from server.db import Database
from server.inspections.log import Journal
from server.live.digests import Digests
from server.live.locks import Locks
from server.live.turn import ice_servers
from server.media import MediaEngine
from server.settings import Settings
from server.storage.files import Files


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    settings: Settings
    clock: Clock
    database: Database
    files: Files
    journal: Journal
    engine: MediaEngine
    digests: Digests
    uploads: Locks = field(default_factory=Locks)
    """One worker for each recording that a phone sends."""

    def ice_servers(self, participant: str) -> list[dict[str, Any]]:
        """The TURN servers with credentials for this participant; empty unless the settings name some."""
        settings = self.settings
        return ice_servers(
            settings.turn_servers,
            settings.turn_secret,
            participant,
            self.clock.now(),
            timedelta(hours=settings.turn_hours),
        )

    def folder(self, inspection_id: str) -> str:
        """An inspection's payload folder, relative to the data folder."""
        return f"inspections/{inspection_id}/data"

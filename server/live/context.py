"""What every verb of a running inspection may use, passed as one value."""

from __future__ import annotations

from dataclasses import dataclass

from server.clock import Clock
from server.db import Database
from server.inspections.log import Journal
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

    def folder(self, inspection_id: str) -> str:
        """An inspection's payload folder, relative to the data folder."""
        return f"inspections/{inspection_id}/data"

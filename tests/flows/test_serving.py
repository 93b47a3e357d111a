"""The service as a process: what it does before it says that it listens."""

from __future__ import annotations

import dataclasses
import gc

import pytest

from server import serving
from server.settings import Settings


async def test_what_the_start_has_made_holds_up_no_packet_later(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[int] = []

    async def stop() -> None:
        kept.append(gc.get_freeze_count())

    monkeypatch.setattr(serving, "stop_signal", stop)
    before = gc.get_freeze_count()
    try:
        await serving.serve_until_stopped(dataclasses.replace(settings, listen="127.0.0.1:0"))
    finally:
        gc.unfreeze()
    # Full collections look through what is left: all modules, tables, routes and templates are not in it.
    assert kept[0] - before > 100_000

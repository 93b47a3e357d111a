"""The recorder's queue, its thread and its failures."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from server.media.model import Part
from server.media.recorder import Recorder
from tests.peers.clients import numbers_in
from tests.unit.media.material import video_packets


class Log:
    def __init__(self) -> None:
        self.opened: list[Part] = []
        self.closed: list[Part] = []
        self.failed: list[str] = []


@pytest.fixture
def log() -> Log:
    return Log()


def recorder_in(directory: Path, log: Log, **how: Any) -> Recorder:
    return Recorder(
        directory,
        "part-{}".format,
        1,
        on_opened=log.opened.append,
        on_closed=log.closed.append,
        on_failed=log.failed.append,
        **how,
    )


@pytest.fixture
async def recorder(tmp_path: Path, log: Log) -> AsyncIterator[Recorder]:
    made = recorder_in(tmp_path, log)
    yield made
    await made.close()


def feed(recorder: Recorder, count: int = 1000) -> None:
    now = time.monotonic()
    for number, packet in video_packets(count=30)[:count]:
        recorder.packet("video", packet, now + number / 100)


async def test_closing_waits_for_the_parts_and_tells_them_in_order(recorder: Recorder, log: Log) -> None:
    recorder.begin({"video": "H264"})
    feed(recorder)
    await recorder.close()
    assert [part.index for part in log.opened] == [1]
    assert [part.index for part in log.closed] == [1]
    assert log.closed[0].sha256 is not None
    assert recorder.bytes_written == log.closed[0].size_bytes
    await recorder.close()


async def test_packets_before_a_session_began_are_not_recorded(recorder: Recorder, log: Log) -> None:
    feed(recorder)
    await recorder.close()
    assert log.opened == []


async def test_a_thread_that_falls_behind_fails_the_recording_once_and_keeps_what_it_has(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = threading.Event()
    recorder = recorder_in(tmp_path, log, max_waiting=400)
    original = recorder._recording.tick

    def slow_disk(now: float) -> None:
        original(now)
        stuck.wait(20)

    monkeypatch.setattr(recorder._recording, "tick", slow_disk)
    recorder.begin({"video": "H264"})
    packets = video_packets(count=30)
    now = time.monotonic()
    for turn in range(400):
        for number, packet in packets[:50]:
            recorder.packet("video", packet, now + number / 100)
        recorder.flush(now + turn)
    assert recorder.failed
    stuck.set()
    await recorder.close()
    assert log.failed == ["queue_overflow"]
    assert len(log.closed) == 1
    assert log.closed[0].sha256 is not None


async def test_a_muxer_that_breaks_fails_the_recording_and_the_part_is_salvaged(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = recorder_in(tmp_path, log)
    recorder.begin({"video": "H264"})
    feed(recorder, 20)
    recorder.flush(time.monotonic() + 10)
    while recorder._done < recorder._given:  # noqa: ASYNC110 - the thread counts, it does not signal
        await asyncio.sleep(0.01)

    def broken(*_: object, **__: object) -> None:
        raise ValueError("on purpose")

    monkeypatch.setattr("server.media.part.PartFile.write", broken)
    feed(recorder)
    recorder.flush(time.monotonic() + 11)
    await recorder.close()
    assert log.failed == ["muxer_error"]
    assert "on purpose" in caplog.text
    monkeypatch.undo()
    (part,) = log.closed
    assert part.sha256 is not None
    assert len(numbers_in(part.path)) >= 15


async def test_nothing_is_gathered_after_a_failure(recorder: Recorder) -> None:
    recorder.failed = True
    feed(recorder)
    recorder.flush(0.0)
    assert recorder._items == []

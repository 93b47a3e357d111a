"""The recorder's queue, its thread and its failures."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from server.media.model import Part
from server.media.recorder import Recorder, RecorderThreads
from server.media.repair import whole_size
from server.media.threads import WorkThreads
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


async def test_with_each_part_its_memory_goes(
    recorder: Recorder, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[int] = []
    monkeypatch.setattr("server.media.recorder.give_back", lambda: given.append(1))
    for _ in range(2):
        recorder.begin({"video": "H264"})
        feed(recorder)
    await recorder.close()
    assert len(given) == len(log.closed) == 2


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


async def test_a_slow_disk_of_one_slot_costs_another_nothing(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = RecorderThreads(WorkThreads("test", stuck_s=0.01), WorkThreads("test"))
    held_up, other_log = threading.Event(), Log()
    (tmp_path / "slow").mkdir()
    slow = recorder_in(tmp_path / "slow", log, threads=threads, max_waiting=400)
    monkeypatch.setattr(slow._recording, "tick", lambda _: held_up.wait(20))
    other = recorder_in(tmp_path, other_log, threads=threads, max_waiting=400)
    packets = video_packets(count=90)
    slow.begin({"video": "H264"})
    other.begin({"video": "H264"})
    now = time.monotonic()
    for begin in range(0, len(packets), 50):
        for number, packet in packets[begin : begin + 50]:
            slow.packet("video", packet, now + number / 100)
            other.packet("video", packet, now + number / 100)
        slow.flush(now + begin / 100)
        while other._done < other._given or other._items:
            other.flush(now + begin / 100)
            await asyncio.sleep(0.005)
            threads.writing.submit(lambda: None)  # as every other slot does, ten times a second
    assert slow._given > slow._done
    await other.close()
    assert other_log.failed == []
    assert len(numbers_in(other_log.closed[0].path)) == 90
    held_up.set()
    await slow.close()


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


async def test_a_disk_that_is_nearly_full_ends_the_part_while_it_can_be_ended_cleanly(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("server.media.recorder.repair_part")  # ended, not salvaged
    free = [1000, 1000, 99]
    recorder = recorder_in(
        tmp_path, log, reserve_bytes=100, free=lambda _: free.pop(0) if len(free) > 1 else free[0]
    )
    recorder.begin({"video": "H264"})
    now = time.monotonic()
    packets = video_packets(count=60)
    for turn in range(20):
        for number, packet in packets[turn * len(packets) // 20 : (turn + 1) * len(packets) // 20]:
            recorder.packet("video", packet, now + number / 100)
        recorder.flush(now + turn)
    await recorder.close()
    assert log.failed == ["disk_full"]
    (part,) = log.closed
    assert part.sha256
    # An ordinary file with its index.
    assert whole_size(part.path) == part.path.stat().st_size == part.size_bytes
    assert len(numbers_in(part.path)) >= 1


async def test_a_disk_that_is_nearly_full_already_begins_no_part(tmp_path: Path, log: Log) -> None:
    recorder = recorder_in(tmp_path / "not" / "yet", log, reserve_bytes=2**62)
    recorder.begin({"video": "H264"})
    feed(recorder)
    await recorder.close()
    assert log.failed == ["disk_full"]
    assert log.opened == []


@pytest.mark.parametrize("found", [None, OSError("on purpose")])
async def test_a_part_of_which_nothing_can_be_saved_is_closed_and_empty(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch, found: OSError | None
) -> None:
    def repair(_: Path) -> None:
        if found is not None:
            raise found

    def broken(*_: object, **__: object) -> None:
        raise ValueError("on purpose")

    monkeypatch.setattr("server.media.recorder.repair_part", repair)
    monkeypatch.setattr("server.media.part.PartFile.write", broken)
    recorder = recorder_in(tmp_path, log)
    recorder.begin({"video": "H264"})
    feed(recorder)
    await recorder.close()
    assert log.failed == ["muxer_error"]
    (opened,), (closed,) = log.opened, log.closed
    assert closed.path == opened.path
    assert (closed.duration_s, closed.size_bytes, closed.sha256) == (0.0, 0, "")


async def test_a_part_that_cannot_be_read_again_is_closed_and_empty(
    recorder: Recorder, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(_: Path) -> str:
        raise OSError("on purpose")

    monkeypatch.setattr("server.media.recorder.sha256_of", unreadable)
    recorder.begin({"video": "H264"})
    feed(recorder)
    await recorder.close()
    assert [(part.duration_s, part.sha256) for part in log.closed] == [(0.0, "")]


async def test_a_part_that_cannot_be_opened_leaves_its_name_free(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("on purpose")

    monkeypatch.setattr("server.media.part.PartFile._add_streams", refuse)
    recorder = recorder_in(tmp_path, log)
    recorder.begin({"video": "H264"})
    feed(recorder)
    await recorder.close()
    assert log.failed == ["muxer_error"]
    assert list(tmp_path.iterdir()) == []

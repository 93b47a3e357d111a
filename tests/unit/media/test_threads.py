"""The threads that all recorders share."""

import threading
import time
from collections.abc import Callable

import pytest

from server.media.threads import WorkThreads

BOUND_S = 10


def until(reached: Callable[[], object]) -> None:
    deadline = time.monotonic() + BOUND_S
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_jobs_run_in_order_in_one_thread() -> None:
    threads = WorkThreads("test")
    done: list[tuple[int, int]] = []
    last = threading.Event()
    for number in range(200):
        threads.submit(lambda number=number: done.append((number, threading.get_ident())))  # type: ignore[misc]
    threads.submit(last.set)
    assert last.wait(BOUND_S)
    assert [number for number, _ in done] == list(range(200))
    assert len({thread for _, thread in done}) == 1


def test_a_job_that_is_held_up_does_not_hold_up_the_others() -> None:
    threads = WorkThreads("test", stuck_s=0.01)
    slow_disk, begun, others = threading.Event(), threading.Event(), threading.Event()

    def stuck() -> None:
        begun.set()
        slow_disk.wait(BOUND_S)

    threads.submit(stuck)
    assert begun.wait(BOUND_S)

    def went_on() -> bool:
        threads.submit(others.set)
        return others.is_set()

    until(went_on)
    assert threads.running >= 2
    slow_disk.set()


def test_however_many_are_held_up_the_threads_are_bounded() -> None:
    threads = WorkThreads("test", stuck_s=0.0)
    slow_disk = threading.Event()
    for _ in range(50):
        threads.submit(lambda: slow_disk.wait(BOUND_S))  # type: ignore[arg-type]
        time.sleep(0)
    assert threads.running <= 8
    slow_disk.set()


def test_threads_without_work_end_and_begin_again() -> None:
    threads = WorkThreads("test", idle_s=0.01)
    done = threading.Event()
    threads.submit(done.set)
    until(lambda: threads.running == 0)
    assert done.is_set()
    again = threading.Event()
    threads.submit(again.set)
    assert again.wait(BOUND_S)


def test_a_job_that_fails_is_told_and_the_next_one_runs(caplog: pytest.LogCaptureFixture) -> None:
    threads = WorkThreads("test")
    done = threading.Event()
    threads.submit(lambda: 1 / 0)  # type: ignore[arg-type]
    threads.submit(done.set)
    assert done.wait(BOUND_S)
    assert "ZeroDivisionError" in caplog.text

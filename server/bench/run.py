"""The runs: all rows, a soak, the search for a worker's capacity."""

from __future__ import annotations

import dataclasses
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from server.bench.aiortc_subject import AiortcSubject
from server.bench.clip import Clip, make_clip
from server.bench.figures import slope
from server.bench.floor_subject import FloorSubject, tight_percent
from server.bench.janus_subject import JanusSubject
from server.bench.measure import SETTLE_S, Bench
from server.bench.processes import ServerFailed
from server.bench.report import MEBI, TITLES, Machine, Missing, Row, table
from server.bench.subject import Subject, Unavailable
from server.bench.yunkan_subject import YunkanSubject

Say = Callable[[str], None]

# Stock aiortc takes more than a core for one inspection: more of them would measure the machine's collapse.
AIORTC_INSPECTIONS = 1
SOAK_SAMPLE_S = 10.0
# By then rings are full and the first fragments are written: from here on memory must not grow.
SOAK_WARM_S = 30.0
CAPACITY_STEP = 8
CAPACITY_WINDOW_S = 8.0
CAPACITY_DELAY_MS = 50.0
# A moment in which something else had the machine is no limit of the worker's: a step has failed when all of these did.
CAPACITY_TRIES = 3
HALF_LOAD_WINDOWS = 3
_FULL_PERCENT = 90.0

_SUBJECTS: dict[str, Callable[[Path], Subject]] = {
    "aiortc": AiortcSubject,
    "janus": JanusSubject,
    "yunkan": YunkanSubject,
    "floor": FloorSubject,
}


async def rows(
    names: Sequence[str],
    inspections: int,
    viewers: Sequence[int],
    seconds: float,
    *,
    plain: bool = False,
    rounds: int = 1,
    say: Say,
) -> tuple[list[Row | Missing], Machine]:
    """Every named row at every number of viewers, one after the other, so many times: a machine that is shared gets
    slower and faster within minutes, so what is compared has to be close together."""
    say("making the clip")
    clip = make_clip()
    before = os.getloadavg()[0]
    found: list[Row | Missing] = []
    for turn in range(1, rounds + 1):
        for count in viewers:
            for name in names:
                number = AIORTC_INSPECTIONS if name == "aiortc" else inspections
                say(f"{TITLES[name]}: {number} x {count}, {seconds:.0f} s, round {turn} of {rounds}")
                measured = await row(name, clip, number, count, seconds, plain=plain)
                if isinstance(measured, Row):
                    measured = dataclasses.replace(measured, round=turn)
                found.append(measured)
                # At once, so that a run that is broken off has not been in vain.
                say(table([measured]))
    return found, _machine(before)


async def row(
    name: str,
    clip: Clip,
    inspections: int,
    viewers: int,
    seconds: float,
    settle_s: float = SETTLE_S,
    *,
    plain: bool = False,
) -> Row | Missing:
    with tempfile.TemporaryDirectory(prefix="yunkan-bench-") as folder:
        bench = Bench(_SUBJECTS[name](Path(folder)), clip, viewers, plain=plain)
        try:
            await bench.open()
            await bench.add(inspections)
            measured = await bench.measure(seconds, settle_s)
            await bench.stop_publishing()
            measured = dataclasses.replace(measured, recording=await bench.subject.recording(0))
        except (Unavailable, ServerFailed, TimeoutError, ConnectionError) as error:
            return Missing(
                name, inspections, viewers, " ".join(str(error).split())[-300:] or type(error).__name__
            )
        finally:
            await bench.close()
    if name == "floor":
        measured = dataclasses.replace(measured, tight_percent=await tight_percent(clip, viewers))
    return measured


@dataclass(frozen=True, slots=True)
class Soak:
    """Memory over time: `samples` are (seconds since the first packet, resident bytes) once all inspections run."""

    inspections: int
    viewers: int
    alone_bytes: int
    "With one inspection, after its warming up."
    samples: tuple[tuple[float, int], ...]
    row: Row

    @property
    def further_bytes(self) -> float:
        """For each inspection beyond the first, when warm."""
        if self.inspections < 2 or not self.samples:
            return 0.0
        return (self.samples[0][1] - self.alone_bytes) / (self.inspections - 1)

    @property
    def growth_bytes_per_hour(self) -> float:
        return slope([(at, float(size)) for at, size in self.samples]) * 3600


async def soak(
    inspections: int,
    viewers: int,
    seconds: float,
    *,
    plain: bool = False,
    warm_s: float = SOAK_WARM_S,
    subject: Callable[[Path], Subject] = YunkanSubject,
    say: Say,
) -> Soak:
    clip = make_clip()
    with tempfile.TemporaryDirectory(prefix="yunkan-bench-") as folder:
        bench = Bench(subject(Path(folder)), clip, viewers, plain=plain)
        try:
            await bench.open()
            await bench.add(1)
            await bench.measure(1.0, settle_s=warm_s)
            alone = bench.resident_bytes()
            if inspections > 1:
                await bench.add(inspections - 1)
            say(f"warming up {inspections} inspections")
            await bench.measure(1.0, settle_s=warm_s)
            begun = time.monotonic()
            samples = [(0.0, bench.resident_bytes())]
            measured = await bench.measure(min(SOAK_SAMPLE_S, seconds), settle_s=0)
            windows = [measured]
            while (at := time.monotonic() - begun) < seconds:
                samples.append((at, bench.resident_bytes()))
                say(f"{at:5.0f} s  {samples[-1][1] / MEBI:.1f} MB")
                measured = await bench.measure(min(SOAK_SAMPLE_S, max(1.0, seconds - at)), settle_s=0)
                windows.append(measured)
            measured = dataclasses.replace(
                measured,
                lost=sum(each.lost for each in windows),
                sent=sum(each.sent for each in windows),
                server_drops=sum(each.server_drops for each in windows),
                load_drops=sum(each.load_drops for each in windows),
            )
        finally:
            await bench.close()
    return Soak(inspections, viewers, alone, tuple(samples), measured)


def describe_soak(found: Soak) -> str:
    first, last = found.samples[0], found.samples[-1]
    return (
        f"{found.inspections} x {found.viewers} for {last[0] / 60:.1f} minutes: "
        f"{first[1] / MEBI:.1f} MB -> {last[1] / MEBI:.1f} MB resident "
        f"({found.growth_bytes_per_hour / MEBI:+.1f} MB per hour), "
        f"{found.further_bytes / MEBI:.2f} MB for each further inspection, "
        f"{found.row.lost} of {found.row.sent} packets lost "
        f"({found.row.server_drops} by full buffers of the service, {found.row.load_drops} by the load's)"
    )


def soak_as_json(found: Soak) -> dict[str, Any]:
    return {
        **asdict(found),
        "further_bytes": found.further_bytes,
        "growth_bytes_per_hour": found.growth_bytes_per_hour,
    }


class _Measures(Protocol):
    async def measure(self, seconds: float, settle_s: float, /) -> Row: ...


@dataclass(frozen=True, slots=True)
class Capacity:
    """Steps in order; the last one is the one that failed, unless `limit` is empty."""

    steps: tuple[Row, ...]
    limit: str
    half: tuple[Row, ...] = ()
    "Measurements with half of what it carries, on a service started anew."

    @property
    def carried(self) -> int:
        good = self.steps[:-1] if self.limit else self.steps
        return good[-1].inspections if good else 0

    @property
    def half_load(self) -> Row | None:
        """The middle measurement by its p99: neither the luckiest nor the one that something else disturbed."""
        ordered = sorted(self.half, key=lambda row: row.p99_ms or 0.0)
        return ordered[len(ordered) // 2] if ordered else None


@dataclass(frozen=True, slots=True)
class Search:
    """How the capacity is looked for: `step` inspections more each time, up to `most`."""

    most: int
    step: int = CAPACITY_STEP
    window_s: float = CAPACITY_WINDOW_S
    settle_s: float = SETTLE_S


async def capacity(
    search: Search,
    viewers: int,
    *,
    plain: bool = False,
    subject: Callable[[Path], Subject] = YunkanSubject,
    say: Say,
) -> Capacity:
    """Adds inspections to one running worker until it delays or drops; then measures half of what it carried."""
    clip = make_clip()
    with tempfile.TemporaryDirectory(prefix="yunkan-bench-") as folder:
        found = await _search(search, Bench(subject(Path(folder)), clip, viewers, plain=plain), say)
    half = found.carried // 2
    if not half:
        return found
    say(f"half load: {half} inspections")
    with tempfile.TemporaryDirectory(prefix="yunkan-bench-") as folder:
        bench = Bench(subject(Path(folder)), clip, viewers, plain=plain)
        try:
            await bench.open()
            await bench.add(half)
            rows = [await bench.measure(search.window_s, search.settle_s) for _ in range(HALF_LOAD_WINDOWS)]
        finally:
            await bench.close()
    return dataclasses.replace(found, half=tuple(rows))


async def _search(search: Search, bench: Bench, say: Say) -> Capacity:
    steps: list[Row] = []
    try:
        await bench.open()
        while bench.inspections < search.most:
            await bench.add(search.step)
            measured = await first_good(bench, say, search)
            steps.append(measured)
            if limit := what_gave_out(measured):
                return Capacity(tuple(steps), limit)
    except (ServerFailed, TimeoutError, ConnectionError) as error:
        what = str(error) or type(error).__name__
        return Capacity((*steps, steps[-1]), f"no further connection: {what}") if steps else _raise(error)
    finally:
        await bench.close()
    return Capacity(tuple(steps), "")


async def first_good(bench: _Measures, say: Say, search: Search) -> Row:
    """The first measurement in which nothing gave out, or the last."""
    for left in reversed(range(CAPACITY_TRIES)):
        step = await bench.measure(search.window_s, search.settle_s)
        say(describe_step(step))
        if not left or not what_gave_out(step):
            break
    return step


def what_gave_out(step: Row) -> str:
    """Empty while nothing is late or lost; else the most likely reason, the load generator's own first."""
    late = step.p99_ms is not None and step.p99_ms > CAPACITY_DELAY_MS
    if not late and not step.lost:
        return ""
    what = f"{step.lost} packets lost" if step.lost else f"p99 delay {step.p99_ms:.0f} ms"
    if step.load_cpu_percent > _FULL_PERCENT or step.load_drops:
        return f"{what}: the load generator is at its own limit, not the service"
    if step.main_thread_percent > _FULL_PERCENT * 0.9:
        return f"{what}: the event loop has used up its core ({step.main_thread_percent:.0f} %)"
    if step.machine_percent > _FULL_PERCENT:
        return f"{what}: all cores of the machine are busy ({step.machine_percent:.0f} %)"
    if step.server_drops:
        return f"{what}: the worker's receive buffer overflowed ({step.server_drops} datagrams)"
    return f"{what}: for no reason that the figures show"


def describe_step(step: Row) -> str:
    return (
        f"{step.inspections:3d} x {step.viewers}: CPU {step.cpu_percent:.0f} % (event loop "
        f"{step.main_thread_percent:.0f} %), p99 {step.p99_ms or 0:.1f} ms, {step.lost} of {step.sent} lost, "
        f"load generator {step.load_cpu_percent:.0f} %, machine {step.machine_percent:.0f} %"
    )


def describe_capacity(found: Capacity) -> str:
    lines = [describe_step(step) for step in found.steps]
    reason = found.limit or "nothing gave out within the benchmark's bound"
    lines.append(f"one worker carries {found.carried} inspections; {reason}")
    if (middle := found.half_load) is not None:
        every = ", ".join(f"{row.p99_ms or 0:.1f}" for row in found.half)
        lines.append(
            f"at half load, {middle.inspections} inspections: p99 delay {middle.p99_ms or 0:.1f} ms "
            f"(the middle of {every}), {sum(row.lost for row in found.half)} packets lost"
        )
    return "\n".join(lines)


def capacity_as_json(found: Capacity) -> dict[str, Any]:
    middle = found.half_load
    return {
        **asdict(found),
        "carried": found.carried,
        "half_load_p99_ms": middle.p99_ms if middle is not None else None,
    }


def _raise(error: Exception) -> Capacity:
    raise error


def _machine(load_before: float) -> Machine:
    processor = platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                processor = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    return Machine(
        datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        processor,
        os.cpu_count() or 1,
        f"{platform.system()} {platform.release()}",
        platform.python_version(),
        load_before,
        os.getloadavg()[0],
    )

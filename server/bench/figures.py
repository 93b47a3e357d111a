"""Percentiles, counting of losses, and reading of /proc. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_GROWTH = 4096


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """Nearest-rank percentile of ascending values, `share` in (0, 1]; None of nothing."""
    if not ordered:
        return None
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


class Tally:
    """Which of the packets `first`, `first + 1`, … arrived. A duplicate counts once."""

    def __init__(self, first: int) -> None:
        self.first = first
        self._seen = bytearray(_GROWTH)
        self.arrived = 0

    def add(self, number: int) -> bool:
        """False for a duplicate and for packets from before the first."""
        index = number - self.first
        if index < 0:
            return False
        if index >= len(self._seen):
            self._seen.extend(bytes(index - len(self._seen) + _GROWTH))
        if self._seen[index]:
            return False
        self._seen[index] = 1
        self.arrived += 1
        return True

    def lost(self, end: int) -> int:
        """How many of [first, end) did not arrive."""
        count = max(0, end - self.first)
        return count - sum(self._seen[:count])


def endless(sequence: int, near: int) -> int:
    """The number congruent to the 16-bit `sequence` that is nearest to `near`."""
    return near + ((sequence - near + 0x8000) & 0xFFFF) - 0x8000


@dataclass(frozen=True, slots=True)
class ProcessTimes:
    """One line of /proc/<pid>/stat; a process's line sums up all its threads, dead ones included."""

    pid: int
    parent: int
    ticks: int
    "User and system time of its own."
    waited_ticks: int
    "The same of children that have ended and were waited for."


def parse_stat(line: str) -> ProcessTimes:
    """proc(5). The name in parentheses may hold anything, parentheses and spaces included."""
    pid, _, rest = line.partition(" ")
    fields = rest[rest.rindex(")") + 2 :].split()
    return ProcessTimes(
        int(pid), int(fields[1]), int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])
    )


def family(processes: Sequence[ProcessTimes], root: int) -> list[ProcessTimes]:
    """`root` and its descendants among `processes`."""
    children: dict[int, list[ProcessTimes]] = {}
    for process in processes:
        children.setdefault(process.parent, []).append(process)
    found = [process for process in processes if process.pid == root]
    for process in found:
        found.extend(child for child in children.get(process.pid, ()) if child not in found)
    return found


def parse_resident(status: str) -> int:
    """VmRSS of /proc/<pid>/status in bytes; 0 for a process that has none any more."""
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def parse_drops(table: str) -> dict[int, int]:
    """inode -> datagrams that a full receive buffer lost, of /proc/net/udp."""
    drops = {}
    for line in table.splitlines()[1:]:
        fields = line.split()
        drops[int(fields[9])] = int(fields[12])
    return drops


@dataclass(frozen=True, slots=True)
class MachineTimes:
    """Ticks of all cores together since boot."""

    busy: int
    total: int


def parse_machine(stat: str) -> MachineTimes:
    """The first line of /proc/stat: user nice system idle iowait irq softirq steal …"""
    values = [int(value) for value in stat.splitlines()[0].split()[1:9]]
    idle = values[3] + values[4]
    return MachineTimes(sum(values) - idle, sum(values))


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Least-squares slope; 0 for fewer than two points."""
    if len(points) < 2:
        return 0.0
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0

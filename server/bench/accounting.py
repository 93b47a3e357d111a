"""What a running process has used, read from /proc (Linux)."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from server.bench.figures import (
    MachineTimes,
    ProcessTimes,
    family,
    parse_drops,
    parse_machine,
    parse_resident,
    parse_stat,
)

_PROC = Path("/proc")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """A process with its threads and children at one moment."""

    cpu_s: float
    main_thread_s: float
    resident_bytes: int
    drops: int
    "Datagrams that its sockets' receive buffers lost so far."


def usage(pid: int) -> Usage:
    """All zero for a process that has ended."""
    processes = []
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                processes.append(parse_stat((entry / "stat").read_text()))
    members = family(processes, pid)
    resident = drops = 0
    for member in members:
        with contextlib.suppress(OSError):
            resident += parse_resident((_PROC / str(member.pid) / "status").read_text())
            drops += _drops(member.pid)
    ticks = sum(member.ticks + member.waited_ticks for member in members)
    return Usage(ticks / TICKS_PER_S, _main_thread(pid) / TICKS_PER_S, resident, drops)


def machine() -> MachineTimes:
    return parse_machine((_PROC / "stat").read_text())


def _main_thread(pid: int) -> int:
    try:
        times: ProcessTimes = parse_stat((_PROC / str(pid) / "task" / str(pid) / "stat").read_text())
    except OSError:
        return 0
    return times.ticks


def _drops(pid: int) -> int:
    table = parse_drops((_PROC / str(pid) / "net" / "udp").read_text())
    inodes = set()
    for descriptor in (_PROC / str(pid) / "fd").iterdir():
        with contextlib.suppress(OSError):
            target = str(descriptor.readlink())
            if target.startswith("socket:["):
                inodes.add(int(target[8:-1]))
    return sum(count for inode, count in table.items() if inode in inodes)


def own_drops() -> int:
    """The same of this very process."""
    return _drops(os.getpid())

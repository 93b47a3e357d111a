"""The figures of one run, as a table for the terminal, as Markdown and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, NamedTuple

from server.bench.subject import RecordingState

ROWS = ("aiortc", "janus", "yunkan", "floor")
TITLES = {
    "aiortc": "aiortc, MediaRelay + MediaRecorder",
    "janus": "Janus VideoRoom, recording",
    "yunkan": "Yunkan, recording",
    "floor": "floor: recvfrom, unprotect, protect, sendto",
}
HEADINGS = (
    "server",
    "N x V",
    "CPU %/insp.",
    "CPU %",
    "lost",
    "p50 ms",
    "p99 ms",
    "RSS MB",
    "load CPU %",
    "recording when the last packet is in",
)
MEBI = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One server under one load. Per cent are of one core."""

    name: str
    inspections: int
    viewers: int
    seconds: float
    cpu_percent: float
    main_thread_percent: float
    "The thread with the event loop, for servers in Python."
    load_cpu_percent: float
    machine_percent: float
    "How busy all cores were together, whatever kept them so."
    sent: int
    "Packets that viewers should have got; video frames where the server encodes anew."
    lost: int
    server_drops: int
    "Datagrams that the server's own receive buffers lost."
    load_drops: int
    "Datagrams that the load generator's receive buffers lost: no fault of the server's."
    mismatches: int
    p50_ms: float | None
    p99_ms: float | None
    resident_bytes: int
    extensions: tuple[str, ...] = ()
    "Header extensions that every packet of the picture carried."
    delivered: int = 0
    "What viewers got while it was measured, whenever that had been sent; counted as `sent` is."
    recording: RecordingState | None = None
    tight_percent: float | None = None
    "The floor's tight loop, per inspection."
    round: int = 1
    "Which turn through all rows it was measured in."

    @property
    def per_inspection(self) -> float:
        return self.cpu_percent / self.inspections

    @property
    def fell_behind(self) -> bool:
        """A tenth or more did not arrive in time: what it would have cost to keep up was not measured."""
        return self.lost * 10 > self.sent

    @property
    def reckoned_for_all(self) -> float | None:
        """% of one core per inspection, had it delivered all at what each delivered frame has cost; None of nothing.

        By what was delivered meanwhile, not by what was lost: a server that is late works on frames from before.
        """
        return self.per_inspection * self.sent / self.delivered if self.delivered else None


@dataclass(frozen=True, slots=True)
class Missing:
    """A row that could not be measured, and why."""

    name: str
    inspections: int
    viewers: int
    reason: str


class Ratio(NamedTuple):
    """`value` is the middle of those of all rounds, each of rows that were measured one after the other."""

    of: str
    load: str
    value: float
    lowest: float
    highest: float


@dataclass(frozen=True, slots=True)
class Machine:
    """Where and when."""

    measured_at: str
    processor: str
    cores: int
    system: str
    python: str
    load_before: float
    load_after: float


def table(rows: Sequence[Row | Missing]) -> str:
    """Aligned columns."""
    lines = [HEADINGS, *(_cells(row) for row in middles(rows))]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in (0, len(HEADINGS) - 1) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def markdown(rows: Sequence[Row | Missing], machine: Machine) -> str:
    lines = [
        f"{machine.measured_at}, {machine.processor}, {machine.cores} cores, {machine.system}, "
        f"Python {machine.python}; load average {machine.load_before:.1f} before, {machine.load_after:.1f} after.",
        "",
        "| " + " | ".join(HEADINGS) + " |",
        "|"
        + "|".join("---" if column in (0, len(HEADINGS) - 1) else "--:" for column in range(len(HEADINGS)))
        + "|",
        *("| " + " | ".join(_cells(row)) + " |" for row in middles(rows)),
        "",
    ]
    lines += [f"- {sentence}" for sentence in remarks(rows)]
    if found := ratios(rows):
        lines += [
            "",
            "| ratio of CPU per inspection | N x V | times | lowest to highest |",
            "|---|--:|--:|--:|",
        ]
        lines += [
            f"| {of} | {load} | {value:.2f} | {lowest:.2f} to {highest:.2f} |"
            for of, load, value, lowest, highest in found
        ]
    return "\n".join(lines) + "\n"


def as_json(rows: Sequence[Row | Missing], machine: Machine) -> dict[str, Any]:
    return {
        "machine": asdict(machine),
        "rows": [
            {
                **asdict(row),
                "cpu_percent_per_inspection": row.per_inspection,
                "reckoned_for_all_percent": row.reckoned_for_all if row.fell_behind else None,
            }
            if isinstance(row, Row)
            else asdict(row)
            for row in rows
        ],
        "ratios": [ratio._asdict() for ratio in ratios(rows)],
    }


def middles(rows: Sequence[Row | Missing]) -> list[Row | Missing]:
    """Of each server under each load the round in the middle by its CPU; what could not be measured once stays said."""
    loads: dict[tuple[str, int, int], list[Row | Missing]] = {}
    for row in rows:
        loads.setdefault((row.name, row.inspections, row.viewers), []).append(row)
    found = []
    for measured in loads.values():
        ordered = sorted(
            (row for row in measured if isinstance(row, Row)), key=lambda row: row.per_inspection
        )
        missing = next((row for row in measured if isinstance(row, Missing)), None)
        found.append(missing or ordered[len(ordered) // 2])
    return found


def ratios(rows: Sequence[Row | Missing]) -> list[Ratio]:
    """Of CPU per inspection, wherever both sides were measured. aiortc runs at N=1 only, and where it fell behind the
    ratio is of what it would have needed."""
    measured = [row for row in rows if isinstance(row, Row)]
    values: dict[tuple[str, str], list[float]] = {}
    for number in sorted({row.round for row in measured}):
        for of, load, value in _ratios([row for row in measured if row.round == number]):
            values.setdefault((of, load), []).append(value)
    return [Ratio(of, load, median(found), min(found), max(found)) for (of, load), found in values.items()]


def _ratios(rows: Sequence[Row]) -> list[tuple[str, str, float]]:
    """Those of one round."""
    kept_up = [row for row in rows if not row.fell_behind]
    measured = {(row.name, row.inspections, row.viewers): row for row in kept_up}
    stocks = {row.viewers: row for row in rows if row.name == "aiortc"}
    found = []
    for (name, inspections, viewers), ours in measured.items():
        if name != "yunkan" or not ours.cpu_percent:
            continue
        load = f"{inspections} x {viewers}"
        for peer in ("janus", "floor"):
            other = measured.get((peer, inspections, viewers))
            if other is not None and other.cpu_percent:
                found.append((f"yunkan / {peer}", load, ours.per_inspection / other.per_inspection))
            if other is not None and other.tight_percent:
                found.append(("yunkan / floor's tight loop", load, ours.per_inspection / other.tight_percent))
        stock = stocks.get(viewers)
        if stock is None:
            continue
        if not stock.fell_behind:
            found.append(("aiortc (N=1) / yunkan", load, stock.per_inspection / ours.per_inspection))
        elif stock.reckoned_for_all is not None:
            times = stock.reckoned_for_all / ours.per_inspection
            found.append(("aiortc (N=1, reckoned for all frames) / yunkan", load, times))
    return found


def remarks(rows: Sequence[Row | Missing]) -> list[str]:
    """What the columns do not say, in sentences."""
    said = []
    for row in rows:
        if not isinstance(row, Row) or not row.fell_behind or row.reckoned_for_all is None:
            continue
        said.append(
            f"{TITLES[row.name]}, {row.inspections} x {row.viewers}, fell behind: it delivered {row.delivered} frames "
            f"while {row.sent} were due, with {row.per_inspection:.0f} % of a core for each inspection. At what a "
            f"delivered frame has cost it would need about {row.reckoned_for_all:.0f} % for all of them."
        )
    carried = {row.name: row.extensions for row in rows if isinstance(row, Row)}
    for name, extensions in carried.items():
        said.append(f"{TITLES[name]}: packets carry {' and '.join(extensions) or 'no header extension'}.")
    return said


def _cells(row: Row | Missing) -> tuple[str, ...]:
    load = f"{row.inspections} x {row.viewers}"
    if isinstance(row, Missing):
        return (TITLES[row.name], load, *("-" for _ in range(7)), f"not measured: {row.reason}")
    unit = " frames" if row.name == "aiortc" else ""
    lost = f"{row.lost} of {row.sent}{unit}"
    if row.fell_behind:
        lost += " (fell behind)"
    if row.load_drops:
        lost += f" ({row.load_drops} by the load)"
    return (
        TITLES[row.name],
        load,
        f"{row.per_inspection:.2f}",
        f"{row.cpu_percent:.1f}",
        lost,
        _milliseconds(row.p50_ms),
        _milliseconds(row.p99_ms),
        f"{row.resident_bytes / MEBI:.0f}",
        f"{row.load_cpu_percent:.0f}",
        _recording(row),
    )


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _recording(row: Row) -> str:
    state = row.recording
    if row.name == "floor":
        return "none" if row.tight_percent is None else f"none; tight loop {row.tight_percent:.2f} %/insp."
    if state is None:
        return "-"
    if state.playable:
        text = f"playable at once ({state.held_s:.1f} s in it), final after {state.final_s:.1f} s"
    elif state.final_s:
        text = f"not playable; {state.final_s:.1f} s to close or convert"
    else:
        text = "not playable"
    return f"{text}; {state.remark}" if state.remark else text

"""`yunkan bench evidence`: what sealing, verifying and zipping cost on this machine. Only the pictures are made up."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from server.archive.documents import add_documents
from server.archive.four_properties import add_report
from server.bench import recorded
from server.bench.output import add_outputs, working_folder, write_outputs
from server.evidence import bag, package, sealing
from server.evidence.verify import Trust, verify
from server.settings import Settings

MEGABYTES = 340
ZIP_MEGABYTES = 2000
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Work:
    """`read_bytes` of files, by the process's accounting."""

    seconds: float
    read_bytes: int


@dataclass(frozen=True, slots=True)
class Figures:
    """Times in seconds, sizes in megabytes (10**6). Of what was repeated, the shortest."""

    recorded_mb: float
    segments: int
    """Digests in the log of pieces of two seconds: verify holds every one against the bytes."""
    events: int
    documents_s: float
    """Index and signed record, before the seal."""
    seal_s: float
    seal_hashing_s: float
    """Of the seal: reading and hashing what was recorded."""
    report_s: float
    """The four-property report after the seal, which begins with a verification."""
    sha256sum_s: float
    verify_s: float
    zip_verify_s: float
    """Of the package as one zip, which one thread reads; a folder is read by two."""
    seal_reads: float
    """How often each recorded byte was read, on average."""
    report_reads: float
    verify_reads: float
    zip_mb: float
    zip_s: float
    zip_memory_mb: float
    """What the process that zipped grew by, at its highest."""

    @property
    def verify_share(self) -> float:
        """Of the speed of `sha256sum` on the same files in the same run."""
        return self.sha256sum_s / self.verify_s

    @property
    def zip_verify_share(self) -> float:
        return self.sha256sum_s / self.zip_verify_s

    @property
    def hashing_share(self) -> float:
        return self.seal_hashing_s / self.seal_s


def add_to(what: Any) -> None:
    """Adds `bench evidence` to the things that can be measured."""
    parser = what.add_parser("evidence", help="sealing, verifying and zipping evidence")
    parser.add_argument("--megabytes", type=int, default=MEGABYTES, help="of the folder to be sealed")
    parser.add_argument("--zip-megabytes", type=int, default=ZIP_MEGABYTES, help="of the folder to be zipped")
    add_outputs(parser)
    parser.set_defaults(run=run)


def run(settings: Settings, options: argparse.Namespace) -> int:
    with working_folder(options) as folder:
        figures = measure(folder, options.megabytes, options.zip_megabytes, settings.font_folder)
    write_outputs(options, figures, describe(figures))
    return 0


def measure(
    folder: Path, megabytes: int, zip_megabytes: int, fonts: Path | None, parts: int = recorded.PARTS
) -> Figures:
    """RuntimeError if what was sealed does not verify."""
    made = recorded.make(folder, megabytes, parts)
    documents = _work(lambda: add_documents(made.folder, made.lines, made.index, made.office, fonts))
    steps: dict[str, float] = {}
    order = sealing.SealingOrder(
        folder=made.folder,
        inspection=made.inspection,
        lines=made.lines,
        metadata=made.metadata.writer(),
        open_index=None,
        at=datetime.now(UTC),
    )

    def reached(step: str) -> None:
        steps[step] = time.perf_counter()

    seal = _work(lambda: sealing.seal_folder(order, made.office, reached=reached))
    now = datetime.now(UTC)
    trust = Trust(now=now, roots=[made.office.root])
    report = _work(lambda: add_report(made.folder, made.office, now, recorded.LANGUAGE))
    zipped = _zip_to(made.folder, folder / "package.zip")
    for path in (made.folder, zipped):
        if (found := verify(path, trust)).exit_code:
            raise RuntimeError(f"the package does not verify: {found.to_json()}")
    stock, ours, of_zip = [], [], []
    for _ in range(ROUNDS):  # in turns, so that what else the machine does hits all alike
        stock.append(_work(lambda: _sha256sum(made.folder)))
        ours.append(_work(lambda: verify(made.folder, trust)))
        of_zip.append(_work(lambda: verify(zipped, trust)))
    zip_s, memory = _zip(folder / "large", zip_megabytes)
    return Figures(
        recorded_mb=made.recorded_bytes / 10**6,
        segments=made.segments,
        events=len(made.lines),
        documents_s=documents.seconds,
        seal_s=seal.seconds,
        seal_hashing_s=steps["leaves"] - steps["events"],
        report_s=report.seconds,
        sha256sum_s=min(work.seconds for work in stock),
        verify_s=min(work.seconds for work in ours),
        zip_verify_s=min(work.seconds for work in of_zip),
        seal_reads=seal.read_bytes / made.recorded_bytes,
        report_reads=report.read_bytes / made.recorded_bytes,
        verify_reads=min(work.read_bytes for work in ours) / made.recorded_bytes,
        zip_mb=zip_megabytes,
        zip_s=zip_s,
        zip_memory_mb=memory,
    )


def describe(figures: Figures) -> str:
    """As a table in Markdown."""
    whole_s = figures.documents_s + figures.seal_s + figures.report_s
    return "\n".join(
        [
            f"{figures.recorded_mb:.0f} MB recorded, {figures.events} events, {figures.segments} digests of pieces.",
            "",
            "| what | measured |",
            "|---|--:|",
            f"| documents: index and signed record | {figures.documents_s:.2f} s |",
            f"| seal | {figures.seal_s:.2f} s |",
            f"| of the seal, reading and hashing | {figures.seal_hashing_s:.2f} s ({figures.hashing_share:.0%}) |",
            f"| four-property report | {figures.report_s:.2f} s |",
            f"| documents, seal and report together | {whole_s:.2f} s |",
            f"| `sha256sum` over the same files | {figures.sha256sum_s:.2f} s |",
            f"| `yunkan verify` over the folder | {figures.verify_s:.2f} s |",
            f"| speed of verify against `sha256sum` | {figures.verify_share:.0%} |",
            f"| `yunkan verify` over the zip | {figures.zip_verify_s:.2f} s |",
            f"| speed of that against `sha256sum` | {figures.zip_verify_share:.0%} |",
            f"| each recorded byte is read by the seal | {figures.seal_reads:.2f} times |",
            f"| by the report | {figures.report_reads:.2f} times |",
            f"| by verify | {figures.verify_reads:.2f} times |",
            f"| zipping {figures.zip_mb:.0f} MB | {figures.zip_s:.1f} s |",
            f"| memory that this took | {figures.zip_memory_mb:.1f} MB |",
            "",
            "From the camera to the sealed package each byte of a recording is hashed as it is written, and read "
            "once when its part closes, once by the seal and once by the report.",
        ]
    )


def _sha256sum(folder: Path) -> None:
    command = ["sha256sum", "--quiet", "-c", "manifest-sha256.txt"]
    subprocess.run(command, cwd=folder, check=True)  # noqa: S603 - a command of the benchmark's own


def _zip_to(folder: Path, target: Path) -> Path:
    with target.open("wb") as file:
        file.writelines(package.stream(folder, "bench", datetime.now(UTC)))
    return target


def _zip(folder: Path, megabytes: int) -> tuple[float, float]:
    """(seconds, megabytes that memory grew by) of zipping one large file, in a process of its own."""
    (folder / "data").mkdir(parents=True)
    block = os.urandom(10**6)
    with (folder / "data/large.mp4").open("wb") as file:
        for _ in range(megabytes):
            file.write(block)
    large = bag.FileDigest("data/large.mp4", megabytes * 10**6, "0" * 64)
    (folder / bag.MANIFEST).write_bytes(bag.manifest([large]))
    bag.write_tag_manifest(folder)
    code = "import sys; from server.bench.evidence import zip_here; zip_here(sys.argv[1])"
    done = subprocess.run(  # noqa: S603 - this very program
        [sys.executable, "-c", code, str(folder)], capture_output=True, check=True, text=True
    )
    seconds, memory = json.loads(done.stdout)
    return seconds, memory


def zip_here(folder: str) -> None:
    """In the child: zips, throws the bytes away, prints `[seconds, megabytes]`."""
    before = _memory_mb("VmRSS")
    now = datetime.now(UTC)

    def whole() -> None:
        for _piece in package.stream(Path(folder), "bench", now):
            pass

    took = _work(whole).seconds
    print(json.dumps([took, _memory_mb("VmHWM") - before]))


def _memory_mb(name: str) -> float:
    """Of this process: `VmRSS` now, `VmHWM` at its highest."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / 10**6
    raise LookupError(name)


def _work(work: Callable[[], object]) -> Work:
    read, began = _read_bytes(), time.perf_counter()
    work()
    return Work(time.perf_counter() - began, _read_bytes() - read)


def _read_bytes() -> int:
    """What this process has read so far, from the page cache or the disk (`rchar` of proc(5))."""
    for line in Path("/proc/self/io").read_text().splitlines():
        if line.startswith("rchar:"):
            return int(line.split()[1])
    raise LookupError("rchar")

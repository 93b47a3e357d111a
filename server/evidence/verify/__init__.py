"""`verify(path)`: an inspection's package, as folder or zip, checked offline in numbered steps.

Each step is a function that bears its number; none raises for what it finds, none stops the others.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from server.evidence.errors import N_, printable
from server.evidence.verify import log_steps, package_steps, receipt_step, report
from server.evidence.verify.evidence import Evidence, Trust, gather
from server.evidence.verify.report import Finding, Report, Result, Step, StepKind
from server.evidence.verify.source import Unreadable, open_source

__all__ = ["Finding", "Report", "Result", "Step", "Trust", "verify"]

_STEPS: tuple[tuple[StepKind, Callable[[Evidence, Step], None]], ...] = (
    (report.FILES, package_steps.check_files),
    (report.SEAL, package_steps.check_seal),
    (report.SIGNATURE, package_steps.check_signature),
    (report.STAMP, package_steps.check_stamps),
    (report.LOG, log_steps.check_log),
    (report.COUNTS, log_steps.check_counts),
    (report.PAYLOAD, log_steps.check_payload),
    (report.SEGMENTS, log_steps.check_segments),
    (report.TREE, package_steps.check_tree),
    (report.OFFICE_LOG, log_steps.check_office_log),
    (report.CLOCK, log_steps.check_clock),
    (report.RECEIPTS, receipt_step.check_receipts_of),
)
_STEPS_LEFT: tuple[tuple[StepKind, Callable[[Evidence, Step], None]], ...] = (
    (report.FILES_LEFT, package_steps.check_files_left),
    (report.SEAL, package_steps.check_seal_left),
    (report.SIGNATURE, package_steps.check_signature),
    (report.STAMP, package_steps.check_stamps),
    (report.TREE_LEFT, package_steps.check_tree_left),
    (report.OFFICE_LOG, log_steps.check_office_log),
    (report.DISPOSAL, package_steps.check_disposal),
)
"Of what is kept of a package once its content was disposed of."


def verify(path: Path, trust: Trust) -> Report:
    """Reads every byte once and writes none. Never raises for what a package holds: see `Report.unreadable`."""
    made = Report(kind="folder" if path.is_dir() else "zip")
    try:
        source = open_source(path)
    except Unreadable as error:
        made.unreadable = Finding(
            "unreadable", Result.FAILED, N_("{reason}"), "", {"reason": error.params["detail"]}
        )
        return made
    try:
        evidence = gather(source, trust)
        made.disposed = evidence.disposed
        if evidence.seal is not None:
            made.inspection, made.office = map(printable, (evidence.seal.inspection, evidence.seal.office))
        for kind, check in _STEPS_LEFT if made.disposed else _STEPS:
            step = Step(kind)
            made.steps.append(step)
            _perform(check, evidence, step)
    finally:
        source.close()
    return made


def _perform(check: Callable[[Evidence, Step], None], evidence: Evidence, step: Step) -> None:
    try:
        check(evidence, step)
    except (
        Exception
    ) as error:  # what a hostile package makes a step stumble over is a finding, not a traceback
        step.fail("stumbled", N_("this step could not be completed: {reason}"), reason=repr(error))

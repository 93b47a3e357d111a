"""What a verification found: numbered steps, each with what was checked, the result, and what it does not prove."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from server.evidence.errors import N_, printable

VERSION = 1


class Result(StrEnum):
    PASSED = "passed"
    WARNING = "warning"
    FAILED = "failed"
    NOT_PERFORMED = "not_performed"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to know. `subject` names a file, a line, a key; `text` is English with `{…}` for `params`.

    Both come out of the package: they are made `printable` here, whoever shows them.
    """

    code: str
    result: Result
    text: str
    subject: str = ""
    params: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        told = {
            name: value if isinstance(value, int) else printable(value) for name, value in self.params.items()
        }
        object.__setattr__(self, "params", told)
        object.__setattr__(self, "subject", printable(self.subject))

    def message(self) -> str:
        told = self.text.format(**self.params)
        return f"{self.subject}: {told}" if self.subject else told


@dataclass(frozen=True, slots=True)
class StepKind:
    """The fixed words of a step, all to be translated."""

    number: int
    code: str
    title: str
    checked: str
    not_proved: str


FILES = StepKind(
    1,
    "files",
    N_("Files"),
    N_(
        "Every file is listed with its digest, every digest is right, and nothing is there that is not listed."
    ),
    N_("The list itself could have been written by anyone: see the seal."),
)
SEAL = StepKind(
    2,
    "seal",
    N_("Seal"),
    N_("The seal commits to exactly these files."),
    N_("Anyone can write a seal: see the signature."),
)
SIGNATURE = StepKind(
    3,
    "signature",
    N_("Signature"),
    N_("The office's certificate signed the seal, and a root that you trust issued the certificate."),
    N_("Not that what is shown is true; and not when it was signed: see the time stamp."),
)
STAMP = StepKind(
    4,
    "stamp",
    N_("Time stamp"),
    N_("An independent authority saw the signature at the stated time."),
    N_("Not what happened before that time; only that the package was not changed after it."),
)
LOG = StepKind(
    5,
    "log",
    N_("Event log"),
    N_("Each line holds the digest of the line before it, and the last one is the head in the seal."),
    N_("Not that an event was entered truthfully, only that the log was not changed since it was sealed."),
)
COUNTS = StepKind(
    6,
    "counts",
    N_("Completeness"),
    N_("The log was closed with the numbers of recordings, seconds, pictures and gaps that are in it."),
    N_("Not that the camera saw everything: gaps are listed with their causes."),
)
PAYLOAD = StepKind(
    7,
    "payload",
    N_("Recordings and pictures"),
    N_(
        "Every recording, snapshot and photo has an event with its digest, and every such event its file; each photo is"
        " the one whose digest the phone announced before it sent it."
    ),
    N_("Not that a picture shows the premises: a virtual camera is not excluded by cryptography."),
)
SEGMENTS = StepKind(
    8,
    "segments",
    N_("Pieces of the recordings"),
    N_("Each piece of about two seconds is the one whose digest was logged while it was recorded."),
    N_("Not what happened during gaps; not that the sound and picture were unaltered before they arrived."),
)
TREE = StepKind(
    9,
    "tree",
    N_("Tree of the files"),
    N_("The salted digests of all files lead to the root in the seal, so that files can be left out later."),
    N_("Nothing about files that were left out, but that they existed."),
)
OFFICE_LOG = StepKind(
    10,
    "office_log",
    N_("The office's log"),
    N_("The opening and the seal of this inspection are in the log that the office signed."),
    N_("Not that the office shows everyone the same log: compare deposited heads for that."),
)
CLOCK = StepKind(
    11,
    "clock",
    N_("Clocks"),
    N_("The times in the log go forward, agree with the server's second clock, and precede seal and stamp."),
    N_("Not that the server's clock was right, beyond what the time stamp bounds."),
)
RECEIPTS = StepKind(
    12,
    "receipts",
    N_("Receipts"),
    N_(
        "While it ran, the office signed the state of the log again and again, and participants countersigned it."
    ),
    N_(
        "Not that a participant saw more of the log than came to their browser; and nothing after the last one."
    ),
)
FILES_LEFT = StepKind(
    1,
    "files",
    N_("Files"),
    N_("What was kept is listed with its digest and unchanged; nothing of the content is there any more."),
    N_("Not that no copy of the content exists elsewhere."),
)
TREE_LEFT = StepKind(
    9,
    "tree",
    N_("Tree of the files"),
    N_("The leaves that were kept lead to the root in the seal, and do not tell what they were made of."),
    N_("Nothing about files that were destroyed, but that they existed."),
)
DISPOSAL = StepKind(
    13,
    "disposal",
    N_("Certificate of disposal"),
    N_("The office signed that two people had the content of exactly this seal destroyed."),
    N_("Not that the two were entitled to it: see the office's rules for keeping."),
)

_WORST = (Result.FAILED, Result.WARNING, Result.NOT_PERFORMED, Result.PASSED)


@dataclass(slots=True)
class Step:
    """One step as it went. `numbers` says how much was looked at."""

    kind: StepKind
    findings: list[Finding] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    performed: bool = True

    @property
    def result(self) -> Result:
        results = {finding.result for finding in self.findings}
        results.add(Result.PASSED if self.performed else Result.NOT_PERFORMED)
        return next(result for result in _WORST if result in results)

    def fail(self, code: str, text: str, subject: str = "", **params: Any) -> None:
        self.findings.append(Finding(code, Result.FAILED, text, subject, params))

    def warn(self, code: str, text: str, subject: str = "", **params: Any) -> None:
        self.findings.append(Finding(code, Result.WARNING, text, subject, params))

    def note(self, code: str, text: str, subject: str, /, **params: Any) -> None:
        """What is to be judged by people, without a doubt of its own."""
        self.findings.append(Finding(code, Result.PASSED, text, subject, params))

    def skip(self, code: str, text: str, **params: Any) -> None:
        self.performed = False
        self.findings.append(Finding(code, Result.NOT_PERFORMED, text, "", params))


@dataclass(slots=True)
class Report:
    """The whole verification. `unreadable`: why nothing could be checked at all."""

    kind: str
    inspection: str | None = None
    office: str | None = None
    steps: list[Step] = field(default_factory=list)
    unreadable: Finding | None = None
    disposed: bool = False
    "The content was destroyed; the steps are about what was kept."

    @property
    def passed(self) -> bool:
        return self.unreadable is None and all(step.result is not Result.FAILED for step in self.steps)

    @property
    def first_failure(self) -> Finding | None:
        """What is wrong, or the first of it."""
        failed = (f for step in self.steps for f in step.findings if f.result is Result.FAILED)
        return self.unreadable or next(failed, None)

    @property
    def verdict(self) -> str:
        """`passed`, `passed_with_warnings`, `disposed` (its certificate holds), `failed` or `unreadable`."""
        if self.unreadable is not None:
            return "unreadable"
        if not self.passed:
            return "failed"
        if self.disposed:
            return "disposed"
        limited = any(step.result is not Result.PASSED for step in self.steps)
        return "passed_with_warnings" if limited else "passed"

    @property
    def exit_code(self) -> int:
        """0 passed or disposed of, with warnings or without; 1 something was changed; 2 not a package."""
        return {"unreadable": 2, "failed": 1}.get(self.verdict, 0)

    def to_json(self) -> dict[str, Any]:
        return {
            "v": VERSION,
            "kind": self.kind,
            "inspection": self.inspection,
            "office": self.office,
            "verdict": self.verdict,
            "error": self.unreadable.message() if self.unreadable else None,
            "steps": [
                {
                    "number": step.kind.number,
                    "code": step.kind.code,
                    "title": step.kind.title,
                    "checked": step.kind.checked,
                    "result": step.result.value,
                    "numbers": step.numbers,
                    "findings": [
                        {
                            "code": f.code,
                            "result": f.result.value,
                            "subject": f.subject,
                            "message": f.message(),
                        }
                        for f in step.findings
                    ],
                    "not_proved": step.kind.not_proved,
                }
                for step in self.steps
            ],
        }

"""What the steps of a verification look at: read once, before the first step. Parsing problems are kept, not raised."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography import x509

from server.evidence import bag, counts, sealing
from server.evidence.canonical import BadJson, parse
from server.evidence.disposal import CERTIFICATE
from server.evidence.redaction import REDACTION, BadRedaction, Redaction
from server.evidence.seal import BadSeal, Seal
from server.evidence.segments import BadSegment, Segment, check
from server.evidence.verify.source import Source, Unreadable, read

MAX_EVENTS = 256 << 20
MAX_LINES = 1_000_000
MAX_SMALL = 16 << 20


@dataclass(frozen=True, slots=True)
class Event:
    seq: int
    type: str
    body: dict[str, Any]
    t_utc: str
    t_mono: float


@dataclass(frozen=True, slots=True)
class Trust:
    """What the verifier brings along. Without `roots` the package's own root is taken, and the report says so.

    `root_fingerprint` (SHA-256 of its DER, hex) is enough to trust the package's copy of that root.
    """

    now: datetime
    roots: Sequence[x509.Certificate] = ()
    root_fingerprint: str | None = None
    tsa_roots: Sequence[x509.Certificate] = ()


@dataclass(slots=True)
class Evidence:
    source: Source
    trust: Trust
    listed: dict[str, str] = field(default_factory=dict)
    "Payload path -> digest, by the manifest."
    tags: dict[str, str] = field(default_factory=dict)
    "Path beside the payload -> digest, by the tag manifest."
    list_problems: list[tuple[str, str]] = field(default_factory=list)
    found: dict[str, bag.FileDigest] = field(default_factory=dict)
    read_problems: dict[str, str] = field(default_factory=dict)
    lines: list[bytes] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    event_problem: str | None = None
    seal: Seal | None = None
    seal_bytes: bytes = b""
    seal_problem: str | None = None
    redaction: Redaction | None = None
    "What a viewing copy leaves out; None for a package."
    redaction_problem: str | None = None
    segments: dict[str, list[Segment]] = field(default_factory=dict)
    "Part -> the segments that its events name."
    bad_segments: dict[str, list[BadSegment]] = field(default_factory=dict)
    checked_parts: dict[str, str] = field(default_factory=dict)
    "Part -> the file that was held against its segments."
    stamped_at: datetime | None = None

    def find(self, path: str, limit: int = MAX_SMALL) -> bytes | None:
        """A small file's bytes, None if it is not there or cannot be read (which step 1 reports)."""
        if path not in self.source.sizes:
            return None
        try:
            return read(self.source, path, limit)
        except (Unreadable, OSError):
            return None

    @property
    def disposed(self) -> bool:
        """Whether the content was destroyed: then other steps apply."""
        return CERTIFICATE in self.source.sizes

    @property
    def withheld(self) -> frozenset[int]:
        return frozenset(self.redaction.withheld) if self.redaction else frozenset()

    @property
    def typed(self) -> list[tuple[str, dict[str, Any]]]:
        return [(event.type, event.body) for event in self.events]


def gather(source: Source, trust: Trust) -> Evidence:
    """Every file is read once; those of recordings are held against their segments in the same reading."""
    evidence = Evidence(source, trust)
    evidence.listed = _manifest(evidence, bag.MANIFEST)
    evidence.tags = _manifest(evidence, bag.TAG_MANIFEST)
    _gather_seal(evidence)
    _gather_redaction(evidence)
    _gather_events(evidence)
    _gather_segments(evidence)
    _gather_digests(evidence)
    return evidence


def _manifest(evidence: Evidence, name: str) -> dict[str, str]:
    data = evidence.find(name, MAX_EVENTS)
    if data is None:
        evidence.list_problems.append((name, "it is missing or cannot be read"))
        return {}
    try:
        return bag.parse_manifest(data)
    except ValueError as error:
        evidence.list_problems.append((name, str(error)))
        return {}


def _gather_seal(evidence: Evidence) -> None:
    data = evidence.find(sealing.SEAL)
    if data is None:
        evidence.seal_problem = "it is missing or cannot be read"
        return
    evidence.seal_bytes = data
    try:
        evidence.seal = Seal.parse(data)
    except BadSeal as error:
        evidence.seal_problem = str(error)


def _gather_redaction(evidence: Evidence) -> None:
    if REDACTION not in evidence.source.sizes:
        return
    try:
        evidence.redaction = Redaction.parse(evidence.find(REDACTION) or b"")
    except BadRedaction as error:
        evidence.redaction_problem = str(error)


def _gather_events(evidence: Evidence) -> None:
    data = evidence.find(sealing.EVENTS, MAX_EVENTS)
    if data is None:
        evidence.event_problem = "the log is missing or cannot be read"
        return
    if not data.endswith(b"\n"):
        evidence.event_problem = "the last line is cut off"
    try:
        evidence.lines = log_lines(data)
    except ValueError as error:
        evidence.event_problem = str(error)
    for number, line in enumerate(evidence.lines, start=1):
        if number in evidence.withheld:
            continue
        try:
            value = parse(line, limit=1 << 20)
            evidence.events.append(
                Event(
                    int(value["seq"]),
                    str(value["type"]),
                    dict(value["body"]),
                    str(value["t_utc"]),
                    float(value["t_mono"]),
                )
            )
        except (BadJson, KeyError, TypeError, ValueError) as error:
            evidence.event_problem = evidence.event_problem or f"line {number} is not an event: {error}"
            return  # what follows a line of another kind is no log, however long it is


def log_lines(data: bytes) -> list[bytes]:
    """The lines of a log without their ends. ValueError, before any memory is taken, if there are too many."""
    if data.count(b"\n") > MAX_LINES:
        raise ValueError(f"it has more than {MAX_LINES} lines")
    return data.removesuffix(b"\n").split(b"\n") if data else []


def _gather_segments(evidence: Evidence) -> None:
    for event in evidence.events:
        if event.type == counts.SEGMENT:
            part = str(event.body.get("part"))
            try:
                evidence.segments.setdefault(part, []).append(Segment.from_body(event.body))
            except ValueError as error:
                evidence.bad_segments.setdefault(part, []).append(BadSegment(-1, str(error)))


def _gather_digests(evidence: Evidence) -> None:
    parts_of: dict[str, list[str | None]] = {}
    for type_, body in evidence.typed:
        if type_ == counts.PART:
            parts_of.setdefault(str(body.get("sha256")), []).append(str(body.get("part")))

    omissions = evidence.redaction.omissions if evidence.redaction else ()
    blanked = {each.path: each.part for each in omissions if each.part is not None}

    def examine(path: str) -> None:
        parts: list[str | None] = []
        if path in blanked:
            parts = [blanked[path]]
        elif path.startswith("data/media/"):
            parts = parts_of.get(evidence.listed.get(path, ""), [])
        # Two parts of the same bytes do not happen by themselves; then the file is read once for each.
        for part in parts or [None]:
            segments = evidence.segments.get(part, []) if part is not None else []
            try:
                with evidence.source.open(path) as file:
                    digest = check(file, segments)
            except (Unreadable, OSError) as error:
                evidence.read_problems[path] = str(error)
                return
            evidence.found[path] = bag.FileDigest(path, digest.size_bytes, digest.sha256)
            if part is not None and part not in evidence.checked_parts:
                evidence.checked_parts[part] = path
                evidence.bad_segments.setdefault(part, []).extend(digest.bad)

    with ThreadPoolExecutor(2 if evidence.source.kind == "folder" else 1, "verify") as pool:
        list(pool.map(examine, sorted(evidence.source.sizes)))

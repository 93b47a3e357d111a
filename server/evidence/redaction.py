"""A viewing copy with parts left out, which still leads to the root and the head that were sealed.

Left out are whole files (their leaves stay closed), pieces of recordings (emptied, see `blanking`; all other pieces
keep their logged digests) and events (a line becomes its link, so the chain still runs through it). What is missing
is listed in `redaction.json`, signed by the office. Mind that the link of a line with little secret in it
can be guessed by trying: events that may have to be withheld carry a random `salt` in their body.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from server.evidence import bag, cms, durable, keys, sealing, sm
from server.evidence.bag import FileDigest
from server.evidence.blanking import blank
from server.evidence.canonical import BadJson, dump, parse, parse_canonical, parse_time, time_text
from server.evidence.chain import GENESIS, BadLine, check_chain, link_of
from server.evidence.counts import PART, SEGMENT
from server.evidence.errors import N_, EvidenceError
from server.evidence.seal import Leaf, leaves_to_bytes, parse_leaves
from server.evidence.segments import Segment

VERSION = 1
REDACTION, REDACTION_SIGNATURE = "redaction.json", "redaction.p7s"
_KEPT = (sealing.SEAL, sealing.SIGNATURE, sealing.KEY_LOG, sealing.OFFICE_PROOF, sm.SIGNATURE)


class CannotRedact(EvidenceError):
    code = "cannot_redact"
    text = N_("The copy cannot be made: {detail}")


class BadRedaction(ValueError):
    """Not a list of what was left out; the text says why."""


@dataclass(frozen=True, slots=True)
class Omission:
    """A file that is not there, or not as it was sealed: its leaf, and what of it the copy holds.

    `place`: its folder below `data/`, empty for the top. `path` and `pieces` if the file is there with pieces blanked.
    """

    leaf: str
    place: str
    path: str | None = None
    part: str | None = None
    pieces: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Redaction:
    """What is missing, why, by whom. `original` is the digest of the sealed package's `seal.json`."""

    inspection: str
    original: str
    manifest: str
    at: str
    by: str
    reason: str
    omissions: tuple[Omission, ...]
    withheld: tuple[int, ...]
    "Numbers of the events of which only the link is shown."
    tags: tuple[str, ...] = ()
    "Sealed files below `metadata/` that are left out."

    def to_bytes(self) -> bytes:
        return dump(
            {
                "v": VERSION,
                "kind": "redaction",
                "inspection": self.inspection,
                "original": self.original,
                "manifest": self.manifest,
                "at": self.at,
                "by": self.by,
                "reason": self.reason,
                "omissions": [
                    {
                        "leaf": o.leaf,
                        "place": o.place,
                        "path": o.path,
                        "part": o.part,
                        "pieces": list(o.pieces),
                    }
                    for o in self.omissions
                ],
                "withheld": list(self.withheld),
                "tags": list(self.tags),
            }
        )

    @classmethod
    def parse(cls, data: bytes) -> Redaction:
        """BadRedaction unless it is the canonical form of one."""
        try:
            value = dict(parse_canonical(data, limit=16 << 20))
            if value.pop("v") != VERSION or value.pop("kind") != "redaction":
                raise BadRedaction(N_("it is not of a known version"))
            omissions = tuple(
                Omission(**{**each, "pieces": tuple(map(int, each["pieces"]))})
                for each in value.pop("omissions")
            )
            withheld = tuple(map(int, value.pop("withheld")))
            tags = tuple(map(str, value.pop("tags")))
            redaction = cls(**value, omissions=omissions, withheld=withheld, tags=tags)
            parse_time(redaction.at)
        except (BadJson, KeyError, TypeError, ValueError) as error:
            raise BadRedaction(f"it cannot be read: {error}") from error
        if redaction.to_bytes() != data:
            raise BadRedaction(N_("it holds fields of unknown meaning"))
        return redaction


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactionOrder:
    """`omit`: paths of the payload or below `metadata/`. `spans`: path of a recording -> (from, to) in ms.

    `withhold`: numbers of events.
    """

    source: Path
    target: Path
    omit: frozenset[str] = frozenset()
    spans: Mapping[str, Sequence[tuple[int, int]]]
    withhold: frozenset[int] = frozenset()
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class _Blanked:
    """What of a recording is emptied."""

    part: str
    pieces: Sequence[Segment]


def make_copy(order: RedactionOrder, office: keys.OfficeKeys) -> Redaction:
    """Writes the copy into `target`, which must not exist and does not if this fails.

    CannotRedact names what does not fit together, before anything is copied.
    """
    sealed = sealing.find_sealed(order.source)
    if sealed is None:
        raise CannotRedact(detail=N_("the package is not sealed"))
    if order.target.exists():
        raise CannotRedact(detail=f"{order.target.name} is there already")
    leaves = parse_leaves((order.source / sealing.LEAVES).read_bytes())
    files = {leaf.file.path: leaf.file for leaf in leaves if leaf.file is not None}
    if len(files) < len(leaves):
        raise CannotRedact(detail=N_("the package is a redacted copy itself"))
    described = frozenset(path for path in sealed.seal.tags if path.startswith("metadata/"))
    # The list of SM3 digests names every file: it goes with the first one that is left out.
    tags = (order.omit & described) | ({sm.DIGESTS} & sealed.seal.tags.keys())
    strangers = (order.omit | order.spans.keys()) - files.keys() - tags
    if strangers or sealing.EVENTS in order.omit:
        raise CannotRedact(detail=", ".join(sorted(strangers)) or N_("the log itself cannot be left out"))
    lines = (order.source / sealing.EVENTS).read_bytes().splitlines()
    _require_withholdable(order, lines)
    blanked = {path: _find_blanked(lines, files[path], spans) for path, spans in order.spans.items()}
    try:
        omissions = _copy_payload(order, leaves, lines, blanked)
        return _sign(order, office, sealed, omissions, tags)
    except BaseException:
        shutil.rmtree(order.target, ignore_errors=True)
        raise


def _copy_payload(
    order: RedactionOrder, leaves: Sequence[Leaf], lines: Sequence[bytes], blanked: Mapping[str, _Blanked]
) -> list[Omission]:
    """The files as far as they may be shown, and the leaves of those that are whole."""
    omissions: list[Omission] = []
    shown: list[Leaf] = []
    for leaf, file in ((leaf, leaf.file) for leaf in leaves if leaf.file is not None):
        omission = _copy_file(order, leaf, file, lines, blanked.get(file.path))
        shown.append(leaf if omission is None else Leaf(leaf.leaf, None, None))
        omissions += [omission] if omission is not None else []
    durable.write(order.target / sealing.LEAVES, leaves_to_bytes(shown))
    return omissions


def _sign(
    order: RedactionOrder,
    office: keys.OfficeKeys,
    sealed: sealing.Sealed,
    omissions: Sequence[Omission],
    tags: frozenset[str],
) -> Redaction:
    """What lies beside the payload, and the signed list of what is missing."""
    for path in _beside(order.source, [path for path in sealed.seal.tags if path not in tags]):
        _copy(order.source / path, order.target / path)
    files = bag.inventory(order.target, [p for p in bag.walk(order.target) if p.startswith("data/")])
    manifest = bag.manifest(files)
    info = bag.info(files, identifier=sealed.seal.inspection, organization=sealed.seal.office, at=order.at)
    durable.write(order.target / "bag-info.txt", info)
    durable.write(order.target / bag.MANIFEST, manifest)
    redaction = Redaction(
        inspection=sealed.seal.inspection,
        original=hashlib.sha256(sealed.seal_bytes).hexdigest(),
        manifest=hashlib.sha256(manifest).hexdigest(),
        at=time_text(order.at),
        by=order.by,
        reason=order.reason,
        omissions=tuple(omissions),
        withheld=tuple(sorted(order.withhold)),
        tags=tuple(sorted(tags)),
    )
    durable.write(order.target / REDACTION, redaction.to_bytes())
    signature = cms.sign(redaction.to_bytes(), office.seal_key, office.chain)
    durable.write(order.target / REDACTION_SIGNATURE, signature)
    bag.write_tag_manifest(order.target)
    return redaction


def check_lines(lines: Iterable[bytes], withheld: Iterable[int]) -> tuple[str, BadLine | None]:
    """As `check_chain`, through lines of which only the link is shown; those must be the withheld ones exactly."""
    hidden, head = set(withheld), GENESIS
    for number, line in enumerate(lines, start=1):
        try:
            value = parse_canonical(line, limit=1 << 20)
            if number in hidden:
                if value.keys() != {"link", "seq"} or value["seq"] != number:
                    return head, BadLine(
                        number, "it is to be withheld and shows something else than its link"
                    )
                head = str(value["link"])
                continue
            if (value["seq"], value["prev"]) != (number, head):
                return head, BadLine(number, "it does not continue the line before")
        except (BadJson, KeyError, TypeError, AttributeError) as error:
            return head, BadLine(number, f"not a log line: {error!r}")
        head = link_of(line)
    return head, None


def _require_withholdable(order: RedactionOrder, lines: Sequence[bytes]) -> None:
    if not order.withhold:
        return
    _, bad = check_chain(lines)
    if bad is not None or not order.withhold <= set(range(1, len(lines) + 1)):
        raise CannotRedact(detail=N_("the log does not hold, or has no such event"))


def _find_blanked(lines: Sequence[bytes], file: FileDigest, spans: Sequence[tuple[int, int]]) -> _Blanked:
    """Whole pieces are blanked. CannotRedact where a span hits none."""
    part, segments = _segments(lines, file.sha256)
    for span in spans:
        if not any(s.from_ms < span[1] and span[0] < s.to_ms for s in segments):
            raise CannotRedact(detail=f"{file.path} has no piece from {span[0]} to {span[1]} ms")
    hit = [s for s in segments if any(s.from_ms < to and from_ < s.to_ms for from_, to in spans)]
    return _Blanked(part, hit)


def _copy_file(
    order: RedactionOrder, leaf: Leaf, file: FileDigest, lines: Sequence[bytes], blanked: _Blanked | None
) -> Omission | None:
    """Copies the file as far as it may be shown; what is missing of it, or None if it is whole."""
    path = file.path
    place = path.split("/")[1] if path.count("/") > 1 else ""
    if path in order.omit:
        return Omission(leaf.leaf, place)
    if path == sealing.EVENTS and order.withhold:
        durable.write(
            order.target / path, b"".join(_shown(n, line, order.withhold) for n, line in enumerate(lines, 1))
        )
        return Omission(leaf.leaf, place, path)
    _copy(order.source / path, order.target / path)
    if blanked is None:
        return None
    blank(order.target / path, [(piece.start, piece.end) for piece in blanked.pieces])
    return Omission(leaf.leaf, place, path, blanked.part, tuple(s.index for s in blanked.pieces))


def _shown(number: int, line: bytes, withhold: frozenset[int]) -> bytes:
    return (dump({"link": link_of(line), "seq": number}) if number in withhold else line) + b"\n"


def _segments(lines: Sequence[bytes], sha256: str) -> tuple[str, list[Segment]]:
    events: list[dict[str, Any]] = [parse(line) for line in lines]
    part = next(
        (e["body"]["part"] for e in events if e["type"] == PART and e["body"]["sha256"] == sha256), None
    )
    if part is None:
        raise CannotRedact(detail=N_("no event speaks of the recording"))
    bodies = [e["body"] for e in events if e["type"] == SEGMENT and e["body"]["part"] == part]
    return str(part), [Segment.from_body(body) for body in bodies]


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _beside(source: Path, tags: Iterable[str]) -> list[str]:
    """What is copied as it is: the sealed files beside the payload, the seal, its stamps and proofs."""
    stamps = [name for n in range(1, sealing.MAX_STAMPS + 1) for name in sealing.stamp_names(n)]
    return [path for path in (*tags, *_KEPT, *stamps) if (source / path).exists() and path != "bag-info.txt"]

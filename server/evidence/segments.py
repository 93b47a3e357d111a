"""Digests of the pieces of a recording, taken while it is written and still true of the file when it is closed.

What is hashed are whole fragments (MP4: `moof` and its `mdat`; WebM: a cluster) as bytes at their offset. Closing
a hybrid MP4 turns a placeholder before the first fragment into the header of one big `mdat`, and appends an index;
closing a WebM rewrites its head and may append cues. Neither touches a byte of a fragment nor moves one, so
the ranges stay true; `check` proves it for each file. What stands before the first and after the last fragment
is covered by the digest of the whole closed file only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO, Literal

Container = Literal["mp4", "webm"]
BLOCK = 1 << 20
MAX_OFFSET = 1 << 50


@dataclass(frozen=True, slots=True)
class Segment:
    """Bytes `start` (inclusive) to `end` (exclusive) of a part; presentation times in ms from the part's beginning.

    `index` counts from 0 within the part. Segments of a part are contiguous.
    """

    index: int
    start: int
    end: int
    from_ms: int
    to_ms: int
    sha256: str

    def as_body(self) -> dict[str, Any]:
        """The fields of its event; the event adds `slot` and `part`."""
        return asdict(self)

    @classmethod
    def from_body(cls, body: dict[str, Any]) -> Segment:
        """ValueError if the body is not that of a segment."""
        numbers = [body.get(name) for name in ("index", "start", "end", "from_ms", "to_ms")]
        digest = body.get("sha256")
        if not all(type(n) is int and 0 <= n < MAX_OFFSET for n in numbers):
            raise ValueError("a segment's numbers are not whole and positive")
        if not isinstance(digest, str) or len(digest) != 64:
            raise ValueError("a segment's digest is not SHA-256")
        index, start, end, from_ms, to_ms = (n for n in numbers if type(n) is int)
        return cls(index, start, end, from_ms, to_ms, digest)


@dataclass(frozen=True, slots=True)
class BadSegment:
    """A segment that does not hold, by its index."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class PartDigest:
    """One reading of a closed part: the whole file's digest, and the segments that do not hold."""

    sha256: str
    size_bytes: int
    bad: list[BadSegment]


class SegmentHasher:
    """Fed with what the muxer writes, in order; cut about every two seconds.

    `disturbed` is set when the muxer goes back and rewrites bytes of a fragment, which the muxers in use never do.
    """

    def __init__(self, container: Container) -> None:
        self.disturbed = False
        self._next_element = _HEADERS[container]
        self._end = 0
        self._header = b""
        self._element_end = 0
        self._first: int | None = None
        self._start = 0
        self._complete = 0
        self._open_until = 0
        self._settled = hashlib.sha256()  # from the last cut up to the last complete fragment
        self._tail: list[bytes | memoryview] = []  # what came after that: a cut may fall within a fragment
        self._patched = False  # after the last complete fragment: no other one may follow
        self._index = 0
        self._from_ms = 0

    def write(self, offset: int, data: bytes) -> None:
        """`data` at `offset`. What lies before the present end is a patch: of the head, or of the index that follows
        the last fragment, whose size is known once it is written."""
        if offset < self._end:
            if self._first is not None and offset + len(data) > self._first:
                self.disturbed |= offset < self._complete
                self._patched = True
            return
        self.disturbed |= offset > self._end
        self._end = offset
        view = memoryview(data)
        while view:
            view = view[self._take(view) :]

    def cut(self, to_ms: int) -> Segment | None:
        """The fragments that were completed since the last cut; None if there are none."""
        if self._complete <= self._start or self._first is None:
            return None
        segment = Segment(
            index=self._index,
            start=self._start,
            end=self._complete,
            from_ms=self._from_ms,
            to_ms=max(to_ms, self._from_ms),
            sha256=self._settled.hexdigest(),
        )
        self._index += 1
        self._from_ms = segment.to_ms
        self._start = self._complete
        self._settled = hashlib.sha256()
        return segment

    def _take(self, view: memoryview) -> int:
        """Consumes up to the end of the element in hand, or of the header that is being gathered."""
        if self._end == self._element_end + len(self._header):
            return self._gather(view)
        size = min(len(view), self._element_end - self._end)
        self._advance(view[:size])
        if self._end == self._element_end and self._element_end == self._open_until:
            self.disturbed |= self._patched
            self._complete = self._end
            for piece in self._tail:
                self._settled.update(piece)
            self._tail.clear()
        return size

    def _gather(self, view: memoryview) -> int:
        self._header += bytes(view[:1])
        known = self._next_element(self._header)
        if known is not None:
            kind, size = known
            begin = self._element_end
            self._element_end = begin + size
            if kind != "other":
                if self._first is None:
                    self._first = self._start = begin
                self._open_until = self._element_end if kind == "fragment" else 0
            if self._first is not None:
                self._tail.append(self._header[:-1])
            self._header = b""
        self._advance(view[:1], hashed=known is not None)
        return 1

    def _advance(self, view: memoryview, *, hashed: bool = True) -> None:
        if self._first is not None and hashed:
            self._tail.append(view)
        self._end += len(view)


def _mp4_element(header: bytes) -> tuple[str, int] | None:
    """(kind, size) of a box once its header is whole. A `mdat` completes a fragment that a `moof` began."""
    if len(header) < 8:
        return None
    size, name = int.from_bytes(header[:4], "big"), header[4:8]
    if size == 1:
        if len(header) < 16:
            return None
        size = int.from_bytes(header[8:16], "big")
    kinds = {b"moof": "begins", b"mdat": "fragment"}
    return kinds.get(name, "other"), max(size, len(header))


_EBML_SEGMENT = 0x18538067
_EBML_CLUSTER = 0x1F43B675


def _webm_element(header: bytes) -> tuple[str, int] | None:
    """(kind, size) of an EBML element at the first level. The Segment's own header is an element without content."""
    id_size = 9 - header[0].bit_length()
    if len(header) <= id_size:
        return None
    size_size = 9 - header[id_size].bit_length()
    if len(header) < id_size + size_size:
        return None
    name = int.from_bytes(header[:id_size], "big")
    if name == _EBML_SEGMENT:
        return "other", len(header)
    content = int.from_bytes(header[id_size:], "big") & ((1 << 7 * size_size) - 1)
    return "fragment" if name == _EBML_CLUSTER else "other", len(header) + content


_HEADERS: dict[str, Callable[[bytes], tuple[str, int] | None]] = {"mp4": _mp4_element, "webm": _webm_element}


def check(file: BinaryIO, segments: Sequence[Segment]) -> PartDigest:
    """Reads a closed part once, from where `file` stands to its end, and holds it against the segments of its log."""
    order = _check_order(segments)
    whole, size = hashlib.sha256(), 0
    pending = iter(segments)
    segment = next(pending, None)
    running = hashlib.sha256()
    bad = list(order)
    for block in _blocks(file):
        whole.update(block)
        while segment is not None and segment.start < size + len(block):
            running.update(block[max(0, segment.start - size) : max(0, segment.end - size)])
            if segment.end > size + len(block):
                break
            if running.hexdigest() != segment.sha256 and segment.index not in {b.index for b in order}:
                bad.append(BadSegment(segment.index, "its bytes are not those that were recorded"))
            segment, running = next(pending, None), hashlib.sha256()
        size += len(block)
    while segment is not None:
        bad.append(BadSegment(segment.index, "the file ends before it does"))
        segment = next(pending, None)
    return PartDigest(whole.hexdigest(), size, sorted(bad, key=lambda item: item.index))


def _check_order(segments: Sequence[Segment]) -> list[BadSegment]:
    bad: list[BadSegment] = []
    end, to_ms = 0, 0
    for number, segment in enumerate(segments):
        if segment.index != number:
            bad.append(BadSegment(number, f"missing: the log goes on with {segment.index}"))
            break
        if segment.start >= segment.end or (number and segment.start != end):
            bad.append(BadSegment(number, "its range does not begin where the one before ends"))
        elif segment.from_ms != to_ms or segment.to_ms < segment.from_ms:
            bad.append(BadSegment(number, "its times do not begin where those before end"))
        end, to_ms = segment.end, segment.to_ms
    return bad


def _blocks(file: BinaryIO) -> Iterator[memoryview]:
    while block := file.read(BLOCK):
        yield memoryview(block)

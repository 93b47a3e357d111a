"""Pieces of a recording become nothing, so that players get over them and go on.

Everything in a piece becomes zeros. In MP4 two things are put back that say nothing of picture and sound: in a file
that is still in fragments the boxes between its media data, and for each picture a filler of its length (H.264 section
7.3.2.7), because a decoder gives up at a picture without any unit in it. Players of WebM look for the next cluster.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import BinaryIO

from server.evidence.segments import BLOCK

_FILLER, _STOP, _END_OF_SEQUENCE = b"\x0c", b"\x80", b"\x0a"
_LENGTH = struct.Struct(">I")
_MOST_INDEX = 256 << 20
_NESTED = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"mvex", b"moof", b"traf"})


@dataclass(frozen=True, slots=True)
class _Box:
    """`start` of its header, `content` after it, `end`; all offsets in the file."""

    kind: bytes
    start: int
    content: int
    end: int


def blank(path: Path, pieces: Sequence[tuple[int, int]]) -> None:
    """`pieces`: (first byte, byte after the last), of the file at `path`."""
    with path.open("r+b") as file:
        kept, pictures = _structure(file)
        for start, end in pieces:
            for first, last in _between(start, end, kept):
                _fill_with_zeros(file, first, last)
            for offset, size in pictures:
                if start <= offset and offset + size <= end:
                    file.seek(offset)
                    file.write(_filler(size))


def _structure(file: BinaryIO) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """(spans that stay, pictures as offset and size), both in the file's order; nothing of a file that is no MP4."""
    size = file.seek(0, 2)
    try:
        top = list(_boxes(file, 0, size))
        movie = next((box for box in top if box.kind == b"moov"), None)
        if movie is None:
            return [], []
        index = _Index(file, movie)
        fragments = [box for box in top if box.kind == b"moof"]
        if not fragments:
            return [], sorted(index.samples())
        data = {(box.content, box.end) for box in top if box.kind == b"mdat"}
        edges = sorted({0, size, *(edge for span in data for edge in span)})
        kept = [span for span in pairwise(edges) if span not in data]
        return kept, sorted(each for box in fragments for each in index.samples_of(file, box))
    except (struct.error, ValueError, LookupError):
        return [], []  # zeros throughout: it plays worse, and shows nothing either


class _Index:
    """Where the pictures of a file are, by its movie box and by its fragments."""

    def __init__(self, file: BinaryIO, movie: _Box) -> None:
        self._tracks: list[dict[bytes, bytes]] = []
        self._sizes: dict[int, int] = {}
        for box in _boxes(file, movie.content, movie.end):
            if box.kind == b"trak":
                found = dict(_leaves(file, box))
                if found[b"hdlr"][8:12] == b"vide" and found[b"stsd"][12:16] == b"avc1":
                    self._tracks.append(found)
            elif box.kind == b"mvex":
                for kind, data in _leaves(file, box):
                    if kind == b"trex":
                        track, _, _, size = struct.unpack_from(">4I", data, 4)
                        self._sizes[track] = size

    def samples(self) -> Iterator[tuple[int, int]]:
        """By the tables of a closed file: sizes, samples in each chunk, offsets of chunks."""
        for track in self._tracks:
            same, count = struct.unpack_from(">2I", track[b"stsz"], 4)
            sizes = iter([same] * count if same else struct.unpack_from(f">{count}I", track[b"stsz"], 12))
            chunks = _offsets(track)
            runs = [
                struct.unpack_from(">2I", track[b"stsc"], 8 + 12 * number)
                for number in range(_LENGTH.unpack_from(track[b"stsc"], 4)[0])
            ]
            for (first, each), (until, _) in pairwise([*runs, (len(chunks) + 1, 0)]):
                for chunk in chunks[first - 1 : until - 1]:
                    yield from _one_after_the_other(chunk, list(islice(sizes, each)))

    def samples_of(self, file: BinaryIO, fragment: _Box) -> Iterator[tuple[int, int]]:
        """By one fragment, whose offsets count from its beginning unless it says otherwise."""
        tracks = {
            _LENGTH.unpack_from(track[b"tkhd"], 20 if track[b"tkhd"][0] else 12)[0] for track in self._tracks
        }
        for box in _boxes(file, fragment.content, fragment.end):
            if box.kind != b"traf":
                continue
            leaves = list(_leaves(file, box))
            track, base, size = self._header(dict(leaves)[b"tfhd"], fragment.start)
            for run in (data for kind, data in leaves if kind == b"trun" and track in tracks):
                yield from _run(run, base, size)

    def _header(self, data: bytes, start: int) -> tuple[int, int, int]:
        """(track, where its offsets count from, size of samples that say none)."""
        flags, track = struct.unpack_from(">2I", data)
        at, base = 8, start
        if flags & 0x1:
            (base,), at = struct.unpack_from(">Q", data, at), at + 8
        at += 4 * bool(flags & 0x2) + 4 * bool(flags & 0x8)
        size = _LENGTH.unpack_from(data, at)[0] if flags & 0x10 else self._sizes.get(track, 0)
        return track, base, size


def _run(data: bytes, base: int, same: int) -> Iterator[tuple[int, int]]:
    flags, count = struct.unpack_from(">2I", data)
    at, offset = 8, base
    if flags & 0x1:
        offset, at = base + struct.unpack_from(">i", data, at)[0], at + 4
    at += 4 * bool(flags & 0x4)
    sizes = []
    for _ in range(count):
        at += 4 * bool(flags & 0x100)
        size = same
        if flags & 0x200:
            size, at = _LENGTH.unpack_from(data, at)[0], at + 4
        at += 4 * bool(flags & 0x400) + 4 * bool(flags & 0x800)
        sizes.append(size)
    yield from _one_after_the_other(offset, sizes)


def _one_after_the_other(offset: int, sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    for size in sizes:
        yield offset, size
        offset += size


def _offsets(track: dict[bytes, bytes]) -> Sequence[int]:
    data, letter = (track[b"co64"], "Q") if b"co64" in track else (track[b"stco"], "I")
    count = _LENGTH.unpack_from(data, 4)[0]
    return struct.unpack_from(f">{count}{letter}", data, 8)


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[_Box]:
    """ValueError where one does not fit into what holds it."""
    while start < end:
        file.seek(start)
        header = file.read(16)
        size, kind = struct.unpack_from(">I4s", header)
        content = start + 8
        if size == 1:
            (size,), content = struct.unpack_from(">Q", header, 8), start + 16
        size = size or end - start
        if not content - start <= size <= end - start:
            raise ValueError(f"a box at {start} does not fit")
        yield _Box(kind, start, content, start + size)
        start += size


def _leaves(file: BinaryIO, box: _Box) -> Iterator[tuple[bytes, bytes]]:
    """The boxes within that hold no others, with their contents."""
    for each in _boxes(file, box.content, box.end):
        if each.kind in _NESTED:
            yield from _leaves(file, each)
        elif each.end - each.content > _MOST_INDEX:
            raise ValueError("an index is too large")
        else:
            file.seek(each.content)
            yield each.kind, file.read(each.end - each.content)


def _between(start: int, end: int, kept: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """What of a piece lies outside of the spans that stay."""
    for first, last in kept:
        if first >= end:
            break
        if start < first:
            yield start, first
        start = max(start, last)
    if start < end:
        yield start, end


def _fill_with_zeros(file: BinaryIO, start: int, end: int) -> None:
    file.seek(start)
    while start < end:
        start += file.write(bytes(min(end - start, BLOCK)))


def _filler(size: int) -> bytes:
    """A picture of so many bytes with nothing in it; zeros where the units do not fit."""
    filler = size - 2 * _LENGTH.size - len(_END_OF_SEQUENCE)
    if filler < len(_FILLER) + len(_STOP):
        return bytes(size)
    padding = b"\xff" * (filler - len(_FILLER) - len(_STOP))
    return b"".join(
        (_LENGTH.pack(filler), _FILLER, padding, _STOP, _LENGTH.pack(len(_END_OF_SEQUENCE)), _END_OF_SEQUENCE)
    )

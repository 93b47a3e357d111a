"""A package to be verified, as a folder or as a zip, read without trusting a name or a number in it.

Nothing is ever written or unpacked.
"""

from __future__ import annotations

import stat
import unicodedata
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, BinaryIO, Protocol, cast

from server.evidence import bag
from server.evidence.errors import N_, EvidenceError

MAX_ENTRIES = 200_000
_MAX_RATIO = 50
_FREE_SIZE = 64 << 20
_UTF8 = 0x800
_ENCRYPTED = 0x1


class Unreadable(EvidenceError):
    code = "unreadable"
    text = N_("This is not a package that can be verified: {detail}")


class Source(Protocol):
    kind: str
    sizes: dict[str, int]
    "Path from the bag's top -> size in bytes."

    def open(self, path: str) -> BinaryIO:
        """Unreadable, KeyError."""

    def close(self) -> None: ...


def open_source(path: Path) -> Source:
    """Unreadable with the reason, for anything that is not a plain folder or a harmless zip with a bag in it."""
    try:
        if path.is_dir():
            return _Folder(path)
        if not path.is_file():  # to open a pipe would wait for ever
            raise Unreadable(detail="there is no such folder and no such file")
        return _Zip(path)
    except EvidenceError as error:
        raise Unreadable(detail=str(error)) if not isinstance(error, Unreadable) else error from error
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError, RuntimeError) as error:
        raise Unreadable(detail=str(error)) from error


def read(source: Source, path: str, limit: int) -> bytes:
    """A small file, whole. Unreadable if it is larger than `limit`."""
    if source.sizes[path] > limit:
        raise Unreadable(detail=f"{path} is larger than it can be")
    with source.open(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise Unreadable(detail=f"{path} is larger than it says")
    return data


class _Folder:
    kind = "folder"

    def __init__(self, path: Path) -> None:
        self._path = path
        self.sizes = {name: (path / name).lstat().st_size for name in bag.walk(path)}
        _require_distinct(self.sizes)
        if "bagit.txt" not in self.sizes:
            raise Unreadable(detail="there is no bagit.txt in it")

    def open(self, path: str) -> BinaryIO:
        if path not in self.sizes:
            raise KeyError(path)
        return (self._path / path).open("rb")

    def close(self) -> None:
        pass


class _Zip:
    kind = "zip"

    def __init__(self, path: Path) -> None:
        self._archive = zipfile.ZipFile(path)
        try:
            self._entries = self._check(path.stat().st_size)
        except BaseException:
            self._archive.close()
            raise
        self.sizes = {name: entry.file_size for name, entry in self._entries.items()}

    def _check(self, archive_size: int) -> dict[str, zipfile.ZipInfo]:
        infos = self._archive.infolist()
        if len(infos) > MAX_ENTRIES:
            raise Unreadable(detail=f"it has more than {MAX_ENTRIES} entries")
        if sum(info.file_size for info in infos) > archive_size * _MAX_RATIO + _FREE_SIZE:
            raise Unreadable(detail="it would unpack to far more than it is: a zip bomb")
        found: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            _require_harmless(info)
            if info.is_dir():
                continue
            if info.filename in found:
                raise Unreadable(detail=f"{info.filename} is in it twice")
            found[info.filename] = info
        _require_apart(infos, self._archive.start_dir)
        _require_distinct(found)
        top = _top(found)
        return {name[len(top) :]: info for name, info in found.items()}

    def open(self, path: str) -> BinaryIO:
        try:
            return cast(BinaryIO, _Guarded(self._archive.open(self._entries[path]), path))
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError) as error:
            raise Unreadable(detail=f"{path}: {error}") from error

    def close(self) -> None:
        self._archive.close()


class _Guarded:
    """A zip's entry whose own check of the contents fails as Unreadable."""

    def __init__(self, file: IO[bytes], path: str) -> None:
        self._file = file
        self._path = path

    def read(self, size: int = -1) -> bytes:
        try:
            return self._file.read(size)
        except (zipfile.BadZipFile, EOFError, OSError, ValueError, RuntimeError) as error:
            raise Unreadable(detail=f"{self._path}: {error}") from error
        except Exception as error:  # zlib's own error is not exported by zipfile
            raise Unreadable(detail=f"{self._path} cannot be unpacked: {error}") from error

    def __enter__(self) -> _Guarded:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _require_harmless(info: zipfile.ZipInfo) -> None:
    name = info.filename
    reason = bag.why_unsafe(name[:-1] if info.is_dir() else name)
    if reason is not None:
        raise Unreadable(detail=f"{name!r}: {reason}")
    if info.orig_filename != name:
        raise Unreadable(detail=f"{info.orig_filename!r} is not the name it pretends to be")
    if not name.isascii() and not info.flag_bits & _UTF8:
        raise Unreadable(detail=f"the name {name!r} is not marked as UTF-8")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise Unreadable(detail=f"{name} is a link or a device")
    if info.flag_bits & _ENCRYPTED:
        raise Unreadable(detail=f"{name} is encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Unreadable(detail=f"{name} is compressed in an unusual way")


def _require_apart(infos: list[zipfile.ZipInfo], end: int) -> None:
    """Entries that share bytes unpack to far more than the archive holds."""
    last = 0
    for info in sorted(infos, key=lambda item: item.header_offset):
        if info.header_offset < last:
            raise Unreadable(detail=f"{info.filename} overlaps another entry")
        last = info.header_offset + 30 + info.compress_size
    if last > end:
        raise Unreadable(detail="an entry reaches into the directory")


def _require_distinct(names: Iterable[str]) -> None:
    """Two names that some system takes for one would let one file stand in for the other."""
    seen: dict[str, str] = {}
    for name in names:
        folded = unicodedata.normalize("NFC", name).casefold()
        if folded in seen:
            raise Unreadable(detail=f"{name} and {seen[folded]} are the same name on some systems")
        seen[folded] = name


def _top(names: Iterable[str]) -> str:
    """The one folder that holds the bag, with its `/`; nothing if the bag is not in a folder."""
    tops = {name.split("/", 1)[0] for name in names}
    if "bagit.txt" in tops:
        return ""
    if len(tops) == 1:
        top = tops.pop() + "/"
        if f"{top}bagit.txt" in names:
            return top
    raise Unreadable(detail="there is no bagit.txt in it")

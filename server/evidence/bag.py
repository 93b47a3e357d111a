"""BagIt (RFC 8493): the files of an inspection's folder, their digests, and the manifests over them."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from server.evidence import durable
from server.evidence.errors import N_, EvidenceError

MANIFEST = "manifest-sha256.txt"
TAG_MANIFEST = "tagmanifest-sha256.txt"
DECLARATION = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
_WORKERS = 2


class UnsafeName(EvidenceError):
    code = "unsafe_name"
    text = N_("{name} is not a name that a package may hold: {detail}")


@dataclass(frozen=True, slots=True)
class FileDigest:
    """A file of a bag: path from the bag's top with `/`, SHA-256 in hex."""

    path: str
    size_bytes: int
    sha256: str


def why_unsafe(name: str) -> str | None:
    """Why a path must not be in a package; None if it may."""
    if not name or len(name) > 1000:
        return "empty or too long"
    if any(ord(c) < 0x20 or ord(c) == 0x7F or c in '\\:*?"<>|' for c in name):
        return "it holds a character that some system cannot have in a name"
    if any(piece in ("", ".", "..") for piece in name.split("/")):
        return "it leads out of the package or is absolute"
    try:
        name.encode()
    except UnicodeEncodeError:
        return "it is not UTF-8"
    return None


def walk(folder: Path) -> list[str]:
    """The paths of all files, sorted. UnsafeName for anything that is neither file nor folder: a link, a device."""
    return sorted(_walk(folder, ""))


def _walk(folder: Path, prefix: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            name = prefix + entry.name
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                yield from _walk(folder / entry.name, name + "/")
            elif not stat.S_ISREG(mode):
                raise UnsafeName(name=name, detail=N_("a link or a device"))
            elif (reason := why_unsafe(name)) is not None:
                raise UnsafeName(name=name, detail=reason)
            else:
                yield name


def digest(folder: Path, path: str) -> FileDigest:
    """Reads the file once."""
    with (folder / path).open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return FileDigest(path, file.tell(), sha256)


def inventory(folder: Path, paths: Sequence[str]) -> list[FileDigest]:
    """Digests of many files; hashing leaves the interpreter's lock, so more than one core is used."""
    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="digest") as pool:
        return list(pool.map(lambda path: digest(folder, path), paths))


def manifest(files: Sequence[FileDigest]) -> bytes:
    """As `sha256sum -c` reads it; paths with `%` or line ends do not occur (`why_unsafe`)."""
    return b"".join(f"{f.sha256}  {f.path}\n".encode() for f in sorted(files, key=lambda f: f.path))


def parse_manifest(data: bytes) -> dict[str, str]:
    """Path -> digest. ValueError names the first line that is not one, or a path that comes twice."""
    found: dict[str, str] = {}
    for number, line in enumerate(data.decode().split("\n")[:-1], start=1):
        sha256, gap, path = line.partition("  ")
        if not gap or len(sha256) != 64 or set(sha256) - set("0123456789abcdef"):
            raise ValueError(f"line {number} is not a digest and a path")
        if (reason := why_unsafe(path)) is not None:
            raise ValueError(f"line {number}: {reason}")
        if path in found:
            raise ValueError(f"line {number} names {path} again")
        found[path] = sha256
    if not data.endswith(b"\n"):
        raise ValueError("the last line is cut off")
    return found


def info(files: Sequence[FileDigest], *, identifier: str, organization: str, at: datetime) -> bytes:
    """`bag-info.txt`: whose it is, and how much (`Payload-Oxum`)."""
    fields: Mapping[str, str] = {
        "Source-Organization": " ".join(organization.split()),
        "External-Identifier": identifier,
        "Bagging-Date": at.date().isoformat(),
        "Payload-Oxum": f"{sum(f.size_bytes for f in files)}.{len(files)}",
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items()).encode()


def write_tag_manifest(folder: Path) -> None:
    """Lists everything beside the payload as it is now. Idempotent; the last act of every change to a package."""
    durable.sweep(folder)
    paths = [path for path in walk(folder) if not path.startswith("data/") and path != TAG_MANIFEST]
    content = manifest(inventory(folder, paths))
    target = folder / TAG_MANIFEST
    if not target.exists() or target.read_bytes() != content:
        durable.write(target, content)

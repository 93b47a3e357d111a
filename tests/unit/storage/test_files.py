"""Files are written whole or not at all, inside the data folder."""

import errno
import hashlib
import os
from pathlib import Path

import pytest

from server.errors import StorageFull
from server.storage.files import Files


@pytest.fixture
def files(tmp_path: Path) -> Files:
    made = Files(tmp_path / "data", reserve_bytes=0)
    made.prepare()
    return made


def test_what_is_written_is_there_with_its_digest(files: Files) -> None:
    stored = files.write("a/b/c.png", b"picture")
    assert files.absolute("a/b/c.png").read_bytes() == b"picture"
    assert (stored.size_bytes, stored.sha256) == (7, hashlib.sha256(b"picture").hexdigest())
    assert files.relative(files.absolute("a/b/c.png")) == "a/b/c.png"


@pytest.mark.parametrize("path", ["../outside", "a/../../outside", "/etc/passwd"])
def test_a_path_that_leaves_the_folder_is_refused(files: Files, path: str) -> None:
    with pytest.raises(ValueError, match="outside"):
        files.absolute(path)


def test_a_full_disk_is_said_and_leaves_nothing_behind(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFull):
        files.write("a/c.png", b"picture")
    assert list(files.absolute("a").iterdir()) == []


def test_another_failure_of_the_disk_is_not_called_a_full_one(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_descriptor: int) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="broken"):
        files.write("a/c.png", b"picture")
    assert list(files.absolute("a").iterdir()) == []


def test_below_the_reserve_there_is_no_room(tmp_path: Path) -> None:
    files = Files(tmp_path, reserve_bytes=2**62)
    with pytest.raises(StorageFull):
        files.require_room()
    Files(tmp_path, reserve_bytes=0).require_room()


def test_the_disk_is_called_low_before_it_is_called_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = Files(tmp_path, reserve_bytes=100)
    for free, room in ((250, "ample"), (200, "ample"), (199, "low"), (100, "low"), (99, "full")):
        monkeypatch.setattr(files, "free_bytes", lambda free=free: free)
        assert files.room_left() == room

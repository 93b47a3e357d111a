"""Packages that are made to harm: refused with a reason, without a traceback, without a byte written."""

import io
import os
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from server.evidence.verify import Report
from tests.evidence.inspection import Made
from tests.evidence.verifiers import ask_ours

Entries = list[tuple[zipfile.ZipInfo, bytes]]


def entries_of(made: Made) -> Entries:
    names = sorted(p for p in made.folder.rglob("*") if p.is_file())
    return [(info(f"a/{p.relative_to(made.folder).as_posix()}"), p.read_bytes()) for p in names]


def info(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name)
    made.external_attr = mode << 16
    return made


def zipped(entries: Entries, compression: int = zipfile.ZIP_STORED) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for entry, data in entries:
            entry.compress_type = compression
            archive.writestr(entry, data)
    return sink.getvalue()


def verdict(original: Made, path: Path, data: bytes) -> Report:
    path.write_bytes(data)
    before = sorted(path.parent.rglob("*"))
    report = ask_ours(path, original.office)
    assert sorted(path.parent.rglob("*")) == before
    return report


def refused(report: Report, reason: str) -> None:
    assert report.verdict == "unreadable"
    assert report.exit_code == 2
    assert report.unreadable is not None
    assert reason in report.unreadable.message(), report.unreadable.message()
    assert report.to_json()["error"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../outside", "leads out"),
        ("a/../../outside", "leads out"),
        ("/etc/cron.d/x", "leads out"),
        ("a/./x", "leads out"),
        ("a//x", "leads out"),
        ("a\\..\\x", "some system cannot have"),
        ("C:/x", "some system cannot have"),
        ("a/\x07", "some system cannot have"),
        ("a/" + "x" * 2000, "too long"),
    ],
)
def test_names_that_lead_out_of_the_package_are_refused(
    original: Made, tmp_path: Path, name: str, reason: str
) -> None:
    entries = [*entries_of(original), (info(name), b"x")]
    refused(verdict(original, tmp_path / "p.zip", zipped(entries)), reason)


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_in_a_zip_are_refused(original: Made, tmp_path: Path, mode: int) -> None:
    entries = [*entries_of(original), (info("a/data/x", mode | 0o777), b"/etc/passwd")]
    refused(verdict(original, tmp_path / "p.zip", zipped(entries)), "link or a device")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a/seal.json", "twice"),
        ("a/SEAL.JSON", "same name on some systems"),
        ("a/metadata/基本信息元数据.XML", "same name on some systems"),
    ],
)
def test_names_that_come_twice_are_refused(original: Made, tmp_path: Path, name: str, reason: str) -> None:
    entries = [*entries_of(original), (info(name), b"{}")]
    refused(verdict(original, tmp_path / "p.zip", zipped(entries)), reason)


def test_names_that_are_one_after_unicode_normalisation_are_refused(original: Made, tmp_path: Path) -> None:
    entries = [*entries_of(original), (info("a/data/\u00e9"), b""), (info("a/data/e\u0301"), b"")]
    refused(verdict(original, tmp_path / "p.zip", zipped(entries)), "same name")


def test_a_bomb_is_refused_without_unpacking_it(original: Made, tmp_path: Path) -> None:
    entries = [*entries_of(original), (info("a/data/zeros"), bytes(150 << 20))]
    refused(verdict(original, tmp_path / "p.zip", zipped(entries, zipfile.ZIP_DEFLATED)), "zip bomb")


def test_entries_that_share_bytes_are_refused(original: Made, tmp_path: Path) -> None:
    """The newer kind of bomb: many names for the same compressed bytes."""
    data = bytearray(zipped([(info("a/bagit.txt"), b"x" * 90), (info("a/second"), b"y" * 90)]))
    second = data.rindex(b"PK\x01\x02")
    struct.pack_into("<I", data, second + 42, 0)
    refused(verdict(original, tmp_path / "p.zip", bytes(data)), "verlap")


def test_a_size_that_lies_is_refused(original: Made, tmp_path: Path) -> None:
    data = bytearray(zipped(entries_of(original), zipfile.ZIP_DEFLATED))
    directory = data.index(b"PK\x01\x02")
    size = struct.unpack_from("<I", data, directory + 24)[0]
    struct.pack_into("<I", data, directory + 24, size - 9)
    report = verdict(original, tmp_path / "p.zip", bytes(data))
    assert report.exit_code != 0


@pytest.mark.parametrize("how", ["encrypted", "unusual", "not UTF-8"])
def test_entries_that_not_every_tool_can_read_are_refused(original: Made, tmp_path: Path, how: str) -> None:
    if how == "unusual":
        data = bytearray(zipped(entries_of(original), zipfile.ZIP_LZMA))
    else:
        data = bytearray(zipped(entries_of(original)))
        mark = "基本信息元数据" if how == "not UTF-8" else "bagit.txt"
        at = data.rindex(b"PK\x01\x02", 0, data.rindex(mark.encode()))
        flags = struct.unpack_from("<H", data, at + 8)[0]
        struct.pack_into("<H", data, at + 8, flags & ~0x800 if how == "not UTF-8" else flags | 1)
    reason = {"encrypted": "encrypted", "unusual": "unusual way", "not UTF-8": "not marked as UTF-8"}[how]
    refused(verdict(original, tmp_path / "p.zip", bytes(data)), reason)


def test_a_zip_damaged_anywhere_never_passes_with_other_content(original: Made, tmp_path: Path) -> None:
    data = zipped(entries_of(original))
    for position in range(0, len(data), len(data) // 40):
        changed = bytearray(data)
        changed[position] ^= 0x10
        report = verdict(original, tmp_path / "p.zip", bytes(changed))
        assert report.exit_code in (0, 1, 2)
        if report.exit_code == 0:  # it fell on a time or an attribute of the zip itself
            with zipfile.ZipFile(tmp_path / "p.zip") as archive:
                assert {n: archive.read(n) for n in archive.namelist()} == {
                    e.filename: content for e, content in entries_of(original)
                }


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_zip_is_refused(original: Made, tmp_path: Path, share: float) -> None:
    data = zipped(entries_of(original))
    refused(verdict(original, tmp_path / "p.zip", data[: int(len(data) * share)]), "")


OTHER: dict[str, bytes | None] = {
    "an empty folder": None,
    "a text": b"hello",
    "an empty file": b"",
    "an empty zip": zipped([]),
    "two packages": zipped([(info("a/bagit.txt"), b""), (info("b/x"), b"")]),
}


@pytest.mark.parametrize("what", OTHER)
def test_what_is_no_package_is_refused(original: Made, tmp_path: Path, what: str) -> None:
    path = tmp_path / "p"
    content = OTHER[what]
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    refused(ask_ours(path, original.office), "")
    refused(ask_ours(tmp_path / "nothing there", original.office), "")


@pytest.mark.parametrize("kind", ["link", "pipe", "linked folder"])
def test_a_folder_with_a_link_or_a_device_is_refused(package: Made, kind: str) -> None:
    path = package.folder / "data/x"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/etc/passwd" if kind == "link" else "/etc")
    refused(ask_ours(package.folder, package.office), "data/x")

"""A sealed package passes: both verifiers, the stock commands as the instructions have them, folder and zip."""

import io
import itertools
import os
import re
import subprocess
import tracemalloc
import zipfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from server.archive.four_properties import add_report
from server.evidence import bag, certificates, sealing, timestamps
from server.evidence import package as zipping
from server.evidence.verify import Trust, verify
from tests.evidence.authority import Authority, ask
from tests.evidence.inspection import Made
from tests.evidence.verifiers import (
    ask_both,
    ask_ours,
    json_of,
    problems_of,
    run_in_process,
    run_standalone,
    standalone,
)

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def commands(folder: Path, language: str) -> list[str]:
    """The indented lines of the instructions that are commands."""
    text = (folder / f"VERIFY.{language}.md").read_text()
    return [
        line.strip()
        for line in re.findall(r"^(?: {4}| {8})(\S.*)$", text, re.MULTILINE)
        # Those: tests/evidence/test_sm.py, test_redaction.py, tests/flows/test_record.py.
        if " " in line.strip() and not re.search(r"seal\.sm2\.sig|redaction\.p7s|^\s*yunkan", line)
    ]


def test_both_verifiers_pass_an_untouched_package(original: Made) -> None:
    found = ask_both(original.folder, original.office)
    assert (found.our_problems, found.their_problems) == ([], [])


def test_every_step_was_performed_and_only_the_authority_is_unpinned(original: Made) -> None:
    report = ask_ours(original.folder, original.office)
    assert {s.kind.code: s.result.value for s in report.steps} == {
        "files": "passed",
        "seal": "passed",
        "signature": "passed",
        "stamp": "warning",
        "log": "passed",
        "counts": "passed",
        "payload": "passed",
        "segments": "passed",
        "tree": "passed",
        "office_log": "passed",
        "clock": "passed",
        "receipts": "passed",
    }
    assert [s.kind.number for s in report.steps] == list(range(1, 13))
    assert report.exit_code == 0


def test_the_report_says_what_each_step_does_not_prove(original: Made) -> None:
    value = ask_ours(original.folder, original.office).to_json()
    assert value["verdict"] == "passed_with_warnings"
    assert value["inspection"] == original.seal.inspection
    assert all(step["checked"] and step["not_proved"] and step["title"] for step in value["steps"])


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_command_of_the_instructions_works_as_written(original: Made, language: str) -> None:
    wanted = {
        "sha256sum --quiet",
        "openssl cms",
        "openssl ts",
        "tail -n1",
        "openssl x509",
        "openssl ts -reply",
        "grep -c",
        "python3 verify.py",
        "sha256sum manifest",
    }
    done = set()
    for command in commands(original.folder, language):
        result = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=original.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, (command, result.stderr)
        if command.startswith("sha256sum --quiet"):
            assert result.stdout == ""
        if command.startswith("grep"):
            assert result.stdout == "1\n"
        if command.startswith("tail"):
            assert result.stdout.split()[0] == original.seal.head
        if command.startswith("sha256sum manifest"):
            assert result.stdout.split()[0] == original.seal.manifest
        if command.startswith("openssl x509"):
            fingerprint = certificates.fingerprint(original.office.root)
            assert result.stdout.strip().split("=")[1].replace(":", "").lower() == fingerprint
        done |= {word for word in wanted if command.startswith(word)}
    assert done == wanted
    assert ask_both(original.folder, original.office).ours  # python3 left nothing behind


def test_the_instructions_name_inspection_office_and_fingerprint(original: Made) -> None:
    for language in ("zh", "en"):
        text = (original.folder / f"VERIFY.{language}.md").read_text()
        assert "{{" not in text
        for told in (original.seal.inspection, original.office.office, original.seal.root_fingerprint):
            assert told in text


def test_the_enclosed_verifier_runs_in_a_bare_interpreter(original: Made) -> None:
    code, text = run_standalone(
        original.folder / "verify.py", "--fingerprint", original.seal.root_fingerprint, "--json"
    )
    assert code == 0
    assert json_of(text)["verdict"] == "passed"


def test_the_enclosed_verifier_reads_a_recording_once_whole_and_in_pieces(
    original: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: Counter[str] = Counter()

    class Counted(io.FileIO):
        def read(self, size: int | None = -1) -> bytes:
            data = super().read(size) or b""
            read[Path(str(self.name)).name] += len(data)
            return data

    monkeypatch.setattr(standalone(), "open", Counted, raising=False)
    check, stopped = run_in_process(original.folder, original.office)
    assert (check.problems, stopped) == ([], [])
    assert any(kind == "part.segment" for kind, _ in check.events)
    for path in (original.folder / "data/media").iterdir():
        assert read[path.name] == path.stat().st_size


def test_the_enclosed_verifier_says_what_it_does_not_prove(original: Made) -> None:
    code, text = run_standalone(original.folder / "verify.py")
    assert code == 0
    assert "Integrity is not truth" in text
    assert text.count("passed\n") == 12


def test_without_a_pinned_root_the_report_warns_and_names_the_fingerprint(original: Made) -> None:
    report = verify(original.folder, Trust(now=datetime.now(UTC)))
    warnings = [f.message() for s in report.steps for f in s.findings if f.code == "root_not_pinned"]
    assert len(warnings) == 1
    assert original.seal.root_fingerprint in warnings[0]


def test_a_root_is_pinned_by_its_fingerprint_too(original: Made) -> None:
    right = Trust(now=datetime.now(UTC), root_fingerprint=original.seal.root_fingerprint.upper())
    assert verify(original.folder, right).passed
    wrong = Trust(now=datetime.now(UTC), root_fingerprint="ab" * 32)
    assert "is not the root with the expected fingerprint" in problems_of(verify(original.folder, wrong))[0]


def test_the_zip_passes_and_holds_the_same_bytes(original: Made, tmp_path: Path) -> None:
    path = tmp_path / "package.zip"
    path.write_bytes(b"".join(zipping.stream(original.folder, "inspection-1", AT)))
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        for name in archive.namelist():
            top, _, rest = name.partition("/")
            assert top == "inspection-1"
            assert archive.read(name) == (original.folder / rest).read_bytes()
    report = ask_ours(path, original.office)
    assert (report.kind, problems_of(report)) == ("zip", [])


def test_a_zip_that_stock_tools_unpack_passes_the_enclosed_verifier(original: Made, tmp_path: Path) -> None:
    path = tmp_path / "package.zip"
    path.write_bytes(b"".join(zipping.stream(original.folder, "勘验-1", AT)))
    subprocess.run(["python3", "-m", "zipfile", "-e", str(path), str(tmp_path / "out")], check=True)
    code, text = run_standalone(tmp_path / "out/勘验-1/verify.py")
    assert code == 0, text


def test_the_same_folder_gives_the_same_zip(original: Made) -> None:
    first = b"".join(zipping.stream(original.folder, "a", AT))
    assert first == b"".join(zipping.stream(original.folder, "a", AT))


def test_what_is_added_while_it_is_sent_is_in_the_next_zip(
    package: Made, authority: Authority, tmp_path: Path
) -> None:
    def kept(pieces: Iterator[bytes], name: str) -> set[str]:
        (tmp_path / name).write_bytes(b"".join(pieces))
        assert problems_of(ask_ours(tmp_path / name, package.office)) == []
        with zipfile.ZipFile(tmp_path / name) as archive:
            archive.extractall(tmp_path / f"{name}.d")
            assert run_standalone(tmp_path / f"{name}.d/a/verify.py")[0] == 0
            return {path.removeprefix("a/") for path in archive.namelist()}

    pieces = zipping.stream(package.folder, "a", AT)
    first = next(pieces)
    add_report(package.folder, package.office, datetime.now(UTC), "en")
    asked = timestamps.request((package.folder / "seal.p7s").read_bytes())
    reply = ask(authority, asked.body)
    sealing.add_stamp(package.folder, 2, reply, asked, authority.root, datetime.now(UTC))
    report = (sealing.FOUR_PROPERTIES, sealing.FOUR_PROPERTIES_TEXT, sealing.FOUR_PROPERTIES_SIGNATURE)
    added = {*report, *sealing.stamp_names(2)}
    before = kept(itertools.chain([first], pieces), "before.zip")
    after = kept(zipping.stream(package.folder, "a", AT), "after.zip")
    assert after - before == added


def test_a_file_that_no_manifest_names_yet_is_not_sent(package: Made) -> None:
    (package.folder / sealing.FOUR_PROPERTIES).write_bytes(b"half a rep")
    (package.folder / "proofs/.office-log.json.0a1b2c3d").write_bytes(b"{")
    held = zipping.hold(package.folder)
    assert sealing.FOUR_PROPERTIES not in held.tags
    assert not [path for path in held.tags if "/." in path]


def test_a_change_is_waited_for_until_the_manifest_names_it(
    package: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zipping, "ATTEMPTS", 2)
    (package.folder / sealing.KEY_LOG).write_bytes(b"another history")
    with monkeypatch.context() as waiting, pytest.raises(zipping.BeingChanged, match=sealing.KEY_LOG):
        waiting.setattr(zipping.time, "sleep", lambda _s: None)  # type: ignore[attr-defined]
        zipping.stream(package.folder, "a", AT)
    monkeypatch.setattr(zipping.time, "sleep", lambda _s: bag.write_tag_manifest(package.folder))  # type: ignore[attr-defined]
    assert zipping.hold(package.folder).tags[sealing.KEY_LOG] == b"another history"


def test_a_package_whose_content_is_being_destroyed_is_not_sent_by_halves(
    package: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zipping, "PAUSE_S", 0)
    next(path for path in sorted(package.folder.glob("data/media/*"))).unlink()
    with pytest.raises(zipping.BeingChanged, match="data/media"):
        zipping.stream(package.folder, "a", AT)


def test_a_file_of_more_than_two_gibibytes_is_in_the_zip_whole(tmp_path: Path) -> None:
    """Written with the long form of its sizes; the file is a hole, and so is the zip."""
    bagged, size = tmp_path / "in", (1 << 31) + 5
    (bagged / "data").mkdir(parents=True)
    with (bagged / "data/large").open("wb") as file:
        file.truncate(size)
    (bagged / "data/small").write_bytes(b"behind it")
    files = [bag.FileDigest("data/large", size, "0" * 64), bag.digest(bagged, "data/small")]
    (bagged / bag.MANIFEST).write_bytes(bag.manifest(files))
    bag.write_tag_manifest(bagged)
    path, zeros = tmp_path / "package.zip", bytes(zipping.BLOCK)
    with path.open("wb") as file:
        for piece in zipping.stream(bagged, "a", AT):
            if piece == zeros:
                file.seek(len(piece), os.SEEK_CUR)
            else:
                file.write(piece)
    with zipfile.ZipFile(path) as archive:
        assert archive.getinfo("a/data/large").file_size == size
        assert archive.read("a/data/small") == b"behind it"
        with archive.open("a/data/large") as content:
            assert content.read(zipping.BLOCK) == zeros


def test_zipping_takes_constant_memory(tmp_path: Path) -> None:
    size = 96 << 20
    (tmp_path / "data").mkdir()
    with (tmp_path / "data/large").open("wb") as file:
        file.truncate(size)
    (tmp_path / bag.MANIFEST).write_bytes(bag.manifest([bag.FileDigest("data/large", size, "0" * 64)]))
    bag.write_tag_manifest(tmp_path)
    tracemalloc.start()
    try:
        total = sum(len(piece) for piece in zipping.stream(tmp_path, "a", AT))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert total > size
    assert peak < 12 << 20

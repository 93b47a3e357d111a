"""`yunkan verify` and `yunkan keys`, as somebody types them."""

import json
import shutil
from pathlib import Path

import pytest

from server.evidence import certificates, keys, package
from tests.command import yunkan
from tests.evidence.conftest import authority, office, original, parts
from tests.evidence.inspection import Made
from tests.evidence.signing_command import make_command

__all__ = ["authority", "office", "original", "parts"]


@pytest.fixture(autouse=True)
def settings_of_a_stranger(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("YUNKAN_DATA", str(tmp_path / "home"))
    monkeypatch.setenv("YUNKAN_LANGUAGE", "en")


def test_a_whole_package_passes_as_folder_and_as_zip(
    original: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "root.pem"
    root.write_bytes(certificates.to_pem([original.office.root]))
    zipped = tmp_path / "package.zip"
    with zipped.open("wb") as file:
        for piece in package.stream(original.folder, "package", original.log.began):
            file.write(piece)
    for path in (original.folder, zipped):
        assert yunkan("verify", str(path), "--root", str(root)) == 0
        told = capsys.readouterr().out
        assert " 1. Files: passed" in told
        assert "Not proved: " in told
        assert "The package is whole and unchanged" in told


def test_a_changed_package_is_told_and_named(
    original: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(original.folder, changed)
    log = changed / "data/events.jsonl"
    log.write_bytes(log.read_bytes() + b"{}\n")
    assert (
        yunkan("verify", str(changed), "--fingerprint", certificates.fingerprint(original.office.root)) == 1
    )
    told = capsys.readouterr().out
    assert "FAILED" in told
    assert "data/events.jsonl" in told


def test_the_report_as_json_says_the_same(original: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert yunkan("verify", "--json", str(original.folder)) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["inspection"] == original.log.inspection
    assert told["verdict"].startswith("passed")
    assert all(step["not_proved"] for step in told["steps"])


def test_the_report_speaks_chinese(original: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert yunkan("verify", "--language", "zh-CN", str(original.folder)) == 0
    assert "时间戳" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["nothing-there"], [".", "--root", "none.pem"], [".", "--fingerprint", "ab"]]
)
def test_what_cannot_be_checked_is_not_a_failed_check(arguments: list[str], tmp_path: Path) -> None:
    assert yunkan("verify", *[str(tmp_path) if word == "." else word for word in arguments]) == 2


def test_a_file_that_is_no_receipt_is_told(
    original: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "receipt.json").write_text("[]")
    assert yunkan("verify", str(original.folder), "--receipt", str(tmp_path / "receipt.json")) in (0, 2)
    (tmp_path / "receipt.json").write_text("{")
    assert yunkan("verify", str(original.folder), "--receipt", str(tmp_path / "receipt.json")) == 2
    assert "The receipts cannot be checked" in capsys.readouterr().out


def test_keys_are_made_shown_and_rotated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert yunkan("keys", "show") == 1
    assert "There are no keys" in capsys.readouterr().err
    assert yunkan("keys", "init", "--office", "河口新区") == 0
    folder = tmp_path / "home/keys"
    first = keys.show(folder)
    assert first.office == "河口新区"
    assert first.root_fingerprint in capsys.readouterr().out
    assert yunkan("keys", "init") == 1
    assert "already" in capsys.readouterr().err
    assert yunkan("keys", "rotate", "seal") == yunkan("keys", "rotate", "head") == 0
    rotated = keys.show(folder)
    assert rotated.root_fingerprint == first.root_fingerprint
    assert rotated.seal_fingerprint != first.seal_fingerprint
    assert len(rotated.statements) == 4


def test_a_key_may_be_with_a_command_which_is_tried_and_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (make_command(tmp_path, name) for name in ("first", "second"))
    monkeypatch.setenv("YUNKAN_SIGNER", first)
    assert yunkan("keys", "init", "--office", "河口新区") == 0
    assert f"The key for seals is: {first}" in capsys.readouterr().out
    assert yunkan("keys", "rotate", "seal") == 1
    assert "in use" in capsys.readouterr().err
    assert yunkan("keys", "rotate", "seal", "--signer", second) == 0
    make_command(tmp_path, "second", "exit 5")
    assert yunkan("keys", "show") == 1
    told = capsys.readouterr()
    assert f"The key for seals is: {second}" in told.out
    assert "exit code 5" in told.err
    assert yunkan("keys", "init", "--certificate", first) == 2


def test_a_key_that_others_can_read_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    yunkan("keys", "init")
    (tmp_path / "home/keys/office.key").chmod(0o644)
    assert yunkan("keys", "show") == 1
    assert "0600" in capsys.readouterr().err

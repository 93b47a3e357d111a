"""A phone's file is read by a process of its own."""

from pathlib import Path

import pytest

from server.media import NotARecording, copy_seekable, phone_copy


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import os; os.abort()", "ended with -6"),
        ("raise SystemExit('no')", "ended with 1"),
        ("import time; time.sleep(60)", "not read within"),
    ],
    ids=["crash", "error", "endless"],
)
def test_a_file_that_breaks_its_reader_breaks_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, words: str
) -> None:
    script = tmp_path / "reader.py"
    script.write_text(program)
    monkeypatch.setattr(phone_copy, "__file__", str(script))
    monkeypatch.setattr("server.media.phone_file.PATIENCE_S", 1)
    with pytest.raises(NotARecording, match=words):
        copy_seekable(script, "video/webm", tmp_path / "target.webm")
    assert [path.name for path in tmp_path.iterdir()] == ["reader.py"]


def test_the_reader_may_not_take_all_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "reader.py"
    text = Path(phone_copy.__file__).read_text("utf-8")
    script.write_text(
        text.replace("answer = copy(", "bytes(phone_copy_limit)\n        answer = copy(").replace(
            "def main(", "phone_copy_limit = MEMORY_BYTES + 1\n\n\ndef main("
        )
    )
    monkeypatch.setattr(phone_copy, "__file__", str(script))
    with pytest.raises(NotARecording, match="ended with 1"):
        copy_seekable(script, "video/webm", tmp_path / "target.webm")

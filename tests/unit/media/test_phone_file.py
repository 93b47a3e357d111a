"""A phone's file is read by a process of its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from server.media import NotARecording, NotReadNow, ReaderFailed, copy_seekable, phone_copy


@pytest.mark.parametrize(
    ("program", "error", "words"),
    [
        ("import os; os.abort()", ReaderFailed, "ended with -6"),
        ("raise SystemExit('no')", ReaderFailed, "ended with 1"),
        ("import time; time.sleep(60)", NotReadNow, "not read within"),
        ("import os; os.kill(os.getpid(), 9)", NotReadNow, "ended by signal 9"),
        ("import os; os.kill(os.getpid(), 15)", NotReadNow, "ended by signal 15"),
        ('print(\'{"trouble": "no room"}\')', NotReadNow, "no room"),
        ('print(\'{"failed": "perhaps"}\')', ReaderFailed, "perhaps"),
        ('print(\'{"refused": "codec h261"}\')', NotARecording, "codec h261"),
    ],
    ids=["crash", "error", "too slow", "killed", "stopped", "trouble", "failed", "refused"],
)
def test_a_file_that_breaks_its_reader_breaks_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, error: type[Exception], words: str
) -> None:
    script = tmp_path / "reader.py"
    script.write_text(program)
    monkeypatch.setattr(phone_copy, "__file__", str(script))
    if words == "not read within":
        monkeypatch.setattr("server.media.phone_file.PATIENCE_S", 1)
    with pytest.raises(error, match=words):
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
    with pytest.raises(ReaderFailed, match="MemoryError"):
        copy_seekable(script, "video/webm", tmp_path / "target.webm")


def test_a_file_that_keeps_its_reader_busy_for_ever_has_broken_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "reader.py"
    text = Path(phone_copy.__file__).read_text("utf-8")
    busy = text.replace("CPU_S = 60", "CPU_S = 1").replace(
        "answer = copy(", "while True: pass\n        answer = copy("
    )
    script.write_text(busy)
    monkeypatch.setattr(phone_copy, "__file__", str(script))
    with pytest.raises(ReaderFailed, match="ended with -24"):
        copy_seekable(script, "video/webm", tmp_path / "target.webm")


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "recording.webm"
    with av.open(str(path), "w", options={"live": "1"}) as container:
        stream: Any = container.add_stream("libvpx", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(5):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def read_by_the_program(source: Path, target: str) -> dict[str, Any]:
    command = [sys.executable, "-I", phone_copy.__file__, str(source), "video/webm", target]
    answer: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return answer


def test_a_full_disk_says_nothing_of_the_file(recording: Path) -> None:
    assert list(read_by_the_program(recording, "/dev/full")) == ["trouble"]


def test_what_is_no_recording_is_refused(recording: Path, tmp_path: Path) -> None:
    target = str(tmp_path / "target.webm")
    assert read_by_the_program(recording, target)["video"] == [64, 64]
    recording.write_bytes(recording.read_bytes()[:12] + bytes(range(256)) * 20)
    assert list(read_by_the_program(recording, target)) == ["refused"]

"""The camera file holds running numbers and appears only when it is whole."""

from pathlib import Path

import cv2
import numpy as np

from tests.peers import build_camera, counter


def jpegs(data: bytes) -> list[bytes]:
    return [b"\xff\xd8\xff" + part for part in data.split(b"\xff\xd8\xff")[1:]]


def test_the_file_holds_one_numbered_jpeg_after_another(tmp_path: Path) -> None:
    path = build_camera.build(tmp_path / "camera.mjpeg", frames=5, first=40)
    pictures = [cv2.imdecode(np.frombuffer(j, np.uint8), cv2.IMREAD_COLOR) for j in jpegs(path.read_bytes())]
    assert [counter.read(p) for p in pictures if p is not None] == [40, 41, 42, 43, 44]


def test_a_file_that_is_there_is_not_built_again(tmp_path: Path) -> None:
    path = tmp_path / "camera.mjpeg"
    path.write_bytes(b"mine")
    assert build_camera.build(path).read_bytes() == b"mine"


def test_no_unfinished_file_is_left_behind(tmp_path: Path) -> None:
    build_camera.build(tmp_path / "camera.mjpeg", frames=1)
    assert [p.name for p in tmp_path.iterdir()] == ["camera.mjpeg"]

"""Keys that change beside a running service: from several sides at once, and cut short at every act on the disk."""

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from server.evidence import certificates, durable, keys
from server.evidence.keylog import check_log
from server.evidence.signatures import public_bytes, public_of

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
OFFICE = "河口新区行政审批服务局"


def require_whole(folder: Path) -> keys.OfficeKeys:
    """The keys are those of the history, under the root that lies there, and nothing is left over."""
    office = keys.load(folder)
    office.require_usable(NOW)
    assert public_bytes(office.seal_key.public_key()) == public_bytes(public_of(office.certificate))
    assert list(folder.glob("*.next")) == []
    return office


def make_certificate() -> dict[str, bytes]:
    """A certificate of an authority, as it is imported."""
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = certificates.make_root("Provincial CA", root_key, NOW)
    certificate = certificates.issue(OFFICE, key.public_key(), root, root_key, NOW)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "certificate": certificates.to_pem([certificate]),
        "key": pem,
        "root": certificates.to_pem([root]),
    }


GIVEN = make_certificate()
CHANGES: dict[str, Callable[[Path], Any]] = {
    "seal": lambda folder: keys.rotate(folder, "seal", NOW),
    "head": lambda folder: keys.rotate(folder, "head", NOW),
    "import": lambda folder: keys.import_certificate(folder, OFFICE, NOW, **GIVEN),
}


class Killed(Exception):
    pass


class Fault:
    """Files come by a rename and go by an unlink: the process ends before or after one of these."""

    def __init__(self, patch: pytest.MonkeyPatch, at: int, *, after: bool) -> None:
        self._left = at
        self._after = after
        for name in ("replace", "unlink"):
            patch.setattr(Path, name, self._wrapped(getattr(Path, name)))

    def _wrapped(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*given: Any, **named: Any) -> Any:
            self._left -= 1
            if self._left == 0 and not self._after:
                raise Killed
            result = act(*given, **named)
            if self._left == 0:
                raise Killed
            return result

        return wrapper


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_is_cut_short_anywhere_is_made_or_forgotten_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str, after: bool
) -> None:
    before = keys.init(tmp_path / "keys", OFFICE, NOW)
    outcomes = set()
    for at in range(1, 50):
        folder = tmp_path / f"cut {at}"
        shutil.copytree(tmp_path / "keys", folder)
        with monkeypatch.context() as patch:
            Fault(patch, at, after=after)
            try:
                CHANGES[change](folder)
                break
            except Killed:
                pass
        office = require_whole(folder)
        made = office.log != before.log
        outcomes.add(made)
        assert len(check_log(office.log)) == (3 if made else 2)
        if not made:
            assert office.certificate == before.certificate
            assert office.root == before.root
        CHANGES[change](folder)
        require_whole(folder)
    else:
        pytest.fail("it never came to its end")
    assert outcomes == {False, True}


def test_a_look_at_the_keys_does_not_take_a_new_one_for_a_forgotten_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys.init(tmp_path, OFFICE, NOW)
    write, readers = durable.write, []

    def writing(path: Path, data: bytes, **mode: int) -> None:
        if path.name == keys.LOG:
            reader = threading.Thread(target=keys.load, args=[tmp_path])
            reader.start()
            reader.join(0.3)  # it waits for the end of the change, or has done its worst by then
            readers.append(reader)
        write(path, data, **mode)

    with monkeypatch.context() as patch:
        patch.setattr(durable, "write", writing)
        keys.rotate(tmp_path, "seal", NOW)
    for reader in readers:
        reader.join()
    assert len(check_log(require_whole(tmp_path).log)) == 3


def rotate_twice(folder: Path) -> None:
    for purpose in ("head", "seal"):
        keys.rotate(folder, purpose, NOW)  # type: ignore[arg-type]
        keys.load(folder)


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_changes_at_once_lose_no_line_of_the_history(tmp_path: Path, kind: str) -> None:
    keys.init(tmp_path, OFFICE, NOW)
    pool = ThreadPoolExecutor(4) if kind == "threads" else ProcessPoolExecutor(3, get_context("spawn"))
    with pool:
        asked = [pool.submit(rotate_twice, tmp_path) for _ in range(6)]
        for each in asked:
            each.result()
    assert len(check_log(require_whole(tmp_path).log)) == 2 + 6 * 2


def test_the_key_of_a_root_that_was_replaced_issues_nothing(tmp_path: Path) -> None:
    keys.init(tmp_path, OFFICE, NOW)
    CHANGES["import"](tmp_path)
    assert (tmp_path / "root.key").exists()
    with pytest.raises(keys.RootKeyAway):
        keys.rotate(tmp_path, "seal", NOW)
    require_whole(tmp_path)

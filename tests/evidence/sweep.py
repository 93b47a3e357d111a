"""Both verifiers, whole, over a thousand changes of one package: what makes that cheap without leaving anything out.

The stand-alone verifier asks `openssl` some thirty times about a package. Its answer is determined by the words and the
bytes of the files it is asked about, so within a sweep each question is asked once. Everything else runs every time.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from server.evidence import sm
from tests.evidence.inspection import Made
from tests.evidence.verifiers import Verdicts, ask_both, standalone

_OUTPUTS = ("-signer", "-out")
Answer = tuple[subprocess.CompletedProcess[bytes], bytes | None]
Question = tuple[str, ...]


class Sweep:
    """A copy of a package that is changed, looked at by both, and put back."""

    def __init__(self, made: Made, folder: Path) -> None:
        shutil.copytree(made.folder, folder)
        self.folder = folder
        self._office = made.office
        self._bytes = {path: path.read_bytes() for path in self._files()}
        self._stats = {path: self._stat(path) for path in self._bytes}

    def ask(self, tamper: Callable[[Path], None]) -> Verdicts | None:
        """None if after all nothing was changed."""
        tamper(self.folder)
        try:
            if {path: path.read_bytes() for path in self._files()} == self._bytes:
                return None
            with asking_once():
                return ask_both(self.folder, self._office)
        finally:
            self._restore()

    def ask_untouched(self) -> Verdicts:
        with asking_once():
            return ask_both(self.folder, self._office)

    def size(self, name: str) -> int:
        return len(self._bytes[self.folder / name])

    def _files(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file()]

    @staticmethod
    def _stat(path: Path) -> tuple[int, int, int]:
        found = path.stat()
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _restore(self) -> None:
        for path in self._files():
            if path not in self._bytes:
                path.unlink()
        for path, data in self._bytes.items():
            if not path.exists() or self._stat(path) != self._stats[path]:
                path.unlink(missing_ok=True)
                path.write_bytes(data)
                self._stats[path] = self._stat(path)


_answers: dict[Question, Answer] = {}
_held: dict[tuple[bytes | str, ...], bool] = {}
_sm2: dict[tuple[bytes, ...], str | None] = {}


@contextmanager
def asking_once() -> Iterator[None]:
    """Nothing is asked of `openssl` whose answer is known from before."""
    module = standalone()
    real, holds, why_not = module.openssl, module.signature_holds, sm.why_not

    def openssl(words: str, *more: str) -> subprocess.CompletedProcess[bytes]:
        question, output = _question(words, more)
        if question not in _answers:
            result = real(words, *more)
            _answers[question] = (result, _content(output))
        result, written = _answers[question]
        if output is not None and written is not None:
            Path(output).write_bytes(written)
        return result

    def signature_holds(*given: bytes | str) -> bool:
        if given not in _held:
            _held[given] = holds(*given)
        return _held[given]

    def sm2_why_not(*given: bytes) -> str | None:
        if given not in _sm2:
            _sm2[given] = why_not(*given)
        return _sm2[given]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "openssl", openssl)
        patched.setattr(module, "signature_holds", signature_holds)
        patched.setattr(sm, "why_not", sm2_why_not)
        yield


def _question(words: str, more: tuple[str, ...]) -> tuple[Question, str | None]:
    """What determines the answer, and the file that is written beside it."""
    told, output = [words], None
    for before, word in zip(("", *more), more, strict=False):
        if before in _OUTPUTS:
            told.append("output")
            output = output if word == os.devnull else word
        elif word.startswith("/"):
            content = _content(word)
            told.append("missing" if content is None else hashlib.sha256(content).hexdigest())
        else:
            told.append(word)
    return tuple(told), output


def _content(path: str | None) -> bytes | None:
    return Path(path).read_bytes() if path is not None and Path(path).is_file() else None

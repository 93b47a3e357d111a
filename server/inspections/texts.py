"""The two texts an enterprise agrees to, apart: the notice of procedure and rights, and the recording.

Content is kept as TOML files in `texts/`, each named `<kind>.<version>.toml`. What was agreed to is named by kind,
version, and the digest of the very words that were shown.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

FOLDER = Path(__file__).parent / "texts"

TextKind = Literal["notice", "recording"]
KINDS: tuple[TextKind, ...] = ("notice", "recording")


@dataclass(frozen=True, slots=True)
class ConsentText:
    """One text in one language.

    `sha256` is over the UTF-8 of title and paragraphs, separated by empty lines, without a newline at the end.
    """

    kind: TextKind
    version: str
    language: str
    title: str
    body: tuple[str, ...]
    sha256: str

    def as_json(self) -> dict[str, Any]:
        """As the protocol's `consent_required` gives it."""
        return {
            "kind": self.kind,
            "version": self.version,
            "sha256": self.sha256,
            "title": self.title,
            "body": list(self.body),
        }


def current_texts(language: str) -> tuple[ConsentText, ConsentText]:
    """The newest notice and the newest recording text, in the language of the page (`zh-CN` or `en`)."""
    return _current("notice", language), _current("recording", language)


def find_text(kind: TextKind, version: str, language: str) -> ConsentText | None:
    """A version that may be older than the current one, for showing what was agreed to."""
    return _all_texts().get((kind, version, _short(language)))


def _current(kind: TextKind, language: str) -> ConsentText:
    versions = [
        text
        for (its_kind, _, its_language), text in _all_texts().items()
        if its_kind == kind and its_language == _short(language)
    ]
    return max(versions, key=lambda text: int(text.version))


@cache
def _all_texts() -> dict[tuple[str, str, str], ConsentText]:
    texts: dict[tuple[str, str, str], ConsentText] = {}
    for path in sorted(FOLDER.glob("*.toml")):
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        for short, language in (("zh", "zh-CN"), ("en", "en")):
            title, body = content[short]["title"], tuple(content[short]["body"])
            digest = hashlib.sha256("\n\n".join((title, *body)).encode()).hexdigest()
            texts[content["kind"], content["version"], short] = ConsentText(
                content["kind"], content["version"], language, title, body, digest
            )
    return texts


def _short(language: str) -> str:
    return "en" if language.startswith("en") else "zh"

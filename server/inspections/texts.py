"""The two texts that people agree to, apart: the notice of procedure and rights, and the recording.

Content is kept as TOML files in `texts/`, each named `<kind>.<version>.toml`. Enterprises and guests (second reviewers,
experts, observers) have different rights, so a version has wording for both. What was agreed to is named by
audience, kind, version, language, and the digest of the very words that were shown.
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
Audience = Literal["enterprise", "guest"]


@dataclass(frozen=True, slots=True)
class ConsentText:
    """One text in one language.

    `sha256` is over the UTF-8 of title and paragraphs, separated by empty lines, without a newline at the end.
    """

    kind: TextKind
    version: str
    audience: Audience
    language: str
    title: str
    body: tuple[str, ...]
    sha256: str

    def as_json(self) -> dict[str, Any]:
        """As the protocol's `consent_required` gives it."""
        return {
            "kind": self.kind,
            "version": self.version,
            "language": self.language,
            "sha256": self.sha256,
            "title": self.title,
            "body": list(self.body),
        }


def audience_of(role: str) -> Audience:
    """Whom the texts for an invitation's role speak to."""
    return "enterprise" if role == "enterprise" else "guest"


def current_texts(language: str, audience: Audience = "enterprise") -> tuple[ConsentText, ConsentText]:
    """The newest notice and the newest recording text, in the language of the page (`zh-CN` or `en`)."""
    return _current("notice", language, audience), _current("recording", language, audience)


def find_text(
    kind: TextKind, version: str, language: str, audience: Audience = "enterprise"
) -> ConsentText | None:
    """A version that may be older than the current one, for showing what was agreed to."""
    return _all_texts().get((audience, kind, version, _short(language)))


def _current(kind: TextKind, language: str, audience: Audience) -> ConsentText:
    wanted = (audience, kind, _short(language))
    versions = [
        text
        for (its_audience, its_kind, _, its_language), text in _all_texts().items()
        if (its_audience, its_kind, its_language) == wanted
    ]
    return max(versions, key=lambda text: int(text.version))


@cache
def _all_texts() -> dict[tuple[Audience, TextKind, str, str], ConsentText]:
    texts: dict[tuple[Audience, TextKind, str, str], ConsentText] = {}
    for path in sorted(FOLDER.glob("*.toml")):
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        wordings: dict[Audience, dict[str, Any]] = {"enterprise": content, "guest": content.get("guest", {})}
        for audience, wording in wordings.items():
            for short, language in (("zh", "zh-CN"), ("en", "en")):
                if short not in wording:
                    continue
                title, body = wording[short]["title"], tuple(wording[short]["body"])
                digest = hashlib.sha256("\n\n".join((title, *body)).encode()).hexdigest()
                kind, version = content["kind"], content["version"]
                texts[audience, kind, version, short] = ConsentText(
                    kind, version, audience, language, title, body, digest
                )
    return texts


def _short(language: str) -> str:
    return "en" if language.startswith("en") else "zh"

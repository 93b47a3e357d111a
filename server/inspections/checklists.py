"""Checklist templates: content, kept as TOML files beside this module, each named `<key>.<version>.toml`.

A template never changes once it was used: a change is a new file with the next version, and the old one stays,
because inspections name key, version and digest.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import rfc8785

from server.cases.rules import MATTERS
from server.errors import N_, NotFound

FOLDER = Path(__file__).parent / "checklists"


class TemplateNotFound(NotFound):
    code = "template_not_found"
    text = N_("There is no such checklist.")


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to look at. `critical` items decide alone: failing one fails the inspection."""

    key: str
    text: dict[str, str]
    hint: dict[str, str]
    critical: bool


@dataclass(frozen=True, slots=True)
class Group:
    key: str
    title: dict[str, str]
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """One version of a checklist. Texts are by language; `sha256` is over the file's content as RFC 8785 JSON."""

    key: str
    version: str
    title: dict[str, str]
    basis: dict[str, str]
    groups: tuple[Group, ...]
    sha256: str

    @property
    def items(self) -> tuple[Item, ...]:
        return tuple(item for group in self.groups for item in group.items)

    def find_item(self, key: str) -> Item | None:
        return next((item for item in self.items if item.key == key), None)

    def localised(self, language: str) -> dict[str, Any]:
        """The template in one language, as pages and clients get it."""
        return {
            "key": self.key,
            "version": self.version,
            "sha256": self.sha256,
            "title": in_language(self.title, language),
            "basis": in_language(self.basis, language),
            "groups": [
                {
                    "key": group.key,
                    "title": in_language(group.title, language),
                    "items": [
                        {
                            "key": item.key,
                            "title": in_language(item.text, language),
                            "hint": in_language(item.hint, language),
                            "critical": item.critical,
                        }
                        for item in group.items
                    ],
                }
                for group in self.groups
            ],
        }


def in_language(texts: dict[str, str], language: str) -> str:
    """`texts` are keyed `zh` and `en`; pages speak `zh-CN` and `en`."""
    return texts["en" if language.startswith("en") else "zh"]


def parse_template(raw: bytes) -> Template:
    """A template from its file. ValueError or KeyError if a text is missing or an item's key is there twice."""
    content = tomllib.loads(raw.decode())
    groups = tuple(
        Group(
            group["key"],
            _both(group["title"]),
            tuple(
                Item(item["key"], _both(item["text"]), _both(item["hint"]), bool(item["critical"]))
                for item in group["items"]
            ),
        )
        for group in content["groups"]
    )
    keys = [item.key for group in groups for item in group.items]
    if len(keys) != len(set(keys)):
        raise ValueError(f"an item's key is there twice in {content['key']}")
    return Template(
        key=content["key"],
        version=content["version"],
        title=_both(content["title"]),
        basis=_both(content["basis"]),
        groups=groups,
        sha256=hashlib.sha256(rfc8785.dumps(content)).hexdigest(),
    )


@cache
def all_templates() -> dict[tuple[str, str], Template]:
    """Every version of every template, by (key, version)."""
    found = [parse_template(path.read_bytes()) for path in sorted(FOLDER.glob("*.toml"))]
    return {(template.key, template.version): template for template in found}


def get_template(key: str, version: str | None = None) -> Template:
    """One version, or the newest; TemplateNotFound."""
    versions = [template for (name, _), template in all_templates().items() if name == key]
    if version is not None:
        versions = [template for template in versions if template.version == version]
    if not versions:
        raise TemplateNotFound(template=key)
    return max(versions, key=lambda template: int(template.version))


def newest_templates() -> list[Template]:
    """The newest version of each template, the matters' own order first."""
    of_matters = [matter.template for matter in MATTERS.values()]
    others = sorted(key for key, _ in all_templates())
    return [get_template(key) for key in dict.fromkeys(of_matters + others)]


def default_template(matter: str) -> Template:
    """The checklist an inspection of this matter starts with."""
    return get_template(MATTERS[matter].template)


def _both(texts: dict[str, str]) -> dict[str, str]:
    if not texts.get("zh") or not texts.get("en"):
        raise ValueError(f"a text is missing in one of the languages: {texts}")
    return {"zh": texts["zh"], "en": texts["en"]}

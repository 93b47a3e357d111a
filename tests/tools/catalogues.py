"""The two catalogues: `--update` takes new messages in, `--check` fails if one is missing, unused or left behind.

Message ids are English; the English catalogue holds them as they are, the Chinese one their translation.
Translations that are delivered as `locales/parts/*.json` are taken in by `--update`.
"""

import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parents[2]
LOCALES = ROOT / "locales"
LANGUAGES = ("zh_CN", "en")
METHODS = {
    "server": [("**.py", "python")],
    "templates": [("**.html", "jinja2.ext.babel_extract")],
    "static/js": [("**.js", "javascript")],
}
KEYWORDS = {"_": None, "N_": None, "t": None, "gettext": None, "ngettext": (1, 2), "translate": None}
OPTIONS = {"**.html": {"trimmed": "true", "silent": "false"}}
HAN = re.compile(r"[\u4e00-\u9fff]")
HAN_ALLOWED = (
    "server/demo",
    "server/evidence/standalone/",
    "server/demo_data.py",
    "server/inspections/checklists/",
    "server/inspections/texts/",
)
FIELD = re.compile(r"\{(\w*)\}")


def path_of(language: str) -> Path:
    return LOCALES / language / "LC_MESSAGES" / "messages.po"


def used() -> Catalog:
    """Every message of code, templates and scripts, with where it is used."""
    catalogue = Catalog(project="Yunkan", charset="utf-8")
    for folder, methods in METHODS.items():
        found = extract_from_dir(ROOT / folder, methods, OPTIONS, KEYWORDS, comment_tags=("Translators:",))
        for name, line, message, comments, _ in found:
            text = message[0] if isinstance(message, tuple) else message
            for one in message if isinstance(message, tuple) else (text,):
                catalogue.add(one, None, [(f"{folder}/{name}", line)], auto_comments=comments)
    return catalogue


def kept(language: str) -> Catalog:
    path = path_of(language)
    if not path.exists():
        return Catalog(locale=language, project="Yunkan", charset="utf-8")
    with path.open("rb") as file:
        return read_po(file, locale=language)


def delivered() -> dict[str, str]:
    texts: dict[str, str] = {}
    for path in sorted(LOCALES.glob("parts/*.json")):
        texts |= json.loads(path.read_text(encoding="utf-8"))
    return texts


def build(language: str, messages: Catalog) -> bytes:
    """The catalogue as it should be on disk: used messages in order of their text, without file positions
    or dates, so that two people's changes meet only where they really differ."""
    before, parts = kept(language), delivered()
    result = Catalog(locale=language, project="Yunkan", charset="utf-8", fuzzy=False)
    for message in sorted(messages, key=lambda one: str(one.id)):
        if not message.id:
            continue
        known = before.get(message.id)
        text = (
            message.id if language == "en" else parts.get(str(message.id)) or (known.string if known else "")
        )
        result.add(message.id, text)
    buffer = io.BytesIO()
    write_po(buffer, result, omit_header=True, width=0)
    header = (
        f'msgid ""\nmsgstr ""\n"Language: {language}\\n"\n"Content-Type: text/plain; charset=utf-8\\n"\n\n'
    )
    return header.encode() + buffer.getvalue()


def problems(messages: Catalog) -> Iterator[str]:
    for language in LANGUAGES:
        if not path_of(language).exists() or path_of(language).read_bytes() != build(language, messages):
            yield f"{language}: not up to date with code and templates: make messages"
        for message in kept(language):
            if not message.id:
                continue
            if not message.string:
                yield f"{language}: no text for {message.id!r}"
            elif sorted(FIELD.findall(str(message.id))) != sorted(FIELD.findall(str(message.string))):
                yield f"{language}: other fields than in {message.id!r}"
    for text in delivered().keys() - {message.id for message in messages}:
        yield f"locales/parts: a translation that nothing uses, or whose use is not seen (t() in a template): {text!r}"
    yield from han_literals()


def han_literals() -> Iterator[str]:
    """Chinese in code or templates would never be translated."""
    for pattern in ("server/**/*.py", "templates/**/*.html", "static/js/**/*.js"):
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            if name.startswith(HAN_ALLOWED):
                continue
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
                if HAN.search(line) and "i18n: as it is" not in line:
                    yield f"{name}:{number}: Chinese outside the catalogues: {line.strip()[:80]}"


def main() -> int:
    messages = used()
    if "--update" in sys.argv:
        for language in LANGUAGES:
            text = build(language, messages)
            path_of(language).parent.mkdir(parents=True, exist_ok=True)
            path_of(language).write_bytes(text)
    found = list(problems(messages))
    for problem in found:
        print(problem)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

"""Templates as files: each compiles, and none holds what the Content Security Policy forbids."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import jinja2
import pytest

from server.settings import ROOT
from server.web.languages import current_language
from server.web.templates import build_environment

FOLDER = ROOT / "templates"
NAMES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.html"))
MOMENT = datetime(2026, 2, 28, 16, 5, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def environment() -> jinja2.Environment:
    return build_environment()


@pytest.mark.parametrize("name", NAMES)
def test_a_template_compiles(environment: jinja2.Environment, name: str) -> None:
    environment.get_template(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_template_holds_no_inline_script_style_or_handler(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert list(forbidden(text)) == []


def forbidden(text: str) -> Iterator[str]:
    """What a browser would refuse to run or apply under `script-src 'self'; style-src 'self'`."""
    for tag in re.findall(r"<script\b[^>]*>", text):
        if 'type="application/json"' not in tag and "src=" not in tag:
            yield tag
    yield from re.findall(r"<style\b", text)
    yield from re.findall(r"\sstyle\s*=", text)
    yield from re.findall(r"<[^>]*\son[a-z]+\s*=", text)
    yield from re.findall(r"javascript:", text)


def test_the_search_for_inline_code_finds_it() -> None:
    bad = (
        """<script>x()</script><p style="color:red" onclick="x()"><a href="javascript:x()"><style></style>"""
    )
    assert len(list(forbidden(bad))) == 5


def used_names(text: str, pattern: str) -> set[str]:
    return set(re.findall(pattern, text))


def test_every_file_a_template_names_is_there() -> None:
    for name in NAMES:
        text = (FOLDER / name).read_text(encoding="utf-8")
        for path in used_names(text, r"static_url\(['\"]([^'\"]+)['\"]\)"):
            assert (ROOT / "static" / path).is_file(), (name, path)


def test_every_drawing_a_template_names_is_in_the_set_of_drawings() -> None:
    drawings = used_names(
        (ROOT / "static" / "icons.svg").read_text(encoding="utf-8"), r'<symbol id="([^"]+)"'
    )
    for path in [*Path(FOLDER).rglob("*.html")]:
        named = used_names(path.read_text(encoding="utf-8"), r"icon\(\"([a-z-]+)\"")
        assert named <= drawings, (path.name, named - drawings)


@pytest.mark.parametrize(
    ("filter_name", "shown"), [("minute", "00:05"), ("time", "00:05:09"), ("datetime", "2026-03-01 00:05")]
)
def test_times_are_shown_in_the_offices_zone(
    environment: jinja2.Environment, filter_name: str, shown: str
) -> None:
    token = current_language.set("en")
    assert environment.filters[filter_name](MOMENT) == shown
    assert environment.filters[filter_name](None) == "–"
    current_language.reset(token)

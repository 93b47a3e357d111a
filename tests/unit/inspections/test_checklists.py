"""Checklist templates: content of the files, versions, languages, digests."""

import re

import pytest

from server.inspections.checklists import (
    FOLDER,
    TemplateNotFound,
    all_templates,
    default_template,
    get_template,
    newest_templates,
    parse_template,
)

SMALL = b"""
key = "small"
version = "1"
title = { zh = "\xe5\xb0\x8f", en = "Small" }
basis = { zh = "\xe6\xb3\x95", en = "Law" }
[[groups]]
key = "g"
title = { zh = "\xe7\xbb\x84", en = "Group" }
[[groups.items]]
key = "a"
text = { zh = "\xe7\x94\xb2", en = "A" }
hint = { zh = "\xe7\x9c\x8b", en = "Look" }
critical = true
"""


def test_every_file_is_named_by_its_key_and_version() -> None:
    names = {f"{key}.{version}.toml" for key, version in all_templates()}
    assert names == {path.name for path in FOLDER.glob("*.toml")}


def test_the_four_templates_are_there_and_the_first_matter_has_its_own() -> None:
    assert [template.key for template in newest_templates()] == [
        "seed-licence-address",
        "seed-licence-facility",
        "food-business",
        "gathering-place-fire",
    ]
    assert default_template("seed-licence-address").key == "seed-licence-address"


@pytest.mark.parametrize("template", newest_templates(), ids=lambda template: template.key)
def test_chinese_texts_are_chinese_and_english_ones_are_not(template: object) -> None:
    han = re.compile(r"[\u4e00-\u9fff]")
    for item in template.items:  # type: ignore[attr-defined]
        assert han.search(item.text["zh"])
        assert not han.search(item.text["en"] + item.hint["en"])
        assert not re.search(r"[,;:()]", item.text["zh"] + item.hint["zh"]), "half-width punctuation"


@pytest.mark.parametrize("template", newest_templates(), ids=lambda template: template.key)
def test_item_keys_fit_the_tables_and_some_items_are_critical(template: object) -> None:
    items = template.items  # type: ignore[attr-defined]
    assert all(re.fullmatch(r"[a-z0-9-]{1,60}", item.key) for item in items)
    assert any(item.critical for item in items)


def test_a_template_in_one_language_has_only_that_language() -> None:
    template = parse_template(SMALL)
    english = template.localised("en")
    assert english["title"] == "Small"
    assert english["groups"][0]["items"][0]["hint"] == "Look"
    assert template.localised("zh-CN")["groups"][0]["title"] == "组"


def test_the_digest_is_of_the_content_not_of_the_file() -> None:
    assert parse_template(SMALL).sha256 == parse_template(b"# a comment\n" + SMALL).sha256
    assert parse_template(SMALL).sha256 != parse_template(SMALL.replace(b'"Look"', b'"See"')).sha256


def test_an_item_with_a_key_that_is_taken_is_refused() -> None:
    item = SMALL[SMALL.index(b"[[groups.items]]") :]
    with pytest.raises(ValueError, match="twice"):
        parse_template(SMALL + item)


def test_a_text_missing_in_one_language_is_refused() -> None:
    with pytest.raises(ValueError, match="missing"):
        parse_template(SMALL.replace(b', en = "Small"', b""))


def test_an_unknown_template_or_version_is_not_found() -> None:
    with pytest.raises(TemplateNotFound):
        get_template("no-such")
    with pytest.raises(TemplateNotFound):
        get_template("food-business", "999")


def test_items_are_found_by_key() -> None:
    template = get_template("seed-licence-address")
    item = template.find_item("doorplate")
    assert item is not None
    assert item.critical
    assert template.find_item("no-such") is None

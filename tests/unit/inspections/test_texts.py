"""The two texts that an enterprise, or a guest, agrees to."""

import hashlib
import re

import pytest

from server.inspections.texts import FOLDER, Audience, audience_of, current_texts, find_text

AUDIENCES: tuple[Audience, ...] = ("enterprise", "guest")


@pytest.mark.parametrize("audience", AUDIENCES)
def test_there_is_one_notice_and_one_recording_text_in_each_language(audience: Audience) -> None:
    for language in ("zh-CN", "en"):
        notice, recording = current_texts(language, audience)
        assert notice.audience == recording.audience == audience
        assert (notice.kind, recording.kind) == ("notice", "recording")
        assert notice.language == recording.language == language
        assert notice.title
        assert len(recording.body) >= 4


def test_the_digest_is_of_the_very_words_shown() -> None:
    text = current_texts("zh-CN")[0]
    words = "\n\n".join([text.title, *text.body])
    assert text.sha256 == hashlib.sha256(words.encode()).hexdigest()


def test_each_audience_and_language_has_digests_of_its_own() -> None:
    texts = [
        text
        for audience in AUDIENCES
        for language in ("zh-CN", "en")
        for text in current_texts(language, audience)
    ]
    assert len({text.sha256 for text in texts}) == len(texts)


def test_everybody_but_the_enterprise_is_a_guest() -> None:
    roles = ("enterprise", "reviewer", "expert", "observer")
    assert [audience_of(role) for role in roles] == ["enterprise", "guest", "guest", "guest"]


def test_files_are_named_by_kind_and_version() -> None:
    for path in FOLDER.glob("*.toml"):
        kind, version, _ = path.name.split(".")
        found = find_text(kind, version, "en")  # type: ignore[arg-type]
        assert found is not None
        assert (found.kind, found.version) == (kind, version)


def test_a_version_that_never_was_is_not_found() -> None:
    assert find_text("notice", "999", "en") is None


@pytest.mark.parametrize("audience", AUDIENCES)
def test_the_chinese_is_written_with_chinese_punctuation(audience: Audience) -> None:
    for text in current_texts("zh-CN", audience):
        assert not re.search(r"[,;:()]", text.title + "".join(text.body))


@pytest.mark.parametrize("audience", AUDIENCES)
def test_the_recording_text_names_the_rights_and_the_way_back(audience: Audience) -> None:
    chinese = "".join(current_texts("zh-CN", audience)[1].body)
    for word in ("保存期限", "查阅", "更正", "删除", "撤回同意"):
        assert word in chinese
    assert ("敏感个人信息" in chinese) == (audience == "enterprise")

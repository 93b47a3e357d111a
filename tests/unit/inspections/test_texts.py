"""The two texts an enterprise agrees to."""

import hashlib
import re

from server.inspections.texts import FOLDER, current_texts, find_text


def test_there_is_one_notice_and_one_recording_text_in_each_language() -> None:
    for language in ("zh-CN", "en"):
        notice, recording = current_texts(language)
        assert (notice.kind, recording.kind) == ("notice", "recording")
        assert notice.language == recording.language == language
        assert notice.title
        assert len(recording.body) >= 4


def test_the_digest_is_of_the_very_words_shown() -> None:
    text = current_texts("zh-CN")[0]
    words = "\n\n".join([text.title, *text.body])
    assert text.sha256 == hashlib.sha256(words.encode()).hexdigest()


def test_the_languages_have_digests_of_their_own() -> None:
    assert current_texts("zh-CN")[0].sha256 != current_texts("en")[0].sha256


def test_files_are_named_by_kind_and_version() -> None:
    for path in FOLDER.glob("*.toml"):
        kind, version, _ = path.name.split(".")
        found = find_text(kind, version, "en")  # type: ignore[arg-type]
        assert found is not None
        assert (found.kind, found.version) == (kind, version)


def test_a_version_that_never_was_is_not_found() -> None:
    assert find_text("notice", "999", "en") is None


def test_the_chinese_is_written_with_chinese_punctuation() -> None:
    for text in current_texts("zh-CN"):
        assert not re.search(r"[,;:()]", text.title + "".join(text.body))


def test_the_recording_text_names_the_rights_and_the_way_back() -> None:
    chinese = "".join(current_texts("zh-CN")[1].body)
    for word in ("保存期限", "查阅", "更正", "删除", "撤回同意", "敏感个人信息"):
        assert word in chinese

"""How long something is kept, in words."""

import pytest

from server.archive.package_metadata import retention_text
from server.web.languages import speaking


@pytest.mark.parametrize(
    ("years", "english", "chinese"),
    [(1, "1 year", "1年"), (10, "10 years", "10年"), (None, "permanent", "永久")],
)
def test_a_period_is_told_in_both_languages(years: int | None, english: str, chinese: str) -> None:
    with speaking("en"):
        assert retention_text(years) == english
    with speaking("zh-CN"):
        assert retention_text(years) == chinese

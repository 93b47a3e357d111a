"""The migrations are one chain, so that two that were written at the same time do not both go in."""

from pathlib import Path

import pytest

from server.db.migrate import MIGRATIONS
from tests.tools.migrations import chain_problems


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    write(tmp_path, "0001_tables", "0001", None)
    write(tmp_path, "0002_fence", "0002", "0001")
    write(tmp_path, "0003_more", "0003", "0002")
    return tmp_path


def write(folder: Path, name: str, revision: str, after: str | None) -> None:
    (folder / f"{name}.py").write_text(f"revision = {revision!r}\ndown_revision = {after!r}\n")


def test_the_migrations_are_one_chain_with_each_number_once() -> None:
    assert chain_problems(MIGRATIONS / "versions") == []


def test_a_chain_passes(chain: Path) -> None:
    assert chain_problems(chain) == []


def test_two_migrations_of_one_number_are_told(chain: Path) -> None:
    write(chain, "0003_another", "0003", "0002")
    assert any("0003_more.py" in problem for problem in chain_problems(chain))


def test_two_migrations_after_the_same_one_are_told(chain: Path) -> None:
    write(chain, "0004_another", "0004", "0002")
    assert chain_problems(chain) == ["0004_another.py: comes after '0002' instead of '0003'"]


def test_a_number_that_is_left_out_is_told(chain: Path) -> None:
    write(chain, "0005_later", "0005", "0003")
    assert chain_problems(chain) == ["0005_later.py: its number should be 0004"]


def test_a_file_that_was_renumbered_in_its_name_only_is_told(chain: Path) -> None:
    write(chain, "0004_renamed", "0003", "0003")
    assert chain_problems(chain) == ["0004_renamed.py: calls itself revision '0003'"]

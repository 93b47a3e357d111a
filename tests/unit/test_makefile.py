"""The Makefile's own decisions, with stand-ins for what it starts."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# As `python3 -m venv` on a Debian without python3-venv: an interpreter, no pip, and an error.
NO_VENV = """#!/bin/sh
[ "$1" = -c ] && exit 0
echo "$*" >> calls
mkdir -p .venv/bin
printf '#!/bin/sh\\nexit 1\\n' > .venv/bin/python
chmod +x .venv/bin/python
exit 1
"""


def make(folder: Path, target: str, *variables: str, **environment: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(ROOT / "Makefile", folder)
    return subprocess.run(
        ["/usr/bin/make", "--no-print-directory", target, *variables],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A PATH without Node."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in ("sh", "make"):
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"{name} is not installed")
        (folder / name).symlink_to(found)
    return folder


def test_without_node_its_tests_are_skipped_visibly(tmp_path: Path, tools: Path) -> None:
    done = make(tmp_path, "test-js", PATH=str(tools))
    assert done.returncode == 0
    assert "SKIPPED tests/js" in done.stdout


def test_under_ci_missing_means_failed(tmp_path: Path, tools: Path) -> None:
    done = make(tmp_path, "test-js", PATH=str(tools), CI="true")
    assert done.returncode != 0
    assert "FAILED tests/js" in done.stdout


def test_an_environment_that_was_left_half_made_is_made_anew_and_what_is_missing_is_named(
    tmp_path: Path,
) -> None:
    python = tmp_path / "python"
    python.write_text(NO_VENV)
    python.chmod(0o755)
    for name in ("requirements.lock", "pyproject.toml"):
        (tmp_path / name).touch()
    for _ in range(2):
        done = make(tmp_path, "install", f"PYTHON={python}", PATH="/usr/bin:/bin")
        assert done.returncode != 0
        assert "python3-venv" in done.stdout
    assert (tmp_path / "calls").read_text().splitlines() == ["-m venv --clear .venv"] * 2


def test_every_target_that_is_declared_has_a_rule() -> None:
    lines = (ROOT / "Makefile").read_text().splitlines()
    (declared,) = [line.split()[1:] for line in lines if line.startswith(".PHONY:")]
    rules = {line.partition(":")[0] for line in lines if ":" in line and not line.startswith(("\t", "."))}
    assert set(declared) <= rules

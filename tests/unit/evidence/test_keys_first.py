"""The first keys of an office, made by workers that start at the same time."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from server.evidence import keys

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)


@pytest.mark.parametrize("attempt", range(3))
def test_of_workers_that_start_at_once_one_makes_the_keys(tmp_path: Path, attempt: int) -> None:
    def begin(_: int) -> bool:
        try:
            keys.init(tmp_path, "河口新区行政审批服务局", NOW)
        except keys.KeysExist:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(begin, range(4))) == 1
    assert keys.load(tmp_path).office == "河口新区行政审批服务局"

"""One recorded part of each kind, one office, one authority and one sealed package for the whole suite."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from server.evidence import keys, sealing, timestamps
from server.evidence.segments import Segment
from tests.evidence.authority import Authority, ask, make_authority, serving
from tests.evidence.inspection import OFFICE, Made, make_package, write_inspection
from tests.evidence.recorded import record

Parts = dict[str, tuple[Path, list[Segment]]]


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    folder = tmp_path_factory.mktemp("parts")
    made: Parts = {}
    for slot, container in (("SLOTMP4", "mp4"), ("SLOTWEBM", "webm")):
        path = folder / f"part.{container}"
        made[slot] = (path, record(path, 5, "mp4" if container == "mp4" else "webm"))
    return made


@pytest.fixture(scope="session")
def office(tmp_path_factory: pytest.TempPathFactory) -> keys.OfficeKeys:
    return keys.init(tmp_path_factory.mktemp("office"), OFFICE, datetime.now(UTC))


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    with serving(make_authority(tmp_path_factory.mktemp("authority") / "tsa")) as running:
        yield running


@pytest.fixture(scope="session")
def original(
    tmp_path_factory: pytest.TempPathFactory, parts: Parts, office: keys.OfficeKeys, authority: Authority
) -> Made:
    """The sealed, stamped, proved package. Tests must not change it: they take `package`."""
    folder = tmp_path_factory.mktemp("package") / "inspection"
    made = make_package(folder, office, write_inspection(folder, parts=parts, chance=random.Random(7)))
    signature = (folder / "seal.p7s").read_bytes()
    asked = timestamps.request(signature)
    sealing.add_stamp(folder, 1, ask(authority, asked.body), asked, authority.root, datetime.now(UTC))
    return made


@pytest.fixture
def package(original: Made, tmp_path: Path) -> Made:
    """A copy to tamper with."""
    folder = tmp_path / "inspection"
    shutil.copytree(original.folder, folder)
    return Made(folder, original.office, original.log, original.office_log, original.seal)

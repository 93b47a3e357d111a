"""One recorded part of each kind, one office, one authority and one sealed package for the whole suite."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from server.archive.four_properties import add_report
from server.evidence import keys, sealing, sm, timestamps
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
def small_parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    """The same of one grey, some kilobytes each."""
    folder = tmp_path_factory.mktemp("small-parts")
    mp4, webm = folder / "part.mp4", folder / "part.webm"
    return {
        "SLOTMP4": (mp4, record(mp4, 5, "mp4", plain=True)),
        "SLOTWEBM": (webm, record(webm, 5, "webm", plain=True)),
    }


@pytest.fixture(scope="session")
def office(tmp_path_factory: pytest.TempPathFactory) -> keys.OfficeKeys:
    return keys.init(tmp_path_factory.mktemp("office"), OFFICE, datetime.now(UTC))


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> sm.Sm2Signer:
    """A self-signed SM2 certificate, made by the stock command."""
    folder = tmp_path_factory.mktemp("sm2")
    curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:SM2"]
    subprocess.run(
        ["openssl", "genpkey", *curve, "-out", "key.pem"], cwd=folder, check=True, capture_output=True
    )
    request = ["-x509", "-new", "-key", "key.pem", "-sm3", "-sigopt", f"distid:{sm.ID}", "-days", "30"]
    words = ["openssl", "req", *request, "-subj", "/CN=SM2", "-out", "certificate.pem"]
    subprocess.run(words, cwd=folder, check=True, capture_output=True)
    (folder / "key.pem").chmod(0o600)
    return sm.Sm2Signer(folder / "certificate.pem", folder / "key.pem")


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


@pytest.fixture(scope="session")
def complete(
    tmp_path_factory: pytest.TempPathFactory,
    small_parts: Parts,
    office: keys.OfficeKeys,
    authority: Authority,
    signer: sm.Sm2Signer,
) -> Made:
    """A package with every kind of file that the product writes, each as small as it can be."""
    folder, chance = tmp_path_factory.mktemp("complete") / "inspection", random.Random(11)
    log = write_inspection(folder, parts=small_parts, chance=chance, phone_file=chance.randbytes(1500))
    for name in ("record.pdf", "index.json", "checklist.json", "unclaimed/left-over.mp4"):
        (folder / "data" / name).parent.mkdir(exist_ok=True)
        (folder / "data" / name).write_bytes(chance.randbytes(1100))
    made = make_package(folder, office, log, sm2=signer)
    second = make_authority(tmp_path_factory.mktemp("second") / "tsa", name="Second authority")
    for number, each in ((1, authority), (2, second)):
        asked = timestamps.request((folder / "seal.p7s").read_bytes())
        reply = each.reply(asked.body)
        sealing.add_stamp(folder, number, reply, asked, each.root, datetime.now(UTC))
    add_report(folder, office, datetime.now(UTC), "en")
    return made


@pytest.fixture
def package(original: Made, tmp_path: Path) -> Made:
    """A copy to tamper with."""
    folder = tmp_path / "inspection"
    shutil.copytree(original.folder, folder)
    return Made(folder, original.office, original.log, original.office_log, original.seal)

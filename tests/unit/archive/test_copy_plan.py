"""What is left out of a viewing copy with what somebody chose: everything else that would show it."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from server.archive.copy_plan import Wanted, plan
from server.archive.index import RECORD_PATH
from server.clock import rfc3339
from server.errors import Invalid
from server.evidence import sealing
from server.evidence.bag import FileDigest
from server.evidence.canonical import dump
from server.evidence.redaction import RedactionOrder
from server.evidence.seal import leaves_to_bytes, make_leaves

START = datetime(2026, 11, 21, 8, tzinfo=UTC)
SERVER, PHONE, LATER = "data/media/s-1.mp4", "data/media/s-phone.webm", "data/media/s-2.mp4"
ORIGINAL = "data/originals/r.webm"
OF_A, FREE = "data/photos/of-a.jpg", "data/photos/free.jpg"
CONTENT = {
    SERVER: b"film", PHONE: b"phone film", ORIGINAL: b"phone film as sent", LATER: b"later film",
    "data/snapshots/a.png": b"door", "data/snapshots/b.png": b"door", "data/snapshots/c.png": b"window",
    "data/snapshots/other.png": b"of another camera", RECORD_PATH: b"record", "data/unclaimed/x.png": b"x",
    OF_A: b"door in full", FREE: b"taken by hand",
}  # fmt: skip


def digest_of(path: str) -> str:
    return hashlib.sha256(CONTENT[path]).hexdigest()


def at(seconds: float) -> str:
    return rfc3339(START + timedelta(seconds=seconds))


def film(part: str, path: str, start: float, duration_s: float, **more: Any) -> tuple[str, dict[str, Any]]:
    return "part.closed", {
        "part": part, "slot": "S", "sha256": digest_of(path), "started_at": at(start), "duration_s": duration_s,
        "source": "server", **more,
    }  # fmt: skip


def snapshot(name: str, seconds: float, slot: str = "S") -> tuple[str, dict[str, Any]]:
    sha256 = digest_of(f"data/snapshots/{name}.png")
    return "snapshot.taken", {"snapshot": name, "slot": slot, "sha256": sha256, "captured_at": at(seconds)}


def photo(name: str, seconds: float, of: str | None) -> tuple[str, dict[str, Any]]:
    sha256 = digest_of(f"data/photos/{name}.jpg")
    return "photo.added", {
        "photo": name, "snapshot": of, "slot": "S", "sha256": sha256, "taken_at": at(seconds),
    }  # fmt: skip


EVENTS = [
    *(
        ("part.segment", {"part": "server", "index": n, "from_ms": n * 2000, "to_ms": (n + 1) * 2000})
        for n in range(10)
    ),
    film("server", SERVER, 0, 20),
    film("phone", PHONE, 12, 20, source="phone", original={"sha256": digest_of(ORIGINAL)}),
    film("later", LATER, 40, 10),
    snapshot("a", 5),
    snapshot("b", 30),
    snapshot("c", 15),
    snapshot("other", 15, slot="T"),
    photo("of-a", 6.5, "a"),
    photo("free", 33, None),
]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "package"
    files = [FileDigest(path, len(data), hashlib.sha256(data).hexdigest()) for path, data in CONTENT.items()]
    for path, data in {
        sealing.LEAVES: leaves_to_bytes(make_leaves(files, {file.path: b"s" * 32 for file in files})),
        sealing.EVENTS: b"".join(
            dump({"seq": n, "type": type_, "body": body, "actor": {"kind": "system", "name": "x"}}) + b"\n"
            for n, (type_, body) in enumerate(EVENTS, start=1)
        ),
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def planned(package: Path, **wanted: Any) -> RedactionOrder:
    return plan(package, package / "copy", Wanted(reason="x", **wanted), "周敏", START)


def left_out(order: RedactionOrder) -> set[str]:
    return set(order.omit) - {"data/unclaimed/x.png"}


def test_a_picture_is_left_out_under_every_name(package: Path) -> None:
    for chosen in ({"a"}, {"b"}, {"a", "b"}):
        order = planned(package, snapshots=frozenset(chosen))
        assert left_out(order) == {"data/snapshots/a.png", "data/snapshots/b.png", OF_A, RECORD_PATH}


def test_a_photo_is_left_out_by_itself_with_its_snapshot_and_with_its_time(package: Path) -> None:
    assert left_out(planned(package, photos=frozenset({"of-a"}))) == {OF_A}
    assert left_out(planned(package, photos=frozenset({"free"}))) == {FREE}
    assert OF_A in planned(package, snapshots=frozenset({"a"})).omit
    assert FREE not in planned(package, snapshots=frozenset({"a"})).omit
    assert OF_A in planned(package, spans={"server": [(6_000, 6_900)]}).omit
    assert OF_A not in planned(package, spans={"server": [(10_000, 10_900)]}).omit


def test_snapshots_of_a_blanked_time_go_with_it_and_so_does_the_record(package: Path) -> None:
    order = planned(package, spans={"server": [(14_500, 15_500)]})
    # The pieces from 14 to 16 s; the phone filmed that time too, and cannot be blanked.
    assert left_out(order) == {"data/snapshots/c.png", RECORD_PATH, PHONE, ORIGINAL}
    assert order.spans == {SERVER: [(14_500, 15_500)]}
    assert left_out(planned(package, spans={"server": [(8_000, 9_000)]})) == set()


def test_a_recording_that_would_be_blank_throughout_is_left_out_as_a_whole(package: Path) -> None:
    order = planned(package, spans={"server": [(0, 9_000), (8_000, 60_000)]})
    assert order.spans == {}
    assert left_out(order) == left_out(planned(package, parts=frozenset({"server"})))


@pytest.mark.parametrize(
    ("span", "hidden"), [((2_000, 3_900), True), ((6_100, 7_000), True), ((0, 1_900), False)]
)
def test_the_edge_of_a_blanked_piece_is_given_a_second(
    package: Path, span: tuple[int, int], hidden: bool
) -> None:
    order = planned(package, spans={"server": [span]})
    assert ("data/snapshots/a.png" in order.omit) == hidden


def test_with_a_recording_go_its_snapshots_and_the_phones_recording_of_the_same_time(package: Path) -> None:
    order = planned(package, parts=frozenset({"server"}))
    door = {"data/snapshots/a.png", "data/snapshots/b.png"}
    assert left_out(order) == {SERVER, PHONE, ORIGINAL, "data/snapshots/c.png", OF_A, RECORD_PATH} | door
    assert left_out(planned(package, parts=frozenset({"phone"}))) == {PHONE, ORIGINAL}
    assert left_out(planned(package, parts=frozenset({"later"}))) == {LATER}


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"snapshots": frozenset({"a", "nobody"})}, "snapshots"),
        ({"photos": frozenset({"free", "nobody"})}, "photos"),
        ({"parts": frozenset({"server", "nobody"})}, "parts"),
        ({"spans": {"nobody": [(0, 1)]}}, "parts"),
        ({"spans": {"phone": [(0, 1)]}}, "spans-phone"),
        ({"spans": {"server": [(0, 1), (90_000, 91_000)]}}, "spans-server"),
    ],
)
def test_what_is_not_in_the_package_is_not_passed_over(
    package: Path, wanted: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        planned(package, **wanted)
    assert list(refused.value.fields) == [field]

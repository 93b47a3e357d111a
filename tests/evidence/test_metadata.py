"""The archive's metadata and the four properties: what was checked, and what was honestly not."""

from dataclasses import replace
from pathlib import Path

import pytest

from server.evidence import four_properties, metadata
from server.evidence.bag import FileDigest
from server.evidence.metadata import BadMetadata, ProcessStep
from tests.evidence import tampering
from tests.evidence.inspection import Made, metadata_of
from tests.evidence.verifiers import ask_ours

FILES = [FileDigest("data/a.png", 7, "ab" * 32), FileDigest("data/b.mp4", 9, "cd" * 32)]
NOT_PERFORMED = {"1-7", "2-9", "3-2", "3-4", "4-1", "4-2", "4-7"}


def items(made: Made) -> dict[str, str]:
    report = ask_ours(made.folder, made.office)
    found = four_properties.check_four_properties(made.folder, report)
    return {item.code: item.result.value for item in found}


def test_the_metadata_survives_its_xml() -> None:
    made = metadata_of("I1", FILES)
    base, files = metadata.parse_base(made[metadata.BASE_PATH])
    assert files == FILES
    assert base.inspection == "I1"
    assert metadata.base_xml(base, files) == made[metadata.BASE_PATH]
    assert metadata.parse_process(made[metadata.PROCESS_PATH])[0].opinion == "同意"


def test_the_metadata_says_that_it_is_modelled_on_the_standards() -> None:
    text = metadata_of("I1", FILES)[metadata.BASE_PATH].decode()
    assert "参照 GB/T 42727-2023" in text
    assert "<事项编码>" in text


def test_text_that_xml_cannot_hold_is_cleaned() -> None:
    steps = [ProcessStep("a<b>&\x00\x1b\ud800c", "\ufffe", "t", "1\n2")]
    assert metadata.parse_process(metadata.process_xml("I", steps)) == [
        ProcessStep("a<b>&c", "", "t", "1\n2")
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<x/>",
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>',
        b'<?xml version="1.0" encoding="nonsense"?><x/>',
        b"<a>" * 100,
        "<基本信息元数据><文件列表><文件><大小>x</大小></文件></文件列表></基本信息元数据>".encode(),
    ],
)
def test_hostile_metadata_is_refused(data: bytes) -> None:
    with pytest.raises(BadMetadata):
        metadata.parse_base(data)


def test_a_good_package_has_all_properties_that_a_machine_can_check(original: Made) -> None:
    found = items(original)
    assert {code for code, result in found.items() if result == "not_performed"} == NOT_PERFORMED
    assert {code for code, result in found.items() if result == "failed"} == {"1-3", "3-3", "3-8"}, (
        "the snapshots of these tests are random bytes, which is what these items are for"
    )


def test_pictures_that_are_pictures_are_usable(package: Made) -> None:
    for path in (*package.folder.glob("data/snapshots/*"), *package.folder.glob("data/photos/*")):
        path.write_bytes(b"\x89PNG and so on")
    assert [items(package)[code] for code in ("1-3", "3-3", "3-8")] == ["passed"] * 3


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("data/media/SLOTMP4-e1-0001.mp4", {"1-13", "1-14", "2-1", "1-10"}),
        ("metadata/基本信息元数据.xml", {"2-3", "2-4", "2-10", "3-1", "1-11", "1-8"}),
        ("metadata/过程信息.xml", {"2-5"}),
        ("data/events.jsonl", {"2-6", "2-7"}),
        ("seal.p7s", {"1-1"}),
    ],
)
def test_a_damaged_file_costs_the_items_that_rest_on_it(package: Made, name: str, codes: set[str]) -> None:
    path = package.folder / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found = items(package)
    assert {found[code] for code in codes} == {"failed"}, found


def test_an_extra_file_is_told(package: Made) -> None:
    (package.folder / "data/extra.txt").write_text("x")
    assert items(package)["4-3"] == "failed"


def test_the_same_file_twice_is_told(package: Made) -> None:
    path = package.folder / metadata.BASE_PATH
    base, files = metadata.parse_base(path.read_bytes())
    path.write_bytes(metadata.base_xml(base, [*files, replace(files[0], path="data/again.png")]))
    tampering.relist(package.folder)
    assert items(package)["1-8"] == "failed"


def test_a_missing_mandatory_item_is_told(package: Made) -> None:
    path = package.folder / metadata.BASE_PATH
    base, files = metadata.parse_base(path.read_bytes())
    path.write_bytes(metadata.base_xml(replace(base, retention=""), files))
    found = items(package)
    assert (found["2-4"], found["2-3"]) == ("failed", "passed")


def test_the_report_names_the_standard_and_every_item(original: Made) -> None:
    report = ask_ours(original.folder, original.office)
    value = four_properties.as_json(four_properties.check_four_properties(Path(original.folder), report))
    assert value["standard"] == "DA/T 70-2018"
    assert len(value["items"]) == 29
    assert all(item["title"] for item in value["items"])

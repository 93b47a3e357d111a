"""The benchmarks of evidence and archive measure what was really done, with small amounts."""

import json
from pathlib import Path

import pytest

from server.__main__ import main
from server.bench import archive, events, evidence
from server.bench.events import Appending
from server.bench.recorded import PART_MS, REPORTS, SEGMENT_MS, SNAPSHOTS


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> evidence.Figures:
    return evidence.measure(tmp_path_factory.mktemp("evidence"), 12, 3, None, parts=2)


def test_what_is_sealed_has_segments_and_everything_is_timed(figures: evidence.Figures) -> None:
    assert figures.segments == 2 * PART_MS // SEGMENT_MS
    assert figures.events > figures.segments + 2 * REPORTS + SNAPSHOTS
    assert figures.recorded_mb > 12
    assert 0 < figures.seal_hashing_s < figures.seal_s
    for seconds in (
        figures.documents_s,
        figures.report_s,
        figures.sha256sum_s,
        figures.verify_s,
        figures.zip_verify_s,
    ):
        assert seconds > 0
    assert figures.verify_share == figures.sha256sum_s / figures.verify_s


def test_how_often_a_byte_is_read_is_counted(figures: evidence.Figures) -> None:
    """Log and lists are read beside the recordings; no recording is read twice."""
    for reads in (figures.seal_reads, figures.report_reads, figures.verify_reads):
        assert 1.0 <= reads < 1.9


def test_the_table_names_every_figure(figures: evidence.Figures) -> None:
    table = evidence.describe(figures)
    for words in (
        "signed record",
        "four-property report",
        "over the zip",
        "times |",
        "zipping 3 MB",
        "memory",
    ):
        assert words in table
    assert 0 <= figures.zip_memory_mb < 30


def test_events_are_appended_one_by_one_on_a_database_that_makes_them_last(tmp_path: Path) -> None:
    measured = events.measure(tmp_path, "", 0.2)
    assert measured.fsyncs_per_s > 0
    assert [(item.database, item.writers) for item in measured.appending] == [("SQLite", 1), ("SQLite", 4)]
    for item in measured.appending:
        assert item.events > 0
        assert item.events_per_s > 0
        assert item.durability == "journal_mode wal, synchronous 2"
    assert "| SQLite | 4 |" in events.describe(measured)


def test_events_are_appended_to_postgresql_too(tmp_path: Path, postgres_server: str) -> None:
    measured = events.measure(tmp_path, f"{postgres_server}/postgres", 0.2)
    ours = [item for item in measured.appending if item.database == "PostgreSQL"]
    assert [item.writers for item in ours] == [1, 4]
    assert all(isinstance(item, Appending) and item.events > 0 for item in ours)
    assert "fsync" in ours[0].durability


def test_the_archive_finds_what_there_is(tmp_path: Path) -> None:
    measured = archive.measure(tmp_path, "", 45)
    assert measured.events == 45 * (4 + 2 * archive.PARTS + archive.SNAPSHOTS + archive.REPORTS)
    found = {item.what: item.found for item in measured.asked}
    assert found == {
        "the list, its first page": 45,
        "the list, its last page": 45,
        "search: a word in one enterprise's name": archive.PER_CASE,
        "search: a word that is nowhere": 0,
        "filter: concluded, the last week": 40,
        "a replay's data": archive.PARTS,
    }
    assert all(0 < item.median_ms <= item.p95_ms for item in measured.asked)


def test_the_commands_write_json_and_markdown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [
        "--json",
        str(tmp_path / "a.json"),
        "--markdown",
        str(tmp_path / "a.md"),
        "--folder",
        str(tmp_path),
    ]
    assert main(["bench", "archive", "--inspections", "3", *files]) == 0
    assert json.loads((tmp_path / "a.json").read_text())["inspections"] == 3
    assert main(["bench", "events", "--seconds", "0.1", *files]) == 0
    assert len(json.loads((tmp_path / "a.json").read_text())["appending"]) == 2
    assert "| SQLite | 1 |" in (tmp_path / "a.md").read_text()
    assert "| SQLite | 1 |" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "a.md"]

"""The benchmark against real servers, as small as it gets."""

import json
import os
import shutil
from pathlib import Path

import pytest

from server.__main__ import main
from server.bench import measure, run
from server.bench.clip import Clip, make_clip
from server.bench.floor_subject import FloorSubject
from server.bench.report import Missing, Row
from server.serving import own_addresses


@pytest.fixture(scope="module")
def clip() -> Clip:
    return make_clip(2)


@pytest.fixture
def small(clip: Clip, monkeypatch: pytest.MonkeyPatch) -> Clip:
    """Commands play it too, and wait less for what does not come."""
    monkeypatch.setattr(run, "make_clip", lambda: clip)
    monkeypatch.setattr(measure, "DRAIN_S", 0.2)
    return clip


def assert_sound(measured: Row | Missing) -> Row:
    assert isinstance(measured, Row), measured
    # What the machine's own buffers lose is not for this test to judge.
    assert measured.lost <= measured.server_drops + measured.load_drops
    assert measured.mismatches == 0
    assert measured.p50_ms is not None and measured.p99_ms is not None
    assert measured.p50_ms <= measured.p99_ms
    assert measured.cpu_percent > 0
    assert measured.resident_bytes > 2**20
    return measured


async def test_the_service_and_the_floor_forward_everything_and_the_recording_is_playable_at_once(
    clip: Clip,
) -> None:
    ours = assert_sound(await run.row("yunkan", clip, 1, 1, 3, settle_s=0))
    floor = assert_sound(await run.row("floor", clip, 1, 1, 3, settle_s=0))
    assert min(ours.sent, floor.sent) > 300
    assert ours.recording is not None
    assert ours.recording.playable
    assert ours.recording.held_s > 2
    assert ours.extensions == ("transport-cc",)
    assert floor.extensions == ()
    assert floor.tight_percent is not None and floor.tight_percent > 0


async def test_janus_forwards_the_same_load_and_its_recording_is_converted(clip: Clip) -> None:
    for reason in (
        shutil.which("janus") is None and "janus is not installed (Debian: janus)",
        not own_addresses() and "the machine has no address but loopback, which Janus leaves out",
    ):
        if reason and os.environ.get("CI") and "installed" in reason:
            pytest.fail(reason)
        if reason:
            pytest.skip(reason)
    janus = assert_sound(await run.row("janus", clip, 1, 1, 2, settle_s=0))
    assert janus.sent > 200
    assert "transport-cc" in janus.extensions
    assert janus.recording is not None and janus.recording.final_s > 0


async def test_aiortc_delivers_frames_that_it_has_encoded_anew(clip: Clip) -> None:
    stock = await run.row("aiortc", clip, 1, 1, 2, settle_s=0)
    assert isinstance(stock, Row), stock
    assert 50 <= stock.sent <= 70
    assert 0 < stock.delivered <= stock.sent + 30
    assert "abs-send-time" in stock.extensions
    assert stock.recording is not None


async def test_a_soak_samples_memory_while_media_flows(small: Clip) -> None:
    said: list[str] = []
    found = await run.soak(2, 1, 1, warm_s=0.1, subject=FloorSubject, say=said.append)
    assert found.samples[0][0] == 0.0
    assert found.alone_bytes > 2**20
    assert found.samples[0][1] > 2**20
    assert found.row.sent > 120  # of both, over all windows
    assert "2 x 1 for" in run.describe_soak(found)
    json.dumps(run.soak_as_json(found))


async def test_the_search_for_the_capacity_ends_with_half_of_it(small: Clip) -> None:
    search = run.Search(most=2, step=1, window_s=0.5, settle_s=0.1)
    found = await run.capacity(search, 1, subject=FloorSubject, say=lambda _: None)
    carried = [step.inspections for step in found.steps][: found.carried]
    assert carried == [1, 2][: found.carried]
    if found.carried == 2:  # a machine that is busy with other things may not carry even two
        assert [row.inspections for row in found.half] == [1, 1, 1]
        assert all(row.sent > 40 for row in found.half)
        assert "at half load, 1 inspections" in run.describe_capacity(found)


def test_the_command_writes_its_table_into_the_files_that_it_was_given(
    small: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["--json", str(tmp_path / "rows.json"), "--markdown", str(tmp_path / "rows.md")]
    what = ["--rows", "floor", "--inspections", "1", "--seconds", "1", "--plain", "--rounds", "2"]
    assert main(["bench", "media", *what, *files]) == 0
    rows = json.loads((tmp_path / "rows.json").read_text())["rows"]
    told = [(row["name"], row["inspections"], row["seconds"], row["round"]) for row in rows]
    assert told == [("floor", 1, 1, 1), ("floor", 1, 1, 2)]
    assert all(row["sent"] >= 20 and row["extensions"] == [] for row in rows)
    text = (tmp_path / "rows.md").read_text()
    assert "| floor: recvfrom, unprotect, protect, sendto | 1 x 1 |" in text
    assert "sendto: packets carry no header extension." in text
    assert "recvfrom, unprotect" in capsys.readouterr().out


def test_the_command_names_a_row_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "media", "--rows", "yunkan,oracle"]) == 2
    assert "no row 'oracle'" in capsys.readouterr().err

"""The benchmark against the real service and the floor, as small as it gets."""

from server.bench import run
from server.bench.clip import make_clip
from server.bench.report import Row


async def test_the_service_and_the_floor_forward_everything_and_the_recording_is_playable_at_once() -> None:
    clip = make_clip(2)
    ours = await run.row("yunkan", clip, 1, 1, 3, settle_s=0)
    floor = await run.row("floor", clip, 1, 1, 3, settle_s=0)
    for measured in (ours, floor):
        assert isinstance(measured, Row), measured
        # What the machine's own buffers lose is not for this test to judge.
        assert measured.lost <= measured.server_drops + measured.load_drops
        assert measured.sent > 300
        assert measured.mismatches == 0
        assert measured.p50_ms is not None and measured.p99_ms is not None
        assert measured.p50_ms <= measured.p99_ms
        assert measured.cpu_percent > 0
        assert measured.resident_bytes > 2**20
    assert isinstance(ours, Row) and isinstance(floor, Row)
    assert ours.recording is not None
    assert ours.recording.playable
    assert ours.recording.held_s > 2
    assert floor.tight_percent is not None and floor.tight_percent > 0

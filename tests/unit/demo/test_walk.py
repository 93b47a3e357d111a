"""What the walk shows and sounds like, instant by instant."""

import datetime
import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest

from server import demo_data
from server.demo import picture, route
from server.demo.ambience import RATE_HZ, chime, soundtrack
from server.demo.phone import SITE
from server.demo.picture import ASSETS, HEIGHT, WIDTH, Renderer, planes_of
from tests.assets.scenes import facts

NOW = datetime.datetime(2026, 3, 1, 2, 3, 4, 560_000, tzinfo=datetime.UTC)
TIMES = np.arange(0, route.LOOP_S * 2, 0.05)


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer()


def test_the_walk_passes_every_scene_in_order_and_begins_again() -> None:
    order = [route.shot_at(float(t)).scene for t in TIMES]
    changes = [order[0]] + [b for a, b in itertools.pairwise(order) if a != b]
    assert changes == [*range(len(route.SCENES))] * 2


def test_no_view_leaves_its_picture() -> None:
    for time in TIMES:
        shot = route.shot_at(float(time))
        for view in (shot.view, shot.next_view):
            half = view.width / 2
            assert half <= view.x <= 1 - half
            assert half <= view.y <= 1 - half


def test_the_camera_never_jumps() -> None:
    before = route.shot_at(0.0)
    for time in TIMES[1:]:
        now = route.shot_at(float(time))
        # At a change of scene the view that was coming through becomes the view.
        last = before.view if now.scene == before.scene else before.next_view
        assert abs(now.view.x - last.x) < 0.01
        assert abs(now.view.y - last.y) < 0.01
        assert abs(now.view.width - last.width) < 0.01
        before = now


def test_scenes_fade_into_each_other() -> None:
    end = route.STARTS_S[1]
    mixes = [route.shot_at(end - left).mix for left in (2.0, route.FADE_S, route.FADE_S / 2, 0.001)]
    assert mixes == pytest.approx([0, 0, 0.5, 1], abs=0.01)


def test_a_frame_is_planar_4_2_0_of_the_full_size(renderer: Renderer) -> None:
    frame = renderer.frame(route.shot_at(0.0), NOW, 0)
    assert frame.shape == (HEIGHT * 3 // 2, WIDTH)
    assert [plane.shape for plane in planes_of(frame)] == [(720, 1280), (360, 640), (360, 640)]


def test_a_frame_shows_its_picture_in_its_colours(renderer: Renderer) -> None:
    shot = route.shot_at(route.STARTS_S[1] + 2)
    frame = cv2.cvtColor(renderer.frame(shot, NOW, 0), cv2.COLOR_YUV2BGR_I420)
    source = cv2.imread(str(ASSETS / "doorplate.webp"))
    assert source is not None
    height, width = source.shape[:2]
    view = shot.view
    x0, x1 = round((view.x - view.width / 2) * width), round((view.x + view.width / 2) * width)
    y0, y1 = round((view.y - view.width / 2) * height), round((view.y + view.width / 2) * height)
    expected = cv2.resize(source[y0:y1, x0:x1], (WIDTH, HEIGHT))
    difference = np.abs(frame.astype(int) - expected.astype(int))[:600]
    assert difference.mean() < 6


def test_half_way_through_a_fade_both_scenes_are_seen(renderer: Renderer) -> None:
    shot = route.shot_at(route.STARTS_S[1] - route.FADE_S / 2)
    alone = [
        renderer.frame(route.Shot(scene, view, scene, view, 0.0), NOW, 0)[:600].astype(int)
        for scene, view in ((shot.scene, shot.view), (shot.next_scene, shot.next_view))
    ]
    both = renderer.frame(shot, NOW, 0)[:600].astype(int)
    assert np.abs(both - (alone[0] + alone[1]) / 2).mean() < 1


def test_the_clock_runs_in_tenths_and_the_number_counts(renderer: Renderer) -> None:
    shot = route.shot_at(1.0)
    frame = renderer.frame(shot, NOW, 7)
    assert np.array_equal(frame, renderer.frame(shot, NOW, 7))
    bar = slice(HEIGHT - picture.BAR_PX, HEIGHT)
    for other in (
        renderer.frame(shot, NOW + datetime.timedelta(seconds=0.1), 7),
        renderer.frame(shot, NOW, 8),
    ):
        assert not np.array_equal(frame[bar], other[bar])
        assert np.array_equal(frame[: bar.start], other[: bar.start])


def test_the_clock_tells_the_site_s_time(renderer: Renderer) -> None:
    glyphs = picture.Glyphs()
    frame = renderer.frame(route.shot_at(1.0), NOW, 0)
    bar = frame[HEIGHT - picture.BAR_PX : HEIGHT]
    clock = glyphs.text("clock", "10:03:04.5")
    score = cv2.matchTemplate(bar, clock, cv2.TM_CCOEFF_NORMED).max()
    wrong = cv2.matchTemplate(bar, glyphs.text("clock", "02:03:04.5"), cv2.TM_CCOEFF_NORMED).max()
    assert score > 0.95 > wrong


def test_every_scene_has_its_small_picture_of_even_size() -> None:
    for scene in route.SCENES:
        y = picture.load(ASSETS / f"{scene.name}.webp").y
        assert y.shape == (900, 1600)
    assert sum(file.stat().st_size for file in ASSETS.iterdir()) < 1_500_000


def test_the_pictures_show_the_enterprise_of_the_demonstration_case() -> None:
    case = demo_data._CASE
    assert case.enterprise_name == facts.COMPANY
    assert case.credit_code == facts.CREDIT_CODE
    assert case.new_address == facts.ADDRESS
    assert SITE.lat == case.latitude
    assert SITE.lon == case.longitude


def test_a_missing_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.webp"):
        picture.load(tmp_path / "gone.webp")


def test_the_sound_is_as_long_as_the_walk_and_always_the_same() -> None:
    sound = soundtrack()
    assert sound.shape == (round(route.LOOP_S * RATE_HZ),)
    assert np.array_equal(sound, soundtrack())


def test_the_sound_is_quiet_but_there() -> None:
    sound = soundtrack().astype(float) / 32768
    seconds = sound.reshape(-1, RATE_HZ).std(axis=1)
    assert seconds.min() > 0.001
    assert np.abs(sound).max() < 0.5


def test_a_new_scene_begins_with_a_chime() -> None:
    sound = soundtrack().astype(float)
    for start in route.STARTS_S[1:-1]:
        first = round(start * RATE_HZ)
        heard = np.correlate(sound[first : first + chime().size], chime(), "valid")[0]
        silent = np.correlate(sound[first - chime().size : first], chime(), "valid")[0]
        assert heard > 5 * abs(silent)


def test_the_machines_are_heard_in_the_plant_only() -> None:
    sound = soundtrack().astype(float)
    hum = []
    for index, scene in enumerate(route.SCENES):
        first = round((route.STARTS_S[index] + 4.2) * RATE_HZ)
        part = sound[first : first + RATE_HZ]
        hum.append((scene.sound, abs(np.fft.rfft(part)[49:51]).max()))
    loud = min(level for kind, level in hum if kind == "machines")
    assert all(level < loud / 5 for kind, level in hum if kind != "machines")

"""Waiting, watching and speaking: the parts of the simulated phone that need no network."""

import itertools
import json
from pathlib import Path

import pytest

from server.demo import lines
from server.demo.backoff import delays
from server.demo.phone import SITE
from server.demo.route import SCENES
from server.demo.watch import ArrivalWatch
from server.settings import ROOT


def test_waits_double_up_to_the_cap() -> None:
    waits = delays(0.5, 5.0, 1000.0, jitter=lambda: 0.0)
    assert list(itertools.islice(waits, 6)) == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


def test_waits_end_when_the_budget_is_spent() -> None:
    waits = list(delays(1.0, 4.0, 10.0, jitter=lambda: 0.0))
    assert waits == [1.0, 2.0, 4.0, 3.0]


def test_jitter_shortens_a_wait_by_up_to_half() -> None:
    assert next(delays(2.0, jitter=lambda: 1.0)) == 1.0


def test_a_picture_that_does_not_arrive_for_two_seconds_is_published_anew() -> None:
    watch = ArrivalWatch()
    watch.published(0.0)
    watch.heard(False, 11.0)
    watch.heard(False, 12.0)
    assert [watch.is_due(at) for at in (12.9, 13.0)] == [False, True]


def test_a_picture_that_arrives_again_in_time_is_left_alone() -> None:
    watch = ArrivalWatch()
    watch.published(0.0)
    watch.heard(False, 5.0)
    watch.heard(True, 6.0)
    assert not watch.is_due(100.0)
    watch.heard(False, 100.0)
    assert not watch.is_due(101.9)


def test_a_new_connection_is_given_its_time() -> None:
    watch = ArrivalWatch()
    watch.heard(False, 1.0)
    watch.published(4.0)
    assert [watch.is_due(at) for at in (7.9, 8.0)] == [False, True]


def test_nothing_is_expected_to_arrive_while_nothing_is_published() -> None:
    watch = ArrivalWatch()
    watch.heard(False, 0.0)
    assert not watch.is_due(100.0)
    watch.published(0.0)
    watch.closed()
    assert not watch.is_due(100.0)


def test_what_a_lost_room_said_last_does_not_count() -> None:
    watch = ArrivalWatch()
    watch.published(0.0)
    watch.heard(False, 5.0)
    watch.out_of_touch()
    assert not watch.is_due(100.0)


def test_the_site_s_fixes_wander_within_some_metres() -> None:
    fixes = [SITE.fix(turn) for turn in range(50)]
    assert len(set(fixes)) == 50
    assert all(abs(lat - SITE.lat) < 1e-4 and abs(lon - SITE.lon) < 1.2e-4 for lat, lon, _ in fixes)
    assert all(8 <= accuracy_m <= 14 for *_, accuracy_m in fixes)


def test_every_place_of_the_walk_can_be_named_in_an_answer() -> None:
    said = {lines.answer(turn, scene.name, str) for turn in range(3) for scene in SCENES}
    assert len(said) == 3 * len({lines.PLACES[scene.name] for scene in SCENES})
    assert not any("{" in line for line in said)


def test_every_line_has_its_chinese() -> None:
    chinese = json.loads((ROOT / "locales/parts/demo.json").read_text("utf-8"))
    assert set(chinese) == {lines.GREETING, *lines.ANSWERS, *lines.PLACES.values()}
    assert all(("{place}" in english) == ("{place}" in chinese[english]) for english in chinese)


def test_lines_are_said_in_the_catalogue_s_language(tmp_path: Path) -> None:
    folder = tmp_path / "zh_CN" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "messages.po").write_text(
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\nmsgid "seed store"\nmsgstr "种子仓库"\n',
        "utf-8",
    )
    translate = lines.catalogue("zh-CN", tmp_path)
    assert lines.answer(0, "store", translate).endswith("种子仓库.")


@pytest.mark.parametrize("language", ["en", "xx"])
def test_a_language_without_a_catalogue_gets_the_english_lines(language: str, tmp_path: Path) -> None:
    assert lines.catalogue(language, tmp_path)("seed store") == "seed store"

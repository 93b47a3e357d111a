"""The fold of a room's events."""

from typing import Any

from server.live.state import Pause, RoomState, fold_all


def events(*items: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "seq": seq,
            "type": type_,
            "at": f"2026-11-21T08:00:{seq:02d}.000Z",
            "actor": {"kind": "participant", "id": "p1", "name": "周敏", "role": "reviewer"},
            "body": body,
        }
        for seq, (type_, body) in enumerate(items, start=1)
    ]


JOINED = ("participant.joined", {"participant": "p1", "role": "enterprise", "name": "田", "device": "phone"})
SLOT = ("slot.opened", {"slot": "s1", "participant": "p1", "source": "camera"})


def test_an_inspection_starts_and_ends() -> None:
    state = fold_all(events(("inspection.started", {"epoch": 1})))
    assert (state.state, state.started_at) == ("live", "2026-11-21T08:00:01.000Z")
    state = fold_all(
        events(("inspection.started", {"epoch": 1}), ("inspection.ended", {"reason": "completed"}))
    )
    assert (state.state, state.ended_at) == ("ended", "2026-11-21T08:00:02.000Z")


def test_a_pause_lasts_until_it_is_resumed_or_the_inspection_ends() -> None:
    paused = (
        SLOT,
        ("slot.lacking", {"slot": "s1", "kind": "video"}),
        ("inspection.paused", {"reason": "午休"}),
    )
    state = fold_all(events(*paused))
    assert state.pause == Pause("周敏", "午休", "2026-11-21T08:00:03.000Z")
    assert state.slots["s1"].lacking == set()
    assert fold_all(events(*paused, ("inspection.resumed", {}))).pause is None
    assert fold_all(events(*paused, ("inspection.ended", {"reason": "completed"}))).pause is None


def test_what_is_entered_as_lacking_during_a_pause_is_expected_again_after_it() -> None:
    late = ("slot.lacking", {"slot": "s1", "kind": "video"})
    paused = (SLOT, ("inspection.paused", {"reason": "午休"}), late)
    assert fold_all(events(*paused)).slots["s1"].lacking == {"video"}
    assert fold_all(events(*paused, ("inspection.resumed", {}))).slots["s1"].lacking == set()


def test_a_cancelled_and_a_concluded_inspection_say_so() -> None:
    assert fold_all(events(("inspection.cancelled", {"reason": "rain"}))).state == "cancelled"
    assert fold_all(events(("inspection.concluded", {"result": "pass", "note": ""}))).state == "concluded"


def test_people_come_and_go_and_change_their_device() -> None:
    left = events(JOINED, ("participant.left", {"participant": "p1", "cause": "lost"}))
    assert not fold_all(left).people["p1"].present
    back = events(
        JOINED,
        left[1] and ("participant.left", {"participant": "p1", "cause": "lost"}),
        ("participant.returned", {"participant": "p1"}),
    )
    assert fold_all(back).people["p1"].present
    replaced = events(
        JOINED, ("participant.replaced", {"participant": "p1", "device": "tablet", "by": "takeover"})
    )
    assert fold_all(replaced).people["p1"].device == "tablet"
    assert fold_all(replaced).people["p1"].name == "田"


def test_a_place_bears_the_name_of_who_holds_it_now() -> None:
    body = {"participant": "p1", "device": "tablet", "by": "takeover", "name": "李", "was": "田"}
    assert fold_all(events(JOINED, ("participant.replaced", body))).people["p1"].name == "李"


def test_a_slot_is_live_until_it_is_interrupted() -> None:
    live = events(JOINED, SLOT, ("slot.live", {"slot": "s1"}))
    assert fold_all(live).slots["s1"].live
    cut = events(
        JOINED, SLOT, ("slot.live", {"slot": "s1"}), ("slot.interrupted", {"slot": "s1", "cause": "no_media"})
    )
    assert not fold_all(cut).slots["s1"].live


def test_mute_is_kept_for_each_kind() -> None:
    muted = events(
        JOINED,
        SLOT,
        ("slot.muted", {"slot": "s1", "kind": "audio", "muted": True}),
        ("slot.muted", {"slot": "s1", "kind": "video", "muted": True}),
        ("slot.muted", {"slot": "s1", "kind": "video", "muted": False}),
    )
    assert fold_all(muted).slots["s1"].muted == {"audio"}


def test_the_last_answer_to_an_item_stands_and_can_be_taken_back() -> None:
    first = ("checklist.answered", {"item": "doorplate", "result": "fail", "note": "too small"})
    second = ("checklist.answered", {"item": "doorplate", "result": "pass", "note": ""})
    none = ("checklist.answered", {"item": "doorplate", "result": "none", "note": ""})
    standing = fold_all(events(first, second)).answers["doorplate"]
    assert (standing.result, standing.by) == ("pass", "周敏")
    assert fold_all(events(first, second, none)).answers == {}


def test_parts_are_open_until_they_are_closed() -> None:
    assert fold_all(events(("part.opened", {"part": "a"}))).open_parts == {"a"}
    assert (
        fold_all(events(("part.opened", {"part": "a"}), ("part.closed", {"part": "a"}))).open_parts == set()
    )


def test_snapshots_are_counted() -> None:
    assert fold_all(events(("snapshot.taken", {}), ("snapshot.taken", {}))).snapshots == 2


def test_an_event_of_a_later_version_changes_nothing_but_the_place() -> None:
    state = fold_all(events(("moon.phase", {"full": True})))
    assert state == RoomState(seq=1)

"""The continuity ledger: what was received, what was not, and why."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.clock import rfc3339
from server.inspections.continuity import missing
from server.inspections.ledger import SHORTEST_GAP, SlotLedger, build_ledger

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
OWNER, SLOT = "p1", "s1"

Told = tuple[float, str, dict[str, Any]]


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def log(*told: Told) -> list[dict[str, Any]]:
    """Events at seconds after START, in the order of time, after the joining and the slot."""
    begin: list[Told] = [
        (0, "participant.joined", {"participant": OWNER, "role": "enterprise", "name": "田", "device": ""}),
        (0, "slot.opened", {"slot": SLOT, "participant": OWNER, "source": "camera"}),
    ]
    return [
        {
            "seq": seq,
            "type": type_,
            "at": rfc3339(at(seconds)),
            "actor": {"kind": "participant", "id": OWNER, "name": "田", "role": "enterprise"},
            "body": body,
        }
        for seq, (seconds, type_, body) in enumerate([*begin, *sorted(told, key=lambda one: one[0])], 1)
    ]


def part(name: str, start: float, end: float, source: str = "received") -> Told:
    body = {"part": name, "slot": SLOT, "started_at": rfc3339(at(start)), "duration_s": end - start}
    return end, "part.closed", {**body, "source": source}


def opened(name: str, start: float) -> Told:
    return start, "part.opened", {"part": name, "slot": SLOT, "started_at": rfc3339(at(start))}


def interrupted(seconds: float, cause: str = "no_media") -> Told:
    return seconds, "slot.interrupted", {"slot": SLOT, "cause": cause}


def reported(seconds: float, state: str, happened: float | None = None) -> Told:
    body = {"participant": OWNER, "state": state, "detail": ""}
    if happened is not None:
        body["happened_at"] = rfc3339(at(happened))
    return seconds, "device.reported", body


def muted(seconds: float, kind: str, on: bool = True) -> Told:
    return seconds, "slot.muted", {"slot": SLOT, "kind": kind, "muted": on}


def moved(seconds: float, how: str, **body: Any) -> Told:
    return seconds, f"participant.{how}", {"participant": OWNER, **body}


def live(seconds: float) -> Told:
    return seconds, "slot.live", {"slot": SLOT}


def lacking(seconds: float, kind: str = "video") -> Told:
    body = {"slot": SLOT, "kind": kind, "from": rfc3339(at(seconds))}
    return seconds + 2, "slot.lacking", body


def complete(seconds: float, kind: str = "video") -> Told:
    return seconds, "slot.complete", {"slot": SLOT, "kind": kind, "to": rfc3339(at(seconds))}


def segment(name: str, seconds: float, reached_s: float) -> Told:
    return seconds, "part.segment", {"slot": SLOT, "part": name, "to_ms": round(reached_s * 1000)}


def paused(seconds: float, reason: str = "午休") -> Told:
    return seconds, "inspection.paused", {"reason": reason}


def resumed(seconds: float) -> Told:
    return seconds, "inspection.resumed", {}


def ended(seconds: float) -> Told:
    return seconds, "inspection.ended", {"reason": "completed"}


def of(events: list[dict[str, Any]], until: float = 1000) -> SlotLedger:
    (ledger,) = build_ledger(events, at(until))
    return ledger


def seconds_of(ledger: SlotLedger) -> list[tuple[str, float, float]]:
    return [
        (one.kind, (one.start - START).total_seconds(), (one.end - START).total_seconds())
        for one in ledger.intervals
    ]


CUT = (part("a", 1, 10), interrupted(12), part("b", 30, 40), ended(40))


def test_a_gap_lies_between_the_last_and_the_next_recorded_frame() -> None:
    ledger = of(log(*CUT))
    assert seconds_of(ledger) == [("received", 1, 10), ("gap", 10, 30), ("received", 30, 40)]
    assert (ledger.received_s, ledger.gap_s, ledger.filled_s) == (19, 20, 0)


@pytest.mark.parametrize(
    ("told", "cause"),
    [
        ((), "network_lost"),
        ((reported(9.9, "hidden"),), "page_hidden"),
        ((reported(9, "camera_ended"),), "camera_ended"),
        ((reported(9, "camera_denied"),), "camera_ended"),
        ((reported(8, "camera_ended"), reported(9, "camera_asking")), "camera_ended"),
        ((reported(2, "camera_black"),), "camera_black"),
        ((reported(5, "camera_ended"), reported(6, "camera_back")), "network_lost"),
        ((reported(5, "hidden"), reported(6, "visible")), "network_lost"),
        ((reported(9, "hidden"), reported(9.5, "camera_ended")), "page_hidden"),
        ((muted(9, "video"),), "muted"),
        ((muted(8, "video"), muted(9, "video", on=False)), "network_lost"),
        ((muted(9, "audio"),), "network_lost"),
        ((interrupted(10, "closed"),), "closed"),
        ((interrupted(20, "worker_restarted"),), "worker_restarted"),
        ((interrupted(10, "closed"), moved(10.5, "left", cause="left")), "left"),
        ((interrupted(10, "closed"), moved(15, "left", cause="lost")), "closed"),
        ((moved(25, "replaced", device="other"),), "replaced"),
        ((moved(11, "replaced", device="other"), reported(10, "hidden")), "replaced"),
        (
            ((10.2, "recording.failed", {"slot": SLOT, "reason": "disk_full"}),),
            "recording_failed",
        ),
    ],
)
def test_a_gap_has_the_cause_that_was_reported_around_it(told: tuple[Told, ...], cause: str) -> None:
    (gap,) = of(log(part("a", 1, 10), *told, part("b", 30, 40), ended(40))).gaps
    assert gap.cause == cause


def test_a_cause_names_the_person() -> None:
    (gap,) = of(log(part("a", 1, 10), muted(9, "video"), part("b", 30, 40), ended(40))).gaps
    assert gap.by == "田"


def test_a_cause_names_who_held_the_place_then_and_the_camera_all_who_did() -> None:
    other = moved(15, "replaced", device="other", name="李", was="田")
    camera = of(log(part("a", 1, 10), reported(9, "hidden"), reported(12, "visible"), other,
                    part("b", 20, 30), reported(29, "hidden"), part("c", 40, 50), ended(50)))  # fmt: skip
    assert camera.name == "田 · 李"
    assert [(gap.cause, gap.by) for gap in camera.gaps] == [("replaced", "李"), ("page_hidden", "李")]
    first = of(
        log(
            part("a", 1, 10),
            reported(9, "hidden"),
            part("b", 20, 30),
            moved(25, "replaced", name="李"),
            ended(30),
        )
    )
    assert [(gap.cause, gap.by) for gap in first.gaps] == [("page_hidden", "田")]


def test_a_report_that_waited_for_the_network_counts_when_it_happened() -> None:
    late = reported(31, "hidden", happened=10), reported(31, "visible", happened=29)
    (gap,) = of(log(*CUT, *late)).gaps
    assert gap.cause == "page_hidden"


def test_a_report_from_the_future_counts_when_it_was_heard() -> None:
    (gap,) = of(log(*CUT, reported(9, "hidden", happened=500))).gaps
    assert gap.cause == "page_hidden"


def test_what_a_phone_recorded_fills_the_gap_once() -> None:
    ledger = of(log(*CUT, part("x", 9, 20, "phone"), part("y", 19, 29, "phone")))
    (gap,) = ledger.gaps
    pieces = [((one.start - START).seconds, (one.end - START).seconds, one.part) for one in gap.filled]
    assert pieces == [(10, 20, "x"), (20, 29, "y")]
    assert ledger.filled_s == 19


def test_the_change_from_one_file_to_the_next_is_no_gap() -> None:
    assert seconds_of(of(log(part("a", 1, 10), part("b", 10.2, 20), ended(20)))) == [("received", 1, 20)]


def test_a_file_being_written_reaches_to_now() -> None:
    assert seconds_of(of(log(opened("a", 1)), until=7)) == [("received", 1, 7)]


def test_a_file_being_written_reaches_to_the_last_packet_before_the_interruption() -> None:
    told = log(opened("a", 1), interrupted(12))
    assert seconds_of(of(told, until=20)) == [("received", 1, 10), ("gap", 10, 20)]


def test_what_never_came_back_is_missing_to_the_end() -> None:
    assert seconds_of(of(log(part("a", 1, 10), interrupted(12), ended(25)))) == [
        ("received", 1, 10),
        ("gap", 10, 25),
    ]


def test_nothing_is_missing_after_somebody_left() -> None:
    told = log(part("a", 1, 10), interrupted(10, "closed"), moved(10, "left", cause="left"), ended(25))
    assert seconds_of(of(told)) == [("received", 1, 10)]


def test_nothing_is_missing_after_a_camera_was_turned_off_by_who_stayed() -> None:
    assert seconds_of(of(log(part("a", 1, 10), interrupted(10, "closed"), ended(25)))) == [
        ("received", 1, 10)
    ]


def test_a_browser_that_died_is_missing_to_the_end() -> None:
    told = log(part("a", 1, 10), interrupted(10, "closed"), moved(15, "left", cause="lost"), ended(25))
    assert [gap.cause for gap in of(told).gaps] == ["closed"]


def test_a_received_stretch_says_what_it_lacked() -> None:
    told = log(part("a", 0, 30), muted(10, "audio"), muted(20, "audio", on=False), ended(30))
    assert [(one.seconds, one.lacks, one.cause, one.by) for one in of(told).intervals] == [
        (10, (), None, None),
        (10, ("sound",), "muted", "田"),
        (10, (), None, None),
    ]


def test_a_black_picture_is_received_without_a_picture() -> None:
    told = log(part("a", 0, 30), reported(10, "camera_black"), reported(20, "camera_back"), ended(30))
    assert [(one.lacks, one.cause) for one in of(told).intervals] == [
        ((), None),
        (("picture",), "camera_black"),
        ((), None),
    ]


def causes_of(ledger: SlotLedger) -> list[tuple[float, float, str | None]]:
    return [
        ((one.start - START).total_seconds(), (one.end - START).total_seconds(), one.cause)
        for one in ledger.gaps
    ]


def asked_of_the_phone(ledger: SlotLedger) -> list[tuple[float, float]]:
    return [
        ((span.start - START).total_seconds(), (span.end - START).total_seconds()) for span in missing(ledger)
    ]


def test_a_slot_that_never_sent_anything_has_no_ledger() -> None:
    assert build_ledger(log(ended(25)), at(30)) == []


def test_a_camera_of_which_nothing_could_be_recorded_is_missing_from_its_beginning() -> None:
    failed = (3.1, "recording.failed", {"slot": SLOT, "reason": "disk_full"})
    for told in ((live(3), failed), (opened("a", 3), failed, part("a", 3, 3)), (live(3),)):
        ledger = of(log(*told, ended(25)))
        assert causes_of(ledger) == [(3, 25, "recording_failed")]
        assert asked_of_the_phone(ledger) == [(3, 25)]


def test_a_beginning_that_was_not_recorded_is_a_gap() -> None:
    ledger = of(log(live(2), opened("a", 9), part("a", 9, 20), ended(20)))
    assert seconds_of(ledger) == [("gap", 2, 9), ("received", 9, 20)]
    assert asked_of_the_phone(ledger) == [(2, 9)]


def test_a_recording_that_begins_with_the_first_packets_begins_without_a_gap() -> None:
    assert seconds_of(of(log(live(2), part("a", 2.3, 20), ended(20)))) == [("received", 2.3, 20)]


def test_leaving_does_not_hide_the_gap_before_it() -> None:
    told = log(live(0), part("a", 0, 10), interrupted(12), moved(370, "left", cause="left"), ended(400))
    ledger = of(told)
    assert causes_of(ledger) == [(10, 370, "network_lost")]
    assert asked_of_the_phone(ledger) == [(10, 370)]


def test_leaving_before_the_interruption_was_noticed_hides_nothing_either() -> None:
    closing = (interrupted(11.5, "closed"), moved(11.6, "left", cause="left"))
    assert causes_of(of(log(part("a", 0, 10), *closing, ended(30)))) == [(10, 11.5, "closed")]


def test_who_left_is_missed_again_from_when_they_are_back() -> None:
    told = log(
        live(0),
        part("a", 0, 10),
        interrupted(12),
        moved(20, "left", cause="left"),
        moved(50, "returned"),
        live(90),
        part("b", 90, 100),
        ended(100),
    )
    ledger = of(told)
    assert causes_of(ledger) == [(10, 20, "network_lost"), (20, 50, "left"), (50, 90, "network_lost")]
    assert asked_of_the_phone(ledger) == [(10, 20), (50, 90)]


def test_a_camera_that_was_turned_on_again_without_a_recording_is_missing() -> None:
    told = log(part("a", 0, 10), interrupted(10, "closed"), live(20), ended(40))
    assert causes_of(of(told)) == [(10, 40, "closed")]


def test_what_was_not_recorded_before_a_camera_was_turned_off_is_missing() -> None:
    told = log(live(0), part("a", 0, 10), interrupted(60, "closed"), ended(90))
    assert causes_of(of(told)) == [(10, 60, "recording_failed")]


def test_a_pause_says_who_wanted_it_and_why_and_is_asked_of_nobody() -> None:
    told = log(
        part("a", 0, 10),
        paused(10),
        interrupted(10.1, "paused"),
        resumed(60),
        live(61),
        part("b", 61, 70),
        ended(70),
    )
    ledger = of(told)
    (gap,) = ledger.gaps
    assert (gap.cause, gap.by, gap.reason, gap.seconds) == ("paused", "田", "午休", 51)
    assert asked_of_the_phone(ledger) == []


def test_a_camera_that_does_not_come_back_after_a_pause_is_missing() -> None:
    told = log(part("a", 0, 10), paused(10), interrupted(10.1, "paused"), resumed(60), ended(90))
    assert causes_of(of(told)) == [(10, 60, "paused"), (60, 90, "network_lost")]
    assert asked_of_the_phone(of(told)) == [(60, 90)]


def test_a_pause_into_which_the_inspection_ends_has_no_other_cause() -> None:
    told = log(live(0), part("a", 0, 10), paused(10), ended(90))
    assert causes_of(of(told)) == [(10, 90, "paused")]
    assert asked_of_the_phone(of(told)) == []


def test_a_picture_that_had_stopped_is_not_lacking_beyond_a_pause() -> None:
    told = log(live(0), part("a", 0, 20), lacking(10), paused(20), resumed(60), part("b", 60, 80), ended(80))
    assert causes_of(of(told)) == [(10, 20, "picture_stopped"), (20, 60, "paused")]


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_what_had_stopped_and_is_entered_only_during_the_pause_is_not_lacking_after_it(kind: str) -> None:
    seconds, type_, body = lacking(10, kind)
    told = log(
        live(0),
        part("a", 0, 11),
        paused(11),
        (seconds, type_, body),
        resumed(60),
        part("b", 60, 80),
        ended(80),
    )
    ledger = of(told)
    assert [(one.kind, one.lacks) for one in ledger.intervals if one.start >= at(60)] == [("received", ())]
    assert causes_of(ledger)[-1] == (11, 60, "paused")
    assert asked_of_the_phone(ledger) == ([(10, 11)] if kind == "video" else [])


def test_what_was_lost_before_a_pause_is_asked_of_the_phone() -> None:
    told = log(part("a", 0, 10), interrupted(12), paused(30), resumed(40), part("b", 41, 50), ended(50))
    assert causes_of(of(told)) == [(10, 30, "network_lost"), (30, 41, "paused")]


def test_a_picture_that_stops_while_the_sound_goes_on_is_a_gap_of_the_picture() -> None:
    ledger = of(log(part("a", 0, 60), lacking(10), complete(30), part("x", 12, 20, "phone"), ended(60)))
    assert [(one.kind, one.seconds, one.lacks, one.cause) for one in ledger.intervals] == [
        ("received", 10, (), None),
        ("gap", 20, ("picture",), "picture_stopped"),
        ("received", 30, (), None),
    ]
    assert asked_of_the_phone(ledger) == [(10, 12), (20, 30)]


@pytest.mark.parametrize(
    ("told", "cause", "is_gap"),
    [
        (muted(9, "video"), "muted", False),
        (reported(9, "hidden"), "page_hidden", False),
        (reported(9, "camera_ended"), "camera_ended", True),
        (muted(9, "audio"), "picture_stopped", True),
    ],
)
def test_a_picture_that_was_kept_back_is_no_gap(told: Told, cause: str, is_gap: bool) -> None:
    ledger = of(log(part("a", 0, 60), told, lacking(10), complete(30), ended(60)))
    piece = next(one for one in ledger.intervals if one.start <= at(20) < one.end)
    assert (piece.kind, piece.cause) == ("gap" if is_gap else "received", cause)
    assert piece.lacks[:1] == ("picture",)


def test_a_picture_that_stopped_before_the_network_went_is_missing_from_there() -> None:
    told = log(part("a", 0, 15), lacking(10), interrupted(17), part("b", 30, 40), ended(40))
    assert causes_of(of(told)) == [(10, 15, "picture_stopped"), (15, 30, "network_lost")]


def test_sound_that_stops_is_lacking_of_what_was_received() -> None:
    ledger = of(log(part("a", 0, 60), lacking(10, "audio"), complete(30, "audio"), ended(60)))
    assert [(one.kind, one.lacks, one.cause) for one in ledger.intervals] == [
        ("received", (), None),
        ("received", ("sound",), "sound_stopped"),
        ("received", (), None),
    ]


def test_of_a_file_in_hand_only_what_reached_the_disk_is_certain() -> None:
    assert of(log(opened("a", 1)), until=50).certain == at(1)
    assert of(log(opened("a", 1), segment("a", 5, 3.5)), until=50).certain == at(4.5)
    assert of(log(part("a", 1, 9)), until=50).certain is None


moments = st.floats(0, 100, allow_nan=False).map(lambda value: round(value, 3))
spans = st.tuples(moments, moments, st.sampled_from(["received", "phone"]))
happenings = st.one_of(
    st.tuples(moments, st.sampled_from(["no_media", "closed", "worker_restarted"])).map(
        lambda one: interrupted(*one)
    ),
    st.tuples(
        moments, st.sampled_from(["hidden", "visible", "camera_ended", "camera_black", "camera_back"])
    ).map(lambda one: reported(*one)),
    st.tuples(moments, st.sampled_from(["audio", "video"]), st.booleans()).map(lambda one: muted(*one)),
    st.tuples(moments, st.sampled_from(["left", "lost"])).map(
        lambda one: moved(one[0], "left", cause=one[1])
    ),
    moments.map(lambda one: moved(one, "returned")),
    moments.map(live),
    moments.map(paused),
    moments.map(resumed),
    st.tuples(moments, st.sampled_from(["audio", "video"])).map(lambda one: lacking(*one)),
    st.tuples(moments, st.sampled_from(["audio", "video"])).map(lambda one: complete(*one)),
    moments.map(lambda one: opened(f"open-{one}", one)),
)


@given(st.lists(spans, max_size=8), st.lists(happenings, max_size=12), st.integers(0, 120))
def test_intervals_partition_the_time_of_the_slot(
    files: list[tuple[float, float, str]], told: list[Told], end: int
) -> None:
    parts = [part(f"f{n}", min(a, b), max(a, b), source) for n, (a, b, source) in enumerate(files)]
    for ledger in build_ledger(log(*parts, *told, ended(end)), at(1000)):
        assert all(one.start < one.end for one in ledger.intervals)
        assert all(before.end == after.start for before, after in pairwise(ledger.intervals))
        total = (ledger.intervals[-1].end - ledger.intervals[0].start).total_seconds()
        assert ledger.received_s + ledger.gap_s == pytest.approx(total)
        assert ledger.intervals[-1].end <= at(end)
        for gap in ledger.gaps:
            assert gap.end - gap.start >= SHORTEST_GAP
            assert gap.cause is not None
            assert all(gap.start <= piece.start < piece.end <= gap.end for piece in gap.filled)
            assert all(before.end <= after.start for before, after in pairwise(gap.filled))

"""Descriptions of the load generator's peers."""

import pytest

from server.bench import sdp
from server.media.negotiation import parse_offer

LOCAL = sdp.Local(
    "abcd", "p" * 24, "sha-256 " + ":".join(["AB"] * 32), ("127.0.0.1", 4000), {"audio": 1, "video": 2}
)


def test_an_offer_is_one_that_the_service_takes() -> None:
    offer = parse_offer(sdp.offer(LOCAL, "sendonly"))
    video, audio = offer.section("video"), offer.section("audio")
    assert video is not None and audio is not None
    assert video.formats[0].payload_type == sdp.H264
    assert video.formats[0].rtx_payload_type == sdp.RTX
    assert audio.can_send and not audio.can_receive
    assert video.transport_cc == audio.transport_cc == 3


def test_a_plain_offer_has_no_header_extensions() -> None:
    video = parse_offer(sdp.offer(LOCAL, "sendonly", plain=True)).section("video")
    assert video is not None and video.transport_cc is None


def test_extensions_are_sent_where_the_answer_took_them() -> None:
    whole = sdp.offer(LOCAL, "sendonly")
    assert sdp.parse(whole, "127.0.0.1").extensions["video"].names == ("transport-cc", "abs-send-time")
    audio, _, video = whole.partition("m=video")
    lines = [line for line in video.splitlines() if not line.startswith("a=extmap:2")]
    taken = sdp.parse(audio + "m=video" + "\r\n".join(lines) + "\r\n", "127.0.0.1").extensions
    assert taken["video"].names == ("transport-cc",)
    assert taken["audio"].names == ("transport-cc", "abs-send-time")


def test_an_answer_keeps_the_payload_types_and_names_of_the_offer() -> None:
    theirs = sdp.offer(LOCAL, "sendonly").replace("111", "96").replace("a=mid:1", "a=mid:v")
    theirs = theirs.replace("BUNDLE 0 1", "BUNDLE 0 v")
    ours = sdp.answer(LOCAL, theirs)
    assert sdp.parse(ours, "127.0.0.1").kinds == {96: "audio", sdp.H264: "video"}
    assert "a=mid:v" in ours
    assert "a=setup:active" in ours


def test_the_candidate_is_the_one_at_the_address_asked_for() -> None:
    assert sdp.parse(sdp.offer(LOCAL, "recvonly"), "127.0.0.1").address == ("127.0.0.1", 4000)
    with pytest.raises(ValueError, match="no candidate"):
        sdp.parse(sdp.offer(LOCAL, "recvonly"), "192.0.2.7")

import pytest
from aiortc.sdp import SessionDescription
from hypothesis import given
from hypothesis import strategies as st

from server.media.bridge import Fingerprint
from server.media.congestion import EXTENSION
from server.media.errors import OfferRejected
from server.media.ice import Credentials
from server.media.negotiation import (
    Accepted,
    LocalTransport,
    Outgoing,
    build_answer,
    build_fragment,
    parse_fragment,
    parse_offer,
)
from tests.unit.media import offers

TRANSPORT = LocalTransport(
    Credentials("ufrag123", "password"), Fingerprint("sha-256", "AA:BB"), "client", [("192.0.2.7", 40000)], 5
)


def test_h264_is_preferred_to_vp8_whatever_the_offers_order() -> None:
    section = parse_offer(offers.typical()).section("video")
    assert section is not None
    assert [item.name for item in section.formats] == ["H264", "VP8"]


def test_constrained_baseline_is_preferred_to_other_profiles() -> None:
    codecs = offers.h264(100, "42001f") + offers.h264(102, "640c1f") + offers.h264(104, "42e01f")
    section = parse_offer(offers.offer(offers.video(codecs), bundle="1")).section("video")
    assert section is not None
    assert [item.payload_type for item in section.formats] == [104, 100, 102]


def test_packetization_mode_zero_is_not_taken() -> None:
    codecs = offers.h264(100, mode=0) + offers.vp8()
    section = parse_offer(offers.offer(offers.video(codecs), bundle="1")).section("video")
    assert section is not None
    assert [item.name for item in section.formats] == ["VP8"]


def test_retransmission_and_feedback_are_those_of_the_offer() -> None:
    section = parse_offer(offers.typical()).section("video")
    assert section is not None
    best, other = section.formats
    assert best.rtx_payload_type == 109
    assert best.feedback == (
        ("nack", ""),
        ("nack", "pli"),
        ("ccm", "fir"),
        ("goog-remb", ""),
        ("transport-cc", ""),
    )
    assert other.feedback == (("nack", ""), ("nack", "pli"))
    assert best.has_nack
    audio = parse_offer(offers.typical()).section("audio")
    assert audio is not None
    assert not audio.formats[0].has_nack


def test_what_goes_with_the_bundle_has_no_port_of_its_own() -> None:
    """As Firefox offers it; without the word, port 0 means that the section is not wanted."""
    text = offers.offer(offers.video(mid="0"), offers.section("audio", "1", offers.OPUS, port=0))
    assert parse_offer(text).section("audio") is None
    with_it = text.replace("a=mid:1", "a=bundle-only\r\na=mid:1")
    assert parse_offer(with_it).section("audio") is not None


def test_of_two_videos_only_the_first_is_taken() -> None:
    parsed = parse_offer(offers.offer(offers.video(mid="0"), offers.video(mid="1")))
    assert [bool(section.formats) for section in parsed.sections] == [True, False]


@pytest.mark.parametrize(
    ("setup", "role"), [("actpass", "client"), ("active", "server"), ("passive", "client")]
)
def test_our_dtls_role_complements_the_peers(setup: str, role: str) -> None:
    text = offers.typical().replace("a=setup:actpass", f"a=setup:{setup}")
    assert parse_offer(text).role == role


@pytest.mark.parametrize(
    ("sdp", "reason"),
    [
        ("", "no media"),
        ("hello", "no media"),
        ("v=0\r\nm=video\r\n", "not well-formed"),
        ("v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=candidate:1 2\r\n", "not well-formed"),
        (offers.offer(offers.video(offers.h264(mode=0)), bundle="1"), "no codec"),
        (offers.typical().replace("a=rtcp-mux\r\n", ""), "rtcp-mux"),
        (offers.typical().replace("a=group:BUNDLE 0 1", "a=group:LS 0 1"), "BUNDLE"),
        (offers.typical().replace("a=fingerprint", "a=nothing"), "fingerprint"),
        (offers.typical().replace("a=ice-pwd", "a=nothing"), "ICE"),
        (offers.typical() + "x" * 300_000, "too long"),
        (offers.typical().replace("a=setup:actpass", "a=setup:nonsense"), "not well-formed"),
    ],
)
def test_an_offer_that_cannot_be_answered_is_refused_with_the_reason(sdp: str, reason: str) -> None:
    with pytest.raises(OfferRejected, match=reason):
        parse_offer(sdp)


@given(st.text(max_size=300), st.integers(0, 2000), st.integers(0, 300))
def test_a_mangled_offer_is_parsed_or_refused(noise: str, position: int, cut: int) -> None:
    text = offers.typical()
    try:
        parse_offer(text[:position] + noise + text[position + cut :])
    except OfferRejected:
        return


def answer_to(text: str, *, sending: bool = False) -> SessionDescription:
    parsed = parse_offer(text)
    outgoing = Outgoing(1234, 5678, "cname", "slot") if sending else None
    decisions = [
        Accepted(item, item.formats, "sendonly" if sending else "recvonly", outgoing)
        if item.formats
        else item
        for item in parsed.sections
    ]
    return SessionDescription.parse(build_answer(decisions, TRANSPORT))


def test_a_stock_peer_reads_the_answer() -> None:
    audio, video = answer_to(offers.typical()).media
    assert (audio.kind, audio.direction, audio.rtp.muxId) == ("audio", "recvonly", "0")
    assert [codec.name for codec in video.rtp.codecs] == ["H264", "rtx", "VP8", "rtx"]
    assert video.rtp.codecs[0].parameters["profile-level-id"] == "42e01f"
    assert audio.rtp.codecs[0].parameters["useinbandfec"] == 1
    assert audio.rtp.codecs[0].channels == 2
    candidate = video.ice_candidates[0]
    assert (candidate.ip, candidate.port, candidate.type) == ("192.0.2.7", 40000, "host")
    assert video.ice_candidates_complete
    assert video.ice is not None
    assert video.ice.iceLite
    assert (video.ice.usernameFragment, video.ice.password) == ("ufrag123", "password")
    assert video.dtls is not None
    assert video.dtls.role == "client"


def test_a_viewer_is_told_the_streams_numbers() -> None:
    _, video = answer_to(offers.typical("recvonly"), sending=True).media
    assert [item.ssrc for item in video.ssrc] == [1234, 5678]
    assert str(video.ssrc_group[0]) == "FID 1234 5678"
    assert video.msid == "slot slot-video"


def test_a_section_that_is_not_taken_is_refused_in_its_place() -> None:
    text = offers.offer(offers.audio(), offers.section("application", "1", ""), offers.video(mid="2"))
    text = text.replace(
        "m=application 9 UDP/TLS/RTP/SAVPF ", "m=application 9 UDP/DTLS/SCTP webrtc-datachannel"
    )
    _, refused, video = answer_to(text).media
    assert (refused.kind, refused.port) == ("application", 0)
    assert video.port == 40000


def test_extensions_of_the_header_are_not_taken() -> None:
    text = offers.typical().replace("a=rtcp-rsize", "a=extmap:13 urn:3gpp:video-orientation\r\na=rtcp-rsize")
    # So the phone turns the pixels themselves; an orientation in the header would be lost in the recording.
    assert all(media.rtp.headerExtensions == [] for media in answer_to(text).media)


def test_a_publisher_that_can_is_led_by_transport_wide_feedback() -> None:
    audio, video = answer_to(offers.numbered()).media
    for media in (audio, video):
        assert [(item.id, item.uri) for item in media.rtp.headerExtensions] == [(4, EXTENSION)]
    h264 = video.rtp.codecs[0]
    assert ("transport-cc", None) in {(item.type, item.parameter) for item in h264.rtcpFeedback}
    # A limit of ours would only hide what the sender finds.
    assert "goog-remb" not in {item.type for item in h264.rtcpFeedback}
    assert h264.parameters["x-google-start-bitrate"] == "1000"
    assert "x-google-start-bitrate" not in audio.rtp.codecs[0].parameters


def test_one_that_cannot_is_led_by_a_limit() -> None:
    _, video = answer_to(offers.typical()).media
    assert {"goog-remb"} == {
        item.type for item in video.rtp.codecs[0].rtcpFeedback if item.type in ("goog-remb", "transport-cc")
    }
    two_bytes = offers.numbered().replace("a=extmap:4 ", "a=extmap:15 ")
    assert parse_offer(two_bytes).sections[1].transport_cc is None


def test_towards_viewers_packets_are_not_numbered() -> None:
    for media in answer_to(offers.numbered("recvonly"), sending=True).media:
        assert media.rtp.headerExtensions == []
        assert all(item.type != "transport-cc" for codec in media.rtp.codecs for item in codec.rtcpFeedback)


def test_a_trickle_fragment_tells_its_generation() -> None:
    fragment = "a=ice-ufrag:EsAw\r\na=ice-pwd:bP+XJMM09aR8AiX1jdukzR6Y\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n"
    assert parse_fragment(fragment) == ("EsAw", "bP+XJMM09aR8AiX1jdukzR6Y")
    assert parse_fragment("") == (None, None)
    with pytest.raises(OfferRejected):
        parse_fragment("a" * 300_000)


def test_the_answer_to_a_restart_has_new_credentials_and_candidates() -> None:
    fragment = build_fragment(["0", "1"], TRANSPORT)
    assert parse_fragment(fragment) == ("ufrag123", "password")
    assert "a=candidate:1 1 udp 2130706431 192.0.2.7 40000 typ host\r\n" in fragment

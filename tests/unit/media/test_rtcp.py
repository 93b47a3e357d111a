import pytest
from aiortc import rtp
from hypothesis import given
from hypothesis import strategies as st

from server.media.rtcp import (
    BitrateLimit,
    Goodbye,
    Nack,
    Packet,
    PictureLoss,
    ReceiverReport,
    ReportBlock,
    SenderReport,
    SourceDescription,
    compound,
    is_rtcp,
    ntp_from_seconds,
    parse,
    seconds_from_ntp,
)

word = st.integers(0, 0xFFFFFFFF)
blocks = st.builds(
    ReportBlock,
    word,
    st.integers(0, 255),
    st.integers(-0x800000, 0x7FFFFF),
    word,
    word,
    word,
    word,
)
reports = st.lists(blocks, max_size=3).map(tuple)
packets = st.one_of(
    st.builds(SenderReport, word, st.integers(0, 2**64 - 1), word, word, word, reports),
    st.builds(ReceiverReport, word, reports),
    st.builds(SourceDescription, word, st.text(st.characters(max_codepoint=127), max_size=40)),
    st.builds(Goodbye, st.lists(word, max_size=3).map(tuple)),
    st.builds(PictureLoss, word, word),
)


@given(st.lists(packets, max_size=4))
def test_what_is_built_is_parsed_again(built: list[Packet]) -> None:
    assert parse(compound(built)) == built


@given(word, word, st.sets(st.integers(0, 65535), max_size=60))
def test_every_lost_packet_is_named_in_a_nack(ssrc: int, media: int, lost: set[int]) -> None:
    packet = Nack(ssrc, media, tuple(sorted(lost)))
    assert parse(bytes(packet)) == [packet]


def test_a_nack_across_the_wrap_of_the_numbers_is_one_item() -> None:
    data = bytes(Nack(1, 2, (65534, 65535, 0, 5)))
    assert len(data) == 16
    assert parse(data) == [Nack(1, 2, (65534, 65535, 0, 5))]


def test_a_stock_peer_reads_our_feedback() -> None:
    data = compound([Nack(1, 2, (10, 12, 40)), PictureLoss(1, 2), BitrateLimit(1, 3_000_000, (7,))])
    nack, loss, limit = rtp.RtcpPacket.parse(data)
    assert isinstance(nack, rtp.RtcpRtpfbPacket)
    assert nack.lost == [10, 12, 40]
    assert isinstance(loss, rtp.RtcpPsfbPacket)
    assert loss.fmt == rtp.RTCP_PSFB_PLI
    assert isinstance(limit, rtp.RtcpPsfbPacket)
    bitrate, ssrcs = rtp.unpack_remb_fci(limit.fci)
    assert bitrate == pytest.approx(3_000_000, rel=1e-4)
    assert ssrcs == [7]


def test_a_full_intra_request_asks_for_a_keyframe_as_well() -> None:
    request = rtp.RtcpPsfbPacket(fmt=4, ssrc=1, media_ssrc=0, fci=bytes(8))
    assert parse(bytes(request)) == [PictureLoss(1, 0)]


def test_a_bitrate_limit_survives_the_way_there_and_back() -> None:
    (packet,) = parse(bytes(BitrateLimit(9, 2_500_000, (1, 2))))
    assert isinstance(packet, BitrateLimit)
    assert packet.bitrate_bps == pytest.approx(2_500_000, rel=1e-4)
    assert packet.ssrcs == (1, 2)


def test_unknown_packets_are_skipped() -> None:
    unknown = b"\x81\xd0\x00\x01\x00\x00\x00\x07"
    assert parse(unknown + bytes(PictureLoss(1, 2))) == [PictureLoss(1, 2)]


@pytest.mark.parametrize(
    "data",
    [
        b"\x80",
        b"\x40\xc8\x00\x00",
        b"\x80\xc8\x00\x06" + bytes(8),
        b"\x80\xc8\x00\x01" + bytes(4),
        b"\x82\xc9\x00\x01" + bytes(4),
        b"\x81\xcb\x00\x00",
        b"\x81\xcd\x00\x01" + bytes(4),
        b"\xa0\xc9\x00\x01\x00\x00\x00\x00",
        b"\x8f\xce\x00\x04" + bytes(8) + b"REMB\xff\x00\x00\x00",
    ],
)
def test_malformed_packets_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        parse(data)


@given(st.binary(max_size=100))
def test_random_bytes_are_parsed_or_refused(data: bytes) -> None:
    try:
        parse(data)
    except ValueError:
        return


def test_cumulative_loss_stays_in_its_24_bits() -> None:
    (report,) = parse(bytes(ReceiverReport(1, (ReportBlock(2, packets_lost=1 << 30),))))
    assert isinstance(report, ReceiverReport)
    assert report.reports[0].packets_lost == 0x7FFFFF


def test_times_go_to_ntp_and_back() -> None:
    assert seconds_from_ntp(ntp_from_seconds(1_800_000_000.25)) == 1_800_000_000.25 + 2_208_988_800


def test_feedback_is_told_from_media() -> None:
    assert is_rtcp(bytes(PictureLoss(1, 2)))
    assert not is_rtcp(b"\x80\xe0")
    assert not is_rtcp(b"\x80\x60")

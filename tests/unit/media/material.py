"""Encoded pictures and sound, cut into RTP payloads by the stock packetizers."""

from fractions import Fraction
from functools import cache

import av
import numpy as np
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import VpxPayloadDescriptor

from server.media.rtp import slot_form
from tests.peers import counter

FRAME_RTP = 3000


@cache
def encoded(
    codec: str = "H264", count: int = 12, size: tuple[int, int] = (320, 180), keyframe_every: int = 6
) -> tuple[bytes, ...]:
    """Frames of an elementary stream whose pictures bear the numbers 0, 1, 2 …"""
    encoder = av.CodecContext.create("libx264" if codec == "H264" else "libvpx", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height = size
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = Fraction(1, 30)
    encoder.framerate = Fraction(30, 1)
    encoder.bit_rate = 600_000
    encoder.gop_size = keyframe_every
    encoder.options = (
        {"profile": "baseline", "tune": "zerolatency", "preset": "ultrafast"}
        if codec == "H264"
        else {"lag-in-frames": "0", "deadline": "realtime", "cpu-used": "8"}
    )
    frames: list[bytes] = []
    for number in range(count):
        image = np.full((size[1], size[0], 3), 90, np.uint8)
        counter.draw(image, number)
        frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format="yuv420p")
        frame.pts = number
        frames += [bytes(packet) for packet in encoder.encode(frame)]
    frames += [bytes(packet) for packet in encoder.encode(None)]
    return tuple(frames)


@cache
def opus(count: int = 50) -> tuple[bytes, ...]:
    """Packets of 20 ms."""
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate = 48_000
    encoder.layout = "stereo"
    encoder.format = "s16"
    packets: list[bytes] = []
    for number in range(count):
        wave = (np.sin(np.arange(960) * 0.05) * 8000).astype(np.int16).repeat(2).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(wave, format="s16", layout="stereo")
        frame.sample_rate, frame.pts = 48_000, number * 960
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return tuple(packets)


def payloads_of(codec: str, frame: bytes) -> list[bytes]:
    if codec == "H264":
        packed: list[bytes] = H264Encoder._packetize(H264Encoder._split_bitstream(frame))
        return packed
    pieces = [frame[at : at + 500] for at in range(0, len(frame), 500)]
    return [
        bytes(VpxPayloadDescriptor(partition_start=int(i == 0), partition_id=0, picture_id=300)) + piece
        for i, piece in enumerate(pieces)
    ]


def video_packets(
    codec: str = "H264", first_number: int = 0, first_timestamp: int = 0, **how: object
) -> list[tuple[int, bytes]]:
    """(number, slot-form packet) of the frames of `encoded`."""
    packets: list[tuple[int, bytes]] = []
    number = first_number
    for index, frame in enumerate(encoded(codec, **how)):
        payloads = payloads_of(codec, frame)
        for position, payload in enumerate(payloads):
            marker = 0x80 if position == len(payloads) - 1 else 0
            packets.append((number, slot_form(marker, number, first_timestamp + index * FRAME_RTP, payload)))
            number += 1
    return packets

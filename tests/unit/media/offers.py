"""Offers as browsers write them, shortened."""

from server.media.congestion import EXTENSION

_TRANSPORT = """c=IN IP4 0.0.0.0
a=ice-ufrag:rH8w
a=ice-pwd:DwoagPseCfkn2Wbq/iQzoOJN
a=fingerprint:sha-256 {fingerprint}
a=setup:actpass
"""
_FINGERPRINT = ":".join(["AB"] * 32)
_H264 = """a=rtpmap:{number} H264/90000
a=rtcp-fb:{number} goog-remb
a=rtcp-fb:{number} transport-cc
a=rtcp-fb:{number} ccm fir
a=rtcp-fb:{number} nack
a=rtcp-fb:{number} nack pli
a=fmtp:{number} level-asymmetry-allowed=1;packetization-mode={mode};profile-level-id={profile}
a=rtpmap:{rtx} rtx/90000
a=fmtp:{rtx} apt={number}
"""
_VP8 = """a=rtpmap:96 VP8/90000
a=rtcp-fb:96 nack
a=rtcp-fb:96 nack pli
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
"""
OPUS = """a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:0 PCMU/8000
"""


def h264(number: int = 108, profile: str = "42e01f", mode: int = 1) -> str:
    return _H264.format(number=number, rtx=number + 1, profile=profile, mode=mode)


def vp8() -> str:
    return _VP8


def section(kind: str, mid: str, codecs: str, direction: str = "sendonly", port: int = 9) -> str:
    numbers = [line.split(":")[1].split()[0] for line in codecs.splitlines() if line.startswith("a=rtpmap")]
    return (
        f"m={kind} {port} UDP/TLS/RTP/SAVPF {' '.join(numbers)}\n"
        + _TRANSPORT.format(fingerprint=_FINGERPRINT)
        + f"a=mid:{mid}\na={direction}\na=rtcp-mux\na=rtcp-rsize\n"
        + codecs
    )


def audio(direction: str = "sendonly", mid: str = "0") -> str:
    return section("audio", mid, OPUS, direction)


def video(codecs: str | None = None, direction: str = "sendonly", mid: str = "1") -> str:
    return section("video", mid, codecs or h264(), direction)


def offer(*sections: str, bundle: str | None = None) -> str:
    mids = bundle if bundle is not None else " ".join(str(index) for index in range(len(sections)))
    head = f"v=0\no=- 1 2 IN IP4 127.0.0.1\ns=-\nt=0 0\na=group:BUNDLE {mids}\n"
    return (head + "".join(sections)).replace("\n", "\r\n")


def numbered(direction: str = "sendonly") -> str:
    """With transport-wide sequence numbers as extension 4, beside one that is not for us."""
    return typical(direction).replace(
        "a=rtcp-rsize", f"a=extmap:13 urn:3gpp:video-orientation\r\na=extmap:4 {EXTENSION}\r\na=rtcp-rsize"
    )


def typical(direction: str = "sendonly") -> str:
    return offer(audio(direction), video(vp8() + h264(), direction))

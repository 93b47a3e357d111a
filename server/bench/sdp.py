"""Offers and answers of the load generator's peers, and what the other side says. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from server.bench.clip import Kind
from server.bench.extensions import OFFERED, Extensions, taken_in
from server.media.bridge import DtlsRole, Fingerprint, SessionDescription

OPUS, H264, RTX = 111, 102, 103
_PROFILE = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"


@dataclass(frozen=True, slots=True)
class Local:
    """Our end: `ssrcs` of what we send, by kind."""

    ufrag: str
    password: str
    fingerprint: str
    "`sha-256 AA:BB:…`"
    address: tuple[str, int]
    ssrcs: dict[Kind, int]


@dataclass(frozen=True, slots=True)
class Remote:
    """The other end, as its description says; `role` is the DTLS role left to us."""

    ufrag: str
    password: str
    fingerprints: list[Fingerprint]
    role: DtlsRole
    address: tuple[str, int]
    kinds: dict[int, Kind]
    "Payload type -> kind, without retransmissions."
    extensions: dict[Kind, Extensions] = field(default_factory=dict)
    "What publishers write into the packets of a section."


def offer(local: Local, direction: str, *, plain: bool = False) -> str:
    """An offer of audio, then video; `direction` is sendonly or recvonly. A `plain` one has no header extensions."""
    chosen: dict[Kind, tuple[int, str]] = {"audio": (OPUS, "0"), "video": (H264, "1")}
    return _description(local, direction, chosen, "actpass", plain=plain)


def answer(local: Local, remote_sdp: str) -> str:
    """Receives what an offer sends, with the offer's own payload types and section names; no header extensions, which
    a server would have to write anew for each viewer."""
    chosen: dict[Kind, tuple[int, str]] = {}
    for media in SessionDescription.parse(remote_sdp).media:
        kind: Kind = "audio" if media.kind == "audio" else "video"
        for codec in media.rtp.codecs:
            if codec.name.lower() in ("opus", "h264") and codec.payloadType is not None:
                chosen.setdefault(kind, (codec.payloadType, media.rtp.muxId))
    return _description(local, "recvonly", chosen, "active", plain=True)


def parse(sdp: str, address: str) -> Remote:
    """Raises ValueError for a description without transport or without a candidate at `address`."""
    description = SessionDescription.parse(sdp)
    media = description.media[0]
    if media.ice is None or media.dtls is None or not media.ice.usernameFragment or not media.ice.password:
        raise ValueError("no transport in the description")
    candidates = [
        (candidate.ip, candidate.port)
        for section in description.media
        for candidate in section.ice_candidates
        if candidate.protocol.lower() == "udp" and candidate.ip == address
    ]
    if not candidates:
        raise ValueError(f"no candidate at {address}")
    kinds: dict[int, Kind] = {}
    extensions: dict[Kind, Extensions] = {}
    for section in description.media:
        kind: Kind = "audio" if section.kind == "audio" else "video"
        extensions[kind] = taken_in(section)
        for codec in section.rtp.codecs:
            if codec.name.lower() in ("opus", "h264") and codec.payloadType is not None:
                kinds[codec.payloadType] = kind
    return Remote(
        media.ice.usernameFragment,
        media.ice.password,
        list(media.dtls.fingerprints),
        "server" if media.dtls.role == "client" else "client",
        candidates[0],
        kinds,
        extensions,
    )


def _description(
    local: Local, direction: str, chosen: dict[Kind, tuple[int, str]], setup: str, *, plain: bool
) -> str:
    host, port = local.address
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0"]
    lines += [f"a=group:BUNDLE {' '.join(mid for _, mid in chosen.values())}", "a=msid-semantic: WMS *"]
    for kind, (number, mid) in chosen.items():
        numbers = f"{number}" if kind == "audio" or setup == "active" else f"{number} {RTX}"
        lines += [
            f"m={kind} {port} UDP/TLS/RTP/SAVPF {numbers}",
            f"c=IN IP4 {host}",
            f"a=mid:{mid}",
            f"a={direction}",
            "a=rtcp-mux",
            f"a=ice-ufrag:{local.ufrag}",
            f"a=ice-pwd:{local.password}",
            f"a=fingerprint:{local.fingerprint}",
            f"a=setup:{setup}",
        ]
        if kind == "audio":
            lines += [f"a=rtpmap:{number} opus/48000/2", f"a=fmtp:{number} minptime=10;useinbandfec=1"]
            feedback: tuple[str, ...] = ()
        else:
            lines += [f"a=rtpmap:{number} H264/90000", f"a=fmtp:{number} {_PROFILE}"]
            feedback = ("nack", "nack pli", "ccm fir", "goog-remb")
            if setup != "active":
                lines += [f"a=rtpmap:{RTX} rtx/90000", f"a=fmtp:{RTX} apt={number}"]
        if not plain:
            lines += [f"a=extmap:{index} {uri}" for index, uri in OFFERED.items()]
            feedback = (*feedback, "transport-cc")
        lines += [f"a=rtcp-fb:{number} {item}" for item in feedback]
        if direction == "sendonly":
            lines += ["a=msid:bench bench-" + kind, f"a=ssrc:{local.ssrcs[kind]} cname:bench"]
        lines += [f"a=candidate:1 1 udp 2130706431 {host} {port} typ host", "a=end-of-candidates"]
    return "\r\n".join(lines) + "\r\n"

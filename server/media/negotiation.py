"""Offers in, answers out (RFC 8829, WHIP RFC 9725, WHEP draft). Pure but for random numbers that callers pass in."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeGuard

from . import congestion
from .bridge import DtlsRole, Fingerprint, MediaDescription, SessionDescription
from .codecs import Kind
from .errors import OfferRejected
from .ice import Credentials

_MAX_SDP_CHARACTERS = 200_000
# A sender with transport-wide feedback finds the way's limit itself: a limit of ours would only hide it.
_REMB = ("goog-remb", "")
# From here Chromium's estimate begins. Its own beginning, 0.3 Mbit/s, means some ten seconds of a blurred doorplate;
# a way that carries less is noticed within a second.
START_BITRATE_KBPS = 1000
_FEEDBACK = {
    "video": (("nack", ""), ("nack", "pli"), ("ccm", "fir"), _REMB, congestion.FEEDBACK),
    "audio": (("nack", ""), congestion.FEEDBACK),
}
# Constrained baseline decodes everywhere (Safari refuses 42001f); plain baseline and higher profiles come after.
_PROFILES = ("42e0", "4200", "4d00", "640c", "6400")


@dataclass(frozen=True, slots=True)
class Format:
    """One codec as the offer numbers it."""

    name: str
    "H264, VP8 or opus"
    payload_type: int
    clock_hz: int
    channels: int | None
    parameters: str
    "The offer's own fmtp line."
    feedback: tuple[tuple[str, str], ...]
    rtx_payload_type: int | None = None

    @property
    def has_nack(self) -> bool:
        return ("nack", "") in self.feedback


@dataclass(frozen=True, slots=True)
class Section:
    """One m= section of an offer, and what we can take of it."""

    kind: str
    mid: str
    protocol: str
    direction: str
    formats: tuple[Format, ...]
    "In our order of preference; empty when nothing suits."
    first_format: str
    reduced_size: bool
    transport_cc: int | None = None
    "The number of the header extension with transport-wide sequence numbers, where it is offered with its feedback."

    @property
    def can_send(self) -> bool:
        return self.direction in ("sendrecv", "sendonly")

    @property
    def can_receive(self) -> bool:
        return self.direction in ("sendrecv", "recvonly")


@dataclass(frozen=True, slots=True)
class Offer:
    sections: tuple[Section, ...]
    fingerprints: list[Fingerprint]
    role: DtlsRole
    "The DTLS role that we take."
    ufrag: str

    def section(self, kind: Kind) -> Section | None:
        return next((section for section in self.sections if section.kind == kind and section.formats), None)


def _attributes(sdp: str) -> Iterator[list[str]]:
    """The raw lines of each m= section: what aiortc's parser does not keep."""
    lines: list[str] | None = None
    for line in sdp.splitlines():
        if line.startswith("m="):
            if lines is not None:
                yield lines
            lines = []
        elif lines is not None:
            lines.append(line.strip())
    if lines is not None:
        yield lines


def _format_rank(kind: str, name: str, parameters: dict[str, object]) -> int | None:
    """Lower is better; None for what we do not forward."""
    name = name.lower()
    if kind == "audio":
        return 0 if name == "opus" else None
    if name == "vp8":
        return 50
    if name == "h264" and str(parameters.get("packetization-mode", "0")) == "1":
        profile = str(parameters.get("profile-level-id", "42e01f")).lower()[:4]
        return _PROFILES.index(profile) if profile in _PROFILES else 20
    return None


_NAMES = {"opus": "opus", "vp8": "VP8", "h264": "H264"}


def _is_payload_type(number: int | None) -> TypeGuard[int]:
    return number is not None and 0 <= number < 128


def _formats(media: MediaDescription, lines: Sequence[str]) -> tuple[Format, ...]:
    fmtp = {}
    for line in lines:
        if line.startswith("a=fmtp:"):
            number, _, text = line[7:].partition(" ")
            fmtp[number] = text.strip()
    rtx: dict[int, int] = {}
    for codec in media.rtp.codecs:
        apt = codec.parameters.get("apt")
        if codec.name.lower() == "rtx" and isinstance(apt, int) and _is_payload_type(codec.payloadType):
            rtx.setdefault(apt, codec.payloadType)
    ranked: list[tuple[int, int, Format]] = []
    for order, codec in enumerate(media.rtp.codecs):
        rank = _format_rank(media.kind, codec.name, dict(codec.parameters))
        if rank is None or not _is_payload_type(codec.payloadType):
            continue
        offered = {(item.type, item.parameter or "") for item in codec.rtcpFeedback}
        ranked.append(
            (
                rank,
                order,
                Format(
                    name=_NAMES[codec.name.lower()],
                    payload_type=codec.payloadType,
                    clock_hz=codec.clockRate,
                    channels=codec.channels,
                    parameters=fmtp.get(str(codec.payloadType), ""),
                    feedback=tuple(item for item in _FEEDBACK[media.kind] if item in offered),
                    rtx_payload_type=rtx.get(codec.payloadType),
                ),
            )
        )
    ranked.sort(key=lambda item: item[:2])
    return tuple(item[2] for item in ranked)


def _section(media: MediaDescription, lines: Sequence[str], index: int) -> Section:
    # Port 0 refuses a section, but not one that merely goes with the bundle (RFC 8843 section 6; Firefox offers so).
    is_open = media.port != 0 or "a=bundle-only" in lines
    usable = media.kind in ("audio", "video") and is_open and media.rtcp_mux
    formats = _formats(media, lines) if usable else ()
    return Section(
        kind=media.kind,
        mid=media.rtp.muxId or str(index),
        protocol=media.profile,
        direction=media.direction or "sendrecv",
        formats=formats,
        first_format=str(media.fmt[0]),
        reduced_size="a=rtcp-rsize" in lines,
        transport_cc=_transport_cc(media, formats),
    )


def _transport_cc(media: MediaDescription, formats: Sequence[Format]) -> int | None:
    """Of the best format, which is what publishers get. The number must fit a one-byte header: no other is read."""
    if not formats or congestion.FEEDBACK not in formats[0].feedback:
        return None
    numbers = [item.id for item in media.rtp.headerExtensions if item.uri == congestion.EXTENSION]
    return next((number for number in numbers if 0 < number < 15), None)


def _one_of_each(sections: Sequence[Section]) -> tuple[Section, ...]:
    """Keeps the first usable section of each kind; further ones lose their formats and are refused in the answer."""
    seen: set[str] = set()
    kept = []
    for section in sections:
        if section.formats and section.kind in seen:
            kept.append(
                Section(
                    section.kind,
                    section.mid,
                    section.protocol,
                    section.direction,
                    (),
                    section.first_format,
                    section.reduced_size,
                )
            )
            continue
        if section.formats:
            seen.add(section.kind)
        kept.append(section)
    return tuple(kept)


def parse_offer(sdp: str) -> Offer:
    """Raises OfferRejected with the reason."""
    if len(sdp) > _MAX_SDP_CHARACTERS:
        raise OfferRejected("the offer is too long")
    try:
        description = SessionDescription.parse(sdp)
        raw = list(_attributes(sdp))
        if len(raw) != len(description.media) or not raw:
            raise OfferRejected("the offer has no media")
        sections = [_section(media, raw[i], i) for i, media in enumerate(description.media)]
    except OfferRejected:
        raise
    except Exception as error:
        # The parser asserts, looks up and converts freely: anything it throws means that the text is no SDP.
        raise OfferRejected("the offer is not well-formed SDP") from error
    usable = [i for i, section in enumerate(sections) if section.formats]
    if not usable:
        raise OfferRejected(
            "the offer has no codec that we take: H.264 (packetization mode 1), VP8 or Opus, over rtcp-mux"
        )
    bundled = {str(mid) for group in description.group if group.semantic == "BUNDLE" for mid in group.items}
    if len(usable) > 1 and not all(sections[i].mid in bundled for i in usable):
        raise OfferRejected("audio and video must share one transport (BUNDLE)")
    first = description.media[usable[0]]
    if first.dtls is None or not first.dtls.fingerprints:
        raise OfferRejected("the offer has no DTLS fingerprint")
    if first.ice is None or not first.ice.usernameFragment or not first.ice.password:
        raise OfferRejected("the offer has no ICE credentials")
    return Offer(
        sections=_one_of_each(sections),
        fingerprints=list(first.dtls.fingerprints),
        role="server" if first.dtls.role == "client" else "client",
        ufrag=first.ice.usernameFragment,
    )


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What we send in a section of a viewer's answer."""

    ssrc: int
    rtx_ssrc: int | None
    cname: str
    stream: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """Our decision on one section of the offer."""

    section: Section
    formats: tuple[Format, ...]
    direction: Literal["recvonly", "sendonly", "inactive"]
    outgoing: Outgoing | None = None


@dataclass(frozen=True, slots=True)
class LocalTransport:
    """Our end of the transport, as the answer states it."""

    credentials: Credentials
    fingerprint: Fingerprint
    role: DtlsRole
    candidates: Sequence[tuple[str, int]]
    session_number: int = field(default=1)


def candidate_lines(candidates: Sequence[tuple[str, int]]) -> list[str]:
    """Host candidates of the one port (RFC 8839 section 5.1), first the most preferred."""
    lines = []
    for index, (host, port) in enumerate(candidates):
        priority = (126 << 24) | ((65535 - index) << 8) | 255
        lines.append(f"a=candidate:{index + 1} 1 udp {priority} {host} {port} typ host")
    return lines


def _format_lines(item: Format, *, transport_cc: bool) -> list[str]:
    channels = f"/{item.channels}" if item.channels and item.channels > 1 else ""
    number = item.payload_type
    lines = [f"a=rtpmap:{number} {item.name}/{item.clock_hz}{channels}"]
    lines += [
        f"a=rtcp-fb:{number} {name} {value}".rstrip()
        for name, value in item.feedback
        if (name, value) != (_REMB if transport_cc else congestion.FEEDBACK)
    ]
    parameters = [item.parameters] if item.parameters else []
    if transport_cc and item.name != "opus":
        parameters.append(f"x-google-start-bitrate={START_BITRATE_KBPS}")
    if parameters:
        lines.append(f"a=fmtp:{number} {';'.join(parameters)}")
    if item.rtx_payload_type is not None:
        lines.append(f"a=rtpmap:{item.rtx_payload_type} rtx/{item.clock_hz}")
        lines.append(f"a=fmtp:{item.rtx_payload_type} apt={number}")
    return lines


def _outgoing_lines(kind: str, outgoing: Outgoing) -> list[str]:
    lines = [f"a=msid:{outgoing.stream} {outgoing.stream}-{kind}"]
    if outgoing.rtx_ssrc is not None:
        lines.append(f"a=ssrc-group:FID {outgoing.ssrc} {outgoing.rtx_ssrc}")
        lines.append(f"a=ssrc:{outgoing.ssrc} cname:{outgoing.cname}")
        lines.append(f"a=ssrc:{outgoing.rtx_ssrc} cname:{outgoing.cname}")
    else:
        lines.append(f"a=ssrc:{outgoing.ssrc} cname:{outgoing.cname}")
    return lines


def _section_lines(accepted: Accepted, transport: LocalTransport) -> list[str]:
    host, port = transport.candidates[0]
    numbers: list[int] = []
    for item in accepted.formats:
        numbers.append(item.payload_type)
        if item.rtx_payload_type is not None:
            numbers.append(item.rtx_payload_type)
    family = "IP6" if ":" in host else "IP4"
    section = accepted.section
    lines = [
        f"m={section.kind} {port} {section.protocol} {' '.join(map(str, numbers))}",
        f"c=IN {family} {host}",
        f"a=mid:{section.mid}",
        f"a={accepted.direction}",
        "a=rtcp-mux",
    ]
    if section.reduced_size:
        lines.append("a=rtcp-rsize")
    lines += [
        f"a=ice-ufrag:{transport.credentials.ufrag}",
        f"a=ice-pwd:{transport.credentials.password}",
        f"a=fingerprint:{transport.fingerprint.algorithm} {transport.fingerprint.value}",
        f"a=setup:{'active' if transport.role == 'client' else 'passive'}",
    ]
    # Towards viewers we do not number packets.
    transport_cc = accepted.direction == "recvonly" and section.transport_cc is not None
    if transport_cc:
        lines.append(f"a=extmap:{section.transport_cc} {congestion.EXTENSION}")
    for item in accepted.formats:
        lines += _format_lines(item, transport_cc=transport_cc)
    if accepted.outgoing is not None:
        lines += _outgoing_lines(section.kind, accepted.outgoing)
    lines += candidate_lines(transport.candidates)
    lines.append("a=end-of-candidates")
    return lines


def build_answer(decisions: Sequence[Accepted | Section], transport: LocalTransport) -> str:
    """The answer, section by section in the offer's order; a bare Section is refused."""
    mids = " ".join(item.section.mid for item in decisions if isinstance(item, Accepted))
    lines = [
        "v=0",
        f"o=- {transport.session_number} 1 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        "a=ice-lite",
        f"a=group:BUNDLE {mids}",
        "a=msid-semantic:WMS *",
    ]
    for item in decisions:
        if isinstance(item, Accepted):
            lines += _section_lines(item, transport)
        else:
            lines += [
                f"m={item.kind} 0 {item.protocol} {item.first_format}",
                "c=IN IP4 0.0.0.0",
                f"a=mid:{item.mid}",
                "a=inactive",
            ]
    return "\r\n".join(lines) + "\r\n"


def parse_fragment(fragment: str) -> tuple[str | None, str | None]:
    """ICE user fragment and password of a trickle fragment (RFC 8840 section 9). Raises OfferRejected."""
    if len(fragment) > _MAX_SDP_CHARACTERS:
        raise OfferRejected("the fragment is too long")
    ufrag = password = None
    for line in fragment.splitlines():
        if line.startswith("a=ice-ufrag:"):
            ufrag = line[12:].strip()
        elif line.startswith("a=ice-pwd:"):
            password = line[10:].strip()
    return ufrag, password


def build_fragment(mids: Sequence[str], transport: LocalTransport) -> str:
    """Our new credentials and candidates after an ICE restart (RFC 9725 section 4.3.3)."""
    lines = [
        "a=ice-lite",
        f"a=group:BUNDLE {' '.join(mids)}",
        "m=audio 9 UDP/TLS/RTP/SAVPF 0",
        f"a=mid:{mids[0]}",
        f"a=ice-ufrag:{transport.credentials.ufrag}",
        f"a=ice-pwd:{transport.credentials.password}",
        *candidate_lines(transport.candidates),
        "a=end-of-candidates",
    ]
    return "\r\n".join(lines) + "\r\n"

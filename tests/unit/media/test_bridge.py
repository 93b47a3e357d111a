"""The names of aiortc and aioice that `server.media.bridge` leans on. A release that moves one fails here, loudly."""

import asyncio
import gc
import inspect

import pylibsrtp
import pytest
from aioice import stun
from aiortc import rtcdtlstransport as dtls
from aiortc import sdp
from pylibsrtp._binding import ffi, lib

from server.media import bridge, rtcp
from server.media.congestion import EXTENSION
from server.media.rtp import addressed, slot_form
from tests.unit.media import offers


def test_the_dtls_transport_has_what_we_touch() -> None:
    transport = dtls.RTCDtlsTransport
    assert list(inspect.signature(transport.__init__).parameters) == ["self", "transport", "certificates"]
    assert list(inspect.signature(transport._set_role).parameters) == ["self", "role"]
    source = inspect.getsource(transport)
    for name in (
        "self._rx_srtp",
        "self._tx_srtp",
        "self._task",
        'self.emit("statechange")',
        "self.transport._recv()",
        "self.transport._send(",
    ):
        assert name in source
    assert isinstance(transport.state, property)
    assert inspect.iscoroutinefunction(transport.start)
    assert inspect.iscoroutinefunction(transport.stop)
    assert list(inspect.signature(transport.start).parameters) == ["self", "remoteParameters"]


async def test_the_dtls_transport_tells_of_its_state_until_its_listeners_are_removed() -> None:
    pipe = bridge._Pipe(lambda _: None)
    transport = dtls.RTCDtlsTransport(pipe, [bridge.Certificate.generateCertificate()])  # type: ignore[arg-type]
    told: list[str] = []
    transport.on("statechange", lambda: told.append(transport.state))
    assert (transport.state, transport._task) == ("new", None)
    transport._set_state(dtls.State.CLOSED)
    transport.remove_all_listeners()
    transport._set_state(dtls.State.FAILED)
    assert told == ["closed"]
    assert {"closed", "connected", "failed"} <= {state.name.lower() for state in dtls.State}


def test_the_dtls_transport_asks_no_more_of_its_pipe_than_we_give() -> None:
    source = inspect.getsource(dtls.RTCDtlsTransport)
    asked = {
        part.split("(")[0].split(".")[0].split(" ")[0].strip(",):\n")
        for part in source.split("self.transport.")[1:]
    }
    assert asked <= {"_recv", "_send", "role"}
    assert {name for name in ("_recv", "_send", "role") if hasattr(bridge._Pipe, name)} == {
        "_recv",
        "_send",
        "role",
    }


def test_dtls_parameters_and_certificates_have_their_shape() -> None:
    parameters = dtls.RTCDtlsParameters(fingerprints=[dtls.RTCDtlsFingerprint("sha-256", "AA")])
    assert parameters.fingerprints[0].algorithm == "sha-256"
    certificate = dtls.RTCCertificate.generateCertificate()
    assert "sha-256" in {item.algorithm for item in certificate.getFingerprints()}


def test_srtp_sessions_have_their_four_verbs() -> None:
    for name in ("protect", "unprotect", "protect_rtcp", "unprotect_rtcp"):
        assert callable(getattr(pylibsrtp.Session, name))
    assert issubclass(pylibsrtp.Error, Exception)


def test_libsrtp_is_reached_as_we_reach_it() -> None:
    assert inspect.signature(pylibsrtp.Session).parameters.keys() == {"policy"}
    session = srtp(pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
    assert session._srtp[0] != ffi.NULL
    for name in ("srtp_protect", "srtp_unprotect", "srtp_protect_rtcp", "srtp_unprotect_rtcp"):
        verb = ffi.typeof(getattr(lib, name))
        assert [item.cname for item in verb.args] == ["struct srtp_ctx_t_ *", "void *", "int *"]
    assert lib.srtp_err_status_ok == 0


def srtp(kind: int) -> pylibsrtp.Session:
    return pylibsrtp.Session(pylibsrtp.Policy(key=bytes(range(30)), ssrc_type=kind))


def adopted() -> bridge.SecureTransport:
    """Both directions with one key, so that it can read what it wrote."""
    certificate = bridge.Certificate.generateCertificate()
    transport = bridge.SecureTransport(certificate, "server", send=lambda _: None, on_end=lambda: None)
    inward, outward = pylibsrtp.Policy.SSRC_ANY_INBOUND, pylibsrtp.Policy.SSRC_ANY_OUTBOUND
    transport._adopt(srtp(inward), srtp(outward))
    return transport


async def test_what_is_protected_is_what_libsrtp_itself_would_have_written() -> None:
    transport, stock = adopted(), srtp(pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
    for number in range(50):
        packet = slot_form(0x80, number, number * 3000, bytes([number]) * (number * 26))
        wanted = stock.protect(addressed(packet, 108, 0x01020304))
        if number % 2:
            found = transport.protect(addressed(packet, 108, 0x01020304))
        else:
            found = bytes(transport.sealer(108, b"\1\2\3\4")(packet))
        assert found == wanted
        assert transport.unprotect(found) == addressed(packet, 108, 0x01020304)
    report = bytes(rtcp.ReceiverReport(7))
    assert transport.unprotect_rtcp(transport.protect_rtcp(report)) == report


async def test_forged_replayed_and_overlong_packets_are_errors_and_the_next_one_is_not() -> None:
    transport = adopted()
    packet = slot_form(0, 1, 2, b"x" * 1000)
    protected = transport.protect(packet)
    with pytest.raises(bridge.SrtpError):
        transport.unprotect(protected[:-1] + bytes([protected[-1] ^ 1]))
    assert transport.unprotect(protected) == packet
    with pytest.raises(bridge.SrtpError):
        transport.unprotect(protected)
    for verb in (transport.protect, transport.unprotect, transport.sealer(1, b"ssrc")):
        with pytest.raises(ValueError, match="too long"):
            verb(bytes(1501))
    with pytest.raises(bridge.SrtpError):
        transport.protect(b"short")
    longest = slot_form(0, 2, 2, bytes(1500 - 12))
    assert len(transport.protect(longest)) > 1500


async def test_a_verb_outlives_its_transport() -> None:
    seal = adopted().sealer(108, b"\1\2\3\4")
    gc.collect()
    assert len(seal(slot_form(0, 1, 2, b"x"))) > 13


def test_stun_messages_have_what_we_touch() -> None:
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, b"x" * 12)
    message.attributes["USERNAME"] = "a:b"
    message.attributes["USE-CANDIDATE"] = None
    message.attributes["ICE-CONTROLLED"] = 1
    message.attributes["XOR-MAPPED-ADDRESS"] = ("192.0.2.1", 5)
    message.attributes["ERROR-CODE"] = (487, "Role Conflict")
    message.add_message_integrity(b"key")
    assert stun.Class.RESPONSE.name != stun.Class.ERROR.name
    parsed = stun.parse_message(bytes(message))
    assert (parsed.message_method, parsed.message_class) == (stun.Method.BINDING, stun.Class.REQUEST)
    assert parsed.attributes["USERNAME"] == "a:b"
    assert "USE-CANDIDATE" in parsed.attributes and "ICE-CONTROLLED" in parsed.attributes
    assert "MESSAGE-INTEGRITY" in parsed.attributes
    assert parsed.check_message_integrity(b"key")
    assert not parsed.check_message_integrity(b"other")
    assert parsed.transaction_id == b"x" * 12


def test_stun_messages_are_answered_with_what_we_touch() -> None:
    response = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, b"y" * 12)
    response.attributes["XOR-MAPPED-ADDRESS"] = ("192.0.2.1", 5)
    response.add_message_integrity(b"key")
    response.add_fingerprint()
    parsed = stun.parse_message(bytes(response))
    assert parsed.message_class == stun.Class.RESPONSE
    assert parsed.attributes["XOR-MAPPED-ADDRESS"] == ("192.0.2.1", 5)
    error = stun.Message(stun.Method.BINDING, stun.Class.ERROR, b"y" * 12)
    error.attributes["ERROR-CODE"] = (487, "Role Conflict")
    assert stun.parse_message(bytes(error)).attributes["ERROR-CODE"] == (487, "Role Conflict")


def test_the_sdp_parser_keeps_what_we_read() -> None:
    description = sdp.SessionDescription.parse(offers.numbered())
    (group,) = description.group
    assert (group.semantic, [str(item) for item in group.items]) == ("BUNDLE", ["0", "1"])
    audio, video = description.media
    assert (audio.kind, video.kind) == ("audio", "video")
    assert (video.port, video.profile, video.direction) == (9, "UDP/TLS/RTP/SAVPF", "sendonly")
    assert [str(item) for item in video.fmt] == ["96", "97", "108", "109"]
    assert video.rtcp_mux is True
    assert video.rtp.muxId == "1"
    h264 = next(codec for codec in video.rtp.codecs if codec.payloadType == 108)
    assert (h264.name, h264.clockRate, h264.channels) == ("H264", 90_000, None)
    assert h264.parameters["packetization-mode"] in ("1", 1)
    assert h264.parameters["profile-level-id"] == "42e01f"
    assert {(item.type, item.parameter or "") for item in h264.rtcpFeedback} >= {
        ("nack", ""),
        ("nack", "pli"),
    }
    rtx = next(codec for codec in video.rtp.codecs if codec.payloadType == 109)
    assert (rtx.name, rtx.parameters["apt"]) == ("rtx", 108)
    opus = audio.rtp.codecs[0]
    assert (opus.name, opus.clockRate, opus.channels) == ("opus", 48_000, 2)
    assert {item.id: item.uri for item in video.rtp.headerExtensions}[4] == EXTENSION


def test_the_sdp_parser_keeps_the_transport() -> None:
    media = sdp.SessionDescription.parse(offers.typical()).media[0]
    assert media.dtls is not None and media.ice is not None
    assert [(item.algorithm, item.value) for item in media.dtls.fingerprints] == [
        ("sha-256", ":".join(["AB"] * 32))
    ]
    assert media.dtls.role == "auto"
    assert (media.ice.usernameFragment, media.ice.password) == ("rH8w", "DwoagPseCfkn2Wbq/iQzoOJN")
    active = offers.typical().replace("actpass", "active")
    parsed = sdp.SessionDescription.parse(active).media[0].dtls
    assert parsed is not None and parsed.role == "client"


async def test_a_pipe_that_is_flooded_drops_and_still_ends() -> None:
    pipe = bridge._Pipe(lambda _: None)
    assert [pipe.feed(b"x") for _ in range(100)].count(True) == 64
    pipe.end()
    received = 0
    while True:
        try:
            await asyncio.wait_for(pipe._recv(), 1)
        except ConnectionError:
            break
        received += 1
    assert received == 63

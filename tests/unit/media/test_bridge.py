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
from server.media.rtp import addressed, slot_form


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
    parsed = stun.parse_message(bytes(message))
    assert parsed.check_message_integrity(b"key")
    assert not parsed.check_message_integrity(b"other")
    assert parsed.transaction_id == b"x" * 12


def test_the_sdp_parser_keeps_what_we_read() -> None:
    media = sdp.MediaDescription("video", 9, "UDP/TLS/RTP/SAVPF", [96])
    for name in ("kind", "port", "profile", "fmt", "direction", "rtcp_mux", "rtp", "dtls", "ice"):
        assert hasattr(media, name)
    assert sdp.SessionDescription.parse("v=0\r\na=group:BUNDLE 0\r\n").group[0].items == ["0"]


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

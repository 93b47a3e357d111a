"""The only module that reaches into aiortc and aioice beyond what they document.

Every name it leans on is listed in `tests/unit/media/test_bridge.py`, which fails loudly when a release moves one.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Literal

import pylibsrtp
from aioice import stun
from aiortc.rtcdtlstransport import (
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
)
from aiortc.sdp import MediaDescription, SessionDescription
from pylibsrtp._binding import ffi as _ffi
from pylibsrtp._binding import lib as _lib

__all__ = [
    "BindingRequest",
    "Certificate",
    "DtlsRole",
    "Fingerprint",
    "MediaDescription",
    "SecureTransport",
    "SessionDescription",
    "SrtpError",
    "binding_error",
    "binding_success",
    "parse_binding_request",
]

logger = logging.getLogger(__name__)

Certificate = RTCCertificate
Fingerprint = RTCDtlsFingerprint
SrtpError = pylibsrtp.Error

DtlsRole = Literal["client", "server"]

# Room for the longest datagram and what SRTP adds to it (a tag of 16 bytes, an index, a key identifier).
_MAX_PACKET = 1500
_BUFFER_SIZE = _MAX_PACKET + 16 + 4 + 128
_OK = _lib.srtp_err_status_ok

# A handshake is some ten datagrams; a peer that floods us before it is authenticated fills this and no more.
_MAX_QUEUED_DATAGRAMS = 64


class _Pipe:
    """What `RTCDtlsTransport` needs of an ICE transport: datagrams in by a queue, datagrams out by a call."""

    role = "controlled"
    state = "completed"

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._datagrams: asyncio.Queue[bytes | None] = asyncio.Queue(_MAX_QUEUED_DATAGRAMS)
        self._transmit = send

    async def _recv(self) -> bytes:
        datagram = await self._datagrams.get()
        if datagram is None:
            raise ConnectionError("closed")
        return datagram

    async def _send(self, datagram: bytes) -> None:
        self._transmit(datagram)

    def feed(self, datagram: bytes) -> bool:
        try:
            self._datagrams.put_nowait(datagram)
        except asyncio.QueueFull:
            return False
        return True

    def end(self) -> None:
        while self._datagrams.full():
            self._datagrams.get_nowait()
        self._datagrams.put_nowait(None)


class _Srtp:
    """One direction of an SRTP session on a buffer of its own: what pylibsrtp allocates for every packet is as
    expensive as the cipher. Not for two threads at once."""

    def __init__(self, session: pylibsrtp.Session) -> None:
        # Owns what the next line points to; the verbs hold on to it by referring to `self`.
        self._session = session
        self._context = session._srtp[0]
        self._data = _ffi.new("char[]", _BUFFER_SIZE)
        self._bytes = _ffi.buffer(self._data)
        self._view = memoryview(self._bytes).cast("B")
        self._size = _ffi.new("int *")

    def verb(self, function: Callable[[Any, Any, Any], int]) -> Callable[[bytes], bytes]:
        """A packet in, the protected or unprotected one out. Raises SrtpError, or ValueError for one too long."""
        context, data, octets, length = self._context, self._data, self._bytes, self._size

        def process(packet: bytes) -> bytes:
            size = len(packet)
            if size > _MAX_PACKET:
                raise ValueError("packet is too long")
            octets[:size] = packet
            length[0] = size
            status = function(context, data, length)
            if status != _OK:
                raise self._failed(status)
            processed: bytes = octets[: length[0]]
            return processed

        return process

    def sealer(self, payload_type: int, ssrc: bytes) -> Callable[[bytes], memoryview]:
        """For `SecureTransport.sealer`."""
        context, data, view, length = self._context, self._data, self._view, self._size
        protect = _lib.srtp_protect

        def seal(packet: bytes) -> memoryview:
            size = len(packet)
            if size > _MAX_PACKET:
                raise ValueError("packet is too long")
            view[:size] = packet
            view[1] = packet[1] | payload_type
            view[8:12] = ssrc
            length[0] = size
            status = protect(context, data, length)
            if status != _OK:
                raise self._failed(status)
            return view[: length[0]]

        return seal

    def _failed(self, status: int) -> SrtpError:
        return SrtpError(f"{self._session}: libsrtp says {status}")


class SecureTransport:
    """DTLS-SRTP (RFC 5764) of one session: aiortc's handshake, but SRTP packet by packet in our hands."""

    protect: Callable[[bytes], bytes]
    unprotect: Callable[[bytes], bytes]
    protect_rtcp: Callable[[bytes], bytes]
    unprotect_rtcp: Callable[[bytes], bytes]
    sealer: Callable[[int, bytes], Callable[[bytes], memoryview]]
    """For a payload type and an SSRC (4 bytes): what addresses and protects slot-form packets. A view is good until the
    next packet of the session."""

    def __init__(
        self,
        certificate: Certificate,
        role: DtlsRole,
        *,
        send: Callable[[bytes], None],
        on_end: Callable[[], None],
    ) -> None:
        self._pipe = _Pipe(send)
        pipe: Any = self._pipe
        self._dtls = RTCDtlsTransport(pipe, [certificate])
        self._dtls._set_role(role)
        self._on_end = on_end
        self.ready = False

    def feed(self, datagram: bytes) -> bool:
        """A DTLS datagram from the peer. False when too many are waiting and it was dropped."""
        return self._pipe.feed(datagram)

    async def connect(self, fingerprints: list[Fingerprint]) -> bool:
        """Runs the handshake and checks the peer's certificate against the offer's fingerprints."""
        await self._dtls.start(RTCDtlsParameters(fingerprints=fingerprints))
        if self._dtls.state != "connected":
            return False
        self._adopt(self._dtls._rx_srtp, self._dtls._tx_srtp)
        self._dtls.on("statechange", self._on_statechange)
        return True

    def _adopt(self, inward: pylibsrtp.Session, outward: pylibsrtp.Session) -> None:
        receiving, sending = _Srtp(inward), _Srtp(outward)
        self.unprotect = receiving.verb(_lib.srtp_unprotect)
        self.unprotect_rtcp = receiving.verb(_lib.srtp_unprotect_rtcp)
        self.protect, self.protect_rtcp = (
            sending.verb(_lib.srtp_protect),
            sending.verb(_lib.srtp_protect_rtcp),
        )
        self.sealer = sending.sealer
        self.ready = True

    def _on_statechange(self) -> None:
        if self._dtls.state in ("closed", "failed"):
            self._on_end()

    async def close(self) -> None:
        self._dtls.remove_all_listeners()
        pump = self._dtls._task
        await self._dtls.stop()
        self._pipe.end()
        if pump is not None:
            await asyncio.gather(pump, return_exceptions=True)


class BindingRequest:
    """A STUN binding request with credentials, as yet unchecked (RFC 8489)."""

    __slots__ = ("_message", "local_ufrag", "nominates", "peer_is_controlled")

    def __init__(self, message: stun.Message) -> None:
        self._message = message
        self.local_ufrag = str(message.attributes["USERNAME"]).partition(":")[0]
        self.nominates = "USE-CANDIDATE" in message.attributes
        self.peer_is_controlled = "ICE-CONTROLLED" in message.attributes

    @property
    def transaction_id(self) -> bytes:
        return self._message.transaction_id

    def is_authentic(self, password: str) -> bool:
        return self._message.check_message_integrity(password.encode())


def parse_binding_request(datagram: bytes) -> BindingRequest | None:
    """None for everything but a well-formed binding request that carries USERNAME and MESSAGE-INTEGRITY."""
    try:
        message = stun.parse_message(datagram)
    except Exception:
        # aioice lets struct.error and others through for some malformed attributes.
        logger.debug("malformed STUN message", exc_info=True)
        return None
    if (
        message.message_class != stun.Class.REQUEST
        or message.message_method != stun.Method.BINDING
        or "USERNAME" not in message.attributes
        or "MESSAGE-INTEGRITY" not in message.attributes
    ):
        return None
    return BindingRequest(message)


def binding_success(request: BindingRequest, address: tuple[str, int], password: str) -> bytes:
    response = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, request.transaction_id)
    response.attributes["XOR-MAPPED-ADDRESS"] = address
    response.add_message_integrity(password.encode())
    return bytes(response)


def binding_error(request: BindingRequest, code: int, reason: str, password: str) -> bytes:
    response = stun.Message(stun.Method.BINDING, stun.Class.ERROR, request.transaction_id)
    response.attributes["ERROR-CODE"] = (code, reason)
    response.add_message_integrity(password.encode())
    return bytes(response)

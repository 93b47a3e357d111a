"""A minimal WebRTC peer for loads: controlling ICE on one loopback socket, DTLS, then SRTP packet by packet."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Callable
from typing import Literal, Protocol

from aioice import stun

from server.bench import sdp
from server.media.bridge import (
    Certificate,
    Fingerprint,
    SecureTransport,
    binding_success,
    parse_binding_request,
)

CONNECT_TIMEOUT_S = 15.0
_CHECK_EVERY_S = 0.05
_BUFFER_BYTES = 4 << 20
_PRIORITY = 1853824767
SO_TIMESTAMPNS = 35


class Secured(Protocol):
    """SRTP in both directions; `SecureTransport` of the media engine, or fixed keys."""

    protect: Callable[[bytes], bytes]
    unprotect: Callable[[bytes], bytes]
    protect_rtcp: Callable[[bytes], bytes]
    unprotect_rtcp: Callable[[bytes], bytes]

    def feed(self, datagram: bytes, /) -> bool: ...
    async def connect(self, fingerprints: list[Fingerprint], /) -> bool: ...
    async def close(self) -> None: ...


class Peer:
    """A publisher's or a viewer's connection. `connect` runs on the event loop; then the traffic owns the socket."""

    def __init__(
        self,
        certificate: Certificate,
        direction: Literal["sendonly", "recvonly"],
        address: str,
        *,
        plain: bool = False,
    ) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            self.socket.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
        # The kernel's own stamp of arrival: however late this process gets to read, the delay is the server's.
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.bind((address, 0))
        fingerprint = next(f for f in certificate.getFingerprints() if f.algorithm == "sha-256")
        self.local = sdp.Local(
            secrets.token_hex(4),
            secrets.token_hex(12),
            f"{fingerprint.algorithm} {fingerprint.value}",
            self.socket.getsockname(),
            {"audio": secrets.randbits(32), "video": secrets.randbits(32)},
        )
        self.direction = direction
        self._plain = plain
        self.remote: sdp.Remote | None = None
        self.secure: Secured | None = None
        self._certificate = certificate
        self._tie_breaker = secrets.randbits(64)
        self._reached = asyncio.Event()

    @property
    def offer(self) -> str:
        return sdp.offer(self.local, self.direction, plain=self._plain)

    async def connect(self, remote_sdp: str) -> None:
        """To the candidate at our own address. Raises TimeoutError or ConnectionError when no path comes about."""
        remote = self.remote = sdp.parse(remote_sdp, self.local.address[0])
        secure = self.secure = SecureTransport(
            self._certificate, remote.role, send=self._send, on_end=lambda: None
        )
        loop = asyncio.get_running_loop()
        self.socket.connect(remote.address)
        loop.add_reader(self.socket.fileno(), self._readable)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                while not self._reached.is_set():
                    self.check()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._reached.wait(), _CHECK_EVERY_S)
                if not await secure.connect(remote.fingerprints):
                    raise ConnectionError("the DTLS handshake failed")
        finally:
            loop.remove_reader(self.socket.fileno())

    def check(self) -> None:
        """Sends a binding request: the connectivity check first, the proof of consent (RFC 7675) later."""
        assert self.remote is not None  # noqa: S101
        request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        request.attributes["USERNAME"] = f"{self.remote.ufrag}:{self.local.ufrag}"
        request.attributes["PRIORITY"] = _PRIORITY
        request.attributes["ICE-CONTROLLING"] = self._tie_breaker
        request.attributes["USE-CANDIDATE"] = None
        request.add_message_integrity(self.remote.password.encode())
        request.add_fingerprint()
        self._send(bytes(request))

    def stun_received(self, datagram: bytes) -> None:
        """Answers the server's checks; any success response means that ours arrived."""
        request = parse_binding_request(datagram)
        if request is None:
            if datagram[:2] == b"\x01\x01":
                self._reached.set()
        elif request.is_authentic(self.local.password):
            self._send(binding_success(request, self.socket.getpeername(), self.local.password))

    async def close(self) -> None:
        if self.secure is not None:
            await self.secure.close()
        self.socket.close()

    def _send(self, datagram: bytes) -> None:
        # A server that is gone already, or a full buffer: a lost packet.
        with contextlib.suppress(OSError):
            self.socket.send(datagram)

    def _readable(self) -> None:
        for _ in range(64):
            try:
                datagram = self.socket.recv(2048)
            except OSError:
                return
            if not datagram:
                continue
            if datagram[0] < 4:
                self.stun_received(datagram)
            elif 19 < datagram[0] < 64 and self.secure is not None:
                self.secure.feed(datagram)

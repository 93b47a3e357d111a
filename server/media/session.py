"""One WHIP or WHEP resource: a peer's transport (ICE, DTLS, SRTP) and its end."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Literal

from .bridge import BindingRequest, Certificate, SecureTransport, SrtpError
from .errors import MediaError, OfferRejected
from .ice import Address, IceLite
from .model import Container, Digester
from .negotiation import (
    Accepted,
    LocalTransport,
    Offer,
    Section,
    build_answer,
    build_fragment,
    parse_fragment,
)
from .port import MediaPort
from .recorder import RecorderThreads
from .rtcp import Packet, compound, parse

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 15.0
# RFC 7675: without a check from the peer for so long, its consent to receive has expired.
CONSENT_TIMEOUT_S = 30.0
# Media that overtakes the end of the handshake; SRTP keys are there a few milliseconds later.
_MAX_EARLY = 64
_MAX_GENERATIONS = 1000


class Host:
    """What all sessions of an engine share: the port, the certificate, and a place for background tasks."""

    def __init__(
        self,
        port: MediaPort,
        certificate: Certificate,
        candidates: Sequence[Address],
        *,
        reserve_bytes: int = 0,
        digester: Callable[[Container], Digester] | None = None,
    ) -> None:
        self.port = port
        self.reserve_bytes = reserve_bytes
        self.digester = digester
        self.recorder_threads = RecorderThreads.make()
        self.certificate = certificate
        self.candidates = candidates
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def join(self) -> None:
        """Waits for background tasks that are still closing something."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)


class Session:
    """Open from the answer until `close`, a failed connection, the peer's goodbye or its silence."""

    kind: Literal["publish", "view"]

    def __init__(self, host: Host, slot_id: str, offer: Offer) -> None:
        self.id = secrets.token_urlsafe(12)
        self.slot_id = slot_id
        self.answer_sdp = ""
        self.etag = self._new_etag()
        "The ICE generation's entity tag, without quotes; new after a restart."
        self._host = host
        self._offer = offer
        self._ice = IceLite(lambda address: host.port.forget_address(address, self))
        self._mids: list[str] = []
        self._generations = {offer.ufrag}
        self._fingerprint = next(
            item for item in host.certificate.getFingerprints() if item.algorithm == "sha-256"
        )
        self._secure = SecureTransport(
            host.certificate, offer.role, send=self._send_datagram, on_end=self._transport_ended
        )
        self._connecting: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._early: list[tuple[bytes, float]] | None = []
        self._callbacks: list[Callable[[Session], None]] = []
        self._heard_at = time.monotonic()
        self.opened_at = self._heard_at
        self._remote: Address | None = None
        self.malformed = 0
        "Packets that failed authentication or made no sense."

    # -- for the signalling ------------------------------------------------------------------

    async def patch(self, fragment: str) -> str | None:
        """A trickle-ICE fragment (RFC 8840, RFC 9725 section 4.3). Candidates need no action: see `ice`.
        New credentials of the peer restart ICE; the answer is then our fragment and `etag` is new.
        Raises OfferRejected for a fragment that belongs to no generation, MediaError once closed."""
        if self.closed:
            raise MediaError("the session is closed")
        ufrag, password = parse_fragment(fragment)
        if ufrag is None or ufrag in self._generations:
            return None  # a late fragment of an earlier generation is no restart
        if not password:
            raise OfferRejected("an ICE restart needs a=ice-ufrag and a=ice-pwd")
        if len(self._generations) >= _MAX_GENERATIONS:
            raise OfferRejected("too many ICE restarts: open a new session")
        self._generations.add(ufrag)
        replaced = self._ice.credentials
        credentials = self._ice.restart()
        if self._ice.previous is not replaced:
            self._host.port.forget_ufrag(replaced.ufrag)
        self._host.port.register(credentials.ufrag, self)
        self.etag = self._new_etag()
        return build_fragment(self._mids, self._local())

    async def close(self) -> None:
        """Ends the connection. May be called any number of times."""
        await asyncio.shield(self.end_soon())

    def on_closed(self, callback: Callable[[Session], None]) -> None:
        """`callback` is called once, on the event loop, when the session has ended for whatever reason."""
        if self.closed:
            callback(self)
        else:
            self._callbacks.append(callback)

    @property
    def closed(self) -> bool:
        return self._closing is not None

    @property
    def transport(self) -> IceLite:
        """The state of the way to the peer."""
        return self._ice

    @property
    def connected(self) -> bool:
        return self._secure.ready and not self.closed

    @property
    def loss(self) -> float:
        """Share of what is sent to the peer that does not arrive; 0 for one that only sends."""
        return 0.0

    def was_heard_since(self, moment: float) -> bool:
        """Whether the peer said anything authentic after `moment` (monotonic seconds); never of a closed session."""
        return not self.closed and self._heard_at > moment

    # -- set-up --------------------------------------------------------------------------------

    @staticmethod
    def _new_etag() -> str:
        return secrets.token_hex(8)

    def _local(self) -> LocalTransport:
        return LocalTransport(
            self._ice.credentials,
            self._fingerprint,
            self._offer.role,
            self._host.candidates,
            secrets.randbits(62),
        )

    def _answer(self, decisions: Sequence[Accepted | Section]) -> None:
        """Writes the answer and begins to listen for the peer."""
        self._mids = [item.section.mid for item in decisions if isinstance(item, Accepted)]
        self.answer_sdp = build_answer(decisions, self._local())
        self._host.port.register(self._ice.credentials.ufrag, self)

    async def _connect(self) -> None:
        try:
            if not await self._secure.connect(self._offer.fingerprints):
                self.end_soon()
                return
        except Exception:
            # Whatever a peer does in the handshake, it costs its own session only.
            logger.info("session %s: handshake failed", self.id, exc_info=True)
            self.end_soon()
            return
        early, self._early = self._early, None
        self._connected()
        for datagram, now in early or ():
            self.media_received(datagram, now)

    def _transport_ended(self) -> None:
        self.end_soon()

    def end_soon(self) -> asyncio.Task[None]:
        if self._closing is None:
            self._closing = self._host.spawn(self._end())
        return self._closing

    async def _end(self) -> None:
        self._detach()
        if self._connecting is not None and self._connecting is not asyncio.current_task():
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        await self._secure.close()
        self._host.port.unregister(self)
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            try:
                callback(self)
            except Exception:
                logger.exception("a session's on_closed callback failed")

    # -- datagrams -----------------------------------------------------------------------------

    def checked(self, request: BindingRequest, source: Address, now: float) -> tuple[bytes | None, bool]:
        if self.closed:
            return None, False
        previous = self._ice.previous
        answer, proven = self._ice.check(request, source, now)
        if proven:
            self._heard_at = now
            self._remote = self._ice.selected
            if previous is not None and self._ice.previous is None:
                self._host.port.forget_ufrag(previous.ufrag)
            if self._connecting is None:
                self._connecting = self._host.spawn(self._connect())
        return answer, proven

    def dtls_received(self, datagram: bytes) -> None:
        if not self._secure.feed(datagram):
            self.malformed += 1

    def media_received(self, datagram: bytes, now: float) -> None:
        """SRTP or SRTCP."""
        if self._early is not None:
            if len(self._early) < _MAX_EARLY:
                self._early.append((datagram, now))
            return
        try:
            if 191 < datagram[1] < 224:  # as `is_rtcp`
                for packet in parse(self._secure.unprotect_rtcp(datagram)):
                    self._rtcp_received(packet, now)
            else:
                self._rtp_received(self._secure.unprotect(datagram), now)
            # Some clients send no checks once they are connected; authentic media says as much.
            self._heard_at = now
        except (SrtpError, ValueError):
            self.malformed += 1

    def _send_datagram(self, datagram: bytes) -> None:
        if self._remote is not None:
            self._host.port.send(datagram, self._remote)

    def send_rtp(self, packet: bytes) -> None:
        if self._remote is None or not self._secure.ready:
            return
        try:
            protected = self._secure.protect(packet)
        except (SrtpError, ValueError):
            # Too long for a datagram, or too far behind for its SRTP context: this peer loses it, the others do not.
            self.malformed += 1
            return
        self._host.port.send(protected, self._remote)

    def forwarder(self, payload_type: int, ssrc: bytes) -> Callable[[bytes], None]:
        """The way of slot-form packets to the peer: addressed, protected, sent. For a session that is connected."""
        seal, port = self._secure.sealer(payload_type, ssrc), self._host.port
        sendto = port.sendto

        def forward(packet: bytes) -> None:
            remote = self._remote
            if remote is None:
                return
            try:
                sendto(seal(packet), remote)
            except (SrtpError, ValueError):
                self.malformed += 1  # as in `send_rtp`
            except OSError as error:
                port.not_sent(error, remote)

        return forward

    def send_rtcp(self, *packets: Packet) -> None:
        if not self.connected or self._remote is None:
            return
        try:
            protected = self._secure.protect_rtcp(compound(packets))
        except (SrtpError, ValueError):
            self.malformed += 1  # as in `send_rtp`
            return
        self._host.port.send(protected, self._remote)

    def pulse(self, now: float) -> None:
        """Called about every 100 ms."""
        if self.closed:
            return
        if not self._secure.ready and now - self.opened_at > CONNECT_TIMEOUT_S:
            logger.info("session %s: the peer did not connect", self.id)
            self.end_soon()
        elif now - self._heard_at > CONSENT_TIMEOUT_S:
            logger.info("session %s: the peer fell silent", self.id)
            self.end_soon()

    # -- for the two kinds ---------------------------------------------------------------------

    def _connected(self) -> None:
        raise NotImplementedError

    def _detach(self) -> None:
        """Takes the session out of its slot; media stops here."""
        raise NotImplementedError

    def _rtp_received(self, packet: bytes, now: float) -> None:
        raise NotImplementedError

    def _rtcp_received(self, packet: Packet, now: float) -> None:
        raise NotImplementedError

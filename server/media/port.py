"""The engine's one UDP socket. Datagrams are told apart by their first byte (RFC 7983) and given to the session whose
address they come from; an address becomes a session's only by an authenticated STUN check."""

import asyncio
import errno
import logging
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from .bridge import BindingRequest, parse_binding_request
from .ice import Address

logger = logging.getLogger(__name__)

_BUFFER_BYTES = 4 << 20
# After so many datagrams the loop gets its turn, so that a flood cannot starve everything else.
_BATCH = 64
_MAX_DATAGRAM = 2048
# To be woken costs more than a packet: what was in the processor's caches is gone by then. So when there is much to do
# (some three inspections), what comes within a few milliseconds is gathered, which nobody sees or hears.
_GATHER_S = 0.004
_WINDOW_S = 0.1
_BUSY_DATAGRAMS = 60
# Browsers check the pair in use every 2.5 s at least.
_HELD_S = 5.0


class Peer(Protocol):
    """A session as the port sees it."""

    def media_received(self, datagram: bytes, now: float) -> None: ...
    def dtls_received(self, datagram: bytes) -> None: ...
    def checked(self, request: BindingRequest, source: Address, now: float) -> tuple[bytes | None, bool]: ...
    def was_heard_since(self, moment: float) -> bool: ...


@dataclass(slots=True)
class PortCounters:
    received: int = 0
    unknown: int = 0
    "Datagrams from addresses that belong to no session, or of no known protocol."
    rejected_checks: int = 0
    unsent: int = 0
    failures: int = 0
    "Errors of our own while handling a datagram."


class MediaPort:
    """Reads and writes datagrams without a task in between."""

    def __init__(self, udp: socket.socket, clock: Callable[[], float] = time.monotonic) -> None:
        self._socket = udp
        self.sendto = udp.sendto
        "For who handles OSError by `not_sent`."
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._by_ufrag: dict[str, Peer] = {}
        self._by_address: dict[Address, Peer] = {}
        self.counters = PortCounters()
        self.address: Address = udp.getsockname()[:2]
        self._busy = False
        self._window_ends, self._window_begun_with = 0.0, 0
        self._gathering: asyncio.TimerHandle | None = None
        self._loop.add_reader(udp.fileno(), self._woken)

    @classmethod
    async def open(cls, address: str, port: int) -> "MediaPort":
        """Raises OSError when the address or the port cannot be had."""
        loop = asyncio.get_running_loop()
        family, kind, protocol, _, sockaddr = (
            await loop.getaddrinfo(address, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE)
        )[0]
        udp = socket.socket(family, kind, protocol)
        try:
            udp.setblocking(False)
            for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                udp.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
            udp.bind(sockaddr)
        except BaseException:
            udp.close()
            raise
        return cls(udp)

    def register(self, ufrag: str, peer: Peer) -> None:
        self._by_ufrag[ufrag] = peer

    def unregister(self, peer: Peer) -> None:
        for table in (self._by_ufrag, self._by_address):
            for key in [key for key, value in table.items() if value is peer]:
                del table[key]  # type: ignore[arg-type]

    def forget_ufrag(self, ufrag: str) -> None:
        self._by_ufrag.pop(ufrag, None)

    def forget_address(self, address: Address, peer: Peer) -> None:
        if self._by_address.get(address) is peer:
            del self._by_address[address]

    def send(self, datagram: bytes | memoryview, address: Address) -> None:
        try:
            self.sendto(datagram, address)
        except OSError as error:
            self.not_sent(error, address)

    def not_sent(self, error: OSError, address: Address) -> None:
        """A full buffer or an unreachable peer is a lost packet, as anywhere on the way."""
        self.counters.unsent += 1
        if error.errno not in (errno.EAGAIN, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ECONNREFUSED):
            logger.debug("cannot send to %s: %s", address, error)

    def close(self) -> None:
        if self._gathering is not None:
            self._gathering.cancel()
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    # -- being woken, and gathering -----------------------------------------------------------------

    def _woken(self) -> None:
        """The socket has something."""
        self._take()
        if self._busy:
            self._loop.remove_reader(self._socket.fileno())
            self._gathering = self._loop.call_later(_GATHER_S, self._gather)

    def _gather(self) -> None:
        """A moment is over in which datagrams could gather."""
        more = self._take()
        if self._socket.fileno() < 0:
            return
        if more:
            self._gathering = self._loop.call_later(0, self._gather)
        elif self._busy:
            self._gathering = self._loop.call_later(_GATHER_S, self._gather)
        else:
            self._gathering = None
            self._loop.add_reader(self._socket.fileno(), self._woken)

    def _take(self) -> bool:
        """Handles what there is; whether more may be waiting."""
        now = self._clock()
        received = self.counters.received
        if now >= self._window_ends:
            self._busy = received - self._window_begun_with >= _BUSY_DATAGRAMS
            self._window_ends, self._window_begun_with = now + _WINDOW_S, received
        receive, peers, counters = self._socket.recvfrom, self._by_address, self.counters
        for _ in range(_BATCH):
            try:
                datagram, address = receive(_MAX_DATAGRAM)
            except BlockingIOError:
                return False
            except OSError:
                # An ICMP answer to something we sent earlier; the socket itself is sound.
                counters.unsent += 1
                continue
            counters.received += 1
            try:
                # Nearly all there is; everything else is told apart by `_dispatch`.
                peer = peers.get(address)
                if peer is not None and len(datagram) > 1 and 127 < datagram[0] < 192:
                    peer.media_received(datagram, now)
                else:
                    self._dispatch(datagram, address, now)
            except Exception:
                # Whatever one peer sends, the other slots go on.
                counters.failures += 1
                if counters.failures <= 20:
                    logger.exception("a datagram from %s could not be handled", address)
        return True

    # -- datagrams that are not media of a known peer -------------------------------------------------

    def _dispatch(self, datagram: bytes, address: Address, now: float) -> None:
        if len(datagram) < 2:
            self.counters.unknown += 1
            return
        first = datagram[0]
        if first < 4:
            self._check(datagram, address, now)
            return
        peer = self._by_address.get(address)
        if peer is None:
            self.counters.unknown += 1
        elif 127 < first < 192:
            peer.media_received(datagram, now)
        elif 19 < first < 64:
            peer.dtls_received(datagram)
        else:
            self.counters.unknown += 1

    def _belongs(self, address: Address, peer: Peer, now: float) -> None:
        """One address, one peer: who is heard from it keeps it, whoever else claims to be there (a forged source)."""
        holder = self._by_address.get(address)
        if holder is None or holder is peer or not holder.was_heard_since(now - _HELD_S):
            self._by_address[address] = peer
        else:
            self.counters.rejected_checks += 1

    def _check(self, datagram: bytes, address: Address, now: float) -> None:
        request = parse_binding_request(datagram)
        peer = self._by_ufrag.get(request.local_ufrag) if request is not None else None
        if request is None or peer is None:
            self.counters.rejected_checks += 1
            return
        answer, proven = peer.checked(request, address, now)
        if proven:
            self._belongs(address, peer, now)
        else:
            self.counters.rejected_checks += 1
        if answer is not None:
            self.send(answer, address)

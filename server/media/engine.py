"""The media engine of one worker: one UDP port, any number of slots. Knows no rooms, no HTTP and no database."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time

import ifaddr

from .bridge import Certificate
from .errors import MediaError
from .ice import Address
from .model import MediaConfig
from .port import MediaPort, PortCounters
from .session import Host
from .slot import Slot, SlotObserver

logger = logging.getLogger(__name__)

PULSE_S = 0.1


def _machine_addresses(version: int) -> list[str]:
    """The addresses of the machine's interfaces, loopback and link-local ones left out."""
    found: list[str] = []
    for adapter in ifaddr.get_adapters():
        for item in adapter.ips:
            text = item.ip if isinstance(item.ip, str) else item.ip[0]
            address = ipaddress.ip_address(text)
            if address.version == version and not address.is_loopback and not address.is_link_local:
                found.append(text)
    return found


def candidate_hosts(config: MediaConfig) -> list[str]:
    """The addresses that answers offer to peers."""
    if config.advertised_address is not None:
        return [config.advertised_address]
    address = ipaddress.ip_address(config.address)
    if not address.is_unspecified:
        return [config.address]
    return _machine_addresses(address.version) or ["127.0.0.1" if address.version == 4 else "::1"]


class MediaEngine:
    """Use `open`; `close` ends everything and returns when recordings are final."""

    def __init__(self, port: MediaPort, host: Host) -> None:
        self._port = port
        self._host = host
        self._slots: dict[str, Slot] = {}
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(PULSE_S, self._pulse)

    @classmethod
    async def open(cls, config: MediaConfig) -> MediaEngine:
        """Raises OSError when the port is taken, ValueError for an address that is none."""
        hosts = candidate_hosts(config)
        certificate = await asyncio.to_thread(Certificate.generateCertificate)
        port = await MediaPort.open(config.address, config.port)
        candidates: list[Address] = [(host, port.address[1]) for host in hosts]
        host = Host(
            port, certificate, candidates, reserve_bytes=config.reserve_bytes, digester=config.digester
        )
        return cls(port, host)

    @property
    def port(self) -> int:
        """The UDP port in use."""
        return self._port.address[1]

    @property
    def counters(self) -> PortCounters:
        return self._port.counters

    def open_slot(self, slot_id: str, observer: SlotObserver) -> Slot:
        """Raises MediaError when the engine is closed or has the slot already."""
        if self._closed:
            raise MediaError("the engine is closed")
        if slot_id in self._slots:
            raise MediaError(f"slot {slot_id} is open already")
        slot = Slot(self._host, slot_id, observer, self._slot_closed)
        self._slots[slot_id] = slot
        return slot

    def find_slot(self, slot_id: str) -> Slot | None:
        return self._slots.get(slot_id)

    async def close(self) -> None:
        """Closes slots (their parts are finalised), then the socket."""
        self._closed = True
        self._timer.cancel()
        await asyncio.gather(*(slot.close() for slot in list(self._slots.values())))
        await self._host.join()
        self._port.close()

    def _slot_closed(self, slot: Slot) -> None:
        if self._slots.get(slot.id) is slot:
            del self._slots[slot.id]

    def _pulse(self) -> None:
        now = time.monotonic()
        for slot in list(self._slots.values()):
            try:
                slot.pulse(now)
            except Exception:
                # One slot's trouble must not stop the pulse of the others.
                logger.exception("slot %s: pulse failed", slot.id)
        if not self._closed:
            self._timer = self._loop.call_later(PULSE_S, self._pulse)

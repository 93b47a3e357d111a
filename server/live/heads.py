"""Heads: the office signs the state of a running inspection's log every ten seconds, for browsers to countersign.

A browser first checks that the events it got lead to that head (docs/PROTOCOL.md), so a receipt says what both saw.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from server.accounts.rules import system_actor
from server.evidence import keys
from server.evidence.canonical import parse_canonical
from server.evidence.errors import EvidenceError
from server.evidence.receipts import Receipt, sign_receipt
from server.evidence.signatures import Signer
from server.inspections.errors import LogClosed
from server.live.context import Live

log = structlog.get_logger("receipts")

HEAD_EVERY_S = 10.0
REMEMBERED = 6
"""Heads that may still be countersigned: those of the last minute."""
LAST_HEAD_WAIT_S = 3.0
"""How long the end of an inspection waits for browsers that are there to countersign its last head."""


class HeadKey:
    """The office's key for heads, read again when the history of the keys has changed (`yunkan keys rotate`)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stamp: tuple[int, int] | None = None
        self._key: Signer | None = None

    def load(self) -> Signer:
        """Blocks. EvidenceError or OSError if the office has no usable keys."""
        status = (self._folder / keys.LOG).stat()
        stamp = (status.st_mtime_ns, status.st_size)
        if self._key is None or stamp != self._stamp:
            self._key, self._stamp = keys.load(self._folder).head_key, stamp
        return self._key


class Heads:
    """The heads of one room: which were given, and who countersigned the newest."""

    def __init__(self, live: Live, inspection_id: str, key: HeadKey) -> None:
        self._live = live
        self._inspection_id = inspection_id
        self._key = key
        self._given: deque[Receipt] = deque(maxlen=REMEMBERED)
        self._given_at_s: float | None = None
        self._countersigned: set[str] = set()
        self._refused: set[tuple[str, str]] = set()
        self._without_key = False
        self._progress = asyncio.Event()

    def is_due(self, now_s: float, tick_s: float) -> bool:
        """Whether this tick is the nearest to ten seconds after the last head."""
        return self._given_at_s is None or now_s - self._given_at_s > HEAD_EVERY_S - tick_s / 2

    async def give(self, seq: int, link: str) -> dict[str, Any] | None:
        """The message that carries the signed head of line `seq`, or None if the office cannot sign."""
        live = self._live
        self._given_at_s = live.clock.monotonic_s()
        try:
            key = await asyncio.to_thread(self._key.load)
        except FileNotFoundError:
            self._given_at_s = None  # a new office: the sealer makes its keys within seconds
            return None
        except (EvidenceError, OSError) as error:
            await self._tell_unsigned(error)
            return None
        receipt = sign_receipt(self._inspection_id, seq, link, live.clock.now(), key)
        self._given.append(receipt)
        self._countersigned.clear()
        said = parse_canonical(receipt.countersigned_bytes())
        return {"type": "head", **said}

    def find(self, signature: str) -> Receipt | None:
        return next((each for each in self._given if each.signature == signature), None)

    def took(self, receipt: Receipt) -> None:
        if self._given and receipt.signature == self._given[-1].signature:
            self._countersigned.add(receipt.participant or "")
            self._progress.set()

    def stir(self) -> None:
        """Somebody has left: nobody need wait for them."""
        self._progress.set()

    def first_refusal(self, participant: str, signature: str) -> bool:
        """Whether this is the first wrong countersignature of this participant to this head: one event is enough."""
        if self.find(signature) is None or (participant, signature) in self._refused:
            return False
        self._refused.add((participant, signature))
        return True

    def missing(self, participants: Collection[str]) -> set[str]:
        """Of these, who has not countersigned the newest head."""
        return set(participants) - self._countersigned

    async def wait(self) -> None:
        """Until somebody has countersigned or left."""
        self._progress.clear()
        await self._progress.wait()

    async def _tell_unsigned(self, error: Exception) -> None:
        if self._without_key:
            return
        self._without_key = True
        log.error("receipts_unsigned", inspection=self._inspection_id, reason=str(error))
        await warn(self._live, self._inspection_id, "receipts_unsigned", "")


async def warn(live: Live, inspection_id: str, code: str, detail: str) -> None:
    """The office reads it in the log, unless that was closed already."""
    body = {"code": code, "detail": detail}
    with suppress(LogClosed):
        async with live.database.transaction() as session:
            await live.journal.append(session, inspection_id, "office.warned", system_actor(), body)

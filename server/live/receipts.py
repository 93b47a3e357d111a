"""Receipts: heads of a running inspection's log (`live/heads.py`) that browsers countersigned, checked and kept."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

import structlog
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.rules import Actor
from server.errors import N_, Conflict, Invalid
from server.evidence.receipts import (
    KEY_EVENT,
    BadReceipt,
    BroughtKey,
    Receipt,
    key_at,
    p256_key,
)
from server.evidence.signatures import public_bytes
from server.inspections.models import Inspection
from server.live.context import Live
from server.live.heads import Heads, warn
from server.live.join import NotRunning
from server.live.models import StoredReceipt
from server.web.languages import translate

log = structlog.get_logger("receipts")


class BadKey(Invalid):
    code = "bad_key"
    text = N_("This is not a public key on P-256 (SubjectPublicKeyInfo).")


class ReceiptUnknown(Conflict):
    code = "receipt_unknown"
    text = N_("This receipt was not given here, or too long ago.")


class ReceiptRefused(Invalid):
    code = "receipt_refused"
    text = N_("The countersignature was refused: {reason}.")


async def bring_key(live: Live, brought: Collection[BroughtKey], actor: Actor, public_hex: str) -> int:
    """The key of a participant's browser enters the log; the seq of its event, the old one for a key that is known.

    `brought`: what the log has. BadKey, NotRunning.
    """
    actor.require("room.countersign")
    try:
        public = public_bytes(p256_key(bytes.fromhex(public_hex)))
    except (BadReceipt, ValueError) as error:
        raise BadKey from error
    own = [each for each in brought if each.participant == actor.id]
    if own and own[-1].public == public:
        return own[-1].seq
    async with live.database.transaction() as session:
        inspection = await session.get_one(Inspection, actor.inspection_id, with_for_update=True)
        if inspection.state not in ("scheduled", "live"):
            raise NotRunning
        body = {"participant": actor.id, "public": public.hex()}
        event = await live.journal.append(session, inspection.id, KEY_EVENT, actor, body)
    return event.seq


async def countersign(
    live: Live,
    heads: Heads,
    brought: Collection[BroughtKey],
    actor: Actor,
    signature: str,
    countersignature: str,
) -> None:
    """A browser's signature under a head is checked and kept.

    `signature` is the office's and names the head. ReceiptUnknown; ReceiptRefused, which the log tells the office too.
    """
    actor.require("room.countersign")
    given = heads.find(signature)
    if given is None:
        raise ReceiptUnknown
    receipt = replace(given, participant=actor.id, countersignature=countersignature)
    try:
        receipt.require_countersigned(key_at(brought, actor.id, receipt.seq))
    except BadReceipt as error:
        log.warning("receipt_refused", inspection=given.inspection, participant=actor.id, reason=str(error))
        if heads.first_refusal(actor.id, signature):
            await warn(live, given.inspection, "receipt_refused", actor.name)
        raise ReceiptRefused(reason=translate(error.text, **error.params)) from error
    await _keep(live, receipt)
    heads.took(receipt)


async def read_receipts(
    session: AsyncSession, inspection_id: str, participant_id: str | None = None
) -> list[Receipt]:
    """All receipts of an inspection, or a participant's, in the order of the log."""
    query = select(StoredReceipt).where(StoredReceipt.inspection_id == inspection_id)
    if participant_id is not None:
        query = query.where(StoredReceipt.participant_id == participant_id)
    rows = await session.scalars(
        query.order_by(StoredReceipt.seq, StoredReceipt.at, StoredReceipt.participant_id)
    )
    return [
        Receipt(
            row.inspection_id,
            row.seq,
            row.head,
            row.at,
            row.key,
            row.signature,
            row.participant_id,
            row.countersignature,
        )
        for row in rows
    ]


async def count_receipts(session: AsyncSession, participant_id: str) -> int:
    query = select(func.count()).where(StoredReceipt.participant_id == participant_id)
    return int(await session.scalar(query) or 0)


async def _keep(live: Live, receipt: Receipt) -> None:
    """Once. After the log was closed nothing is added any more: the package has its receipts by then."""
    async with live.database.transaction() as session:
        inspection = await session.get_one(Inspection, receipt.inspection, with_for_update=True)
        if inspection.log_closed:
            raise ReceiptUnknown
        known = select(StoredReceipt.id).where(
            StoredReceipt.participant_id == receipt.participant, StoredReceipt.signature == receipt.signature
        )
        if await session.scalar(known) is not None:
            return
        session.add(as_row(receipt, live.clock.now()))


def as_row(receipt: Receipt, received_at: datetime) -> StoredReceipt:
    return StoredReceipt(
        inspection_id=receipt.inspection,
        participant_id=receipt.participant,
        seq=receipt.seq,
        head=receipt.head,
        at=receipt.at,
        key=receipt.key,
        signature=receipt.signature,
        countersignature=receipt.countersignature,
        received_at=received_at,
    )

"""Joining: an invitation or a signed-in person becomes a participant with a token of their own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.rules import Actor, Role
from server.clock import rfc3339
from server.errors import N_, Conflict, Forbidden
from server.ids import new_id, new_token, token_hash
from server.inspections.models import Inspection, Invitation
from server.inspections.service import find_invitation, get_inspection
from server.inspections.texts import audience_of
from server.live.consent import Consent, record_consent, require_consent
from server.live.context import Live
from server.live.models import FormerDevice, Participant, Slot
from server.live.rooms import Rooms

TOKEN_PREFIX = "yp"  # noqa: S105 - a kind, not a secret
TOKEN_LIFE = timedelta(hours=24)
DEVICE_LENGTH = 200
_JOINABLE = ("scheduled", "live")


class AlreadyJoined(Conflict):
    """The link is in use on another device; `joined_at` and `device` describe it."""

    code = "already_joined"
    text = N_("This link is already in use on another device.")


class NotRunning(Conflict):
    code = "inspection_not_live"
    text = N_("The inspection is not running.")


@dataclass(frozen=True, slots=True)
class Joined:
    """The participant, and the token that is shown this once."""

    participant: Participant
    token: str


async def join_by_invitation(
    live: Live,
    rooms: Rooms,
    *,
    invitation_token: str,
    name: str,
    device: str,
    consent: Consent | None,
    takeover: bool,
    language: str,
) -> Joined:
    """The invited person joins, or somebody goes on from another device (`takeover`), who has to agree as well."""
    now = live.clock.now()
    async with live.database.transaction() as session:
        invitation, inspection = await find_invitation(
            session, invitation_token, now, live.settings.early_join_minutes
        )
        await _lock_seats(session, inspection.id)
        known = await session.scalar(select(Participant).where(Participant.invitation_id == invitation.id))
        if known is not None and not takeover:
            raise AlreadyJoined(joined_at=rfc3339(known.joined_at), device=known.device)
        given = require_consent(consent, audience_of(invitation.role), language)
        if known is not None:
            joined = await _take_over(session, live, known, name or known.name, device)
        else:
            joined = await _admit(session, live, inspection, invitation, name, device)
        await record_consent(session, live.journal, inspection.id, actor_of(joined.participant, ""), given)
    if known is not None and (room := rooms.find(inspection.id)):
        room.replace_device(known.id)
    return joined


async def join_as_staff(live: Live, rooms: Rooms, actor: Actor, inspection_id: str, device: str) -> Joined:
    """A signed-in person opens the console; a second tab or a reload goes on in the first one's place."""
    actor.require("inspection.join")
    if actor.kind != "staff":  # a program has no eyes, and a guest has an invitation
        raise Forbidden(action="inspection.join")
    now = live.clock.now()
    async with live.database.transaction() as session:
        inspection = await get_inspection(session, actor, inspection_id)
        if inspection.state not in _JOINABLE:
            raise NotRunning
        await _lock_seats(session, inspection_id)
        known = await session.scalar(
            select(Participant).where(
                Participant.inspection_id == inspection_id, Participant.staff_id == actor.id
            )
        )
        if known is not None:
            joined = await _take_over(session, live, known, actor.name, device)
        else:
            token = new_token(TOKEN_PREFIX)
            participant = Participant(
                id=new_id(),
                inspection_id=inspection_id,
                staff_id=actor.id,
                role="reviewer" if actor.role == "reviewer" else "observer",
                name=actor.name,
                device=device[:DEVICE_LENGTH],
                token_hash=token_hash(token),
                token_expires_at=now + TOKEN_LIFE,
                joined_at=now,
            )
            joined = await _record_join(session, live, participant, token)
    if known is not None and (room := rooms.find(inspection_id)):
        room.replace_device(known.id)
    return joined


async def _lock_seats(session: AsyncSession, inspection_id: str) -> None:
    """Who joins for the first time has no row to lock: of two at once the second waits at the inspection's."""
    await session.execute(select(Inspection.id).where(Inspection.id == inspection_id).with_for_update())


async def find_participant(session: AsyncSession, token: str, live: Live) -> Actor | None:
    """Whose participant token this is, while it lasts and the invitation was not withdrawn: also of a device whose
    place another one took, which may then do little more (`Actor.replaced_at`)."""
    whose, now = token_hash(token), live.clock.now()
    seats = (
        select(Participant, Inspection.office_id)
        .join(Inspection, Inspection.id == Participant.inspection_id)
        .outerjoin(Invitation, Invitation.id == Participant.invitation_id)
        .where(Invitation.cancelled_at.is_(None))
    )
    here = seats.where(Participant.token_hash == whose, Participant.token_expires_at > now)
    if (found := (await session.execute(here)).one_or_none()) is not None:
        return actor_of(*found)
    older = select(FormerDevice).where(FormerDevice.token_hash == whose, FormerDevice.token_expires_at > now)
    if (device := await session.scalar(older)) is None:
        return None
    seat = (await session.execute(seats.where(Participant.id == device.participant_id))).one_or_none()
    if seat is None:
        return None
    return replace(actor_of(*seat), name=device.name, replaced_at=device.replaced_at)


def actor_of(participant: Participant, office_id: str) -> Actor:
    role: Role = participant.role  # type: ignore[assignment]  # written from Role only
    return Actor(
        kind="participant",
        id=participant.id,
        name=participant.name,
        role=role,
        office_id=office_id,
        inspection_id=participant.inspection_id,
    )


async def _admit(
    session: AsyncSession, live: Live, inspection: Inspection, invitation: Invitation, name: str, device: str
) -> Joined:
    token = new_token(TOKEN_PREFIX)
    now = live.clock.now()
    participant = Participant(
        id=new_id(),
        inspection_id=inspection.id,
        invitation_id=invitation.id,
        role=invitation.role,
        name=name or invitation.name,
        device=device[:DEVICE_LENGTH],
        token_hash=token_hash(token),
        token_expires_at=now + TOKEN_LIFE,
        joined_at=now,
    )
    return await _record_join(session, live, participant, token)


async def _record_join(session: AsyncSession, live: Live, participant: Participant, token: str) -> Joined:
    session.add(participant)
    await session.flush()
    body = {
        "participant": participant.id,
        "role": participant.role,
        "name": participant.name,
        "device": participant.device,
    }
    actor = actor_of(participant, "")
    await live.journal.append(session, participant.inspection_id, "participant.joined", actor, body)
    return Joined(participant, token)


async def _take_over(
    session: AsyncSession, live: Live, participant: Participant, name: str, device: str
) -> Joined:
    """The place goes on under the name of who holds it now."""
    token, was = new_token(TOKEN_PREFIX), participant.name
    filmed = select(Slot.id).where(Slot.participant_id == participant.id).limit(1)
    if participant.role == "enterprise" and await session.scalar(filmed):
        # It may hold the only pictures of a gap: its own recordings. Pages of desks and guests make none.
        session.add(
            FormerDevice(
                token_hash=participant.token_hash,
                participant_id=participant.id,
                name=was,
                token_expires_at=participant.token_expires_at,
                replaced_at=live.clock.now(),
                sent_all_at=participant.sent_all_at,
            )
        )
    participant.sent_all_at = None
    participant.name = name
    participant.token_hash = token_hash(token)
    participant.token_expires_at = live.clock.now() + TOKEN_LIFE
    participant.device = device[:DEVICE_LENGTH]
    body = {
        "participant": participant.id,
        "device": participant.device,
        "by": "takeover",
        "name": name,
        "was": was,
    }
    actor = actor_of(participant, "")
    await live.journal.append(session, participant.inspection_id, "participant.replaced", actor, body)
    return Joined(participant, token)

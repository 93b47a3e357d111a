"""Invitations: a link for one person in one role, made, replaced, cancelled, and found again by its token."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.rules import GUEST_ROLES, Actor
from server.clock import rfc3339
from server.errors import N_, Invalid, NotFound
from server.ids import new_token, token_hash
from server.inspections.errors import (
    InspectionCancelled,
    InspectionEnded,
    InspectionOver,
    InvitationCancelled,
    InvitationExpired,
    InvitationTooEarly,
    InvitationUnknown,
)
from server.inspections.log import Journal
from server.inspections.lookup import get_inspection, require
from server.inspections.models import Inspection, Invitation, RetiredInvitationToken
from server.inspections.rules import JOINABLE, check_note

TOKEN_PREFIX = "yi"  # noqa: S105 - a prefix, not a secret
DEFAULT_HOURS = 72


class InvitationNotFound(NotFound):
    code = "invitation_not_found"
    text = N_("There is no such invitation.")


@dataclass(frozen=True, slots=True)
class Invited:
    """A new link. `token` is shown now and stored nowhere."""

    invitation: Invitation
    token: str


async def invite(
    session: AsyncSession,
    journal: Journal,
    actor: Actor,
    inspection_id: str,
    role: str,
    name: str,
    *,
    hours: int = DEFAULT_HOURS,
) -> Invited:
    """A link for `name`, good until `hours` after the appointed time (or after now, if that is later).

    Invalid for an unknown role or no name; InspectionOver once nobody can join any more.
    """
    require(actor, "inspection.invite")
    inspection = await get_inspection(session, actor, inspection_id)
    name = " ".join(name.split())
    problems: dict[str, str] = {}
    if role not in GUEST_ROLES:
        problems["role"] = N_("Choose one of the roles.")
    if not name or len(name) > 80:
        problems["name"] = N_("Give the person's name (at most 80 characters).")
    if problems:
        raise Invalid(problems)
    if inspection.state not in JOINABLE:
        raise InspectionOver
    now, token = journal.clock.now(), new_token(TOKEN_PREFIX)
    invitation = Invitation(
        inspection_id=inspection_id,
        role=role,
        name=name,
        token_hash=token_hash(token),
        created_at=now,
        expires_at=expiry(inspection.starts_at, now, hours),
    )
    session.add(invitation)
    await session.flush()
    await journal.append(session, inspection_id, "invitation.created", actor, _record(invitation))
    return Invited(invitation, token)


async def renew_invitation(
    session: AsyncSession,
    journal: Journal,
    actor: Actor,
    inspection_id: str,
    invitation_id: str,
    *,
    hours: int = DEFAULT_HOURS,
) -> Invited:
    """A new link for the same person, who stays the same participant; the old link is cancelled from now on."""
    require(actor, "inspection.invite")
    inspection = await get_inspection(session, actor, inspection_id)
    if inspection.state not in JOINABLE:
        raise InspectionOver
    invitation = await _get_invitation(session, inspection_id, invitation_id)
    if invitation.cancelled_at is not None:
        raise InvitationCancelled
    now, token = journal.clock.now(), new_token(TOKEN_PREFIX)
    await journal.append(session, inspection_id, "invitation.cancelled", actor, _record(invitation))
    session.add(
        RetiredInvitationToken(token_hash=invitation.token_hash, invitation_id=invitation.id, retired_at=now)
    )
    invitation.token_hash = token_hash(token)
    invitation.expires_at = expiry(inspection.starts_at, now, hours)
    await journal.append(session, inspection_id, "invitation.created", actor, _record(invitation))
    return Invited(invitation, token)


async def cancel_invitation(
    session: AsyncSession,
    journal: Journal,
    actor: Actor,
    inspection_id: str,
    invitation_id: str,
    reason: str,
) -> None:
    """Make a link useless; who is in by it is told the reason. Again changes nothing and makes no event."""
    require(actor, "inspection.invite")
    await get_inspection(session, actor, inspection_id)
    reason = check_note("reason", reason, N_("Say why the invitation is withdrawn."))
    invitation = await _get_invitation(session, inspection_id, invitation_id)
    cancelled = await session.execute(
        update(Invitation)
        .where(Invitation.id == invitation_id, Invitation.cancelled_at.is_(None))
        .values(cancelled_at=journal.clock.now())
    )
    if cancelled.rowcount == 1:  # type: ignore[attr-defined]
        body = {**_record(invitation), "reason": reason}
        await journal.append(session, inspection_id, "invitation.cancelled", actor, body)


async def get_invitation(
    session: AsyncSession, actor: Actor, inspection_id: str, invitation_id: str
) -> Invitation:
    """One invitation of an inspection that the actor may see, or InvitationNotFound."""
    require(actor, "inspection.invite")
    await get_inspection(session, actor, inspection_id)
    return await _get_invitation(session, inspection_id, invitation_id)


async def list_invitations(session: AsyncSession, inspection_id: str) -> list[Invitation]:
    """An inspection's invitations, oldest first, cancelled ones too."""
    query = select(Invitation).where(Invitation.inspection_id == inspection_id).order_by(Invitation.id)
    return list(await session.scalars(query))


async def look_up_invitation(session: AsyncSession, token: str) -> tuple[Invitation, Inspection]:
    """Whose link this is, good or not. InvitationUnknown; InvitationCancelled for one that was replaced."""
    digest = token_hash(token)
    row = (
        await session.execute(
            select(Invitation, Inspection)
            .join(Inspection, Inspection.id == Invitation.inspection_id)
            .where(Invitation.token_hash == digest)
        )
    ).one_or_none()
    if row is not None:
        return row[0], row[1]
    if await session.get(RetiredInvitationToken, digest) is not None:
        raise InvitationCancelled
    raise InvitationUnknown


def check_invitation(
    invitation: Invitation, inspection: Inspection, now: datetime, early_join_minutes: int
) -> None:
    """Raise what stands in the way of joining by this link; the reason that helps most comes first."""
    if inspection.state == "cancelled":
        raise InspectionCancelled
    if inspection.state not in JOINABLE:
        raise InspectionEnded
    if invitation.cancelled_at is not None:
        raise InvitationCancelled
    if invitation.expires_at <= now:
        raise InvitationExpired
    opens_at = inspection.starts_at - timedelta(minutes=early_join_minutes)
    if inspection.state == "scheduled" and now < opens_at:
        raise InvitationTooEarly(starts_at=rfc3339(inspection.starts_at), opens_at=rfc3339(opens_at))


async def find_invitation(
    session: AsyncSession, token: str, now: datetime, early_join_minutes: int = 30
) -> tuple[Invitation, Inspection]:
    """The invitation that this token opens now.

    InvitationUnknown, InvitationExpired, InvitationCancelled, InspectionEnded, InspectionCancelled, or
    InvitationTooEarly with `starts_at`.
    """
    invitation, inspection = await look_up_invitation(session, token)
    check_invitation(invitation, inspection, now, early_join_minutes)
    return invitation, inspection


def expiry(starts_at: datetime, now: datetime, hours: int) -> datetime:
    return max(starts_at, now) + timedelta(hours=hours)


async def _get_invitation(session: AsyncSession, inspection_id: str, invitation_id: str) -> Invitation:
    invitation = await session.scalar(
        select(Invitation)
        .where(Invitation.id == invitation_id, Invitation.inspection_id == inspection_id)
        .with_for_update()
    )
    if invitation is None:
        raise InvitationNotFound(invitation_id=invitation_id)
    return invitation


def _record(invitation: Invitation) -> dict[str, str]:
    return {
        "invitation": invitation.id,
        "role": invitation.role,
        "name": invitation.name,
        "expires_at": rfc3339(invitation.expires_at),
    }

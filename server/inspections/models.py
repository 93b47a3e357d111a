"""Tables of inspections, their invitations and their event log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from server.db.base import Base, Id, Sha256


class Inspection(Base):
    """One inspection of one case. `last_seq` and `head` are the end of its event log."""

    __tablename__ = "inspections"
    __table_args__ = (Index("ix_inspections_office_starts", "office_id", "starts_at"),)

    id: Mapped[Id]
    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id"), index=True)
    office_id: Mapped[str] = mapped_column(ForeignKey("offices.id"))
    number: Mapped[str] = mapped_column(String(50))
    state: Mapped[str] = mapped_column(String(20), index=True)
    template_key: Mapped[str] = mapped_column(String(60))
    template_version: Mapped[str] = mapped_column(String(20))
    template_sha256: Mapped[Sha256]
    starts_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None] = mapped_column(String(20))
    cancelled_at: Mapped[datetime | None]
    cancel_reason: Mapped[str] = mapped_column(Text, default="")
    concluded_at: Mapped[datetime | None]
    concluded_by_name: Mapped[str] = mapped_column(String(80), default="")
    result: Mapped[str | None] = mapped_column(String(20))
    result_note: Mapped[str] = mapped_column(Text, default="")
    created_by: Mapped[str] = mapped_column(String(40))
    created_by_name: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime]
    last_seq: Mapped[int] = mapped_column(default=0)
    head: Mapped[Sha256]
    log_closed: Mapped[bool] = mapped_column(default=False)
    """The log has its last event: nothing may follow."""


class InspectionReviewer(Base):
    """A reviewer assigned to an inspection: it stands on that person's desk."""

    __tablename__ = "inspection_reviewers"

    inspection_id: Mapped[str] = mapped_column(ForeignKey("inspections.id"), primary_key=True)
    staff_id: Mapped[str] = mapped_column(ForeignKey("staff.id"), primary_key=True, index=True)


class Invitation(Base):
    """A link for one person in one role to one inspection. Only the token's hash is stored."""

    __tablename__ = "invitations"

    id: Mapped[Id]
    inspection_id: Mapped[str] = mapped_column(ForeignKey("inspections.id"), index=True)
    role: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(80))
    token_hash: Mapped[Sha256] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    cancelled_at: Mapped[datetime | None]


class RetiredInvitationToken(Base):
    """The hash of a link that a newer one has replaced: who still has it is told so, not that it never was."""

    __tablename__ = "retired_invitation_tokens"

    token_hash: Mapped[Sha256] = mapped_column(primary_key=True)
    invitation_id: Mapped[str] = mapped_column(ForeignKey("invitations.id"), index=True)
    retired_at: Mapped[datetime]


class Event(Base):
    """One line of an inspection's log, as it was hashed (`line`), with columns to query by."""

    __tablename__ = "events"

    inspection_id: Mapped[str] = mapped_column(ForeignKey("inspections.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    type: Mapped[str] = mapped_column(String(40))
    at: Mapped[datetime]
    actor: Mapped[dict[str, Any]]
    body: Mapped[dict[str, Any]]
    prev: Mapped[Sha256]
    link: Mapped[Sha256]
    line: Mapped[str] = mapped_column(Text)

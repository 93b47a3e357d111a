"""Tables of offices and of those who may sign in."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from server.db.base import Base, Id, Sha256


class Office(Base):
    """A licensing office; staff see their own office's cases."""

    __tablename__ = "offices"

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(200))
    region_code: Mapped[str] = mapped_column(String(12), default="")
    phone: Mapped[str] = mapped_column(String(40), default="")
    created_at: Mapped[datetime]


class Staff(Base):
    """A person of an office. `certificate_number` is the officer's, as the inspection record needs it."""

    __tablename__ = "staff"

    id: Mapped[Id]
    office_id: Mapped[str] = mapped_column(ForeignKey("offices.id"), index=True)
    username: Mapped[str] = mapped_column(String(80), unique=True)
    name: Mapped[str] = mapped_column(String(80))
    role: Mapped[str] = mapped_column(String(20))
    certificate_number: Mapped[str] = mapped_column(String(40), default="")
    password_hash: Mapped[str] = mapped_column(String(200))
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]

    office: Mapped[Office] = relationship(lazy="raise")


class StaffSession(Base):
    """A signed-in browser. Only the token's hash is stored."""

    __tablename__ = "staff_sessions"

    token_hash: Mapped[Sha256] = mapped_column(primary_key=True)
    staff_id: Mapped[str] = mapped_column(ForeignKey("staff.id"), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class ApiToken(Base):
    """A bearer token for programs, with a role of its own."""

    __tablename__ = "api_tokens"

    id: Mapped[Id]
    office_id: Mapped[str] = mapped_column(ForeignKey("offices.id"), index=True)
    name: Mapped[str] = mapped_column(String(80))
    role: Mapped[str] = mapped_column(String(20))
    token_hash: Mapped[Sha256] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class SignInFailures(Base):
    """Recent failed sign-ins of one key (a user name or an address), for throttling."""

    __tablename__ = "sign_in_failures"

    key: Mapped[str] = mapped_column(String(160), primary_key=True)
    count: Mapped[int]
    last_at: Mapped[datetime]

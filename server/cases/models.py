"""Tables of cases and what hangs on them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from server.db.base import Base, Id, Sha256


class Enterprise(Base):
    """An enterprise as one office knows it."""

    __tablename__ = "enterprises"
    __table_args__ = (UniqueConstraint("office_id", "credit_code"),)

    id: Mapped[Id]
    office_id: Mapped[str] = mapped_column(ForeignKey("offices.id"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    credit_code: Mapped[str] = mapped_column(String(18))
    created_at: Mapped[datetime]


class Case(Base):
    """A licence-change case. `number` is the office's own, by year and count."""

    __tablename__ = "cases"
    __table_args__ = (UniqueConstraint("office_id", "number"),)

    id: Mapped[Id]
    office_id: Mapped[str] = mapped_column(ForeignKey("offices.id"), index=True)
    number: Mapped[str] = mapped_column(String(40))
    matter: Mapped[str] = mapped_column(String(60))
    state: Mapped[str] = mapped_column(String(20))
    enterprise_id: Mapped[str] = mapped_column(ForeignKey("enterprises.id"), index=True)
    enterprise_name: Mapped[str] = mapped_column(String(200))
    """As of this case: the enterprise may be renamed later."""
    licence_kind: Mapped[str] = mapped_column(String(60))
    licence_number: Mapped[str] = mapped_column(String(80))
    old_address: Mapped[str] = mapped_column(Text)
    new_address: Mapped[str] = mapped_column(Text)
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    """WGS-84 degrees."""
    closed_at: Mapped[datetime | None]
    closing_note: Mapped[str] = mapped_column(Text, default="")
    created_by: Mapped[str] = mapped_column(String(40))
    created_by_name: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime] = mapped_column(index=True)

    enterprise: Mapped[Enterprise] = relationship(lazy="raise")


class Material(Base):
    """A paper of the case: PDF or picture, as uploaded."""

    __tablename__ = "materials"
    __table_args__ = (UniqueConstraint("case_id", "sha256"),)

    id: Mapped[Id]
    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    media_type: Mapped[str] = mapped_column(String(80))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[Sha256]
    path: Mapped[str] = mapped_column(String(300))
    """Relative to the data folder."""
    added_by_name: Mapped[str] = mapped_column(String(80))
    added_at: Mapped[datetime]


class Evidence(Base):
    """A piece of evidence of one inspection, attached to the case.

    `kind`: part, phone-part (recorded by the phone itself and sent later), snapshot, photo, checklist or record.
    """

    __tablename__ = "evidence"
    __table_args__ = (UniqueConstraint("case_id", "url"),)

    id: Mapped[Id]
    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id"), index=True)
    inspection_id: Mapped[str] = mapped_column(String(26), index=True)
    kind: Mapped[str] = mapped_column(String(20))
    title: Mapped[str] = mapped_column(String(200))
    media_type: Mapped[str] = mapped_column(String(80))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[Sha256]
    url: Mapped[str] = mapped_column(String(300))
    at: Mapped[datetime]

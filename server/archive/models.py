"""Tables of the archive: what became of sealing each inspection, and who took copies."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from server.db.base import Base, Id, Sha256
from server.ids import ID_LENGTH


class Seal(Base):
    """The seal of one concluded inspection; a row without `sealed_at` is work to be done.

    `lease_until` and `lease_by`: who works on the folder (`archive.leases`). `retry_at`: not before then. `problem`:
    why the last attempt failed, as `{"text": message id, "params": {…}}`. `stamps`: how many authorities have stamped.
    """

    __tablename__ = "seals"
    __table_args__ = (Index("ix_seals_retry", "retry_at"),)

    inspection_id: Mapped[str] = mapped_column(ForeignKey("inspections.id"), primary_key=True)
    lease_until: Mapped[datetime | None]
    lease_by: Mapped[str] = mapped_column(String(40), default="")
    retry_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    problem: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    awaited_until: Mapped[datetime | None]
    """Phones may send what is missing until then."""
    at_once: Mapped[bool] = mapped_column(default=False)
    """Somebody decided not to wait for the phones."""
    sealed_at: Mapped[datetime | None]
    head: Mapped[Sha256 | None]
    root: Mapped[Sha256 | None]
    certificate: Mapped[Sha256 | None]
    root_certificate: Mapped[Sha256 | None]
    stamps: Mapped[int] = mapped_column(default=0)
    reported_at: Mapped[datetime | None]
    """The four-property report is in the package."""
    office_head: Mapped[int | None]
    """Size of the office's log under whose head the package proves that it was opened, closed and sealed."""
    kept_years: Mapped[int | None]
    """How long the package itself says that it is kept, 0 for ever; None where nobody has read it there."""


class Hold(Base):
    """Somebody's reason why the evidence must not be disposed of, until it is lifted."""

    __tablename__ = "retention_holds"

    id: Mapped[Id]
    inspection_id: Mapped[str] = mapped_column(ForeignKey("inspections.id"), index=True)
    reason: Mapped[str] = mapped_column(Text)
    placed_at: Mapped[datetime]
    placed_by_name: Mapped[str] = mapped_column(String(80))
    lifted_at: Mapped[datetime | None]
    lifted_by_name: Mapped[str] = mapped_column(String(80), default="")


class Disposal(Base):
    """The end of an inspection's evidence: proposed, approved by another person, done. The event fence reads it.

    `problem`, `attempts`, `retry_at`: of the work that follows the approval, as in `Seal`, whose lease it takes.
    """

    __tablename__ = "disposals"

    inspection_id: Mapped[str] = mapped_column(ForeignKey("inspections.id"), primary_key=True)
    reason: Mapped[str] = mapped_column(Text)
    proposed_at: Mapped[datetime]
    proposed_by: Mapped[str] = mapped_column(ForeignKey("staff.id"))
    proposed_by_name: Mapped[str] = mapped_column(String(80))
    approved_at: Mapped[datetime | None]
    approved_by: Mapped[str | None] = mapped_column(ForeignKey("staff.id"))
    approved_by_name: Mapped[str] = mapped_column(String(80), default="")
    done_at: Mapped[datetime | None]
    certificate: Mapped[Sha256 | None]
    problem: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    retry_at: Mapped[datetime | None]


class Access(Base):
    """One line of an inspection's access log: a hash chain of its own, for the events' is closed by then.

    What belongs to no inspection, such as an attempt at one that there is not, is in the chain of the office: then
    `inspection_id` is the office's id.
    """

    __tablename__ = "accesses"
    __table_args__ = (Index("ix_accesses_at", "at"),)

    inspection_id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    type: Mapped[str] = mapped_column(String(40))
    at: Mapped[datetime]
    actor: Mapped[dict[str, Any]]
    link: Mapped[Sha256]
    line: Mapped[str] = mapped_column(Text)

    @property
    def body(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.line)["body"]
        return told

    @property
    def about(self) -> list[str]:
        """What the line is about beside its kind: a page's code, a part's id, why it was refused, a reason given."""
        body = self.body
        names = (
            *(
                "what",
                "part",
                "paper",
                "query",
                "account",
                "code",
                "reason",
                "record",
                "receipts",
                "accesses",
            ),
            *("count", "address"),
        )
        # A case is shown as a link to it: that its page was seen goes without saying.
        told = {name: body[name] for name in names if body.get(name)}
        if "case" in body and told.get("what") == "page":
            del told["what"]
        return [str(value) for value in told.values()]

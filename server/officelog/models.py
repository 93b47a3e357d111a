"""Tables of the office's log. Entries, what is signed in heads, and stamps are fenced by triggers: only ever added."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from server.db.base import Base, Sha256
from server.ids import ID_LENGTH

_ONCE = text("kind IN ('open', 'close', 'seal', 'disposal')")


class OfficeEntry(Base):
    """One leaf. `index` counts from 0; `record` is the canonical JSON that was hashed into `leaf`.

    `peaks`: the right edge of the tree with this leaf, in hex. The next append starts from it, and like the links of a
    chain it makes the first line that was changed known. `seq`: of the kinds `close` and `access` the last line of the
    log that is spoken of.
    """

    __tablename__ = "office_entries"
    __table_args__ = (
        Index("ix_office_entries_inspection", "inspection_id", "kind"),
        Index("ix_office_entries_leaf", "leaf"),
        Index(
            "uq_office_entries_once",
            "inspection_id",
            "kind",
            unique=True,
            sqlite_where=_ONCE,
            postgresql_where=_ONCE,
        ),
    )

    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(20))
    inspection_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    """No foreign key: the entry outlives what it tells of."""
    seq: Mapped[int | None]
    at: Mapped[datetime]
    record: Mapped[str] = mapped_column(Text)
    leaf: Mapped[Sha256]
    peaks: Mapped[list[str]]


class OfficeHead(Base):
    """A signed head: `document` is what outsiders get and authorities stamp (`evidence.officelog.Head`).

    `problem`: why the last attempt to have it stamped failed, as `{"text": message id, "params": {…}}`.
    """

    __tablename__ = "office_heads"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    size: Mapped[int]
    root: Mapped[Sha256]
    at: Mapped[datetime]
    key: Mapped[Sha256]
    document: Mapped[str] = mapped_column(Text)
    problem: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class HeadStamp(Base):
    """What an authority of the settings, number 1 or 2, answered for a head; `root_pem`: its root as of then."""

    __tablename__ = "office_head_stamps"

    head: Mapped[int] = mapped_column(ForeignKey("office_heads.number"), primary_key=True)
    authority: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    reply: Mapped[bytes] = mapped_column(LargeBinary)
    root_pem: Mapped[str] = mapped_column(Text)

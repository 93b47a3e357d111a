"""Attempts at a disposal; openings, closes, seals and disposals of an inspection are in the office's log once

Revision: 0003
After: 0002
"""

import sqlalchemy as sa
from alembic import op

import server.db.base

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ONCE = sa.text("kind IN ('open', 'close', 'seal', 'disposal')")


def upgrade() -> None:
    op.add_column("disposals", sa.Column("problem", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("disposals", sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"))
    op.add_column(
        "disposals", sa.Column("retry_at", server.db.base.UtcDateTime(timezone=True), nullable=True)
    )
    op.create_index(
        "uq_office_entries_once",
        "office_entries",
        ["inspection_id", "kind"],
        unique=True,
        sqlite_where=ONCE,
        postgresql_where=ONCE,
    )


def downgrade() -> None:
    op.drop_index("uq_office_entries_once", "office_entries")
    for name in ("retry_at", "attempts", "problem"):
        op.drop_column("disposals", name)

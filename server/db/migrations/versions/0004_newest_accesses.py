"""Newest lines of all access logs, for the files that hold them once more

Revision: 0004
After: 0003
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_accesses_at", "accesses", ["at"])


def downgrade() -> None:
    op.drop_index("ix_accesses_at", table_name="accesses")

"""A leaf of the office's log is found without reading all of them

Revision: 0010
After: 0009
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_office_entries_leaf", "office_entries", ["leaf"])


def downgrade() -> None:
    op.drop_index("ix_office_entries_leaf", "office_entries")

"""Devices whose place another one took, and who has sent all that was recorded of gaps

Revision: 0009
After: 0008
"""

import sqlalchemy as sa
from alembic import op

from server.db.base import UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "former_devices",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("participant_id", sa.String(length=26), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("token_expires_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("replaced_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("sent_all_at", UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["participant_id"],
            ["participants.id"],
            name=op.f("fk_former_devices_participant_id_participants"),
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_former_devices")),
    )
    with op.batch_alter_table("former_devices", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_former_devices_participant_id"), ["participant_id"], unique=False
        )
    with op.batch_alter_table("participants", schema=None) as batch_op:
        batch_op.add_column(sa.Column("sent_all_at", UtcDateTime(timezone=True), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("participants", schema=None) as batch_op:
        batch_op.drop_column("sent_all_at")
    op.drop_table("former_devices")

"""The fence on SQLite has no way round: a line that is there is not replaced either

`INSERT OR REPLACE` removes the line in its way without asking the triggers of removal. What is in the way is found by
each unique key: the table's own, the index of what is entered once, and the row's number, which can be given as well.

Revision: 0006
After: 0005
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

KEYS = {
    "events": ["inspection_id = NEW.inspection_id AND seq = NEW.seq"],
    "accesses": ["inspection_id = NEW.inspection_id AND seq = NEW.seq"],
    "office_entries": [
        '"index" = NEW."index"',
        "inspection_id = NEW.inspection_id AND kind = NEW.kind AND kind IN ('open', 'close', 'seal', 'disposal')",
    ],
    "office_heads": ["number = NEW.number"],
    "office_head_stamps": ["head = NEW.head AND authority = NEW.authority"],
}


def upgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    for table, keys in KEYS.items():
        there = " OR ".join(f"({key})" for key in [*keys, "rowid = NEW.rowid"])
        found = f"SELECT 1 FROM {table} WHERE {there}"  # noqa: S608
        op.execute(
            f"CREATE TRIGGER fence_{table}_replace BEFORE INSERT ON {table} WHEN EXISTS ({found}) "
            f"BEGIN SELECT RAISE(ABORT, 'the log is only ever added to'); END"
        )


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for table in KEYS:
            op.execute(f"DROP TRIGGER fence_{table}_replace")

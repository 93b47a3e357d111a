"""Event fence: lines of the event log, of the access log and of the office's log are never changed or removed

Revision: 0002
After: 0001
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = {
    "events": "",
    "accesses": "",
    "office_entries": "",
    # What an authority did not answer is told in the column that is left out.
    "office_heads": " OF number, size, root, at, key, document",
    "office_head_stamps": "",
}
"""Table -> which columns must not be updated; all of them if none is named."""


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for table, columns in TABLES.items():
            for name, act in (("update", f"UPDATE{columns}"), ("delete", "DELETE")):
                op.execute(
                    f"CREATE TRIGGER fence_{table}_{name} BEFORE {act} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, 'the log is only ever added to'); END"
                )
        return
    op.execute(
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the log is only ever added to'; END $$"
    )
    for table, columns in TABLES.items():
        op.execute(
            f"CREATE TRIGGER fence_{table} BEFORE UPDATE{columns} OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for table in TABLES:
            for act in ("update", "delete"):
                op.execute(f"DROP TRIGGER fence_{table}_{act}")
        return
    for table in TABLES:
        op.execute(f"DROP TRIGGER fence_{table} ON {table}")
    op.execute("DROP FUNCTION refuse_change()")

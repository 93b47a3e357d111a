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
DISPOSED = "SELECT 1 FROM disposals WHERE inspection_id = OLD.inspection_id AND approved_at IS NOT NULL"
"""The one way out: two people have decided that an inspection's evidence ends, its log among it."""


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for table, columns in TABLES.items():
            for name, act in (("update", f"UPDATE{columns}"), ("delete", "DELETE")):
                unless = f"WHEN NOT EXISTS ({DISPOSED}) " if (table, name) == ("events", "delete") else ""
                op.execute(
                    f"CREATE TRIGGER fence_{table}_{name} BEFORE {act} ON {table} {unless}"
                    f"BEGIN SELECT RAISE(ABORT, 'the log is only ever added to'); END"
                )
        return
    op.execute(
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the log is only ever added to'; END $$"
    )
    op.execute(
        "CREATE FUNCTION refuse_removal() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN IF EXISTS ({DISPOSED}) THEN RETURN OLD; END IF; "
        "RAISE EXCEPTION 'the log is only ever added to'; END $$"
    )
    op.execute(
        "CREATE TRIGGER fence_events_delete BEFORE DELETE ON events "
        "FOR EACH ROW EXECUTE FUNCTION refuse_removal()"
    )
    for table, columns in TABLES.items():
        removal = "" if table == "events" else "OR DELETE "
        op.execute(
            f"CREATE TRIGGER fence_{table} BEFORE UPDATE{columns} {removal}OR TRUNCATE ON {table} "
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
    op.execute("DROP TRIGGER fence_events_delete ON events")
    op.execute("DROP FUNCTION refuse_removal()")
    op.execute("DROP FUNCTION refuse_change()")

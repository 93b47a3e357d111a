"""Rows for benchmarks of the database: as the service would have written them, without the acts by which people do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text

from server.accounts.models import Office
from server.accounts.rules import Actor
from server.cases.models import Case, Enterprise
from server.db import Database
from server.evidence.chain import GENESIS
from server.ids import new_id
from server.inspections.models import Inspection


def filled(kind: Any, **known: Any) -> dict[str, Any]:
    """A row's values, with texts and numbers that say nothing for the columns that must have some."""
    blank: dict[type, Any] = {str: "", int: 0, float: 0.0, bool: False, dict: {}, list: []}
    values = dict(known)
    for column in kind.__table__.columns:
        if column.name not in values and not column.nullable and column.default is None:
            plain = column.type.python_type
            values[column.name] = new_id()[: column.type.length] if plain is str else blank.get(plain)
    return values


@dataclass(frozen=True, slots=True)
class Matter:
    """A case with what it hangs on."""

    office_id: str
    case_id: str

    @property
    def auditor(self) -> Actor:
        return Actor(kind="staff", id=new_id(), name="bench", role="auditor", office_id=self.office_id)


async def new_office(database: Database) -> str:
    office_id = new_id()
    async with database.transaction() as session:
        session.add(Office(**filled(Office, id=office_id, name="bench", created_at=datetime.now(UTC))))
    return office_id


async def new_case(database: Database, office_id: str, **known: Any) -> Matter:
    now, enterprise_id, case_id = datetime.now(UTC), new_id(), new_id()
    async with database.transaction() as session:
        owned = {"office_id": office_id, "created_at": now}
        session.add(Enterprise(**filled(Enterprise, id=enterprise_id, **owned)))
        await session.flush()
        session.add(Case(**filled(Case, id=case_id, enterprise_id=enterprise_id, **owned, **known)))
    return Matter(office_id, case_id)


async def new_inspection(database: Database) -> str:
    """One with an empty log."""
    matter, now, inspection_id = (
        await new_case(database, await new_office(database)),
        datetime.now(UTC),
        new_id(),
    )
    known = {
        "id": inspection_id,
        "case_id": matter.case_id,
        "office_id": matter.office_id,
        "head": GENESIS,
        "starts_at": now,
        "created_at": now,
        "last_seq": 0,
    }
    async with database.transaction() as session:
        session.add(Inspection(**filled(Inspection, **known)))
    return inspection_id


async def durability(database: Database) -> str:
    """By which settings the database makes a commit last."""
    names = ("journal_mode", "synchronous") if database.is_sqlite else ("fsync", "synchronous_commit")
    ask = "PRAGMA {}" if database.is_sqlite else "SHOW {}"
    async with database.reading() as session:
        values = [str(await session.scalar(text(ask.format(name)))) for name in names]
    return ", ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))

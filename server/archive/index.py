"""What the database knows of an inspection beside its log, as a file of the package: `yunkan reindex` reads it back.

It holds no secret: of invitations and participants not even the hashes of their tokens, of staff no passwords.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, inspect, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.models import Office, Staff
from server.cases.models import Case, Enterprise, Evidence, Material
from server.db.base import Base, UtcDateTime
from server.evidence.canonical import dump, parse
from server.evidence.officelog import Head
from server.ids import new_id
from server.inspections.models import Inspection, InspectionReviewer, Invitation
from server.live.models import Part, Participant, Photo, Slot, Snapshot

PATH = "data/index.json"
VERSION = 1
RECORD_PATH = "data/record.pdf"
SECRETS = {
    Staff: ("password_hash",),
    Invitation: ("token_hash",),
    Participant: ("token_hash",),
}
"""Columns that stay in the database."""


class BadIndex(ValueError):
    """Not an index of this kind; the text says why."""


@dataclass(frozen=True, slots=True)
class OfficeState:
    """What the record tells of the office as of its making: the newest signed head of its log, the fingerprint of its
    root in hex, and its public address without a slash at the end, or "".
    """

    head: Head
    root_fingerprint: str
    public_url: str

    def to_json(self) -> dict[str, Any]:
        return {
            "head": self.head.to_json(),
            "root_fingerprint": self.root_fingerprint,
            "public_url": self.public_url,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> OfficeState:
        """ValueError, KeyError."""
        return cls(Head.from_json(value["head"]), str(value["root_fingerprint"]), str(value["public_url"]))


@dataclass(frozen=True, slots=True)
class Index:
    """`rows`: table name -> its rows as JSON. `record`: id of the record's evidence. `language`: the record's.

    `office`: None in an index that was made for no record.
    """

    rows: dict[str, list[dict[str, Any]]]
    record: str
    language: str
    office: OfficeState | None = None

    def to_bytes(self) -> bytes:
        return dump(
            {
                "v": VERSION,
                "kind": "index",
                "record": self.record,
                "language": self.language,
                "rows": self.rows,
                **({"office": self.office.to_json()} if self.office is not None else {}),
            }
        )

    @classmethod
    def parse(cls, data: bytes) -> Index:
        """BadIndex if it is none."""
        try:
            value = parse(data, limit=64 << 20)
            if value["v"] != VERSION or value["kind"] != "index":
                raise BadIndex("it is not of a known version")
            rows = {str(name): [dict(row) for row in listed] for name, listed in value["rows"].items()}
            office = OfficeState.from_json(value["office"]) if "office" in value else None
            return cls(rows, str(value["record"]), str(value["language"]), office)
        except BadIndex:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadIndex(f"it cannot be read: {error!r}") from error

    def one(self, kind: type[Base]) -> dict[str, Any]:
        """The only row of a table; BadIndex otherwise."""
        found = self.all(kind)
        if len(found) != 1:
            raise BadIndex(f"{len(found)} rows of {kind.__tablename__}")
        return found[0]

    def all(self, kind: type[Base]) -> list[dict[str, Any]]:
        return self.rows.get(kind.__tablename__, [])


def to_row(entity: Base) -> dict[str, Any]:
    """Column -> value; times as RFC 3339 with all their digits."""
    left_out = SECRETS.get(type(entity), ())
    values = {
        column.key: getattr(entity, column.key)
        for column in inspect(type(entity)).column_attrs
        if column.key not in left_out
    }
    return {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()
    }


def from_row(kind: type[Base], row: dict[str, Any], **more: Any) -> Base:
    """The entity again. BadIndex for columns that the table does not have."""
    columns = inspect(kind).columns
    values: dict[str, Any] = {}
    for name, value in {**row, **more}.items():
        if name not in columns:
            raise BadIndex(f"{kind.__tablename__} has no column {name!r}")
        is_time = isinstance(columns[name].type, UtcDateTime) and isinstance(value, str)
        values[name] = datetime.fromisoformat(value) if is_time else value
    return kind(**values)


async def read_index(
    session: AsyncSession, inspection: Inspection, language: str, staff: Iterable[str] = ()
) -> Index:
    """All rows around an inspection, as they are now; `staff`: ids of more people who belong to it."""
    case = await session.get_one(Case, inspection.case_id)
    rows: dict[str, list[dict[str, Any]]] = {}

    async def take(kind: type[Base], *conditions: ColumnElement[bool], by: str = "id") -> list[Any]:
        query: Any = select(kind).where(*conditions).order_by(inspect(kind).columns[by])
        found = list(await session.scalars(query))
        rows[kind.__tablename__] = [to_row(entity) for entity in found]
        return found

    await take(Office, Office.id == inspection.office_id)
    await take(Enterprise, Enterprise.id == case.enterprise_id)
    await take(Case, Case.id == case.id)
    await take(Material, Material.case_id == case.id)
    await take(Inspection, Inspection.id == inspection.id)
    reviewers = await take(
        InspectionReviewer, InspectionReviewer.inspection_id == inspection.id, by="staff_id"
    )
    await take(Invitation, Invitation.inspection_id == inspection.id)
    people = await take(Participant, Participant.inspection_id == inspection.id)
    known = _staff_ids(reviewers, people, (case.created_by, inspection.created_by, *staff))
    await take(Staff, Staff.id.in_(known), Staff.office_id == inspection.office_id)
    for kind in (Slot, Part, Snapshot, Photo, Evidence):
        await take(kind, kind.inspection_id == inspection.id)
    rows[Evidence.__tablename__] = [row for row in rows[Evidence.__tablename__] if row["kind"] != "record"]
    return Index(rows, new_id(), language)


def _staff_ids(
    reviewers: Iterable[InspectionReviewer], people: Iterable[Participant], others: Iterable[str]
) -> list[str]:
    found = {reviewer.staff_id for reviewer in reviewers} | set(others)
    return sorted(found | {person.staff_id for person in people if person.staff_id is not None})


def load_index(folder: Path) -> Index:
    """Of an inspection's folder; BadIndex or OSError."""
    return Index.parse((folder / PATH).read_bytes())

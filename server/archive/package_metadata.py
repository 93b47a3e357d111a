"""What the archive's metadata says of an inspection: base data and process, from case and log. Reads rows only."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.models import Office
from server.cases.models import Case, Enterprise
from server.cases.rules import MATTERS, RetentionPolicy
from server.clock import rfc3339
from server.errors import N_
from server.evidence import metadata
from server.evidence.bag import FileDigest
from server.inspections.models import Event, Inspection
from server.web.languages import translate

FOR_EVER = 0
"""In `Seal.kept_years`."""
RESULT_NAMES = {
    "pass": N_("Pass"),
    "rectify": N_("Pass after rectification"),
    "fail": N_("Fail"),
    "unverifiable": N_("Cannot be verified remotely"),
}
STEP_NAMES = {
    "inspection.created": N_("Inspection scheduled"),
    "inspection.started": N_("Inspection begun"),
    "inspection.ended": N_("Inspection ended"),
    "inspection.concluded": N_("Result recorded"),
}


@dataclass(frozen=True, slots=True)
class PackageMetadata:
    base: metadata.BaseMetadata
    steps: Sequence[metadata.ProcessStep]

    def writer(self) -> Callable[[Sequence[FileDigest]], Mapping[str, bytes]]:
        return lambda files: {
            metadata.BASE_PATH: metadata.base_xml(self.base, files),
            metadata.PROCESS_PATH: metadata.process_xml(self.base.inspection, self.steps),
        }


def retention_text(years: int | None) -> str:
    """How long something is kept, in the current language."""
    if years is None:
        return translate(N_("permanent"))
    return translate(N_("{years} year") if years == 1 else N_("{years} years"), years=years)


def told_years(folder: Path) -> int | None:
    """How long a sealed package says that it is kept, as in `Seal.kept_years`. Blocks.

    From the package and not from the settings, which may have changed since an attempt that was cut short.
    """
    try:
        base, _ = metadata.parse_base((folder / metadata.BASE_PATH).read_bytes())
    except (metadata.BadMetadata, OSError):
        return None
    if not base.retention:
        return None
    # Of the two texts that there are, in whatever language, one has a number.
    years = re.search(r"[0-9]{1,3}", base.retention)
    return int(years[0]) if years else FOR_EVER


def longer(years: int | None, kept_years: int | None) -> int | None:
    """The longer one of today's schedule, None for ever, and of what a package says."""
    if years is None or kept_years == FOR_EVER:
        return None
    return max(years, kept_years or 0)


async def read_metadata(
    session: AsyncSession, inspection: Inspection, policy: RetentionPolicy
) -> PackageMetadata:
    """In the language that is current: the caller sets the office's. A case knows when it came in, and nothing earlier:
    that stands for the application as well as for its acceptance.
    """
    case = await session.get_one(Case, inspection.case_id)
    enterprise = await session.get_one(Enterprise, case.enterprise_id)
    office = await session.get_one(Office, inspection.office_id)
    matter = MATTERS.get(case.matter)
    base = metadata.BaseMetadata(
        matter_code=case.matter,
        matter_name=translate(matter.name) if matter else case.matter,
        case_number=case.number,
        inspection=inspection.id,
        office=office.name,
        applicant=case.enterprise_name,
        certificate_kind=translate(N_("Unified social credit code")),
        certificate_number=enterprise.credit_code,
        applied_at=rfc3339(case.created_at),
        accepted_at=rfc3339(case.created_at),
        completed_at=rfc3339(inspection.concluded_at) if inspection.concluded_at else "",
        result=translate(RESULT_NAMES[inspection.result]) if inspection.result else "",
        retention=retention_text(policy.years_of(case.matter)),
    )
    events = await session.scalars(
        select(Event)
        .where(Event.inspection_id == inspection.id, Event.type.in_(STEP_NAMES))
        .order_by(Event.seq)
    )
    steps = [
        metadata.ProcessStep(
            name=translate(STEP_NAMES[event.type]),
            handler=str(event.actor["name"]),
            at=rfc3339(event.at),
            opinion=str(event.body.get("note") or ""),
        )
        for event in events
    ]
    return PackageMetadata(base, steps)

"""What the record is made from, and how times and durations are written in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from babel.dates import format_datetime

from server.accounts.models import Staff
from server.archive.index import Index
from server.clock import TIME_ZONE
from server.evidence.chain import link_of
from server.evidence.document import Block, Paragraph, Table
from server.inspections.models import Event, InspectionReviewer
from server.web.languages import translate

TO_BE_WRITTEN = "________________"
"""For the pen, where neither log nor index knows."""


@dataclass(frozen=True, slots=True)
class Told:
    """`lines`: the whole log; `events`: the same, parsed."""

    lines: Sequence[bytes]
    events: Sequence[Event]
    index: Index
    language: str

    @property
    def head(self) -> str:
        return link_of(self.lines[-1])

    @property
    def closed_at(self) -> datetime:
        return self.events[-1].at

    @property
    def officers(self) -> list[dict[str, str]]:
        """Staff rows of those who were assigned, and of the reviewers who joined: each once."""
        ids = [row["staff_id"] for row in self.index.all(InspectionReviewer)]
        joined = self.index.rows.get("participants", [])
        ids += [row["staff_id"] for row in joined if row["staff_id"] and row["role"] == "reviewer"]
        known = {row["id"]: row for row in self.index.all(Staff)}
        return [known[each] for each in dict.fromkeys(ids) if each in known]


def table(header: list[str], rows: list[list[str]], widths: list[float], nothing: str) -> Block:
    """Its header as message ids; `nothing`, one too, where there are no rows."""
    if not rows:
        return Paragraph(translate(nothing) if nothing else "–")
    return Table([translate(name) for name in header], rows, widths)


def _shown(pattern: str) -> Callable[[datetime | str | None], str]:
    def show(at: datetime | str | None) -> str:
        moment = datetime.fromisoformat(at) if isinstance(at, str) else at
        return "–" if moment is None else format_datetime(moment.astimezone(TIME_ZONE), pattern, locale="en")

    return show


show_time, show_clock = _shown("yyyy-MM-dd HH:mm:ss"), _shown("HH:mm:ss")
"""Beijing time, as on the pages."""


def show_seconds(seconds: float) -> str:
    """`1:02` or `1:02:03`."""
    minutes, second = divmod(round(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02d}:{second:02d}" if hour else f"{minute}:{second:02d}"

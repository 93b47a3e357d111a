"""The inspection record: a document made from what lies in the inspection's folder, and from nothing else.

Log, index and snapshots give the same bytes every time; the signature comes behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from babel.dates import format_datetime

from server.accounts.models import Office, Staff
from server.archive.index import RECORD_PATH, Index
from server.archive.package_metadata import RESULT_NAMES
from server.archive.record_words import ANSWERS, CAUSES, GRADES, REASONS, ROLES, TEXTS
from server.cases.models import Case, Enterprise
from server.cases.rules import MATTERS, licence_kind_name
from server.clock import TIME_ZONE
from server.errors import N_
from server.evidence import durable, keys, pades
from server.evidence.canonical import parse, parse_time
from server.evidence.chain import link_of
from server.evidence.document import (
    Block,
    Codes,
    Fields,
    Heading,
    Paragraph,
    Picture,
    Table,
    make_pdf,
)
from server.inspections.checklists import get_template, in_language
from server.inspections.ledger import Interval, build_ledger
from server.inspections.models import Event, Inspection, InspectionReviewer
from server.inspections.summary import Summary, summarise
from server.vision.reduction import reduced_jpeg
from server.web.languages import speaking, translate

PICTURE_WIDTH = 1000


@dataclass(frozen=True, slots=True)
class Told:
    """What the record is made from. `events` without those whose line could not be shown; `lines`: the whole log."""

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


def write_record(
    folder: Path, lines: Sequence[bytes], index: Index, office: keys.OfficeKeys, fonts: Path | None
) -> None:
    """`data/record.pdf`, signed by the office. FontMissing, DocumentUnmakable. Blocks."""
    unsigned = make_record(folder, lines, index, fonts)
    at = _event(lines[-1]).at
    durable.write(folder / RECORD_PATH, pades.sign_pdf(unsigned, office.seal_key, office.chain, at))


def make_record(folder: Path, lines: Sequence[bytes], index: Index, fonts: Path | None = None) -> bytes:
    """The unsigned record: `data/record.pdf` begins with these bytes."""
    told = Told(lines, [_event(line) for line in lines], index, index.language)
    inspection = index.one(Inspection)
    with speaking(index.language):
        blocks = list(_blocks(told, folder))
        title = translate(N_("Record of a remote inspection"))
        foot = translate(
            N_("Inspection {number} · head {head}"), number=inspection["number"], head=told.head[:16]
        )
    short = "en" if index.language.startswith("en") else "zh"
    return make_pdf(title, blocks, at=told.closed_at, language=short, foot=foot, fonts=fonts)


def _event(line: bytes) -> Event:
    value = parse(line)
    return Event(
        inspection_id=value["inspection"],
        seq=value["seq"],
        type=value["type"],
        at=parse_time(value["t_utc"]),
        actor=value["actor"],
        body=value["body"],
        prev=value["prev"],
        link=link_of(line),
        line=line.decode(),
    )


def _blocks(told: Told, folder: Path) -> Iterator[Block]:
    summary = summarise(told.events)
    yield from _basics(told)
    yield from _people(told)
    yield from _location(summary)
    yield from _checklist(told, summary)
    yield from _continuity(told)
    yield from _messages(told)
    yield from _result(told)
    yield from _snapshots(told, folder)
    yield from _proof(told)


def _basics(told: Told) -> Iterator[Block]:
    case, enterprise = told.index.one(Case), told.index.one(Enterprise)
    inspection, office = told.index.one(Inspection), told.index.one(Office)
    matter = MATTERS.get(case["matter"])
    yield Heading(translate(N_("Basic facts")))
    rows = [
        (N_("Number of the inspection"), inspection["number"]),
        (N_("Office"), office["name"]),
        (N_("Matter"), translate(matter.name) if matter else case["matter"]),
        (N_("Case"), case["number"]),
        (N_("Enterprise"), case["enterprise_name"]),
        (N_("Unified social credit code"), enterprise["credit_code"]),
        (
            N_("Licence"),
            f"{translate(licence_kind_name(case['matter'], case['licence_kind']))} · {case['licence_number']}",
        ),
        (N_("Old address"), case["old_address"]),
        (N_("New address"), case["new_address"]),
        (N_("Reviewers"), _officers(told)),
        (N_("Begun"), _time(inspection["started_at"])),
        (N_("Ended"), _time(inspection["ended_at"])),
    ]
    yield Fields([(translate(name), str(value)) for name, value in rows])


def _officers(told: Told) -> str:
    """Who was assigned, with the numbers of their certificates."""
    assigned = {row["staff_id"] for row in told.index.all(InspectionReviewer)}
    people = [row for row in told.index.all(Staff) if row["id"] in assigned]
    return " · ".join(f"{row['name']} {row['certificate_number']}".strip() for row in people) or "–"


def _people(told: Told) -> Iterator[Block]:
    certificates = {row["id"]: row["certificate_number"] for row in told.index.all(Staff)}
    joined = {e.body["participant"]: e for e in told.events[::-1] if e.type == "participant.joined"}
    staff = {row["id"]: row["staff_id"] for row in told.index.rows.get("participants", [])}
    yield Heading(translate(N_("Participants")))
    rows = [
        [
            event.body["name"],
            translate(ROLES.get(event.body["role"], event.body["role"])),
            certificates.get(staff.get(who) or "", "") or "–",
            _time(event.at),
        ]
        for who, event in sorted(joined.items(), key=lambda pair: pair[1].seq)
    ]
    header = [N_("Name"), N_("Role"), N_("Certificate number"), N_("Joined")]
    yield _table(header, rows, [3, 2, 3, 4], N_("Nobody joined."))
    given = [
        translate(
            N_("{time}: {name} agreed to: {text}, version {version}, SHA-256 {digest}"),
            time=_time(event.at),
            name=event.actor["name"],
            text=translate(TEXTS.get(event.body["kind"], event.body["kind"])),
            version=event.body["version"],
            digest=event.body["sha256"][:16],
        )
        for event in told.events
        if event.type == "consent.given"
    ]
    for text in given:
        yield Paragraph(text)


def _location(summary: Summary) -> Iterator[Block]:
    yield Heading(translate(N_("Location")))
    position = summary.position
    if position is None:
        yield Paragraph(translate(N_("The phone gave no position.")))
        return
    rows = [
        (N_("Grade"), translate(GRADES.get(position.grade, position.grade))),
        (N_("Distance to the address"), "–" if position.distance_m is None else f"{position.distance_m} m"),
        (N_("Accuracy"), f"{round(position.accuracy_m)} m"),
        (N_("Positions"), str(sum(summary.grades.values()))),
        (N_("Newest at"), _time(position.at)),
        (N_("Reasons"), " ".join(translate(REASONS[code]) for code in position.reasons if code in REASONS)),
    ]
    yield Fields([(translate(name), value) for name, value in rows])


def _checklist(told: Told, summary: Summary) -> Iterator[Block]:
    inspection = told.index.one(Inspection)
    template = get_template(inspection["template_key"], inspection["template_version"])
    yield Heading(translate(N_("Checklist")))
    yield Paragraph(
        translate(
            N_("{title}, version {version}. Basis: {basis}"),
            title=in_language(template.title, told.language),
            version=template.version,
            basis=in_language(template.basis, told.language),
        )
    )
    rows = []
    for group in template.groups:
        for item in group.items:
            answer = summary.answers.get(item.key)
            rows.append(
                [
                    in_language(group.title, told.language),
                    in_language(item.text, told.language) + (" *" if item.critical else ""),
                    translate(ANSWERS[answer.result]) if answer else translate(N_("Not answered")),
                    answer.note if answer else "",
                    f"{answer.by} {_clock(answer.at)}" if answer else "",
                ]
            )
    header = [N_("Group"), N_("Item (* critical)"), N_("Answer"), N_("Note"), N_("By")]
    yield _table(header, rows, [2, 4, 2, 3, 2], "")


def _continuity(told: Told) -> Iterator[Block]:
    yield Heading(translate(N_("Continuity of the recording")))
    events = [
        {"type": e.type, "at": e.at.isoformat(), "body": e.body, "actor": e.actor, "seq": e.seq}
        for e in told.events
    ]
    rows = []
    for ledger in build_ledger(events, told.closed_at):
        rows.append(
            [
                ledger.name,
                translate(N_("received")),
                _seconds(ledger.received_s),
                translate(
                    N_("gaps {gaps}, of these uploaded later {filled}"),
                    gaps=_seconds(ledger.gap_s),
                    filled=_seconds(ledger.filled_s),
                ),
            ]
        )
        rows += [
            [
                ledger.name,
                f"{_clock(gap.start)} – {_clock(gap.end)}",
                _seconds(gap.seconds),
                _cause(gap, ledger.name)
                + translate(N_("; uploaded later: {filled}"), filled=_seconds(gap.filled_s)),
            ]
            for gap in ledger.gaps
        ]
    header = [N_("Camera"), N_("Not received"), N_("Duration"), N_("Cause")]
    yield _table(header, rows, [2, 4, 2, 5], N_("Nothing was received."))


def _cause(gap: Interval, owner: str) -> str:
    return translate(CAUSES[gap.cause], name=gap.by or owner) if gap.cause else "–"


def _messages(told: Told) -> Iterator[Block]:
    said = [e for e in told.events if e.type == "chat.sent"]
    if not said:
        return
    yield Heading(translate(N_("Said in writing")))
    rows = [[_clock(e.at), e.actor["name"], str(e.body["text"])] for e in said]
    yield _table([N_("Time"), N_("Name"), N_("Text")], rows, [2, 3, 8], "")


def _result(told: Told) -> Iterator[Block]:
    inspection = told.index.one(Inspection)
    result = RESULT_NAMES.get(inspection["result"] or "", "")
    yield Heading(translate(N_("Result")))
    rows = [
        (N_("Result"), translate(result) if result else "–"),
        (N_("Note"), inspection["result_note"] or "–"),
        (N_("Recorded by"), inspection["concluded_by_name"]),
        (N_("Recorded at"), _time(inspection["concluded_at"])),
    ]
    yield Fields([(translate(name), value) for name, value in rows])


def _snapshots(told: Told, folder: Path) -> Iterator[Block]:
    taken = [e for e in told.events if e.type == "snapshot.taken"]
    if not taken:
        return
    inspection = told.index.one(Inspection)
    template = get_template(inspection["template_key"], inspection["template_version"])
    yield Heading(translate(N_("Snapshots")))
    with ThreadPoolExecutor(2, "pictures") as pool:
        pictures = list(pool.map(lambda event: _picture(folder, event), taken))
    for number, (event, picture) in enumerate(zip(taken, pictures, strict=True), start=1):
        item = template.find_item(event.body["item"] or "")
        caption = translate(
            N_("{number}. {item} {time}, {name}, SHA-256 {digest}"),
            number=number,
            item=in_language(item.text, told.language) if item else "",
            time=_time(event.body["captured_at"]),
            name=event.actor["name"],
            digest=event.body["sha256"][:16],
        )
        yield Picture(picture, caption, 0.72) if picture else Paragraph(caption)


def _picture(folder: Path, event: Event) -> bytes | None:
    path = folder / "data" / "snapshots" / f"{event.body['snapshot']}.png"
    return reduced_jpeg(path.read_bytes(), PICTURE_WIDTH) if path.exists() else None


def _proof(told: Told) -> Iterator[Block]:
    inspection = told.index.one(Inspection)
    yield Heading(translate(N_("What can be checked")))
    yield Paragraph(
        translate(
            N_(
                "This record was made by the service from the event log of the inspection. With the package "
                "anybody can check that log, recordings and pictures were not changed since they were sealed. "
                "That does not prove that what the camera saw was true."
            )
        )
    )
    rows = [
        (N_("Inspection"), inspection["id"]),
        (N_("Lines of the event log"), str(len(told.lines))),
        (N_("Head of the event log"), told.head),
        (N_("Checklist (SHA-256)"), inspection["template_sha256"]),
    ]
    qr = f"yunkan-record:1?inspection={inspection['id']}&lines={len(told.lines)}&head={told.head}"
    yield Codes([(translate(name), value) for name, value in rows], qr)


def _table(header: list[str], rows: list[list[str]], widths: list[float], nothing: str) -> Block:
    if not rows:
        return Paragraph(translate(nothing) if nothing else "–")
    return Table([translate(name) for name in header], rows, widths)


def _moment(at: datetime | str | None) -> datetime | None:
    return datetime.fromisoformat(at) if isinstance(at, str) else at


def _shown(pattern: str) -> Callable[[datetime | str | None], str]:
    def show(at: datetime | str | None) -> str:
        moment = _moment(at)
        return "–" if moment is None else format_datetime(moment.astimezone(TIME_ZONE), pattern, locale="en")

    return show


_time, _clock = _shown("yyyy-MM-dd HH:mm:ss"), _shown("HH:mm:ss")
"""Beijing time, as on the pages."""


def _seconds(seconds: float) -> str:
    minutes, second = divmod(round(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02d}:{second:02d}" if hour else f"{minute}:{second:02d}"

"""The inspection record: a document made from what lies in the inspection's folder, and from nothing else.

Log, index and snapshots give the same bytes every time; the signature comes behind them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from server.accounts.models import Office, Staff
from server.archive.index import RECORD_PATH, Index
from server.archive.package_metadata import RESULT_NAMES
from server.archive.record_photos import photos
from server.archive.record_told import (
    TO_BE_WRITTEN,
    Told,
    show_clock,
    show_seconds,
    show_time,
    table,
)
from server.archive.record_trust import clocks, liveness, location, proof, signing
from server.archive.record_words import ANSWERS, CAUSES, LACKS, LANGUAGES, ROLES, TEXTS
from server.cases.models import Case, Enterprise
from server.cases.rules import MATTERS, licence_kind_name
from server.errors import N_
from server.evidence import durable, keys, pades
from server.evidence.document import Block, Fields, Heading, Paragraph, Picture, make_pdf
from server.inspections.checklists import get_template, in_language
from server.inspections.ledger import Interval, build_ledger
from server.inspections.log import event_of
from server.inspections.models import Event, Inspection
from server.inspections.summary import Summary, summarise
from server.vision.reduction import reduced_jpeg
from server.web.languages import speaking, translate

PICTURE_WIDTH = 1000
LEGIBLE = 30
"""Sharpness under which text is hardly legible (`vision.quality`)."""


def write_record(
    folder: Path, lines: Sequence[bytes], index: Index, office: keys.OfficeKeys, fonts: Path | None
) -> None:
    """`data/record.pdf`, signed by the office. FontMissing, DocumentUnmakable. Blocks."""
    unsigned = make_record(folder, lines, index, fonts)
    durable.write(folder / RECORD_PATH, pades.sign_pdf(unsigned, office.seal_key, office.chain))


def make_record(folder: Path, lines: Sequence[bytes], index: Index, fonts: Path | None = None) -> bytes:
    """The unsigned record: `data/record.pdf` begins with these bytes."""
    told = Told(lines, [event_of(line) for line in lines], index, index.language)
    inspection = index.one(Inspection)
    with speaking(index.language):
        blocks = list(_blocks(told, folder))
        title = translate(N_("Record of a remote inspection"))
        foot = translate(
            N_("Inspection {number} · head {head}"), number=inspection["number"], head=told.head[:16]
        )
    short = "en" if index.language.startswith("en") else "zh"
    return make_pdf(title, blocks, at=told.closed_at, language=short, foot=foot, fonts=fonts)


def _blocks(told: Told, folder: Path) -> Iterator[Block]:
    summary = summarise(told.events)
    yield from _basics(told)
    yield from _people(told)
    yield from location(told, summary)
    yield from clocks(told)
    yield from _checklist(told, summary)
    yield from _continuity(told)
    yield from liveness(told)
    yield from _messages(told)
    yield from _result(told)
    yield from _snapshots(told, folder)
    yield from photos(told)
    yield from proof(told)
    yield from signing(told)


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
        (N_("Begun"), show_time(inspection["started_at"])),
        (N_("Ended"), show_time(inspection["ended_at"])),
    ]
    yield Fields([(translate(name), str(value)) for name, value in rows])


def _officers(told: Told) -> str:
    """With the numbers of their certificates."""
    return " · ".join(f"{row['name']} {row['certificate_number']}".strip() for row in told.officers) or "–"


def _people(told: Told) -> Iterator[Block]:
    certificates = {row["id"]: row["certificate_number"] for row in told.index.all(Staff)}
    joined = {e.body["participant"]: e for e in told.events[::-1] if e.type == "participant.joined"}
    came = [e for e in told.events if joined.get(e.body.get("participant")) is e or _is_other_person(e)]
    staff = {row["id"]: row["staff_id"] for row in told.index.rows.get("participants", [])}
    yield Heading(translate(N_("Participants")))
    rows = [
        [
            event.body["name"],
            translate(ROLES.get(role, role)),
            certificates.get(staff.get(who) or "", "") or _unknown(role),
            _came(event),
        ]
        for event in came
        if (who := event.body["participant"]) in joined and (role := joined[who].body["role"])
    ]
    header = [N_("Name"), N_("Role"), N_("Certificate number"), N_("Joined")]
    yield table(header, rows, [3, 2, 3, 4], N_("Nobody joined."))
    given = [event for event in told.events if event.type == "consent.given"]
    for event in given:
        yield Paragraph(_agreed(event))
    agreed = {(event.body["participant"], event.actor["name"]) for event in given}
    silent = [
        e.body["name"]
        for e in came
        if not staff.get(who := e.body["participant"]) and (who, e.body["name"]) not in agreed
    ]
    if silent:
        yield Paragraph(
            translate(N_("The log holds no agreement of: {names}"), names=translate(N_(", ")).join(silent))
        )


def _is_other_person(event: Event) -> bool:
    """Whether somebody went on, from another device, in the place of somebody else."""
    return event.type == "participant.replaced" and event.body.get("name") != event.body.get("was")


def _came(event: Event) -> str:
    if event.type == "participant.joined":
        return show_time(event.at)
    return translate(
        N_("{time}, in the place of {before}"), time=show_time(event.at), before=event.body["was"]
    )


def _agreed(event: Event) -> str:
    """Early logs name neither whom the text speaks to nor its language: then it was an enterprise, of whom a version
    was all that was asked."""
    body = event.body
    text = TEXTS.get((body.get("audience", "enterprise"), body["kind"]), body["kind"])
    told = {
        "time": show_time(event.at),
        "name": event.actor["name"],
        "text": translate(text),
        "version": body["version"],
        "digest": body["sha256"][:16],
    }
    if language := body.get("language"):
        words = translate(
            N_("{time}: {name} agreed to: {text}, version {version}, {language}, SHA-256 {digest}"),
            language=translate(LANGUAGES.get(language, language)),
            **told,
        )
    else:
        words = translate(N_("{time}: {name} agreed to: {text}, version {version}, SHA-256 {digest}"), **told)
    named = body.get("named", "version")
    return words + (translate(N_(" (named by its version only)")) if named == "version" else "")


def _unknown(role: str) -> str:
    """An officer's number is to be there, by the pen if need be."""
    return TO_BE_WRITTEN if role == "reviewer" else "–"


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
                    f"{answer.by} {show_clock(answer.at)}" if answer else "",
                ]
            )
    header = [N_("Group"), N_("Item (* critical)"), N_("Answer"), N_("Note"), N_("By")]
    yield table(header, rows, [2, 4, 2, 3, 2], "")


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
                show_seconds(ledger.received_s),
                translate(
                    N_("gaps {gaps}, of these uploaded later {filled}"),
                    gaps=show_seconds(ledger.gap_s),
                    filled=show_seconds(ledger.filled_s),
                ),
            ]
        )
        rows += [
            [
                ledger.name,
                f"{show_clock(gap.start)} – {show_clock(gap.end)}",
                show_seconds(gap.seconds),
                _cause(gap, ledger.name)
                + translate(
                    N_("; uploaded later: {filled}; still missing: {left}"),
                    filled=show_seconds(gap.filled_s),
                    left=show_seconds(gap.seconds - gap.filled_s),
                ),
            ]
            for gap in ledger.gaps
        ]
        rows += [
            [
                ledger.name,
                f"{show_clock(piece.start)} – {show_clock(piece.end)}",
                show_seconds(piece.seconds),
                translate(LACKS[piece.lacks]) + translate(N_(": {cause}"), cause=_cause(piece, ledger.name)),
            ]
            for piece in ledger.intervals
            if piece.kind == "received" and piece.lacks
        ]
    header = [N_("Camera"), N_("Not received"), N_("Duration"), N_("Cause")]
    yield table(header, rows, [2, 4, 2, 5], N_("Nothing was received."))


def _cause(gap: Interval, owner: str) -> str:
    cause = translate(CAUSES[gap.cause], name=gap.by or owner) if gap.cause else "–"
    return f"{cause} ({gap.reason})" if gap.reason else cause


def _messages(told: Told) -> Iterator[Block]:
    said = [e for e in told.events if e.type == "chat.sent"]
    if not said:
        return
    yield Heading(translate(N_("Said in writing")))
    rows = [[show_clock(e.at), e.actor["name"], str(e.body["text"])] for e in said]
    yield table([N_("Time"), N_("Name"), N_("Text")], rows, [2, 3, 8], "")


def _result(told: Told) -> Iterator[Block]:
    inspection = told.index.one(Inspection)
    result = RESULT_NAMES.get(inspection["result"] or "", "")
    yield Heading(translate(N_("Result")))
    rows = [
        (N_("Result"), translate(result) if result else "–"),
        (N_("Note"), inspection["result_note"] or "–"),
        (N_("Recorded by"), inspection["concluded_by_name"]),
        (N_("Recorded at"), show_time(inspection["concluded_at"])),
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
            N_("{number}. {item} {time}, {name}, {quality}, SHA-256 {digest}"),
            number=number,
            item=in_language(item.text, told.language) if item else "",
            time=show_time(event.body["captured_at"]),
            name=event.actor["name"],
            quality=_quality(event.body),
            digest=event.body["sha256"][:16],
        )
        yield Picture(picture, caption, 0.72) if picture else Paragraph(caption)


def _quality(body: dict[str, Any]) -> str:
    """Size and, as far as it was measured, sharpness and exposure."""
    size, measured = f"{body['width']} × {body['height']}", body.get("quality")
    if not measured:
        return size
    words = translate(
        N_("{size}, sharpness {sharpness}, brightness {brightness}, clipped {clipped} %"),
        size=size,
        sharpness=f"{measured['sharpness']:g}",
        brightness=f"{measured['brightness']:g}",
        clipped=f"{100 * measured['clipped']:.1f}",
    )
    return words + (translate(N_(" (blurred)")) if measured["sharpness"] < LEGIBLE else "")


def _picture(folder: Path, event: Event) -> bytes | None:
    path = folder / "data" / "snapshots" / f"{event.body['snapshot']}.png"
    return reduced_jpeg(path.read_bytes(), PICTURE_WIDTH) if path.exists() else None

"""The record's sections on how far its evidence goes: place, clocks, liveness, digests; and what is signed by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from server.accounts.models import Office
from server.archive.record_code import code_of
from server.archive.record_told import TO_BE_WRITTEN, Told, show_clock, show_time, table
from server.archive.record_words import GRADES, REASONS
from server.cases.models import Case
from server.errors import N_
from server.evidence.document import Block, Codes, Fields, Heading, Paragraph, Rules
from server.inspections.models import Event, Inspection
from server.inspections.summary import Summary
from server.web.languages import translate


def location(told: Told, summary: Summary) -> Iterator[Block]:
    yield Heading(translate(N_("Location")))
    fixes = [event for event in told.events if event.type == "location.fixed"]
    position = summary.position
    if position is None:
        yield Paragraph(translate(N_("The phone gave no position.")))
        return
    rows = [
        (N_("Grade of the newest position"), translate(GRADES.get(position.grade, position.grade))),
        (N_("Distance to the address"), _metres(position.distance_m)),
        (N_("Accuracy"), _metres(position.accuracy_m)),
        (N_("Positions"), _counted(summary)),
        (N_("Newest at"), show_time(position.at)),
        (N_("Reasons"), " ".join(translate(REASONS[code]) for code in position.reasons if code in REASONS)),
    ]
    yield Fields([(translate(name), value) for name, value in rows])
    codes = [code for code in REASONS if any(code in fix.body.get("reasons", ()) for fix in fixes)]
    letters = {code: chr(ord("a") + number) for number, code in enumerate(codes)}
    yield table(
        [N_("Time"), N_("Latitude, longitude"), N_("Accuracy"), N_("Distance"), N_("Grade"), N_("Reasons")],
        [_fix(event, letters) for event in fixes],
        [2, 4, 2, 2, 3, 2],
        "",
    )
    yield Paragraph("  ".join(f"{letter}: {translate(REASONS[code])}" for code, letter in letters.items()))


def _fix(event: Event, letters: dict[str, str]) -> list[str]:
    body = event.body
    grade = body.get("grade", "unknown")
    return [
        show_clock(event.at),
        f"{body['lat']:.5f}, {body['lon']:.5f}",
        _metres(body["accuracy_m"]),
        _metres(body.get("distance_m")),
        translate(GRADES.get(grade, grade)),
        " ".join(letters[code] for code in letters if code in body.get("reasons", ())),
    ]


def _metres(value: float | None) -> str:
    return "–" if value is None else f"{round(value)} m"


def _counted(summary: Summary) -> str:
    return " · ".join(
        f"{translate(GRADES[grade])} {summary.grades[grade]}" for grade in GRADES if grade in summary.grades
    )


def clocks(told: Told) -> Iterator[Block]:
    """How far each device's clock was behind the server's, by what it said of its own time."""
    yield Heading(translate(N_("Clocks")))
    behind: dict[str, list[float]] = {}
    for event in told.events:
        if (said := _device_time(event)) is not None:
            behind.setdefault(event.actor["name"], []).append((event.at - said).total_seconds())
    yield Paragraph(
        translate(
            N_(
                "All times are those of the server's clock. How far a device's clock was behind it (ahead: with a "
                "minus) follows from what the device said of its own time; the time on the way and the age of a "
                "position are in it."
            )
        )
    )
    rows = [
        [name, f"{min(seconds):+.1f} s", f"{max(seconds):+.1f} s", str(len(seconds))]
        for name, seconds in behind.items()
    ]
    header = [N_("Device of"), N_("Behind the server, at least"), N_("At most"), N_("Statements")]
    yield table(header, rows, [3, 3, 3, 2], N_("No device said what its clock shows."))


def _device_time(event: Event) -> datetime | None:
    """By the device's own clock: when it fixed its position."""
    if event.type != "location.fixed":
        return None
    try:
        said = datetime.fromisoformat(event.body["taken_at"])
    except ValueError:
        return None
    return said if said.tzinfo is not None else None


def liveness(told: Told) -> Iterator[Block]:
    yield Heading(translate(N_("Whether the camera was a live one")))
    yield Paragraph(
        translate(
            N_(
                "A virtual camera or a played-back video is not excluded: no technical means exclude it. What speaks "
                "against one is what was asked at moments that nobody could foresee, and shown at once. {snapshots} "
                "snapshots were taken and reviewers wrote {messages} messages during the inspection; what was asked "
                "aloud is in the recording."
            ),
            snapshots=sum(event.type == "snapshot.taken" for event in told.events),
            messages=sum(
                event.type == "chat.sent" and event.actor["role"] == "reviewer" for event in told.events
            ),
        )
    )
    yield Rules(translate(N_("What was asked on camera, and what was shown")), 2)


def proof(told: Told) -> Iterator[Block]:
    inspection, known = told.index.one(Inspection), told.index.office
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
    if known is not None:
        rows += [
            (N_("Fingerprint of the office's root certificate (SHA-256)"), known.root_fingerprint),
            (N_("Head of the office's log: entries"), str(known.head.size)),
            (N_("Head of the office's log: root"), known.head.root),
            (N_("Head of the office's log: signed"), f"{show_time(known.head.at)}, {known.head.key[:32]}"),
        ]
    code = code_of(inspection["id"], len(told.lines), told.head, known)
    yield Codes([(translate(name), value) for name, value in rows], code)
    if known is not None:
        yield Paragraph(
            translate(
                N_(
                    "Compare the fingerprint with the one in the package (root.pem). The code leads to the office's "
                    "page that says whether its logs still have these heads; its text can also be pasted there, at "
                    "/verify."
                )
            )
        )


def signing(told: Told) -> Iterator[Block]:
    """Blank lines: what is said and signed on paper."""
    yield Heading(translate(N_("Statement and defence, signatures")))
    yield Rules(translate(N_("Statement and defence of the enterprise (none: write “none”)")), 4)
    office, case = told.index.one(Office), told.index.one(Case)
    yield Paragraph(
        translate(N_("The record was read by, or read out to, those who sign; it agrees with what happened."))
    )
    enterprise = [
        (N_("Enterprise"), case["enterprise_name"]),
        (N_("Name and authorisation"), TO_BE_WRITTEN),
        (N_("Signature or seal, date"), TO_BE_WRITTEN),
    ]
    yield Fields([(translate(name), value) for name, value in enterprise])
    for row in told.officers:
        officer = [
            (N_("Officer"), f"{row['name']} · {office['name']}"),
            (N_("Certificate number"), row["certificate_number"] or TO_BE_WRITTEN),
            (N_("Signature, date"), TO_BE_WRITTEN),
        ]
        yield Fields([(translate(name), value) for name, value in officer])

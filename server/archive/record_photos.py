"""The record's part about photos: which were announced, with what digest, and which of them came."""

from __future__ import annotations

from collections.abc import Iterator

from server.archive.record_told import Told, show_time, table
from server.errors import N_
from server.evidence.counts import ANNOUNCED, PHOTO
from server.evidence.document import Block, Heading, Paragraph
from server.inspections.models import Event
from server.web.languages import translate

HOW = {"photo": N_("the camera's own photo"), "frame": N_("a frame of the camera's picture")}
REFUSALS = {
    "digest": N_("Refused: something else came"),
    "unreadable": N_("Refused: what was announced came, but it is no picture of its kind that can be opened"),
}


def photos(told: Told) -> Iterator[Block]:
    """Also those that were announced and never came."""
    snapshots = [e.body for e in told.events if e.type == "snapshot.taken"]
    asked = sum(bool(body.get("photo_asked")) for body in snapshots)
    announced = [e for e in told.events if e.type == ANNOUNCED]
    if not (asked or announced):
        return
    came = {e.body["photo"]: e for e in told.events if e.type in (PHOTO, "photo.refused")}
    yield Heading(translate(N_("Photos")))
    yield Paragraph(
        translate(
            N_(
                "With {asked} snapshots the phone was asked for a photo. It announced {announced} photos with their "
                "digests before it sent them; {received} arrived and are what was announced."
            ),
            asked=asked,
            announced=len(announced),
            received=sum(event.type == PHOTO for event in came.values()),
        )
    )
    if not announced:
        return
    numbers = {body["snapshot"]: str(number) for number, body in enumerate(snapshots, start=1)}
    header = [N_("Taken at"), N_("Name"), N_("Of snapshot"), N_("Photo"), N_("Arrived"), "SHA-256"]
    rows = [
        [
            show_time(event.body["taken_at"]),
            event.actor["name"],
            numbers.get(event.body["snapshot"] or "", "–"),
            _what(came.get(event.body["photo"], event)),
            _whether(came.get(event.body["photo"])),
            event.body["sha256"][:16],
        ]
        for event in announced
    ]
    yield table(header, rows, [4, 3, 2, 4, 3, 4], "")


def _what(event: Event) -> str:
    """How it was taken, and its size: as the file has it, else as announced."""
    how = HOW.get(event.body.get("how", ""), "")
    return f"{event.body['width']} × {event.body['height']}, {translate(how)}" if how else "–"


def _whether(event: Event | None) -> str:
    if event is None:
        return translate(N_("No, it never came"))
    if event.type == PHOTO:
        return translate(N_("Yes"))
    reason = event.body["reason"]
    return translate(REFUSALS[reason])

"""An inspection with a bit of everything in it, from its log, without cameras: for what comes after the end."""

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import cv2
import numpy as np
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.rules import Actor, system_actor
from server.cases.service import attach_evidence
from server.clock import rfc3339
from server.ids import new_id
from server.inspections import service as inspections
from server.inspections.keys import JOURNAL
from server.inspections.log import Journal
from server.inspections.models import Inspection
from server.live.keys import LIVE
from server.live.models import Part, Participant, Photo, Slot, Snapshot
from server.live.photos import photo_path, photo_url, told_of
from server.live.recording import record_part
from server.live.service import snapshot_url, template_of
from server.web.keys import DATABASE, FILES
from tests.cast import Appointment, Office

PIECE = 2048
PIECES = 4


@dataclass(frozen=True, slots=True)
class Held:
    """What is in it: ids, and the bytes of the recording."""

    id: str
    case_id: str
    participant: str
    slot: str
    part: str
    snapshot: str
    recording: bytes
    photo: str = ""


async def hold_whole(
    app: web.Application,
    office: Office,
    appointment: Appointment,
    *,
    snapshots: int = 1,
    result: str = "pass",
    name: str = "田海",
) -> Held:
    """Filmed, looked at, answered, ended and concluded; nothing is missing, so it may be sealed at once."""
    journal: Journal = app[JOURNAL]
    live, files, now = app[LIVE], app[FILES], app[JOURNAL].clock.now()
    person, slot, part = new_id(), new_id(), new_id()
    tian = Actor(
        kind="participant", id=person, name=name, role="enterprise", office_id=office.id,
        inspection_id=appointment.id,
    )  # fmt: skip
    folder = f"inspections/{appointment.id}/data"
    recording = np.random.default_rng(7).bytes(PIECE * PIECES)
    stored = files.write(f"{folder}/media/{slot}-e1-0001.mp4", b"\0\0\0\x18ftypiso5" + recording)
    row = Part(
        id=part, inspection_id=appointment.id, slot_id=slot, epoch=1, index=1, path=stored.path,
        media_type="video/mp4", started_at=now, first_rtp_timestamp=90000, closed=True, repaired=False,
        duration_s=8.0, size_bytes=stored.size_bytes, sha256=stored.sha256, width=640, height=360,
    )  # fmt: skip
    async with app[DATABASE].transaction() as session:

        async def add(type_: str, body: dict[str, Any], actor: Actor = tian) -> None:
            await journal.append(session, appointment.id, type_, actor, body)

        await inspections.start(session, journal, office.zhou, appointment.id, 1)
        session.add(
            Participant(
                id=person,
                inspection_id=appointment.id,
                role="enterprise",
                name=name,
                device="Phone",
                token_hash=hashlib.sha256(person.encode()).hexdigest(),
                token_expires_at=now,
                joined_at=now,
            )
        )
        await session.flush()
        session.add(
            Slot(id=slot, inspection_id=appointment.id, participant_id=person, source="camera", opened_at=now)
        )
        await session.flush()
        joined = {"participant": person, "role": "enterprise", "name": name, "device": "Phone"}
        await add("participant.joined", joined)
        for kind in ("notice", "recording"):
            agreed = {"audience": "enterprise", "kind": kind, "version": "1", "language": "zh-CN"}
            await add(
                "consent.given",
                {"participant": person, **agreed, "sha256": "ab" * 32, "named": "digest"},
            )
        await add("slot.opened", {"slot": slot, "participant": person, "source": "camera"})
        await add("slot.live", {"slot": slot}, system_actor())
        opened = {"part": part, "slot": slot, "index": 1, "epoch": 1, "media_type": "video/mp4"}
        await add("part.opened", {**opened, "started_at": rfc3339(now)}, system_actor())
        await add(
            "location.fixed",
            {
                "participant": person, "lat": 37.5878, "lon": 118.5473, "accuracy_m": 12, "taken_at": rfc3339(now),
                "permission": "granted", "distance_m": 40, "grade": "near", "reasons": ["within", "claimed"],
            },
        )  # fmt: skip
        inspection = await session.get_one(Inspection, appointment.id)
        item = template_of(inspection).items[0].key
        await add("checklist.answered", {"item": item, "result": "minor", "note": "门牌不清"}, office.zhou)
        await add("chat.sent", {"text": "这里是加工车间 ไ 😀"})
        taken = [new_id() for _ in range(snapshots)]
        for number, snapshot in enumerate(taken):
            await _snapshot(app, session, office, appointment, person, slot, item, snapshot, number)
        photo = await _photo(app, session, appointment, tian, slot, taken[0]) if taken else ""
        for index in range(PIECES):
            start = 12 + index * PIECE
            piece = recording[index * PIECE : (index + 1) * PIECE]
            digest = hashlib.sha256(piece).hexdigest()
            await add(
                "part.segment",
                {
                    "slot": slot, "part": part, "index": index, "start": start, "end": start + PIECE,
                    "from_ms": index * 2000, "to_ms": (index + 1) * 2000, "sha256": digest,
                },
                system_actor(),
            )  # fmt: skip
        session.add(row)
        await session.flush()
        await record_part(session, live, row, system_actor())
        await inspections.end(session, journal, office.zhou, appointment.id, "completed")
        answers = json.dumps({"answers": [item]}).encode()
        kept = files.write(f"{folder}/checklist.json", answers)
        await attach_evidence(
            session, case_id=appointment.case_id, inspection_id=appointment.id, kind="checklist",
            title=inspection.template_key, media_type="application/json", size_bytes=kept.size_bytes,
            sha256=kept.sha256, url=f"/api/v1/inspections/{appointment.id}/checklist", at=now,
        )  # fmt: skip
        await inspections.conclude(session, journal, office.zhou, appointment.id, result, "依法办理")
    return Held(
        appointment.id, appointment.case_id, person, slot, part, taken[0] if taken else "", recording, photo
    )


PHOTO = cv2.imencode(".jpg", np.full((1080, 1920, 3), 90, np.uint8))[1].tobytes()
"""What the phone took beside the first snapshot."""


async def _photo(
    app: web.Application,
    session: AsyncSession,
    appointment: Appointment,
    tian: Actor,
    slot: str,
    snapshot: str,
) -> str:
    now = app[JOURNAL].clock.now()
    row = Photo(
        id=new_id(), inspection_id=appointment.id, slot_id=slot, participant_id=tian.id, snapshot_id=snapshot,
        request="photo-0001", media_type="image/jpeg", taken_at=now, width=1920, height=1080, how="photo",
        size_bytes=len(PHOTO), sha256=hashlib.sha256(PHOTO).hexdigest(), received_bytes=len(PHOTO),
        state="accepted", announced_at=now,
    )  # fmt: skip
    app[FILES].write(photo_path(row), PHOTO)
    session.add(row)
    await session.flush()
    for type_ in ("photo.announced", "photo.added"):
        await app[JOURNAL].append(session, appointment.id, type_, tian, told_of(row))
    await attach_evidence(
        session, case_id=appointment.case_id, inspection_id=appointment.id, kind="photo",
        title="", media_type=row.media_type, size_bytes=row.size_bytes, sha256=row.sha256,
        url=photo_url(row), at=now,
    )  # fmt: skip
    return row.id


async def _snapshot(
    app: web.Application, session: AsyncSession, office: Office, appointment: Appointment,
    person: str, slot: str, item: str, snapshot_id: str, number: int,
) -> None:  # fmt: skip
    now = app[JOURNAL].clock.now() + timedelta(seconds=number)
    image = np.full((360, 640, 3), 40 + number % 200, np.uint8)
    cv2.putText(image, str(number), (200, 220), cv2.FONT_HERSHEY_SIMPLEX, 4, (255, 255, 255), 8)
    png = cv2.imencode(".png", image)[1].tobytes()
    stored = app[FILES].write(f"inspections/{appointment.id}/data/snapshots/{snapshot_id}.png", png)
    row = Snapshot(
        id=snapshot_id, inspection_id=appointment.id, slot_id=slot, participant_id=person, request=snapshot_id,
        item=item, rtp_timestamp=90000 * number, captured_at=now, width=640, height=360,
        size_bytes=stored.size_bytes, sha256=stored.sha256, path=stored.path, taken_by_name="周敏", taken_at=now,
    )  # fmt: skip
    session.add(row)
    await session.flush()
    body = {
        "snapshot": row.id, "slot": slot, "item": item, "rtp_timestamp": row.rtp_timestamp,
        "captured_at": rfc3339(now), "width": 640, "height": 360, "size_bytes": row.size_bytes,
        "sha256": row.sha256, "quality": {"sharpness": 1.5, "brightness": 40, "clipped": 0},
    }  # fmt: skip
    await app[JOURNAL].append(session, appointment.id, "snapshot.taken", office.zhou, body)
    await attach_evidence(
        session, case_id=appointment.case_id, inspection_id=appointment.id, kind="snapshot",
        title=item, media_type="image/png", size_bytes=row.size_bytes, sha256=row.sha256,
        url=snapshot_url(row), at=now,
    )  # fmt: skip

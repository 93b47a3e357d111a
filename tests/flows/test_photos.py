"""Photos of a phone: announced with their digest, sent in pieces, evidence only if they are what was announced."""

import base64
import errno
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from aiohttp import web

from server.accounts.rules import system_actor
from server.clock import rfc3339
from server.ids import new_id
from server.inspections import service as inspections
from server.inspections.keys import JOURNAL
from server.inspections.log import check
from server.inspections.models import Inspection
from server.inspections.pausing import pause
from server.live import photos
from server.live.models import Photo, Slot, Snapshot
from server.live.uploads import awaited_until
from server.vision import picture_reader, pictures
from server.web.keys import DATABASE, FILES
from tests.cast import Appointment, Office
from tests.clock import SettableClock
from tests.flows.conftest import Client
from tests.flows.rooms import RoomClient, bearer, join

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
PIECE = 60_000
PICTURE = np.random.default_rng(3).integers(0, 255, (360, 640, 3), dtype=np.uint8)
JPEG = cv2.imencode(".jpg", PICTURE)[1].tobytes()
OTHER = cv2.imencode(".jpg", PICTURE[::-1].copy())[1].tobytes()


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(START)


def code(answer: dict[str, Any]) -> str:
    return str(answer["error"]["code"])


@dataclass(frozen=True)
class Phone:
    """The enterprise's phone in a live inspection, of whose camera somebody has taken a snapshot."""

    client: Client
    app: web.Application
    inspection: str
    joined: dict[str, Any]
    slot: str
    snapshot: str

    @property
    def base(self) -> str:
        return f"{self.joined['base']}/photos"

    async def announce(self, data: bytes = JPEG, **fields: Any) -> tuple[int, dict[str, Any]]:
        body = {
            "request": "photo-0001",
            "snapshot": self.snapshot,
            "media_type": "image/jpeg",
            "taken_at": rfc3339(START + timedelta(seconds=10)),
            "width": 640,
            "height": 360,
            "how": "photo",
            "size_bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            **fields,
        }
        async with self.client.post(self.base, json=body, headers=bearer(self.joined)) as response:
            return response.status, await response.json()

    async def put(
        self, photo: str, offset: int, piece: bytes, digest: bytes | None = None
    ) -> tuple[int, dict[str, Any]]:
        value = base64.b64encode(digest or hashlib.sha256(piece).digest()).decode()
        async with self.client.put(
            f"{self.base}/{photo}?offset={offset}",
            data=piece,
            headers={**bearer(self.joined), "Content-Digest": f"sha-256=:{value}:"},
        ) as response:
            return response.status, await response.json()

    async def send(self, photo: str, data: bytes = JPEG, offset: int = 0) -> tuple[int, dict[str, Any]]:
        """All that is left of it, piece by piece; the last answer."""
        for start in range(offset, len(data), PIECE):
            status, answer = await self.put(photo, start, data[start : start + PIECE])
        return status, answer

    async def told(self) -> list[tuple[str, dict[str, Any]]]:
        """What the log tells of photos."""
        async with self.client.get(
            f"/api/v1/inspections/{self.inspection}/events", headers=bearer(self.joined)
        ) as response:
            events = await response.json()
        return [(e["type"], e["body"]) for e in events if e["type"].startswith("photo.")]

    def kept(self) -> list[str]:
        """Files of photos in the folder that is to be sealed."""
        folder = self.app[FILES].absolute(f"inspections/{self.inspection}/data/photos")
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def collected(self) -> list[str]:
        folder = self.app[FILES].absolute(f"incoming/{self.inspection}")
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


@pytest.fixture
async def phone(
    client: Client, app: web.Application, appointment: Appointment, clock: SettableClock
) -> Phone:
    joined = await join(client, appointment.invitations["enterprise"])
    journal, slot_id, snapshot = app[JOURNAL], new_id(), new_id()
    async with app[DATABASE].transaction() as session:
        inspection = await session.get_one(Inspection, appointment.id)
        await inspections.start(session, journal, system_actor(inspection.office_id), appointment.id, 1)
        person = joined["participant"]
        session.add(
            Slot(
                id=slot_id,
                inspection_id=appointment.id,
                participant_id=person,
                source="camera",
                opened_at=clock.now(),
            )
        )
        body = {"slot": slot_id, "participant": person, "source": "camera"}
        await journal.append(session, appointment.id, "slot.opened", system_actor(), body)
        session.add(
            Snapshot(
                id=snapshot, inspection_id=appointment.id, slot_id=slot_id, participant_id=person,
                request="click", item="premises.signboard", rtp_timestamp=1, captured_at=clock.now(), width=640,
                height=360, size_bytes=1, sha256="ab" * 32, path="x", taken_by_name="周敏", taken_at=clock.now(),
            )
        )  # fmt: skip
    clock.advance(seconds=20)
    return Phone(client, app, appointment.id, joined, slot_id, snapshot)


async def end(phone: Phone, office: Office) -> None:
    address = f"/api/v1/inspections/{phone.inspection}/end"
    async with phone.client.post(address, headers=office.bearer("reviewer")) as response:
        assert response.status == 200, await response.text()


async def test_a_photo_that_is_what_was_announced_becomes_evidence_of_its_snapshot(
    phone: Phone, app: web.Application, office: Office, appointment: Appointment
) -> None:
    status, announced = await phone.announce()
    assert (status, announced["state"], announced["offset"]) == (201, "receiving", 0)
    ((type_, said),) = await phone.told()
    assert (type_, said["sha256"]) == ("photo.announced", hashlib.sha256(JPEG).hexdigest())
    assert (said["snapshot"], said["slot"], said["how"]) == (phone.snapshot, phone.slot, "photo")
    assert phone.kept() == []

    status, answer = await phone.send(announced["id"])
    assert (status, answer["state"], answer["offset"]) == (200, "accepted", len(JPEG))
    assert phone.kept() == [f"{announced['id']}.jpg"]
    assert phone.collected() == []
    assert [(type_, body["sha256"]) for type_, body in await phone.told()] == [
        ("photo.announced", said["sha256"]),
        ("photo.added", said["sha256"]),
    ]
    agent = office.bearer("agent")
    async with phone.client.get(f"/api/v1/cases/{appointment.case_id}/evidence", headers=agent) as response:
        (piece,) = await response.json()
    assert (piece["kind"], piece["sha256"], piece["size_bytes"]) == ("photo", said["sha256"], len(JPEG))
    async with phone.client.get(piece["url"], headers=agent) as response:
        assert (response.content_type, await response.read()) == ("image/jpeg", JPEG)
    async with phone.client.get(f"/api/v1/inspections/{phone.inspection}", headers=agent) as response:
        (listed,) = (await response.json())["photos"]
    assert (listed["snapshot"], listed["state"], listed["url"]) == (phone.snapshot, "accepted", piece["url"])
    async with app[DATABASE].reading() as session:
        assert await check(session, phone.inspection) is None


async def test_a_photo_goes_on_where_it_stopped_and_is_one_however_often_it_is_sent(phone: Phone) -> None:
    _, announced = await phone.announce()
    await phone.put(announced["id"], 0, JPEG[:PIECE])
    async with phone.client.head(f"{phone.base}/{announced['id']}", headers=bearer(phone.joined)) as response:
        assert response.headers["Upload-Offset"] == str(PIECE)
        assert response.headers["Upload-Length"] == str(len(JPEG))
    status, again = await phone.announce()
    assert (status, again["id"], again["offset"]) == (200, announced["id"], PIECE)
    status, refused = await phone.put(announced["id"], 0, JPEG[:PIECE])
    assert (status, code(refused), refused["error"]["offset"]) == (409, "wrong_offset", PIECE)
    await phone.send(announced["id"], offset=PIECE)
    # The answer to the last piece may have been lost: asking once more makes no second photo.
    status, answer = await phone.put(announced["id"], len(JPEG), b"")
    assert (status, answer["state"]) == (200, "accepted")
    assert [type_ for type_, _ in await phone.told()] == ["photo.announced", "photo.added"]


async def test_a_piece_that_was_damaged_on_the_way_is_sent_again(phone: Phone) -> None:
    _, announced = await phone.announce()
    status, answer = await phone.put(announced["id"], 0, b"x" * PIECE, hashlib.sha256(JPEG[:PIECE]).digest())
    assert (status, code(answer)) == (422, "wrong_digest")
    status, answer = await phone.send(announced["id"])
    assert (status, answer["state"]) == (200, "accepted")


async def test_another_photo_than_the_announced_one_is_refused_and_the_log_says_so(phone: Phone) -> None:
    other = OTHER[: len(JPEG)].ljust(len(JPEG), b"\0")
    _, announced = await phone.announce()
    status, answer = await phone.send(announced["id"], other)
    assert (status, code(answer)) == (422, "photo_differs")
    assert (phone.kept(), phone.collected()) == ([], [])
    assert (await phone.announce())[1]["state"] == "refused"
    status, answer = await phone.put(announced["id"], 0, JPEG[:PIECE])
    assert (status, code(answer)) == (422, "photo_differs")
    (_, (type_, body)) = await phone.told()
    assert (type_, body["photo"], body["reason"]) == ("photo.refused", announced["id"], "digest")
    assert body["sha256"] == hashlib.sha256(other).hexdigest()


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/png"),
        (JPEG[: len(JPEG) // 2], "image/jpeg"),
        (JPEG, "image/png"),
        (b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\nstartxref\n9\n%%EOF\n", "image/jpeg"),
    ],
    ids=["a drawing", "half a picture", "another type", "a paper"],
)
async def test_what_is_no_picture_is_refused_although_it_is_what_was_announced(
    phone: Phone, data: bytes, media_type: str
) -> None:
    _, announced = await phone.announce(data, media_type=media_type)
    status, answer = await phone.send(announced["id"], data)
    assert (status, code(answer)) == (422, "bad_photo")
    assert (phone.kept(), phone.collected()) == ([], [])
    assert (await phone.told())[-1][1]["reason"] == "unreadable"
    status, answer = await phone.put(announced["id"], 0, data)
    assert (status, code(answer)) == (422, "bad_photo"), "nobody says that something else came"


@pytest.mark.parametrize("end", ["os.abort()", "bytes(1 << 60)", "time.sleep(60)"])
async def test_a_photo_that_breaks_its_reader_is_refused_for_good(
    phone: Phone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    reader = tmp_path / "reader.py"
    reader.write_text(f"import os, time\nprint('begun', flush=True)\n{end}")
    monkeypatch.setattr(picture_reader, "__file__", str(reader))
    impatient = partial(pictures.recognise, limits=pictures.Limits(patience_s=3))
    monkeypatch.setattr(pictures, "recognise", impatient)
    _, announced = await phone.announce()
    status, answer = await phone.send(announced["id"])
    assert (status, code(answer)) == (422, "bad_photo")
    assert (phone.kept(), phone.collected()) == ([], [])
    assert (await phone.told())[-1][1]["reason"] == "unreadable"
    monkeypatch.undo()
    status, answer = await phone.put(announced["id"], len(JPEG), b"")
    assert (status, code(answer)) == (422, "bad_photo")


async def test_a_photo_that_cannot_be_opened_now_is_kept_and_asked_for_again(
    phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    _, announced = await phone.announce()
    status, answer = await phone.send(announced["id"])
    assert (status, code(answer)) == (503, "unavailable")
    assert phone.collected() == [announced["id"]]
    assert [type_ for type_, _ in await phone.told()] == ["photo.announced"]
    monkeypatch.undo()
    status, answer = await phone.put(announced["id"], len(JPEG), b"")
    assert (status, answer["state"]) == (200, "accepted")


async def test_the_same_name_stands_for_one_photo_only(phone: Phone) -> None:
    await phone.announce()
    status, answer = await phone.announce(OTHER)
    assert (status, code(answer)) == (409, "announced_otherwise")
    assert len(await phone.told()) == 1


async def test_announcements_that_cannot_be_are_refused(
    phone: Phone, app: web.Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = rfc3339(START + timedelta(minutes=5))
    monkeypatch.setattr(photos, "MOST_PHOTOS", 0)
    refusals = [
        (await phone.announce(size_bytes=photos.LARGEST_PHOTO + 1), 413, "too_large"),
        (await phone.announce(taken_at=late), 422, "invalid"),
        (await phone.announce(media_type="image/gif"), 422, "bad_body"),
        (await phone.announce(), 409, "too_many_photos"),
    ]
    monkeypatch.undo()
    refusals.append((await phone.announce(snapshot="nobody"), 404, "snapshot_unknown"))
    monkeypatch.setattr(app[FILES], "reserve_bytes", 1 << 60)
    refusals.append((await phone.announce(), 507, "storage_full"))
    assert [(status, code(answer)) for (status, answer), _, _ in refusals] == [
        (status, name) for _, status, name in refusals
    ]
    assert await phone.told() == []


async def test_what_was_taken_during_a_pause_is_not_taken_in(
    phone: Phone, app: web.Application, office: Office, clock: SettableClock
) -> None:
    async with app[DATABASE].transaction() as session:
        await pause(session, app[JOURNAL], office.zhou, phone.inspection, "休息")
    status, _ = await phone.announce(taken_at=rfc3339(clock.now()))
    assert status == 201, "the phone hears of the pause a moment later"
    clock.advance(seconds=30)
    status, answer = await phone.announce(taken_at=rfc3339(clock.now()), request="photo-0002")
    assert (status, code(answer)) == (409, "recording_of_a_pause")
    status, _ = await phone.announce(request="photo-0003")
    assert status == 201, "of the time before"


async def test_more_than_was_announced_is_not_taken(phone: Phone) -> None:
    _, announced = await phone.announce(JPEG[:100])
    status, answer = await phone.put(announced["id"], 0, JPEG[:101])
    assert (status, code(answer)) == (413, "too_large")
    assert phone.collected() == []


async def test_nobody_else_may_send_or_announce_a_photo(phone: Phone, appointment: Appointment) -> None:
    _, announced = await phone.announce()
    for role, refusal in (("expert", (404, "photo_unknown")), ("observer", (403, "forbidden"))):
        other = await join(phone.client, appointment.invitations[role])
        theirs = Phone(phone.client, phone.app, phone.inspection, other, phone.slot, phone.snapshot)
        status, answer = await theirs.put(announced["id"], 0, JPEG[:10])
        assert (status, code(answer)) == refusal
        status, answer = await theirs.announce(request="photo-0002")
        assert (status, code(answer)) == (403, "forbidden")


async def test_a_phone_whose_place_another_took_still_sends_the_photos_it_took_before(
    phone: Phone, appointment: Appointment, clock: SettableClock
) -> None:
    _, announced = await phone.announce()
    await phone.put(announced["id"], 0, JPEG[:PIECE])
    await join(phone.client, appointment.invitations["enterprise"], takeover=True)
    clock.advance(seconds=5)
    status, answer = await phone.send(announced["id"], offset=PIECE)
    assert (status, answer["state"]) == (200, "accepted")
    status, _ = await phone.announce(OTHER, request="photo-0002")
    assert status == 201
    late = rfc3339(START + timedelta(seconds=22))
    status, answer = await phone.announce(OTHER, request="photo-0003", taken_at=late)
    assert (status, code(answer)) == (403, "recording_of_another_device")


async def test_a_photo_that_is_under_way_holds_the_seal_until_it_comes_or_the_day_is_over(
    phone: Phone, app: web.Application, office: Office, clock: SettableClock
) -> None:
    _, announced = await phone.announce()
    await end(phone, office)

    async def is_awaited() -> bool:
        async with app[DATABASE].reading() as session:
            inspection = await session.get_one(Inspection, phone.inspection)
            return await awaited_until(session, inspection, clock.now()) is not None

    assert await is_awaited()
    status, answer = await phone.send(announced["id"])
    assert (status, answer["state"]) == (200, "accepted")
    assert not await is_awaited()
    status, late = await phone.announce(OTHER, request="photo-0002")
    assert (status, await is_awaited()) == (201, True)
    clock.advance(seconds=24 * 3600 + 1)
    assert not await is_awaited()
    status, _ = await phone.send(late["id"], OTHER)
    assert status == 401, "the phone's token ends with the day"


async def test_nothing_enters_a_log_that_is_closed(phone: Phone, app: web.Application) -> None:
    _, announced = await phone.announce()
    async with app[DATABASE].transaction() as session:
        (await session.get_one(Inspection, phone.inspection)).log_closed = True
    status, answer = await phone.put(announced["id"], 0, JPEG[:PIECE])
    assert (status, code(answer)) == (410, "upload_over")
    status, answer = await phone.announce(request="photo-0002")
    assert (status, code(answer)) == (410, "upload_over")
    assert phone.kept() == []


async def test_a_kill_between_the_move_and_the_entry_costs_nothing(
    phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = photos._move

    def killed(*paths: Any) -> None:
        move(*paths)
        raise OSError(errno.EIO, "killed between the move and the end of the transaction")

    monkeypatch.setattr(photos, "_move", killed)
    _, announced = await phone.announce()
    status, _ = await phone.send(announced["id"])
    assert status == 500
    assert len(await phone.told()) == 1
    monkeypatch.undo()
    status, answer = await phone.put(announced["id"], len(JPEG), b"")
    assert (status, answer["state"]) == (200, "accepted")
    assert [type_ for type_, _ in await phone.told()] == ["photo.announced", "photo.added"]
    assert phone.kept() == [f"{announced['id']}.jpg"]


async def test_acknowledged_pieces_that_are_not_there_any_more_are_asked_for_again(
    phone: Phone, app: web.Application
) -> None:
    _, announced = await phone.announce()
    async with app[DATABASE].transaction() as session:
        (await session.get_one(Photo, announced["id"])).received_bytes = len(JPEG)
    status, answer = await phone.put(announced["id"], len(JPEG), b"")
    assert (status, code(answer), answer["error"]["offset"]) == (409, "wrong_offset", 0)
    status, answer = await phone.send(announced["id"])
    assert (status, answer["state"]) == (200, "accepted")


async def test_everybody_in_the_room_hears_of_a_photo(phone: Phone, appointment: Appointment) -> None:
    reviewer = await join(phone.client, appointment.invitations["reviewer"])
    room = await RoomClient.connect(phone.client, reviewer)
    _, announced = await phone.announce()
    assert (await room.hear_event("photo.announced"))["body"]["photo"] == announced["id"]
    await phone.send(announced["id"])
    assert (await room.hear_event("photo.added"))["body"]["snapshot"] == phone.snapshot
    await room.close()

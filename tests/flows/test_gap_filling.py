"""Filling a gap from the phone: what is asked for, what is taken, resumed, refused, and what it becomes."""

import asyncio
import base64
import errno
import hashlib
import io
import itertools
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import av
import pytest
from aiohttp import web
from sqlalchemy import select

from server import media
from server.accounts.rules import system_actor
from server.clock import rfc3339
from server.ids import new_id
from server.inspections import service as inspections
from server.inspections.keys import JOURNAL
from server.inspections.log import check
from server.inspections.models import Inspection
from server.live import gap_filling
from server.live.locks import Locks
from server.live.models import FormerDevice, Part, Participant, PhoneRecording, Slot
from server.live.uploads import awaited_until
from server.storage.files import Files
from server.web.keys import DATABASE, FILES
from tests.cast import Appointment, Office
from tests.clock import SettableClock
from tests.flows.conftest import Client
from tests.flows.rooms import bearer, join
from tests.peers import build_camera

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
CHUNK = 4000


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(START)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Twelve seconds of numbered pictures as a browser would record them."""
    path = tmp_path_factory.mktemp("phone") / "run.webm"
    with av.open(str(path), "w", options={"live": "1"}) as container:
        stream: Any = container.add_stream("libvpx", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        stream.options = {"deadline": "realtime", "cpu-used": "8"}
        background = build_camera.scenery(320, 180)
        for number in range(120):
            image = build_camera.picture(background, number, (320, 180))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    return path.read_bytes()


@dataclass(frozen=True)
class Phone:
    """A phone of an inspection in which its slot was received until second 10, and again from second 20."""

    client: Client
    joined: dict[str, Any]
    slot: str

    @property
    def base(self) -> str:
        return str(self.joined["base"])

    async def gaps(self) -> dict[str, Any]:
        async with self.client.get(f"{self.base}/gaps", headers=bearer(self.joined)) as response:
            assert response.status == 200, await response.text()
            answer: dict[str, Any] = await response.json()
        return answer

    async def announce(self, data: bytes, **fields: Any) -> tuple[int, dict[str, Any]]:
        body = {
            "run": "run-0001",
            "media_type": "video/webm",
            "started_at": rfc3339(at(9)),
            "duration_s": 12,
            "chunks": [
                {"size": len(piece), "sha256": hashlib.sha256(piece).hexdigest()} for piece in pieces(data)
            ],
            **fields,
        }
        async with self.client.post(
            f"{self.base}/recordings", json=body, headers=bearer(self.joined)
        ) as response:
            return response.status, await response.json()

    async def put(
        self, recording: str, offset: int, piece: bytes, digest: bytes | None = None
    ) -> tuple[int, dict[str, Any]]:
        value = base64.b64encode(digest or hashlib.sha256(piece).digest()).decode()
        async with self.client.put(
            f"{self.base}/recordings/{recording}?offset={offset}",
            data=piece,
            headers={**bearer(self.joined), "Content-Digest": f"sha-256=:{value}:"},
        ) as response:
            return response.status, await response.json()

    async def send(self, recording: str, data: bytes, offset: int = 0) -> dict[str, Any]:
        answer: dict[str, Any] = {}
        for piece in pieces(data[offset:]):
            status, answer = await self.put(recording, offset, piece)
            assert status == 200, answer
            offset += len(piece)
        return answer


def pieces(data: bytes) -> list[bytes]:
    return [data[start : start + CHUNK] for start in range(0, len(data), CHUNK)]


def code(answer: dict[str, Any]) -> str:
    return str(answer["error"]["code"])


@pytest.fixture
async def phone(
    client: Client, app: web.Application, appointment: Appointment, clock: SettableClock
) -> Phone:
    joined = await join(client, appointment.invitations["enterprise"])
    journal, slot_id = app[JOURNAL], new_id()
    async with app[DATABASE].transaction() as session:
        inspection = await session.get_one(Inspection, appointment.id)
        await inspections.start(session, journal, system_actor(inspection.office_id), appointment.id, 1)
        session.add(
            Slot(
                id=slot_id,
                inspection_id=appointment.id,
                participant_id=joined["participant"],
                source="camera",
                opened_at=clock.now(),
            )
        )
        body = {"slot": slot_id, "participant": joined["participant"], "source": "camera"}
        await journal.append(session, appointment.id, "slot.opened", system_actor(), body)
        for name, start, duration in (("a", 0, 10), ("b", 20, 30)):
            body = {"part": name, "slot": slot_id, "index": 1, "media_type": "video/mp4"}
            final = {"started_at": rfc3339(at(start)), "duration_s": duration}
            await journal.append(session, appointment.id, "part.closed", system_actor(), {**body, **final})
    clock.advance(seconds=50)
    return Phone(client, joined, slot_id)


async def end(client: Client, office: Office, appointment: Appointment) -> None:
    async with client.post(
        f"/api/v1/inspections/{appointment.id}/end", headers=office.bearer("reviewer")
    ) as response:
        assert response.status == 200, await response.text()


async def test_the_phone_is_told_what_the_server_lacks(phone: Phone) -> None:
    answer = await phone.gaps()
    assert answer["slot"] == phone.slot
    assert answer["gaps"][0] == {"from": "2026-11-21T08:00:10Z", "to": "2026-11-21T08:00:20Z"}
    assert answer["deadline"] is None


async def test_a_recording_becomes_a_part_that_fills_the_gap(
    phone: Phone,
    app: web.Application,
    office: Office,
    appointment: Appointment,
    recorded: bytes,
    tmp_path: Path,
) -> None:
    status, announced = await phone.announce(recorded)
    assert (status, announced["state"], announced["offset"]) == (201, "receiving", 0)
    answer = await phone.send(announced["id"], recorded)
    assert (answer["state"], answer["offset"]) == ("accepted", len(recorded))
    assert not any(gap["from"] < "2026-11-21T08:00:20Z" for gap in (await phone.gaps())["gaps"])

    auditor = office.bearer("auditor")
    async with phone.client.get(f"/api/v1/inspections/{appointment.id}", headers=auditor) as response:
        (part,) = (await response.json())["parts"]
    assert (part["id"], part["source"], part["slot"]) == (answer["part"], "phone", phone.slot)
    async with phone.client.get(part["url"], headers=auditor) as response:
        data = await response.read()
    assert hashlib.sha256(data).hexdigest() == part["sha256"]
    copy = tmp_path / "copy.webm"
    copy.write_bytes(data)
    with av.open(str(copy)) as container:
        assert container.duration is not None
        assert sum(1 for _ in container.decode(video=0)) == 120

    async with phone.client.get(
        f"/api/v1/inspections/{appointment.id}/continuity", headers=auditor
    ) as response:
        (ledger,) = (await response.json())["slots"]
    gap = next(one for one in ledger["intervals"] if one["kind"] == "gap")
    assert gap["filled"] == [{"from": gap["from"], "to": gap["to"], "part": part["id"]}]
    async with phone.client.get(f"/api/v1/inspections/{appointment.id}/events", headers=auditor) as response:
        event = next(one for one in await response.json() if one["body"].get("source") == "phone")
    assert event["type"] == "part.closed"
    assert event["body"]["original"]["sha256"] == hashlib.sha256(recorded).hexdigest()
    files: Files = app[FILES]
    original = files.absolute(f"inspections/{appointment.id}/data/originals/{announced['id']}.webm")
    assert original.read_bytes() == recorded
    async with phone.client.get(f"/api/v1/cases/{appointment.case_id}/evidence", headers=auditor) as response:
        assert [(one["kind"], one["sha256"]) for one in await response.json()] == [
            ("phone-part", part["sha256"])
        ]
    async with app[DATABASE].reading() as session:
        assert await check(session, appointment.id) is None


async def test_an_upload_goes_on_where_it_stopped(phone: Phone, recorded: bytes) -> None:
    _, announced = await phone.announce(recorded)
    first = pieces(recorded)[0]
    await phone.put(announced["id"], 0, first)
    headers = bearer(phone.joined)
    async with phone.client.head(f"{phone.base}/recordings/{announced['id']}", headers=headers) as response:
        assert response.headers["Upload-Offset"] == str(len(first))
        assert response.headers["Upload-Length"] == str(len(recorded))
    status, again = await phone.announce(recorded)
    assert (status, again["id"], again["offset"]) == (200, announced["id"], len(first))
    status, refused = await phone.put(announced["id"], 0, first)
    assert (status, code(refused)) == (409, "wrong_offset")
    answer = await phone.send(announced["id"], recorded, len(first))
    assert answer["state"] == "accepted"
    # The answer to the last piece may have been lost: asking once more makes no second part.
    status, answer = await phone.put(announced["id"], len(recorded), b"")
    assert (status, answer["state"]) == (200, "accepted")


async def test_pieces_that_all_arrived_before_a_kill_are_accepted_later(
    phone: Phone, app: web.Application, recorded: bytes
) -> None:
    _, announced = await phone.announce(recorded)
    files: Files = app[FILES]
    async with app[DATABASE].transaction() as session:
        row = await session.get_one(PhoneRecording, announced["id"])
        row.received_bytes = len(recorded)
        path = files.absolute(f"incoming/{row.inspection_id}/{row.id}")
    path.parent.mkdir(parents=True)
    await asyncio.to_thread(path.write_bytes, recorded)
    status, answer = await phone.put(announced["id"], len(recorded), b"")
    assert (status, answer["state"]) == (200, "accepted")


class Reader:
    """Stands where the program that reads a phone's file is called: broken and slow as told, never the same twice."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        self.broken: list[Exception] = []
        self.before: Callable[[], object] = lambda: None
        self._read = media.copy_seekable
        monkeypatch.setattr(media, "copy_seekable", self)

    def __call__(self, source: Path, media_type: str, target: Path) -> media.PhoneFile:
        self.calls += 1
        self.before()
        if self.broken:
            raise self.broken.pop(0)
        copied = self._read(source, media_type, target)
        with target.open("ab") as file:
            file.write(secrets.token_bytes(16))
        data = target.read_bytes()
        return replace(copied, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Reader:
    return Reader(monkeypatch)


def kept(app: web.Application, appointment: Appointment) -> list[str]:
    """What of phones' recordings lies in the inspection's folder."""
    data = app[FILES].absolute(f"inspections/{appointment.id}/data")
    return sorted(path.name for name in ("media", "originals") for path in (data / name).glob("*"))


def collected(app: web.Application, appointment: Appointment) -> list[Path]:
    return sorted(app[FILES].absolute(f"incoming/{appointment.id}").glob("*"))


async def part_of(app: web.Application, recording: str) -> Part:
    async with app[DATABASE].reading() as session:
        row = await session.get_one(PhoneRecording, recording)
        return await session.get_one(Part, row.part_id)


async def test_two_ends_of_one_upload_make_one_part(
    phone: Phone,
    app: web.Application,
    appointment: Appointment,
    recorded: bytes,
    reader: Reader,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    all_wait = threading.Event()
    waiting = itertools.count(1)
    find = Locks.of

    def counted(locks: Locks, name: str) -> asyncio.Lock:
        if next(waiting) == 3:
            all_wait.set()
        return find(locks, name)

    _, announced = await phone.announce(recorded)
    last = pieces(recorded)[-1]
    head = recorded[: -len(last)]
    await phone.send(announced["id"], head)
    monkeypatch.setattr(Locks, "of", counted)
    reader.before = lambda: all_wait.wait(30)
    answers = await asyncio.gather(*(phone.put(announced["id"], len(head), last) for _ in range(3)))
    assert [(status, answer["state"]) for status, answer in answers] == [(200, "accepted")] * 3
    assert reader.calls == 1
    part = await part_of(app, announced["id"])
    stored = app[FILES].absolute(part.path).read_bytes()
    assert (hashlib.sha256(stored).hexdigest(), len(stored)) == (part.sha256, part.size_bytes)
    assert len(kept(app, appointment)) == 2
    assert collected(app, appointment) == []


@pytest.mark.parametrize("trouble", [media.NotReadNow("no time"), OSError(errno.ENOSPC, "no room")], ids=str)
async def test_trouble_of_the_machine_refuses_no_recording(
    phone: Phone,
    app: web.Application,
    appointment: Appointment,
    recorded: bytes,
    reader: Reader,
    trouble: Exception,
) -> None:
    reader.broken = [trouble] * 5
    _, announced = await phone.announce(recorded)
    await phone.send(announced["id"], recorded[:CHUNK])
    for offset in (*range(CHUNK, len(recorded), CHUNK), *[len(recorded)] * 4):
        status, answer = await phone.put(announced["id"], offset, recorded[offset : offset + CHUNK])
    assert (status, code(answer)) == (503, "recording_not_opened")
    assert (await phone.announce(recorded))[1]["state"] == "receiving"
    assert kept(app, appointment) == []
    status, answer = await phone.put(announced["id"], len(recorded), b"")
    assert (status, answer["state"]) == (200, "accepted")


async def test_what_breaks_its_reader_three_times_is_refused_for_good(
    phone: Phone, app: web.Application, appointment: Appointment, recorded: bytes, reader: Reader
) -> None:
    reader.broken = [media.ReaderFailed("ended with -11")] * 3
    _, announced = await phone.announce(recorded)
    answers = [
        await phone.put(announced["id"], offset, recorded[offset : offset + CHUNK])
        for offset in (*range(0, len(recorded), CHUNK), len(recorded), len(recorded))
    ]
    assert [(status, code(answer)) for status, answer in answers[-3:]] == [
        (503, "recording_not_opened"),
        (503, "recording_not_opened"),
        (422, "bad_recording"),
    ]
    assert (await phone.announce(recorded))[1]["state"] == "refused"
    assert collected(app, appointment) == []


async def test_a_log_that_closes_while_a_recording_is_read_leaves_no_stranger_in_the_folder(
    phone: Phone, app: web.Application, appointment: Appointment, recorded: bytes, reader: Reader
) -> None:
    loop = asyncio.get_running_loop()
    seen: list[list[str]] = []

    async def close() -> None:
        async with app[DATABASE].transaction() as session:
            (await session.get_one(Inspection, appointment.id)).log_closed = True

    def before() -> None:
        asyncio.run_coroutine_threadsafe(close(), loop).result(30)
        seen.append(kept(app, appointment))

    reader.before = before
    _, announced = await phone.announce(recorded)
    head = recorded[: -len(pieces(recorded)[-1])]
    await phone.send(announced["id"], head)
    status, answer = await phone.put(announced["id"], len(head), recorded[len(head) :])
    assert (status, code(answer)) == (410, "upload_over")
    assert seen == [[]]
    assert kept(app, appointment) == []
    assert collected(app, appointment) == []


async def test_a_kill_between_the_move_and_the_entry_costs_nothing(
    phone: Phone,
    app: web.Application,
    appointment: Appointment,
    recorded: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moves: list[list[str]] = []
    make = gap_filling._Move.make

    def watched(move: gap_filling._Move) -> None:
        moves.append(kept(app, appointment))
        make(move)
        raise OSError(errno.EIO, "killed between the move and the end of the transaction")

    monkeypatch.setattr(gap_filling._Move, "make", watched)
    _, announced = await phone.announce(recorded)
    head = recorded[: -len(pieces(recorded)[-1])]
    await phone.send(announced["id"], head)
    status, _ = await phone.put(announced["id"], len(head), recorded[len(head) :])
    assert status == 500
    monkeypatch.undo()
    status, answer = await phone.put(announced["id"], len(recorded), b"")
    assert (status, answer["state"], moves) == (200, "accepted", [[]])
    assert len(kept(app, appointment)) == 2
    assert collected(app, appointment) == []


async def test_acknowledged_pieces_that_are_not_there_any_more_are_asked_for_again(
    phone: Phone, app: web.Application, appointment: Appointment, recorded: bytes, reader: Reader
) -> None:
    reader.broken = [media.NotReadNow("no time")]
    _, announced = await phone.announce(recorded)
    for offset in range(0, len(recorded), CHUNK):
        await phone.put(announced["id"], offset, recorded[offset : offset + CHUNK])
    (path,) = collected(app, appointment)
    path.unlink()
    status, answer = await phone.put(announced["id"], len(recorded), b"")
    assert (status, code(answer), answer["error"]["offset"]) == (409, "wrong_offset", 0)
    assert (await phone.send(announced["id"], recorded))["state"] == "accepted"


async def test_a_piece_that_is_not_what_its_digest_says_is_refused(phone: Phone, recorded: bytes) -> None:
    _, announced = await phone.announce(recorded)
    first = pieces(recorded)[0]
    other = bytes(len(first))
    for piece, digest in ((other, None), (first, hashlib.sha256(b"x").digest()), (first[:-1], None)):
        status, answer = await phone.put(announced["id"], 0, piece, digest)
        assert (status, code(answer)) == (422, "wrong_digest")
    status, answer = await phone.put(announced["id"], 0, first)
    assert (status, answer["offset"]) == (200, len(first))


async def test_what_cannot_be_opened_is_refused_for_good(phone: Phone) -> None:
    noise = b"\x1aE\xdf\xa3" + bytes(range(256)) * 40
    _, announced = await phone.announce(noise)
    for piece, offset in zip(pieces(noise), range(0, len(noise), CHUNK), strict=True):
        status, answer = await phone.put(announced["id"], offset, piece)
    assert (status, code(answer)) == (422, "bad_recording")
    assert (await phone.announce(noise))[1]["state"] == "refused"
    assert (await phone.gaps())["gaps"][0]["from"] == "2026-11-21T08:00:10Z"


async def test_a_sound_file_is_no_picture(phone: Phone, recorded: bytes) -> None:
    _, announced = await phone.announce(recorded, media_type="audio/webm")
    with pytest.raises(AssertionError, match="bad_recording"):
        await phone.send(announced["id"], recorded)


@pytest.mark.parametrize(
    ("fields", "status", "reason"),
    [
        ({"started_at": "2026-11-21T08:00:25Z"}, 409, "recording_not_needed"),
        ({"started_at": "2026-11-20T08:00:10Z"}, 422, "invalid"),
        ({"started_at": "2026-11-21T08:00:10"}, 422, "bad_body"),
        ({"duration_s": 5000}, 422, "bad_body"),
        ({"media_type": "text/html"}, 422, "bad_body"),
        ({"run": "../../etc"}, 422, "bad_body"),
        ({"source": "screen"}, 409, "recording_not_needed"),
        ({"chunks": [{"size": 2**21, "sha256": "0" * 64}]}, 422, "bad_body"),
        ({"chunks": [{"size": 2**20, "sha256": "0" * 64}] * 40}, 413, "too_large"),
    ],
)
async def test_what_cannot_be_needed_is_not_taken(
    phone: Phone, recorded: bytes, fields: dict[str, Any], status: int, reason: str
) -> None:
    answer = await phone.announce(recorded, **fields)
    assert (answer[0], code(answer[1])) == (status, reason)


async def test_a_piece_of_absurd_size_is_cut_off(phone: Phone, recorded: bytes) -> None:
    _, announced = await phone.announce(recorded)
    path = f"{phone.base}/recordings/{announced['id']}?offset=0"
    huge = io.BytesIO(bytes(2**20 + 1))
    async with phone.client.put(path, data=huge, headers=bearer(phone.joined)) as response:
        assert (response.status, code(await response.json())) == (413, "too_large")


async def test_a_strangers_token_is_refused(
    phone: Phone, appointment: Appointment, recorded: bytes, office: Office
) -> None:
    _, announced = await phone.announce(recorded)
    path = f"{phone.base}/recordings/{announced['id']}?offset=0"
    expert = await join(phone.client, appointment.invitations["expert"])
    for headers, status in (
        ({}, 403),
        ({"Authorization": "Bearer yp_wrong"}, 401),
        (office.bearer("administrator"), 401),
        (bearer(expert), 404),
    ):
        async with phone.client.put(path, data=b"x", headers=headers) as response:
            assert response.status == status
    observer = await join(phone.client, appointment.invitations["observer"])
    async with phone.client.get(f"{phone.base}/gaps", headers=bearer(observer)) as response:
        assert response.status == 403


async def test_the_phone_may_send_for_a_day_after_the_end(
    phone: Phone, office: Office, appointment: Appointment, clock: SettableClock, recorded: bytes
) -> None:
    await end(phone.client, office, appointment)
    clock.advance(hours=23, minutes=59)
    answer = await phone.gaps()
    assert answer["deadline"] is not None
    # Nothing more is wanted than the gaps, not even what was recorded a moment after the end.
    assert answer["settled"] > rfc3339(at(80_000))
    _, announced = await phone.announce(recorded)
    assert (await phone.send(announced["id"], recorded))["state"] == "accepted"
    clock.advance(minutes=2)
    async with phone.client.get(f"{phone.base}/gaps", headers=bearer(phone.joined)) as response:
        assert response.status in (401, 410)


async def test_gaps_stand_in_the_log_when_they_are_over(
    phone: Phone, office: Office, appointment: Appointment
) -> None:
    await end(phone.client, office, appointment)
    async with phone.client.get(
        f"/api/v1/inspections/{appointment.id}/events", headers=office.bearer("auditor")
    ) as response:
        gaps = [one["body"] for one in await response.json() if one["type"] == "slot.gap"]
    assert gaps[0] == {
        "slot": phone.slot,
        "from": "2026-11-21T08:00:10.000Z",
        "to": "2026-11-21T08:00:20.000Z",
        "cause": "network_lost",
        "by": None,
    }


async def test_the_ledger_is_for_those_who_may_see_the_inspection(
    phone: Phone, appointment: Appointment
) -> None:
    path = f"/api/v1/inspections/{appointment.id}/continuity"
    async with phone.client.get(path) as response:
        assert response.status == 401


@pytest.mark.parametrize(
    ("language", "words"),
    [("zh-CN", ("网络中断", "已补", "录制的连续性")), ("en", ("The network was lost", "of 0:10"))],
)
async def test_the_inspections_page_tells_the_gap_its_cause_and_what_filled_it(
    phone: Phone,
    office: Office,
    appointment: Appointment,
    recorded: bytes,
    language: str,
    words: tuple[str, ...],
) -> None:
    status, announced = await phone.announce(recorded, started_at=rfc3339(at(14)))
    assert status == 201
    await phone.send(announced["id"], recorded)
    headers = {**office.bearer("reviewer"), "Accept-Language": language}
    async with phone.client.get(f"/inspections/{appointment.id}", headers=headers) as response:
        page = await response.text()
    row = page.partition('data-cause="network_lost"')[2].partition("</tr>")[0]
    assert "16:00:10 – 16:00:20" in row
    assert "0:06" in row
    for word in words:
        assert word in page


async def settle(phone: Phone) -> int:
    async with phone.client.post(f"{phone.base}/gaps/done", headers=bearer(phone.joined)) as response:
        return response.status


async def take_over(phone: Phone, appointment: Appointment, **fields: Any) -> Phone:
    """Another device goes on in the phone's place."""
    joined = await join(phone.client, appointment.invitations["enterprise"], takeover=True, **fields)
    assert joined["participant"] == phone.joined["participant"]
    return replace(phone, joined=joined)


async def test_a_phone_whose_place_another_took_sends_what_it_recorded_before_and_does_nothing_else(
    phone: Phone, appointment: Appointment, recorded: bytes, clock: SettableClock
) -> None:
    other = await take_over(phone, appointment)
    clock.advance(seconds=10)
    lacking = await phone.gaps()
    assert lacking["gaps"][0] == {"from": "2026-11-21T08:00:10Z", "to": "2026-11-21T08:00:20Z"}
    assert lacking["replaced_at"].startswith("2026-11-21T08:00:50")
    assert (await other.gaps())["replaced_at"] is None
    status, announced = await phone.announce(recorded)
    assert status == 201
    assert (await phone.send(announced["id"], recorded))["state"] == "accepted"
    assert all(gap["from"] >= "2026-11-21T08:00:20Z" for gap in (await other.gaps())["gaps"])
    # From when the other device had gone on it is that one's picture that is missing.
    status, refused = await phone.announce(recorded, run="run-0002", started_at=rfc3339(at(51)))
    assert (status, code(refused)) == (403, "recording_of_another_device")

    about = f"/api/v1/inspections/{appointment.id}"
    for method, path, expected in (
        ("POST", f"{phone.base}/whip", 401),
        ("POST", f"{phone.base}/whep/{phone.slot}", 401),
        ("POST", f"{phone.base}/snapshots", 401),
        ("GET", f"{phone.base}/room", 401),
        ("GET", about, 403),
        ("GET", f"{about}/events", 403),
        ("GET", f"{about}/continuity", 403),
    ):
        async with phone.client.request(method, path, headers=bearer(phone.joined)) as response:
            assert response.status == expected, (path, await response.text())


async def test_what_a_former_phone_sends_is_entered_under_the_name_of_who_held_it(
    phone: Phone, appointment: Appointment, office: Office, recorded: bytes
) -> None:
    await take_over(phone, appointment, name="高远")
    status, announced = await phone.announce(recorded)
    assert status == 201
    assert (await phone.send(announced["id"], recorded))["state"] == "accepted"
    assert await settle(phone) == 204
    events = f"/api/v1/inspections/{appointment.id}/events"
    async with phone.client.get(events, headers=office.bearer("auditor")) as response:
        told = [(one["type"], one["actor"]["name"]) for one in await response.json()]
    assert ("gaps.done", "田继业") in told
    assert [name for type_, name in told if type_ == "part.closed"][-1] == "田继业"
    assert ("participant.replaced", "高远") in told


async def test_a_phone_that_never_filmed_keeps_nothing_of_a_place_that_another_took(
    client: Client, appointment: Appointment
) -> None:
    first = await join(client, appointment.invitations["enterprise"])
    await join(client, appointment.invitations["enterprise"], takeover=True)
    async with client.get(f"{first['base']}/gaps", headers=bearer(first)) as response:
        assert response.status == 401


async def test_phones_are_waited_for_until_each_has_said_that_it_sent_all(
    phone: Phone, app: web.Application, office: Office, appointment: Appointment, clock: SettableClock
) -> None:
    async def is_awaited() -> bool:
        async with app[DATABASE].reading() as session:
            inspection = await session.get_one(Inspection, appointment.id)
            return await awaited_until(session, inspection, clock.now()) is not None

    # Who holds the place of a running inspection may have more to send; whose place was taken has not.
    assert await settle(phone) == 409
    other = await take_over(phone, appointment)
    last = await take_over(other, appointment)
    assert [await settle(phone), await settle(phone)] == [204, 204]
    assert await settle(last) == 409
    await end(phone.client, office, appointment)
    assert await is_awaited()
    assert await settle(last) == 204
    assert await is_awaited()
    # The token of a device whose place was taken is good for as long as anybody's.
    clock.advance(seconds=23 * 3600)
    assert await settle(other) == 204
    assert not await is_awaited()
    auditor = office.bearer("auditor")
    async with phone.client.get(f"/api/v1/inspections/{appointment.id}/events", headers=auditor) as response:
        told = [one["body"] for one in await response.json() if one["type"] == "gaps.done"]
    assert [body["replaced"] for body in told] == [True, False, True]
    assert {body["participant"] for body in told} == {phone.joined["participant"]}
    async with app[DATABASE].reading() as session:
        assert await check(session, appointment.id) is None


async def test_nobody_waits_for_a_desk_whose_page_records_nothing_itself(
    phone: Phone, app: web.Application, office: Office, appointment: Appointment, clock: SettableClock
) -> None:
    await end(phone.client, office, appointment)
    async with app[DATABASE].transaction() as session:
        inspection = await session.get_one(Inspection, appointment.id)
        assert await awaited_until(session, inspection, clock.now()) is not None
        person = await session.get_one(Participant, phone.joined["participant"])
        person.role = "reviewer"
        await session.flush()
        assert await awaited_until(session, inspection, clock.now()) is None


async def test_a_console_that_is_loaded_again_leaves_no_former_device(
    client: Client, app: web.Application, appointment: Appointment, clock: SettableClock
) -> None:
    first = await join(client, appointment.invitations["expert"])
    async with app[DATABASE].transaction() as session:
        row = Slot(
            id=new_id(),
            inspection_id=appointment.id,
            participant_id=first["participant"],
            source="camera",
            opened_at=clock.now(),
        )
        session.add(row)
    await join(client, appointment.invitations["expert"], takeover=True)
    async with app[DATABASE].reading() as session:
        assert list(await session.scalars(select(FormerDevice))) == []

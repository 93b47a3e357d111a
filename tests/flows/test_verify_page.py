"""`/verify`: strangers have receipts checked; it says what holds, what does not and why, and tells nothing else."""

from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData, web
from cryptography.hazmat.primitives.asymmetric import ec

from server.accounts.rules import system_actor
from server.archive.sealing import ensure_keys
from server.evidence import keys, officelog
from server.evidence.chain import link_of
from server.evidence.receipts import KEY_EVENT, KeptReceipts, Receipt, dump_receipts, sign_receipt
from server.evidence.signatures import public_bytes
from server.inspections.closing import read_lines
from server.inspections.keys import JOURNAL
from server.live.keys import LIVE
from server.officelog.entries import append_entry
from server.settings import Settings
from server.verification.service import MOST_BYTES
from server.web.allowance import BURST
from server.web.keys import DATABASE
from tests.cast import Appointment, Office
from tests.clock import SettableClock
from tests.evidence.inspection import countersign
from tests.flows.browsing import PAGE, shown
from tests.flows.conftest import Client

PHONE = ec.generate_private_key(ec.SECP256R1())
NOW = datetime.now(UTC)


async def show(client: Client, data: bytes | str, status: int = 200) -> str:
    """The page after the file (bytes) or the text (str) was shown."""
    form = FormData()
    form.add_field("file", BytesIO(data if isinstance(data, bytes) else b""), filename="kept.json")
    form.add_field("text", data if isinstance(data, str) else "")
    async with client.post("/verify", data=form, headers=PAGE) as response:
        text = await response.text()
        assert response.status == status, shown(text)
    return text


def outcome(page: str) -> str:
    return page.partition('data-outcome="')[2].partition('"')[0]


class Given:
    """What an office of the standing cast has signed: `receipt(seq)` as the enterprise keeps it."""

    def __init__(self, office: keys.OfficeKeys, inspection: str, lines: list[bytes]) -> None:
        self.office = office
        self.inspection = inspection
        self.lines = lines

    def receipt(self, seq: int | None = None, *, inspection: str = "", head: str = "") -> Receipt:
        line = seq or len(self.lines)
        told = head or link_of(self.lines[line - 1])
        given = sign_receipt(inspection or self.inspection, line, told, NOW, self.office.head_key)
        return countersign(given, PHONE)


@pytest.fixture
async def given(app: web.Application, office: Office, appointment: Appointment, settings: Settings) -> Given:
    await ensure_keys(app[LIVE])
    async with app[DATABASE].transaction() as session:
        body: dict[str, Any] = {"participant": "p1", "public": public_bytes(PHONE.public_key()).hex()}
        await app[JOURNAL].append(session, appointment.id, KEY_EVENT, system_actor(), body)
        await app[JOURNAL].append(session, appointment.id, "chat.sent", system_actor(), {"text": "秘密"})
        lines = await read_lines(session, appointment.id)
    return Given(keys.load(settings.key_folder), appointment.id, lines)


async def test_every_way_to_be_wrong_is_named_and_a_good_file_holds(
    client: Client,
    app: web.Application,
    given: Given,
    appointment: Appointment,
    clock: SettableClock,
    tmp_path: Path,
) -> None:
    good = given.receipt()
    page = await show(client, KeptReceipts([given.receipt(len(given.lines) - 1), good]).to_bytes())
    assert outcome(page) == "holds"
    assert "2 of 2 receipts hold" in page
    assert "What this does not prove" in page
    assert "秘密" not in page
    assert appointment.case_id not in page

    last, gone = len(given.lines), "01K00000000000000000000001"
    async with app[DATABASE].transaction() as session:
        await append_entry(session, officelog.DISPOSAL, gone, NOW, certificate="ab" * 32, root="cd" * 32)
    cases = {
        "holds": [good],
        "not_ours": [good, replace(good, at="2026-01-01T00:00:00.000Z")],
        "rewritten": [good, given.receipt(head="ab" * 32)],
        "shortened": [given.receipt(last + 7, head="ab" * 32)],
        "no_log": [given.receipt(inspection="01K00000000000000000000000")],
        "disposed": [given.receipt(inspection=gone)],
        "not_countersigned": [good, replace(good, countersignature="ab" * 64)],
    }
    for wanted, receipts in cases.items():
        assert outcome(await show(client, dump_receipts(receipts).decode())) == wanted
    clock.advance(minutes=2)
    foreign = sign_receipt(
        appointment.id, last, good.head, NOW, keys.init(tmp_path / "others", "Somebody", NOW).head_key
    )
    page = await show(client, dump_receipts([countersign(foreign, PHONE)]))
    assert outcome(page) == "not_ours"
    assert "signed with a key that is not the office" in shown(page)
    assert appointment.id not in shown(page)  # about what it did not sign the office says nothing

    mixed = dump_receipts([good, given.receipt(inspection="01K00000000000000000000000")])
    for bad in (b"", b"\xff\x00", b"{}", b"[" * 9999, dump_receipts([]), mixed, b'{"v":1,"kind":[]}'):
        assert "Please check the following" in await show(client, bad, 422)
    await show(client, b" " * (MOST_BYTES + 20_000), 413)


async def test_strangers_have_to_wait_after_some_checks_and_other_bodies_are_refused(
    client: Client, clock: SettableClock
) -> None:
    async with client.get("/verify", headers=PAGE) as response:
        assert response.status == 200
    async with client.post("/verify", data={"text": "{}"}, headers=PAGE) as response:
        assert response.status == 422
    for _ in range(BURST - 1):
        await show(client, b"{}", 422)
    async with client.post("/verify", data=b"", headers=PAGE) as response:
        assert response.status == 429
        assert int(response.headers["Retry-After"]) > 0
    clock.advance(minutes=1)
    await show(client, b"{", 422)

"""The inspection record: made at sealing from what lies in the folder, signed, downloadable, the same every time."""

import io
import json
from pathlib import Path

import pytest
from aiohttp import web
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import async_validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from server.archive.index import load_index
from server.archive.record import make_record
from server.archive.sealing import sm2_signer
from server.evidence import keys, pades
from server.evidence.sm import Sm2Signer
from server.settings import Settings
from server.web.keys import FILES
from tests.cast import Appointment, Office
from tests.command import yunkan
from tests.evidence.verifiers import run_standalone
from tests.flows.browsing import look, sign_in
from tests.flows.conftest import Client
from tests.flows.held import hold_whole
from tests.flows.programs import get
from tests.flows.test_sealing import until
from tests.unit.evidence.test_document import letters_of


async def fetch(client: Client, id_: str, who: dict[str, str], status: int = 200) -> bytes:
    async with client.get(f"/api/v1/inspections/{id_}/record", headers=who) as response:
        assert response.status == status, await response.text()
        if status == 200:
            assert response.content_type == "application/pdf"
            assert response.headers["X-Content-Type-Options"] == "nosniff"
        return await response.read()


async def test_the_sealed_package_holds_the_record_signed_and_on_the_case(
    client: Client, app: web.Application, office: Office, appointment: Appointment, settings: Settings
) -> None:
    held = await hold_whole(app, office, appointment)
    await fetch(client, held.id, office.bearer("auditor"), 409)
    await until(app, office, client, held.id, state="sealed")
    pdf = await fetch(client, held.id, office.bearer("auditor"))
    folder = app[FILES].absolute(f"inspections/{held.id}")
    assert (folder / "data/record.pdf").read_bytes() == pdf

    # Covered by the root, and the whole package still holds.
    leaves = json.loads((folder / "proofs/leaves.json").read_text())["leaves"]
    assert {"data/record.pdf", "data/index.json"} <= {leaf["path"] for leaf in leaves}
    assert yunkan("verify", str(folder), "--root", str(settings.key_folder / "root.pem")) == 0

    # Signed by the office.
    roots = [pades._loaded(keys.load(settings.key_folder).root)]
    signature = PdfFileReader(io.BytesIO(pdf)).embedded_signatures[0]
    context = ValidationContext(trust_roots=roots, allow_fetching=False)
    status = await async_validate_pdf_signature(signature, context)
    assert status.intact and status.valid and status.trusted

    # A piece of the case's evidence, linked from the inspection's page.
    listed = await get(client, f"/api/v1/cases/{held.case_id}/evidence", office.bearer("reviewer"))
    (piece,) = [piece for piece in listed if piece["kind"] == "record"]
    assert piece["size_bytes"] == len(pdf)
    assert piece["url"] == f"/api/v1/inspections/{held.id}/record"
    await sign_in(client)
    assert piece["url"] in await look(client, f"/inspections/{held.id}")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_record_tells_what_the_log_holds_and_is_the_same_when_made_again(
    client: Client, app: web.Application, office: Office, appointment: Appointment
) -> None:
    held = await hold_whole(app, office, appointment)
    await until(app, office, client, held.id, state="sealed")
    folder = app[FILES].absolute(f"inspections/{held.id}")
    pdf = (folder / "data/record.pdf").read_bytes()
    lines = (folder / "data/events.jsonl").read_bytes().splitlines()
    again = make_record(folder, lines, load_index(folder))
    assert pdf.startswith(again)
    assert b"/Subtype/Image" in again.replace(b" ", b"")
    told = (
        "远程勘验笔录丰禾种业田海周敏91370503MA3C0FHY70河口新区行政审批服务局门牌不清加工车间位于现场依法办理"
    )
    assert set(told) <= letters_of(again)
    # No font here has them: written as their numbers, never as boxes.
    assert letters_of(again).isdisjoint("ไ😀")

    shorter = make_record(folder, [line for line in lines if b"chat.sent" not in line], load_index(folder))
    assert shorter != again


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_package_holds_the_four_property_report_and_the_page_shows_it(
    client: Client, app: web.Application, office: Office, appointment: Appointment, settings: Settings
) -> None:
    held = await hold_whole(app, office, appointment)
    await until(app, office, client, held.id, state="sealed")
    folder = app[FILES].absolute(f"inspections/{held.id}")
    told = json.loads((folder / "proofs/four-properties.json").read_text())
    results = {item["code"]: item["result"] for item in told["items"]}
    assert told["standard"] == "DA/T 70-2018"
    assert "failed" not in results.values()
    assert results["2-4"] == "passed"  # retention among the mandatory items
    assert results["4-2"] == "not_performed"
    assert "病毒" in (folder / "proofs/four-properties.txt").read_text("utf-8")
    assert yunkan("verify", str(folder), "--root", str(settings.key_folder / "root.pem")) == 0
    code, output = run_standalone(folder / "verify.py", "--root", str(settings.key_folder / "root.pem"))
    assert code == 0, output
    await sign_in(client)
    page = await look(client, f"/inspections/{held.id}")
    assert 'data-code="2-4"' in page
    assert f"{list(results.values()).count('passed')} passed" in page

    # It is listed: a changed report is told by both.
    (folder / "proofs/four-properties.json").write_bytes(b"{}")
    assert yunkan("verify", str(folder)) == 1
    assert run_standalone(folder / "verify.py")[0] == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_index_in_the_package_holds_no_secret(
    client: Client, app: web.Application, office: Office, appointment: Appointment
) -> None:
    held = await hold_whole(app, office, appointment)
    await until(app, office, client, held.id, state="sealed")
    written = Path(app[FILES].absolute(f"inspections/{held.id}/data/index.json")).read_text("utf-8")
    assert "周敏" in written
    assert "token_hash" not in written
    assert "password" not in written


def test_a_second_signature_is_made_where_the_settings_name_a_certificate(tmp_path: Path) -> None:
    assert sm2_signer(Settings()) is None
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    signer = sm2_signer(Settings(sm2_certificate=str(certificate), sm2_key=str(key)))
    assert signer == Sm2Signer(certificate, key)

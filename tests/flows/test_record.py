"""The inspection record: made at sealing from what lies in the folder, signed, downloadable, the same every time."""

import asyncio
import io
import json
import subprocess
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
from aiohttp import MultipartWriter, web
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import SignatureCoverageLevel, async_validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from server.accounts.models import Staff
from server.archive.access import VERIFIED, list_accesses
from server.archive.access_watch import ACCESSES
from server.archive.index import load_index
from server.archive.record import make_record
from server.archive.record_code import RecordCode
from server.archive.sealing import sm2_signer
from server.evidence import keys, pades
from server.evidence.canonical import dump, parse
from server.evidence.certificates import fingerprint
from server.evidence.signatures import public_bytes
from server.evidence.sm import Sm2Signer
from server.inspections.models import InspectionReviewer
from server.inspections.texts import current_texts
from server.settings import Settings
from server.web.keys import DATABASE, FILES
from tests.cast import Appointment, Office
from tests.command import yunkan
from tests.evidence.verifiers import run_standalone
from tests.flows.browsing import look, sign_in
from tests.flows.conftest import Client
from tests.flows.held import Held, hold_whole
from tests.flows.programs import get
from tests.flows.rooms import join
from tests.flows.test_sealing import download, until
from tests.unit.evidence.test_document import letters_of, require_pdf_a


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


async def sealed(
    client: Client, app: web.Application, office: Office, appointment: Appointment
) -> tuple[Held, Path]:
    held = await hold_whole(app, office, appointment)
    await until(app, office, client, held.id, state="sealed")
    return held, app[FILES].absolute(f"inspections/{held.id}")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_record_is_the_same_when_made_again_and_another_one_from_another_log(
    client: Client, app: web.Application, office: Office, appointment: Appointment
) -> None:
    _, folder = await sealed(client, app, office, appointment)
    pdf = (folder / "data/record.pdf").read_bytes()
    lines = (folder / "data/events.jsonl").read_bytes().splitlines()
    again = make_record(folder, lines, load_index(folder))
    assert pdf.startswith(again)
    # No font here has them: written as their numbers, never as boxes.
    assert letters_of(again).isdisjoint("ไ😀")
    for kind in (
        b"chat.sent",
        b"location.fixed",
        b"snapshot.taken",
        b"photo.announced",
        b"consent.given",
        b"checklist.answered",
    ):
        assert make_record(folder, [line for line in lines if kind not in line], load_index(folder)) != again


SECTIONS = [
    ("远程勘验笔录", []),
    (
        "基本情况",
        ["河口新区行政审批服务局", "丰禾种业有限公司", "91370503MA3C0FHY70", "民丰路 6 号", "勘验人员 周敏"],
    ),
    ("参加人员", ["田海", "企业", "录音录像知情同意", "SHA-256"]),
    ("位置核验", ["位于现场", "40 m", "12 m", "37.58780, 118.54730"]),
    ("时钟", ["以服务器时钟为准", "田海"]),
    ("核查清单", ["轻微缺陷", "门牌不清", "周敏", "未填写"]),
    ("录制的连续性", ["田海", "已接收", "中断 0:00"]),
    ("摄像头是否为实时画面", ["不能排除虚拟摄像头", "当场要求展示的内容"]),
    ("文字陈述", ["这里是加工车间"]),
    ("结论", ["合格", "依法办理", "周敏"]),
    ("抓拍", ["640 × 360", "清晰度 1.5", "模糊", "SHA-256"]),
    ("照片", ["声明了 1 张照片", "1 张已收到", "1920 × 1080", "相机拍照", "田海"]),
    ("校验信息", ["根证书指纹", "事件日志的末端摘要", "机关日志"]),
    ("陈述申辩与签名", ["企业陈述申辩", "签名", "执法证号", "周敏"]),
]
"""Of the record, in order: title and what must stand below it."""


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_record_has_its_sections_in_order_each_with_what_it_is_to_tell(
    client: Client,
    app: web.Application,
    office: Office,
    appointment: Appointment,
    settings: Settings,
    tmp_path: Path,
) -> None:
    _, folder = await sealed(client, app, office, appointment)
    text = text_of(folder / "data/record.pdf", tmp_path)
    rest = text
    bodies = []
    for title, _ in SECTIONS:
        before, found, rest = rest.partition(f"\n{title}\n" if bodies else title)
        assert found, f"{title} is missing, or not in its place"
        bodies.append(before)
    bodies = [*bodies[1:], rest]
    for (title, wanted), body in zip(SECTIONS, bodies, strict=True):
        squeezed = "".join(body.split())
        for each in wanted:
            assert "".join(each.split()) in squeezed, f"{title}: {each}"
    # Its digests, whole: of the log, of the office's log, of the root.
    index, squeezed = load_index(folder), "".join(bodies[SECTIONS.index(proof_section())].split())
    seal = json.loads((folder / "seal.json").read_text())
    assert index.office is not None
    for digest in (seal["log"]["head"], index.office.head.root, index.office.root_fingerprint):
        assert digest in squeezed
    assert index.office.root_fingerprint == fingerprint(keys.load(settings.key_folder).root)
    index.office.head.require_signed(public_bytes(keys.load(settings.key_folder).head_key.public_key()))


def proof_section() -> tuple[str, list[str]]:
    return next(each for each in SECTIONS if each[0] == "校验信息")


def text_of(pdf: Path, folder: Path) -> str:
    """As a reader's program gives it, in reading order."""
    target = folder / "record.txt"
    subprocess.run(["pdftotext", "-raw", str(pdf), str(target)], check=True)
    return target.read_text("utf-8").replace("\f", "\n").replace("\u200b", "")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_record_names_who_agreed_to_what_and_who_did_not(
    client: Client, app: web.Application, office: Office, appointment: Appointment, tmp_path: Path
) -> None:
    texts = current_texts("en", "guest")
    agreed = {
        text.kind: {"version": text.version, "sha256": text.sha256, "language": text.language}
        for text in texts
    }
    expert = appointment.invitations["expert"]
    await join(client, expert, name="王工", consent=agreed)
    await join(client, expert, name="李静", consent=agreed, takeover=True)
    await join(client, appointment.invitations["reviewer"], name="孙立")
    await join(client, appointment.invitations["observer"], name="赵旁听", consent=None)
    _, folder = await sealed(client, app, office, appointment)
    people = "".join(text_of(folder / "data/record.pdf", tmp_path).split())
    people = people.partition("参加人员")[2].partition("位置核验")[0]
    for text, title in zip(texts, ("受邀人员参加须知", "受邀人员录音录像知情同意"), strict=True):
        words = f"已确认《{title}》第{text.version}版（英文文本），SHA-256{text.sha256[:16]}"
        assert people.count(f"王工{words}") == people.count(f"李静{words}") == 1
    assert "，接替王工" in people
    assert people.count("（仅以版本号确认）") == 2
    assert "日志中没有以下人员同意告知书的记录：赵旁听" in people
    assert "田海已确认《录音录像知情同意》第1版（中文文本）" in people


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_an_agreement_of_an_early_log_is_told_with_what_that_log_says(
    client: Client, app: web.Application, office: Office, appointment: Appointment, tmp_path: Path
) -> None:
    _, folder = await sealed(client, app, office, appointment)
    lines = [early(line) for line in (folder / "data/events.jsonl").read_bytes().splitlines()]
    pdf = tmp_path / "early.pdf"
    pdf.write_bytes(make_record(folder, lines, load_index(folder)))
    people = "".join(text_of(pdf, tmp_path).split()).partition("参加人员")[2].partition("位置核验")[0]
    assert f"田海已确认《录音录像知情同意》第1版，SHA-256{'ab' * 8}（仅以版本号确认）" in people
    assert "日志中没有以下人员同意告知书的记录" not in people


def early(line: bytes) -> bytes:
    """The event of an agreement as it was before it named audience and language."""
    told = parse(line)
    if told["type"] == "consent.given":
        told["body"] = {name: told["body"][name] for name in ("participant", "kind", "version", "sha256")}
    return dump(told)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_an_officers_certificate_number_stands_in_the_record_else_a_line_for_it(
    client: Client, app: web.Application, office: Office, appointment: Appointment, tmp_path: Path
) -> None:
    async with app[DATABASE].transaction() as session:
        (await session.get_one(Staff, office.zhou.id)).certificate_number = "鲁E1503-007"
        session.add(InspectionReviewer(inspection_id=appointment.id, staff_id=office.admin.id))
    _, folder = await sealed(client, app, office, appointment)
    text = text_of(folder / "data/record.pdf", tmp_path)
    signing = "".join(text.partition("\n陈述申辩与签名\n")[2].split())
    assert "执法证号鲁E1503-007" in signing
    assert "执法证号________" in signing.partition("管理员")[2]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("public_url", ["", "https://kancha.example.gov.cn/"])
async def test_the_code_on_the_record_leads_to_what_the_page_verifies(
    client: Client, app: web.Application, office: Office, appointment: Appointment, settings: Settings,
    tmp_path: Path, public_url: str,
) -> None:  # fmt: skip
    object.__setattr__(settings, "public_url", public_url)
    held, folder = await sealed(client, app, office, appointment)
    code = qr_of(folder / "data/record.pdf", tmp_path)
    expected = "https://kancha.example.gov.cn/verify?" if public_url else "yunkan-record:1?"
    assert code.startswith(expected)
    page = await look(client, f"/verify?{code.partition('?')[2]}")
    assert 'data-record="holds"' in page
    assert held.id in page
    with MultipartWriter("form-data") as form:
        form.append(code).set_content_disposition("form-data", name="text")
    async with client.post("/verify", data=form) as response:
        assert 'data-record="holds"' in await response.text()
    await app[ACCESSES].flush()
    async with app[DATABASE].reading() as session:
        (line,) = await list_accesses(session, held.id, type_=VERIFIED)
    assert '"body":{"record":"holds"}' in line.line

    told = RecordCode.from_text(code)
    head = load_index(folder).office.head  # type: ignore[union-attr]
    assert (told.office_size, told.office_root) == (head.size, head.root)
    for changed, outcome in (
        (replace(told, head="ab" * 32), "unknown"),
        (replace(told, lines=told.lines - 1), "unknown"),
        (replace(told, inspection="01K00000000000000000000000"), "unknown"),
        (replace(told, office_root="ab" * 32), "office_log_differs"),
        (replace(told, office_size=told.office_size + 1000), "office_log_differs"),
    ):
        assert f'data-record="{outcome}"' in await look(client, f"/verify?{changed.as_query()}")
    assert "not the code of a record" in await look(client, "/verify?head=x", 422)


def qr_of(pdf: Path, folder: Path) -> str:
    """As a camera reads it from the printed pages, nearer and farther; no one reader finds every code."""
    for dots_per_inch in ("200", "300", "150"):
        stem = folder / f"page-{dots_per_inch}"
        subprocess.run(["pdftoppm", "-r", dots_per_inch, "-gray", "-png", str(pdf), str(stem)], check=True)
        for page in sorted(folder.glob(f"{stem.name}*.png")):
            for reader in (cv2.QRCodeDetector(), cv2.QRCodeDetectorAruco()):
                code, _, _ = reader.detectAndDecode(cv2.imread(str(page)))
                if code:
                    return code
    raise AssertionError("no code on any page")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_command_makes_the_record_again_from_a_folder_or_a_zip(
    client: Client, app: web.Application, office: Office, appointment: Appointment, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    held, folder = await sealed(client, app, office, appointment)
    zipped = await download(client, held.id, office.bearer("auditor"), tmp_path / "package.zip")
    for path in (folder, zipped):
        assert await asyncio.to_thread(yunkan, "record", str(path), "--language", "en") == 0
        assert "to the last byte" in capsys.readouterr().out
    for name in ("VERIFY.en.md", "VERIFY.zh.md"):
        assert "yunkan record" in (folder / name).read_text("utf-8")
    kept = tmp_path / "again.pdf"
    log = folder / "data/events.jsonl"
    log.write_bytes(log.read_bytes().replace("门牌不清".encode(), "门牌清楚".encode()))
    assert await asyncio.to_thread(yunkan, "record", str(folder), "--output", str(kept)) == 1
    assert "门牌清楚" in text_of(kept, tmp_path)
    (folder / "data/record.pdf").unlink()
    assert await asyncio.to_thread(yunkan, "record", str(folder)) == 2
    assert await asyncio.to_thread(yunkan, "record", str(tmp_path / "nothing.zip")) == 2


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_signed_record_has_the_structure_of_pdf_a(
    client: Client, app: web.Application, office: Office, appointment: Appointment
) -> None:
    _, folder = await sealed(client, app, office, appointment)
    reader = PdfFileReader(io.BytesIO((folder / "data/record.pdf").read_bytes()))
    assert reader.embedded_signatures[0].compute_integrity_info() is None
    assert reader.embedded_signatures[0].coverage is SignatureCoverageLevel.ENTIRE_FILE
    require_pdf_a(reader)


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

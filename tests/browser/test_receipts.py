"""The enterprise's phone makes receipts while it is inspected, and keeps a file that anybody can check years later."""

from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from server.evidence import keys
from server.evidence.receipts import parse_kept
from tests.browser.house import House, open_console, stage, until
from tests.browser.people import LIVE_MS, end_inspection, join_by_phone
from tests.command import yunkan

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

EXTRACTABLE = """
() => new Promise((resolve, reject) => {
  const request = indexedDB.open("yunkan-receipts", 1);
  request.onerror = () => reject(request.error);
  request.onsuccess = () => {
    const all = request.result.transaction("keys").objectStore("keys").getAll();
    all.onsuccess = () => resolve(all.result.map(({pair}) => pair.privateKey.extractable));
  };
})
"""


async def saved(page: Page, folder: Path) -> Path:
    """What the button gives."""
    async with page.expect_download() as coming:
        await page.get_by_role("link", name="保存我的回执").click()
    download = await coming.value
    assert download.suggested_filename.startswith("回执-")
    target = folder / download.suggested_filename
    await download.save_as(target)
    return target


async def test_a_phones_receipts_are_saved_at_the_end_and_later_and_hold(
    house: House, tmp_path: Path
) -> None:
    appointment = await house.appoint()
    async with house.desk() as desk, house.phone() as phone:
        await open_console(desk, appointment, "nobody")
        await join_by_phone(phone, appointment)
        await stage(desk, "live")

        async def both_have_brought_keys() -> bool:
            return len(await house.events(appointment.id, "participant.key")) == 2

        await until(desk, both_have_brought_keys)
        assert await phone.evaluate(EXTRACTABLE) == [False]
        await phone.reload()
        await phone.locator("phone-stage[data-state=live]").wait_for(timeout=LIVE_MS)
        await end_inspection(desk)
        receipts = phone.locator('phone-receipts[data-state="ready"]')
        await expect(receipts).to_be_visible(timeout=LIVE_MS)
        assert await both_have_brought_keys()  # the reload went on with the same key
        kept = await saved(phone, tmp_path)

        await phone.goto(f"/i/{appointment.invitations['enterprise']}")
        later = await saved(phone, tmp_path / "later")
    told = parse_kept(kept.read_bytes())
    last = told.receipts[-1]
    assert last in parse_kept(later.read_bytes()).receipts
    assert last.seq >= max(each.seq for each in told.keys)
    fingerprint = keys.show(house.service.data / "keys").root_fingerprint
    assert yunkan("verify", "--receipt", str(kept), "--fingerprint", fingerprint) == 0
    edited = tmp_path / "edited.json"
    edited.write_text(kept.read_text().replace(last.head, "ab" * 32))
    assert yunkan("verify", "--receipt", str(edited), "--fingerprint", fingerprint) == 1

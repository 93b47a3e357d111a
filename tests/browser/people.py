"""What the enterprise's contact and the reviewer do in their browsers, step by step as they would."""

from playwright.async_api import Page, expect

from tests.cast import PASSWORD, Appointment
from tests.peers.chromium import read_counter

LIVE_MS = 30_000


async def join_by_phone(page: Page, appointment: Appointment) -> None:
    """From the link to the stage: name, both consents, camera check."""
    await page.goto(f"/i/{appointment.invitations['enterprise']}")
    await page.locator("phone-inspection[data-ready]").wait_for()
    await page.get_by_role("button", name="开始").click()
    for box in await page.get_by_role("checkbox").all():
        await box.check()
    await page.get_by_role("button", name="同意并继续").click()
    await page.locator('[data-action="open-camera"]').click()
    await page.locator('[data-action="camera-good"]').click()
    await page.locator("phone-stage").wait_for()


async def join_as_guest(page: Page, appointment: Appointment, name: str, role: str = "reviewer") -> None:
    """By the invitation's page to the console."""
    await page.goto(f"/i/{appointment.invitations[role]}")
    await page.locator("#name").fill(name)
    await agree(page)
    await page.locator('[data-action="join"]').click()


async def agree(page: Page) -> None:
    """To the notice and to the recording, each for itself."""
    for box in await page.locator("#join-form").get_by_role("checkbox").all():
        await box.check()


async def sign_in(page: Page, username: str = "zhou") -> None:
    await page.goto("/sign-in")
    await page.locator("#username").fill(username)
    await page.locator("#password").fill(PASSWORD)
    await page.locator("main form button").click()
    await page.wait_for_url("**/")


async def open_console(page: Page, appointment: Appointment) -> None:
    """The console, until the picture from the site is there."""
    await page.goto(f"/inspections/{appointment.id}/console")
    await expect(page.locator('console-stage[data-state="live"]')).to_be_visible(timeout=LIVE_MS)


async def sees_numbers(page: Page) -> int:
    """Until a frame is on the console's screen whose number can be read; the number."""
    for _ in range(200):
        number = await read_counter(page, "console-stage video")
        if number is not None:
            return number
        await page.wait_for_timeout(50)
    raise AssertionError("no numbered frame on the console")


async def end_inspection(page: Page) -> None:
    await page.locator('[data-command="end"]').click()
    await page.locator("end-dialog [data-confirm]").click()
    await expect(page.locator('console-stage[data-state="ended"]')).to_be_visible(timeout=LIVE_MS)


async def conclude_and_seal(page: Page, inspection: str) -> None:
    """With a result, and without waiting for what a phone may still send."""
    path = f"/inspections/{inspection}"
    await page.goto(path)
    await page.locator("[name=result][value=pass]").check()
    await send(page, f"form[action='{path}/result']")
    while not await page.locator("[data-seal=sealed]").count():
        if await page.locator(f"form[action='{path}/seal']").count():
            await send(page, f"form[action='{path}/seal']")
        await page.goto(path)


async def send(page: Page, form: str) -> None:
    """A form as it is, past the browser's own checks."""
    async with page.expect_navigation():
        await page.locator(form).first.evaluate("form => form.submit()")

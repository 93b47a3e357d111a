"""The way through all pages, in the order in which one inspection makes their states possible."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import BrowserContext, Locator, Page, expect

from tests.peers.chromium import until
from tests.tools.album import DESK, LANGUAGES, OFFICE_SIZES, PHONE, PHONE_SIZES, Album, take_small
from tests.tools.scene import PASSWORDS, Scene

STATE_MS = 60_000
# Named errors of getUserMedia, as a phone gives them; "" lets the camera open.
FAULTS = """
const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
window.cameraFault = "";
navigator.mediaDevices.getUserMedia = async (wish) => {
  if (window.cameraFault) throw new DOMException("for the picture", window.cameraFault);
  return real(wish);
};
"""
CAMERA_FAULTS = (
    ("denied", "NotAllowedError"),
    ("busy", "NotReadableError"),
    ("none", "NotFoundError"),
    ("unknown", "OperationError"),
)
IN_APP = (
    "Mozilla/5.0 (Linux; Android 12; ALN-AL00) AppleWebKit/537.36 Chrome/116 Mobile MicroMessenger/8.0.50"
)
PARTS = 2
"""The phone's and the reviewer's, at least."""
LINES = ("请先拍一下门牌，再进入实验室。", "好的，现在看一下净度工作台的铭牌。")
NOTE = "门牌与申请的新址一致。"


@dataclass
class Tour:
    """Two phones' profiles, the reviewer's browser, and that of somebody without an account."""

    album: Album
    scene: Scene
    phone: BrowserContext
    second: BrowserContext
    desk: BrowserContext
    guest: BrowserContext
    paper: Path

    async def everything(self) -> None:
        await self.strangers(await self.guest.new_page())
        desk = await self.desk.new_page()
        await self.sign_in(desk, "reviewer")
        await self.forms(desk)
        await self.appointments(desk)
        console = await self.desk.new_page()
        await self.console(console, "console-nobody", "nobody")
        await console.close()
        phone = await self.open_phone(self.phone)
        await self.join(phone)
        await self.take_over(phone)
        await self.phone_stage(phone, "phone-waiting", "waiting")
        console = await self.desk.new_page()
        await self.open_console(console)
        await self.work(console, phone)
        await self.live_pages(console, phone, desk)
        await self.guest_console(await self.guest.new_page())
        await self.pause(console, phone)
        await self.end(console)
        await self.afterwards(console, phone, desk)
        await self.administration()

    async def documentation(self, folder: Path) -> None:
        """The pictures of the README."""
        phone = await self.open_phone(self.phone)
        await self.album.speak(phone, "zh-CN")
        await phone.goto(self.link)
        await self._begin(phone)
        await self._agree(phone)
        await self._to_stage(phone)
        desk = await self.desk.new_page()
        await self.sign_in(desk, "reviewer")
        console = await self.desk.new_page()
        await self.open_console(console)
        await self.work(console, phone)
        for language in LANGUAGES:
            await self._reload_console(console, language)
            await self._choose_item(console, 2)
            await take_small(console, folder / f"console.{language}.png", DESK)
        await take_small(phone, folder / "phone.zh-CN.png", PHONE)
        await self.end(console)
        await self.album.speak(desk, "zh-CN")
        await self._open_replay(desk)
        await take_small(desk, folder / "replay.zh-CN.png", DESK)

    # -- without an account

    async def strangers(self, page: Page) -> None:
        album = self.album
        await album.visit(page, "sign-in", "/sign-in")
        await album.visit(page, "verify", "/verify")

        async def refused() -> None:
            await page.goto("/sign-in")
            await page.locator("#username").fill("reviewer")
            await page.locator("#password").fill("not-the-password")
            await page.locator("main form button").click()
            await page.locator("#error-summary").wait_for()

        await album.in_each_language(page, "sign-in-refused", refused)

        async def nothing_to_verify() -> None:
            await page.goto("/verify")
            await self._post(page, "main form:last-of-type")

        await album.in_each_language(page, "verify-error", nothing_to_verify)
        for name in ("unknown", "expired", "cancelled", "cancelled_inspection", "too_early"):
            path = f"/i/{self.scene.links[name]}"
            await album.visit(page, f"phone-problem-{name}", path, sizes=PHONE_SIZES)
        await album.visit(page, "guest-join", f"/i/{self.scene.links['guest']}")

    async def sign_in(self, page: Page, username: str) -> None:
        await page.goto("/sign-in")
        await page.locator("#username").fill(username)
        await page.locator("#password").fill(PASSWORDS[username])
        await page.locator("main form button").click()
        await page.wait_for_url("**/")

    # -- the office's pages

    async def forms(self, page: Page) -> None:
        album, case = self.album, self.scene.case
        await album.visit(page, "case-new", "/cases/new")

        async def wrong() -> None:
            await page.goto("/cases/new")
            await page.locator("#enterprise_name").fill("河口新区丰禾种业有限公司")
            await page.locator("#credit_code").fill("91370503MA3C0FHY71")
            await page.locator("#latitude").fill("北纬 37")
            await self._post(page, "form[action='/cases']")

        await album.in_each_language(page, "case-new-errors", wrong)
        await album.visit(page, "case-close", f"/cases/{case}/close")
        await album.visit(page, "material-new", f"/cases/{case}/materials/new")

        async def no_file() -> None:
            await page.goto(f"/cases/{case}/materials/new")
            await self._post(page, "main form")

        await album.in_each_language(page, "material-new-error", no_file)
        await page.goto(f"/cases/{case}/materials/new")
        await page.locator("#file").set_input_files(self.paper)
        await self._post(page, "main form")
        await album.visit(page, "inspection-new", f"/cases/{case}/inspections/new")
        await self._wrong(
            page,
            "inspection-new-errors",
            f"/cases/{case}/inspections/new",
            ("[value=later]", ""),
            ("#starts_at", ""),
        )
        await album.visit(page, "error-not-found", "/cases/unknown")
        await album.visit(page, "account", "/account")
        await self._wrong(page, "account-errors", "/account", form="form[action='/account/password']")

    async def appointments(self, page: Page) -> None:
        album, coming = self.album, f"/inspections/{self.scene.coming}"
        await album.visit(page, "inspection-scheduled", coming)
        await album.visit(page, "inspection-cancelled", f"/inspections/{self.scene.cancelled}")
        await album.visit(page, "inspection-reschedule", f"{coming}/reschedule")
        await album.visit(page, "inspection-cancel", f"{coming}/cancel")

        async def invited() -> None:
            await page.goto(coming)
            await page.locator("#name").fill("孙立")
            await self._post(page, f"form[action='{coming}/invitations']")

        await album.in_each_language(page, "invitation-link", invited)
        await self._wrong(
            page, "inspection-reschedule-errors", f"{coming}/reschedule", ("#starts_at", "2020-01-01T09:00")
        )
        await self._wrong(page, "inspection-cancel-errors", f"{coming}/cancel")
        await page.goto(coming)
        withdraw = await page.locator("#invitations a[href$='/cancel']").first.get_attribute("href") or ""
        await album.visit(page, "invitation-withdraw", withdraw)
        await self._wrong(page, "invitation-withdraw-errors", withdraw)

    async def administration(self) -> None:
        page, album = await self.guest.new_page(), self.album
        await self.sign_in(page, "admin")
        await album.visit(page, "admin", "/admin")
        await album.visit(page, "office-log", "/office-log")
        await album.visit(page, "office-accesses", "/office-log/accesses")
        await album.visit(page, "retention", "/retention")
        await album.visit(page, "accesses", f"/inspections/{self.scene.inspection}/accesses")
        await album.visit(page, "admin-new-person", "/admin/staff/new")
        await self._wrong(page, "admin-new-person-errors", "/admin/staff/new", ("#username", "王"))
        await page.goto("/admin")
        person = await page.locator("#people tbody a").last.get_attribute("href")
        await album.visit(page, "admin-person", person or "")
        await page.goto("/admin")
        revoke = await page.locator("#tokens tbody a").first.get_attribute("href")
        await album.visit(page, "admin-token-revoke", revoke or "")

        async def token() -> None:
            await page.goto("/admin")
            await page.locator("#token_name").fill("一网通办")
            await self._post(page, "form[action='/admin/tokens']")

        await album.in_each_language(page, "admin-token", token)

    async def _wrong(
        self, page: Page, name: str, path: str, *filled: tuple[str, str], form: str = "main form"
    ) -> None:
        """A form that was sent without what it needs: each error at its field, what was filled in kept."""

        async def sent() -> None:
            await page.goto(path)
            for field, value in filled:
                control = page.locator(field).first
                is_choice = await control.get_attribute("type") in ("radio", "checkbox")
                await (control.check() if is_choice else control.fill(value))
            await self._post(page, form)
            await expect(page.locator("#error-summary")).to_be_focused()

        await self.album.in_each_language(page, name, sent)

    async def _post(self, page: Page, form: str) -> None:
        """Send a form as it is, past the browser's own checks."""
        async with page.expect_navigation():
            await page.locator(form).evaluate("form => form.submit()")

    # -- the phone

    @property
    def link(self) -> str:
        return f"/i/{self.scene.phone}"

    async def open_phone(self, context: BrowserContext) -> Page:
        page = await context.new_page()
        await page.add_init_script(FAULTS)
        return page

    async def join(self, phone: Page) -> None:
        """From the link to the stage, with everything that can stand in the way."""
        album = self.album
        await album.visit(phone, "phone-start", self.link, sizes=PHONE_SIZES)
        await album.in_each_language(
            phone,
            "phone-no-https",
            lambda: self._lacking(phone, "isSecureContext", "false"),
            sizes=PHONE_SIZES,
        )
        await self._in_app()

        async def consent() -> None:
            await phone.goto(self.link)
            await self._begin(phone)

        await album.in_each_language(phone, "phone-consent", consent, sizes=PHONE_SIZES)

        async def unticked() -> None:
            await consent()
            await phone.locator("[data-form=consent] .button--primary").click()

        await album.in_each_language(phone, "phone-consent-missing", unticked, sizes=PHONE_SIZES)
        await album.in_each_language(
            phone, "phone-disagreed", lambda: self._disagree(phone), sizes=PHONE_SIZES
        )
        await album.speak(phone, "zh-CN")
        await phone.goto(self.link)
        await self._begin(phone)
        await self._agree(phone)
        await phone.locator("camera-check[data-state=idle]").wait_for()
        await self._camera(phone, "zh-CN")

    async def take_over(self, first: Page) -> None:
        """The second phone goes on in the first one's place, in English; then the first one comes back."""
        album, second = self.album, await self.open_phone(self.second)
        await album.speak(second, "en")
        await second.goto(self.link)
        await self._begin(second)
        await second.locator("[data-form=consent] [type=checkbox]").first.check()
        await self._agree(second)
        await self._notice(second, "choose", "en")
        await second.locator("status-screen button").first.click()
        await second.locator("camera-check[data-state=idle]").wait_for()
        await self._camera(second, "en")
        await self._notice(first, "replaced", "zh-CN")
        await first.locator("status-screen button").first.click()
        # This phone has filmed before: it goes on by itself.
        await first.locator("phone-stage[data-state=waiting]").wait_for(timeout=STATE_MS)
        await self._notice(second, "replaced", "en")
        await second.close()

    async def _notice(self, page: Page, state: str, language: str) -> None:
        await page.locator(f"status-screen[data-state={state}]").wait_for(timeout=STATE_MS)
        await self.album.take(page, f"phone-{state}", language, sizes=PHONE_SIZES)

    async def _begin(self, phone: Page) -> None:
        await phone.locator("phone-inspection[data-ready]").wait_for()
        await phone.locator("[data-form=start] button").click()

    async def _agree(self, phone: Page) -> None:
        for box in await phone.locator("[data-form=consent] [type=checkbox]").all():
            await box.check()
        await phone.locator("[data-form=consent] .button--primary").click()

    async def _disagree(self, phone: Page) -> None:
        await phone.goto(self.link)
        await self._begin(phone)
        await phone.locator("[data-action=disagree]").click()
        await phone.locator("status-screen[data-state=disagreed]").wait_for()

    async def _lacking(self, phone: Page, name: str, value: str) -> None:
        await phone.goto(self.link)
        await phone.locator("phone-inspection[data-ready]").wait_for()
        await phone.evaluate(
            f"Object.defineProperty(window, '{name}', {{value: {value}, configurable: true}})"
        )
        await self._begin(phone)
        await phone.locator("camera-check[data-state=problem]").wait_for()

    async def _in_app(self) -> None:
        """A page inside an app that gives no camera."""
        browser = self.phone.browser
        assert browser is not None
        async with await browser.new_context(
            base_url=self.album.address, user_agent=IN_APP, is_mobile=True, has_touch=True
        ) as context:
            page = await context.new_page()
            await self.album.in_each_language(
                page,
                "phone-in-app",
                lambda: self._lacking(page, "RTCPeerConnection", "undefined"),
                sizes=PHONE_SIZES,
            )

    async def _camera(self, phone: Page, language: str) -> None:
        """Every state of the camera check, and on to the stage."""

        async def take(name: str) -> None:
            await self.album.take(phone, name, language, sizes=PHONE_SIZES, full=True)

        await take("phone-check")
        for name, error in CAMERA_FAULTS:
            await phone.evaluate("error => { cameraFault = error; }", error)
            await phone.locator("[data-action=open-camera]:visible").click()
            await phone.locator(f"camera-check[data-problem={name}]").wait_for()
            await take(f"phone-camera-{name}")
        await phone.evaluate("cameraFault = ''")
        await phone.locator("[data-action=open-camera]:visible").click()
        await phone.locator("camera-check[data-state=ready] live-video[data-state=live]").wait_for()
        await take("phone-check-ready")
        await phone.locator("[data-action=camera-good]").click()
        await phone.locator("phone-stage").wait_for()

    async def _to_stage(self, phone: Page) -> None:
        await phone.locator("[data-action=open-camera]:visible").click()
        await phone.locator("[data-action=camera-good]").click()
        await phone.locator("phone-stage").wait_for()

    async def phone_stage(self, phone: Page, name: str, state: str) -> None:
        async def ready() -> None:
            await phone.reload()
            await phone.locator(f"phone-stage[data-state={state}]").wait_for(timeout=STATE_MS)
            await phone.locator(".phone-own[data-state=live]").wait_for(timeout=STATE_MS)

        await self.album.in_each_language(phone, name, ready, sizes=PHONE_SIZES, full=False)

    # -- the console

    async def console(self, page: Page, name: str, state: str) -> None:
        async def ready() -> None:
            await page.goto(f"/inspections/{self.scene.inspection}/console")
            await page.locator(f"console-stage[data-state={state}]").wait_for(timeout=STATE_MS)

        await self.album.in_each_language(page, name, ready, full=False)

    async def open_console(self, page: Page) -> None:
        await self.album.speak(page, "zh-CN")
        await page.goto(f"/inspections/{self.scene.inspection}/console")
        await self._live(page)

    async def _live(self, page: Page) -> None:
        await page.locator("console-stage[data-state=live]").wait_for(timeout=STATE_MS)
        await page.locator("console-stage live-video[data-state=live]").wait_for(timeout=STATE_MS)

    async def work(self, console: Page, phone: Page) -> None:
        """What a reviewer does in the first minute: speak, write, answer items, take snapshots."""
        await console.locator("[data-command=microphone]").click()
        await console.locator("#tab-chat").click()
        for number, line in enumerate(LINES):
            await console.locator("#chat-text").fill(line)
            await console.locator("chat-log form button").click()
            await (
                phone.locator(".phone-chat__line")
                .nth(2 * number)
                .wait_for(state="attached", timeout=STATE_MS)
            )
            await phone.locator("[data-action=chat]").click()
            await phone.locator("#chat-text").fill(("好的，这就去。", "看到了吗？")[number])
            await phone.locator("[data-form=chat] button").click()
            await phone.locator(".phone-chat__line").nth(2 * number + 1).wait_for(timeout=STATE_MS)
            await phone.locator("[data-sheet=chat] [data-action=close-sheet]").click()
        for number, result in enumerate(("pass", "pass", "minor")):
            item = await self._choose_item(console, number)
            await item.locator(f'[data-value="{result}"]').click()
            if number == 0:
                await item.locator("textarea").fill(NOTE)
            await expect(item).to_have_attribute("data-result", result, timeout=STATE_MS)
            await console.locator("[data-command=snapshot]").click()
            ready = console.locator('.photo-strip__item[data-state="ready"]')
            await expect(ready).to_have_count(number + 1, timeout=STATE_MS)
        await console.locator('recording-badge[data-state="recording"]').wait_for(timeout=STATE_MS)
        await console.locator("#tab-timeline").click()

    async def _choose_item(self, console: Page, number: int) -> Locator:
        item = console.locator(".check-item").nth(number)
        head = item.locator("[data-open-item]")
        if await head.get_attribute("aria-expanded") != "true":
            await head.click()
        return item

    async def _reload_console(self, console: Page, language: str) -> None:
        await self.album.speak(console, language)
        await console.reload()
        await self._live(console)
        await console.locator("recording-badge[data-state=recording]").wait_for(timeout=STATE_MS)
        pictures = console.locator(".photo-strip__item img")
        await expect(pictures).to_have_count(3, timeout=STATE_MS)

    async def live_pages(self, console: Page, phone: Page, desk: Page) -> None:
        album = self.album
        for language in LANGUAGES:
            await self._reload_console(console, language)
            await self._choose_item(console, 2)
            await album.take(console, "console-live", language, sizes=OFFICE_SIZES)
            await self._panels(console, language)
            await console.set_viewport_size({"width": DESK[1], "height": DESK[2]})
            await console.locator("[data-command=end]").click()
            await album.take(console, "console-end-dialog", language)
            await console.locator("end-dialog [data-cancel]").click()
            await console.locator(".photo-strip__item").first.locator("button, a").first.click()
            await console.locator("photo-dialog[data-state=ready] dialog").wait_for(timeout=STATE_MS)
            await album.take(console, "console-photo", language)
            await console.locator("photo-dialog [data-close]").click()
        await self.phone_stage(phone, "phone-live", "message")
        await self._phone_sheets(phone)
        await album.visit(desk, "desk", "/")
        await album.visit(desk, "inspection-live", f"/inspections/{self.scene.inspection}")
        await album.visit(desk, "cases", "/cases")
        await album.visit(desk, "cases-none", "/cases?q=xyz")

    async def guest_console(self, page: Page) -> None:
        """What an expert without an account sees."""
        await self.album.speak(page, "zh-CN")
        await page.goto(f"/i/{self.scene.links['guest']}")
        for box in await page.locator("#join-form").get_by_role("checkbox").all():
            await box.check()
        await page.locator("[data-action=join]").click()
        await self._live(page)

        async def ready() -> None:
            await page.reload()
            await self._live(page)

        await self.album.in_each_language(page, "guest-console", ready, full=False)
        await page.close()

    async def _panels(self, console: Page, language: str) -> None:
        """The chat beside the picture, and the two drawers of a narrow window."""
        await console.set_viewport_size({"width": DESK[1], "height": DESK[2]})
        for tab in ("chat", "ledger", "case"):
            await console.locator(f"#tab-{tab}").click()
            await self.album.take(console, f"console-{tab}", language, sizes=(DESK,))
        await console.set_viewport_size({"width": PHONE[1], "height": PHONE[2]})
        for drawer in ("checklist", "side"):
            await console.locator(f"[data-open-drawer={drawer}]").click()
            await self.album.take(console, f"console-drawer-{drawer}", language, sizes=(PHONE,))
            await console.keyboard.press("Escape")

    async def _phone_sheets(self, phone: Page) -> None:
        async def sheet(*actions: str) -> None:
            await phone.reload()
            # A message that was read is not shown again.
            filming = phone.locator("phone-stage:is([data-state=message], [data-state=live])")
            await filming.wait_for(timeout=STATE_MS)
            for action in actions:
                await phone.locator(f"phone-stage [data-action={action}]:visible").click()

        ways: tuple[tuple[str, Callable[[], Awaitable[None]]], ...] = (
            ("phone-chat", lambda: sheet("chat")),
            ("phone-more", lambda: sheet("more")),
            ("phone-leave", lambda: sheet("more", "leave")),
        )
        for name, open_sheet in ways:
            await self.album.in_each_language(phone, name, open_sheet, sizes=PHONE_SIZES, full=False)

    async def pause(self, console: Page, phone: Page) -> None:
        """The dialog, then both sides of a pause; ends with the inspection resumed."""
        for language in LANGUAGES:
            await self._reload_console(console, language)
            await console.locator("[data-command=pause]").click()
            await self.album.take(console, "console-pause-dialog", language)
            await console.keyboard.press("Escape")
        await console.locator("[data-command=pause]").click()
        await console.locator("pause-dialog input[type=radio]").first.check()
        await console.locator("pause-dialog [data-confirm]").click()
        await self.console(console, "console-paused", "paused")
        await self.phone_stage(phone, "phone-paused", "paused")
        await console.set_viewport_size({"width": DESK[1], "height": DESK[2]})
        await console.locator("[data-action=resume]").click()
        await self._live(console)

    async def end(self, console: Page) -> None:
        await console.set_viewport_size({"width": DESK[1], "height": DESK[2]})
        await console.locator("[data-command=end]").click()
        await console.locator("end-dialog [data-confirm]").click()
        await console.locator("console-stage[data-state=ended]").wait_for(timeout=STATE_MS)

    # -- after the end

    async def afterwards(self, console: Page, phone: Page, desk: Page) -> None:
        album, inspection = self.album, f"/inspections/{self.scene.inspection}"
        await phone.locator("status-screen[data-state=ended]").wait_for(timeout=STATE_MS)
        await album.take(
            phone, "phone-ended", await phone.locator("html").get_attribute("lang") or "", sizes=PHONE_SIZES
        )
        await album.visit(phone, "phone-problem-ended", self.link, sizes=PHONE_SIZES)
        # Loaded again, it would lead to the inspection's page.
        language = await console.locator("html").get_attribute("lang") or ""
        await album.take(console, "console-ended", language, sizes=OFFICE_SIZES)
        await album.visit(desk, "inspection-ended", inspection)
        await album.visit(desk, "case", f"/cases/{self.scene.case}")
        await album.visit(desk, "archive", "/archive")
        await album.visit(desk, "archive-none", "/archive?q=xyz")
        await album.in_each_language(desk, "replay", lambda: self._open_replay(desk), full=False)
        for tab in ("checklist", "ledger", "files"):

            async def panel(tab: str = tab) -> None:
                await self._open_replay(desk)
                await desk.locator(f"#tab-{tab}").click()

            await album.in_each_language(desk, f"replay-{tab}", panel, full=False)
        await desk.goto(inspection)
        await desk.locator("[name=result][value=rectify]").check()
        await desk.locator("#note").fill("温湿度记录仪贴校准标签后复核。")
        await self._post(desk, f"form[action='{inspection}/result']")
        await album.visit(desk, "inspection-concluded", inspection)
        await self._seal(desk)
        await album.visit(desk, "inspection-sealed", inspection)
        await album.visit(desk, "copy-new", f"{inspection}/copies/new")
        await self._wrong(desk, "copy-new-errors", f"{inspection}/copies/new", ("[name^=spans-]", "0:10"))

    async def _seal(self, page: Page) -> None:
        """Without waiting for what a phone may still send."""
        inspection = f"/inspections/{self.scene.inspection}"
        await page.goto(inspection)
        while await page.locator("[data-seal=sealed]").count() == 0:
            if await page.locator(f"form[action='{inspection}/seal']").count():
                await self._post(page, f"form[action='{inspection}/seal']")
            await page.goto(inspection)

    async def _open_replay(self, page: Page) -> None:
        """The replay at the last snapshot, standing still."""
        await page.set_viewport_size({"width": DESK[1], "height": DESK[2]})
        await page.goto(f"/archive/{self.scene.inspection}")
        while await page.locator(".replay-files__list li").count() < PARTS:
            # The last parts are closed a moment after the end.
            await page.reload()
        await page.locator("inspection-replay:not([data-state=loading])").wait_for(timeout=STATE_MS)
        await page.locator("replay-video[data-state]").first.wait_for(state="attached", timeout=STATE_MS)
        await page.locator("event-list [data-kind=snapshot] button").last.click()
        await until(
            page, "[...document.querySelectorAll('replay-video video')].some((one) => one.readyState > 2)"
        )
        loaded = "[...document.querySelectorAll('.photo-strip img')].filter((one) => one.naturalWidth > 0)"
        await until(page, f"{loaded}.length >= 3")

"""Everybody can use the pages: no violation a program can find, no mouse needed, narrow screens, large text."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Page, expect

from tests.browser.house import House, open_console, stage
from tests.browser.people import LIVE_MS, conclude_and_seal, join_as_guest, join_by_phone, send
from tests.cast import Appointment
from tests.peers.chromium import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
"""All that a theme can change."""
THEMES = {"light": RULES, "dark": COLOURS}
LANGUAGES = ("zh-CN", "en")
"""Words change no colours: the dark theme is looked at in the first language only."""
MOST_TABS = 120
# Colours change by a transition, even if it takes no time: half-way they have no contrast.
SETTLED = """
async (scheme) => {
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  while (!matchMedia(`(prefers-color-scheme: ${scheme})`).matches) await frame();
  do {
    await frame();
    await frame();
    await Promise.allSettled(document.getAnimations().map((one) => one.finished));
  } while (document.getAnimations().some((one) => one.playState === "running"));
}
"""
WIDER_THAN_WINDOW = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"
TALLER_THAN_WINDOW = "() => document.documentElement.scrollHeight > document.documentElement.clientHeight"


async def violations(page: Page, where: str) -> list[str]:
    """What axe finds in both themes, as `where: rule: element`."""
    found = []
    is_first = await page.evaluate("document.documentElement.lang") == LANGUAGES[0]
    for theme, rules in THEMES.items() if is_first else [("light", RULES)]:
        scheme: Literal["dark", "light"] = "dark" if theme == "dark" else "light"
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        await page.evaluate(SETTLED, scheme)
        results = await Axe().run(page, options=rules)
        found += [
            f"{where} {theme}: {violation['id']}: {node['html'][:160]}"
            for violation in results.response["violations"]
            for node in violation["nodes"]
        ]
    return found


async def problems_of(page: Page, path: str, language: str) -> list[str]:
    """Violations; and whether the page outgrows a narrow window (1.4.10), or one with text twice as large (1.4.4)."""
    await page.set_viewport_size({"width": 1366, "height": 768})
    await page.goto(path)
    found = await violations(page, f"{path} {language}")
    return found + await overflows(page, f"{path} {language}")


async def refused(page: Page, path: str, form: str, *filled: str | tuple[str, str]) -> list[str]:
    """What axe finds when a form comes back: its summary has the focus, what was filled in is still there.

    `filled`: selectors of choices to make and of fields to write into, or (field, what to write).
    """
    await page.goto(path)
    written = [(one, "田") if isinstance(one, str) else one for one in filled]
    for selector, value in written:
        control = page.locator(selector)
        kind = await control.get_attribute("type") or await control.evaluate("one => one.localName")
        if kind == "radio":
            await control.check()
        elif kind == "select":
            await control.select_option(value)
        else:
            await control.fill(value)
    await send(page, form)
    await expect(page.locator("#error-summary")).to_be_focused()
    for selector, value in written:
        control = page.locator(selector)
        if await control.get_attribute("type") == "radio":
            await expect(control).to_be_checked()
        else:
            await expect(control).to_have_value(value)
    return await violations(page, f"{path} refused")


async def overflows(page: Page, where: str) -> list[str]:
    found = []
    await page.set_viewport_size({"width": 320, "height": 640})
    if await _stays_wider(page, 320):
        found.append(f"{where}: wider than 320 px")
    await page.set_viewport_size({"width": 1280, "height": 768})
    await page.evaluate("document.documentElement.style.fontSize = '200%'")
    if await _stays_wider(page, 1280):
        found.append(f"{where}: wider than the window with text of 200 %")
    await page.evaluate("document.documentElement.style.fontSize = ''")
    await page.set_viewport_size({"width": 1366, "height": 768})
    return found


async def _stays_wider(page: Page, width: int) -> bool:
    """Whether the page still outgrows the window once it has taken its new size: that needs a frame or two."""
    await until(page, f"innerWidth === {width}")
    await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return bool(await page.evaluate(WIDER_THAN_WINDOW))


WIDEST_BAR = """
() => {
  const bar = document.querySelector(".console-bar");
  const [network, recording, elapsed] = ["network-meter", "recording-badge", "[data-elapsed]"]
    .map((one) => bar.querySelector(one));
  const before = [network.dataset.grade, recording.dataset.state, elapsed.textContent, network.hidden];
  network.hidden = false;
  elapsed.textContent = "12:34:56";
  const wide = [];
  for (network.dataset.grade of ["good", "fair", "poor", "lost", "unknown"]) {
    for (recording.dataset.state of ["idle", "starting", "recording", "paused", "failed", "unknown"]) {
      const { scrollWidth, clientWidth } = document.documentElement;
      if (scrollWidth > clientWidth) wide.push(`${network.textContent}, ${recording.textContent}`);
    }
  }
  [network.dataset.grade, recording.dataset.state, elapsed.textContent, network.hidden] = before;
  return wide;
}
"""
"""Every pair of words that the console's bar can have to show, whatever this inspection came to: those too wide."""


async def console_overflows(desk: Page) -> list[str]:
    await desk.set_viewport_size({"width": 320, "height": 640})
    await until(desk, "innerWidth === 320")
    wide = await desk.evaluate(WIDEST_BAR)
    found = [f"console at 320 px: {words}" for words in wide]
    for width, height in ((320, 640), (1366, 768)):
        await desk.set_viewport_size({"width": width, "height": height})
        await until(desk, f"innerWidth === {width}")
        if await desk.evaluate(TALLER_THAN_WINDOW):
            found.append(f"console at {width} px: the page scrolls as a whole")
    return found


async def command_row_overflows(desk: Page) -> list[str]:
    found = []
    for width in (900, 960, 1000):
        await desk.set_viewport_size({"width": width, "height": 768})
        await until(desk, f"innerWidth === {width}")
        if await desk.locator("command-bar").evaluate("bar => bar.scrollWidth > bar.clientWidth"):
            found.append(f"console paused: the commands are wider than a window of {width} px")
    await desk.set_viewport_size({"width": 1366, "height": 768})
    return found


@asynccontextmanager
async def speaking(house: House, language: str, username: str) -> AsyncIterator[Page]:
    async with house.signed_in(username, locale=language) as context:
        yield context.pages[0]


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_offices_pages_have_no_violations(house: House, language: str) -> None:
    appointment = await house.appoint()
    case, inspection = f"/cases/{appointment.case_id}", f"/inspections/{appointment.id}"
    withdraw = f"{inspection}/invitations/{await house.invitation_of(appointment, 'enterprise')}/cancel"
    paths = (
        "/", "/cases", "/cases/new", case, f"{case}/close", f"{case}/materials/new", f"{case}/inspections/new",
        inspection, f"{inspection}/reschedule", f"{inspection}/cancel", withdraw, "/archive", "/account",
        "/no-such-page",
    )  # fmt: skip
    async with speaking(house, language, "zhou") as page:
        assert [problem for path in paths for problem in await problems_of(page, path, language)] == []
        if language != LANGUAGES[0]:
            return
        # What comes back of a form that misses something has the same elements in each language.
        found = [
            *await refused(page, "/cases/new", "form[action='/cases']", "#enterprise_name"),
            *await refused(page, f"{case}/close", "main form"),
            *await refused(page, f"{case}/materials/new", "main form"),
            *await refused(page, f"{case}/inspections/new", "main form", "[value=later]", ("#starts_at", "")),
            *await refused(page, f"{inspection}/reschedule", "main form", ("#starts_at", "2020-01-01T09:00")),
            *await refused(page, f"{inspection}/cancel", "main form"),
            *await refused(page, inspection, f"form[action='{inspection}/invitations']", ("#role", "expert")),
            *await refused(page, withdraw, "main form"),
            *await refused(page, "/account", "form[action='/account/password']"),
            *await refused(page, "/verify", "main form >> nth=-1"),
        ]
        assert found == []


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_administrators_pages_have_no_violations(house: House, language: str) -> None:
    async with speaking(house, language, "admin") as page:
        await page.goto("/admin")
        person = await page.locator("#people tbody a").last.get_attribute("href") or ""
        paths = ("/admin", "/admin/staff/new", person, "/office-log")
        assert [problem for path in paths for problem in await problems_of(page, path, language)] == []
        if language == LANGUAGES[0]:
            found = await refused(page, "/admin/staff/new", "form[action='/admin/staff']", "#username")
            assert found + await refused(page, "/admin", "form[action='/admin/tokens']") == []


@pytest.mark.parametrize("language", LANGUAGES)
async def test_what_strangers_see_has_no_violations(house: House, language: str) -> None:
    appointment = await house.appoint()
    paths = (
        "/sign-in",
        "/verify",
        "/i/unknown",
        *(f"/i/{token}" for token in appointment.invitations.values()),
    )
    async with house.browser.desk(house.service.address, locale=language) as context:
        page = await context.new_page()
        assert [problem for path in paths for problem in await problems_of(page, path, language)] == []


@pytest.mark.parametrize("language", LANGUAGES)
async def test_an_inspection_has_no_violations_from_the_link_to_the_replay(
    house: House, language: str
) -> None:
    appointment = await house.appoint()
    found: list[str] = []
    async with house.phone(locale=language) as phone, speaking(house, language, "zhou") as desk:
        await phone.goto(f"/i/{appointment.invitations['enterprise']}")
        await phone.locator("phone-inspection[data-ready]").wait_for()
        await phone.locator("[data-form=start] button").click()
        found += await violations(phone, "consent")
        for box in await phone.get_by_role("checkbox").all():
            await box.check()
        await phone.locator("[data-form=consent] .button--primary").click()
        await phone.locator("camera-check[data-state=idle]").wait_for()
        found += await violations(phone, "check")
        await phone.evaluate("cameraFault = 'NotAllowedError'")
        await phone.locator("[data-action=open-camera]:visible").click()
        await phone.locator("camera-check[data-problem=denied]").wait_for()
        found += await violations(phone, "denied")
        await phone.evaluate("cameraFault = ''")
        await phone.locator("[data-action=open-camera]:visible").click()
        await phone.locator("[data-action=camera-good]").click()
        await phone.locator("phone-stage[data-state=waiting]").wait_for(timeout=LIVE_MS)
        found += await violations(phone, "waiting")
        await open_console(desk, appointment, "live")
        await desk.locator("[data-open-item]").first.click()
        await desk.locator('[data-command="snapshot"]').click()
        await desk.locator('.photo-strip__item[data-state="ready"]').wait_for(timeout=LIVE_MS)
        found += await violations(desk, "console")
        found += await overflows(desk, "console")
        found += await console_overflows(desk)
        for tab in ("chat", "ledger", "case"):
            await desk.locator(f"#tab-{tab}").click()
            found += await violations(desk, f"console {tab}")
        await phone.locator("phone-stage[data-state=live]").wait_for(timeout=LIVE_MS)
        found += await violations(phone, "live")
        async with house.browser.desk(house.service.address, locale=language) as elsewhere:
            guest = await elsewhere.new_page()
            await join_as_guest(guest, appointment, "李静", "expert")
            await stage(guest, "live")
            found += await violations(guest, "console of a guest")
        for sheet in ("chat", "more"):
            await phone.locator(f"phone-stage [data-action={sheet}]:visible").click()
            found += await violations(phone, f"sheet {sheet}")
            await phone.keyboard.press("Escape")
        await desk.locator("[data-command=pause]").click()
        await desk.locator("pause-dialog input").last.check()
        found += await violations(desk, "pause dialog")
        await desk.locator("pause-dialog textarea").fill("午休")
        await desk.locator("pause-dialog [data-confirm]").click()
        await stage(desk, "paused")
        await phone.locator("phone-stage[data-state=paused]").wait_for(timeout=LIVE_MS)
        found += await violations(desk, "console paused")
        found += await command_row_overflows(desk)
        found += await violations(phone, "paused")
        await desk.locator("[data-command=end]").click()
        found += await violations(desk, "end dialog")
        await desk.locator("end-dialog [data-confirm]").click()
        await stage(desk, "ended")
        found += await violations(desk, "console ended")
        await phone.locator("status-screen[data-state=ended]").wait_for(timeout=LIVE_MS)
        found += await violations(phone, "phone ended")
        for path in (
            f"/inspections/{appointment.id}",
            f"/cases/{appointment.case_id}",
            f"/archive/{appointment.id}",
        ):
            found += await problems_of(desk, path, language)
        await conclude_and_seal(desk, appointment.id)
        found += await problems_of(desk, f"/inspections/{appointment.id}", language)
        copies = f"/inspections/{appointment.id}/copies"
        found += await problems_of(desk, f"{copies}/new", language)
        found += await refused(desk, f"{copies}/new", f"form[action='{copies}']", "[name^=spans-] >> nth=0")
    assert found == []


async def tab_to(page: Page, selector: str) -> None:
    """Press Tab until the focus is on the first `selector`."""
    target = page.locator(selector).first
    for _ in range(MOST_TABS):
        if await target.evaluate("element => element === document.activeElement"):
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard does not reach {selector}")


async def test_a_reviewer_needs_no_mouse(house: House) -> None:
    async with house.phone() as phone, house.desk() as desk:
        appointment = await house.appoint()
        await join_by_phone(phone, appointment)
        await open_console(desk, appointment, "live")
        await tab_to(desk, "[data-open-item]")
        await desk.keyboard.press("Enter")
        await tab_to(desk, '.check-item [data-value="pass"]')
        await desk.keyboard.press("Space")
        await expect(desk.locator(".check-item").first).to_have_attribute("data-result", "pass")
        await tab_to(desk, "console-stage [data-view]")
        await desk.keyboard.press("s")
        photos = desk.locator('.photo-strip__item[data-state="ready"]')
        await expect(photos).to_have_count(1, timeout=LIVE_MS)
        await tab_to(desk, '[data-command="snapshot"]')
        await desk.keyboard.press("Enter")
        await expect(photos).to_have_count(2, timeout=LIVE_MS)
        await tab_to(desk, '[data-command="end"]')
        await desk.keyboard.press("Enter")
        await tab_to(desk, "end-dialog [data-confirm]")
        await desk.keyboard.press("Enter")
        await stage(desk, "ended")


async def test_the_phones_page_needs_no_pointer(house: House) -> None:
    async with house.phone() as phone:
        appointment: Appointment = await house.appoint()
        await phone.goto(f"/i/{appointment.invitations['enterprise']}")
        await phone.locator("phone-inspection[data-ready]").wait_for()
        await tab_to(phone, "#name")
        await phone.keyboard.press("Enter")
        for kind in ("notice", "recording"):
            await tab_to(phone, f"#agree-{kind}")
            await phone.keyboard.press("Space")
        await phone.keyboard.press("Enter")
        await tab_to(phone, "[data-action=open-camera]:visible")
        await phone.keyboard.press("Enter")
        await phone.locator("camera-check[data-state=ready]").wait_for(timeout=LIVE_MS)
        await tab_to(phone, "[data-action=camera-good]")
        await phone.keyboard.press("Enter")
        await phone.locator("phone-stage[data-state=waiting]").wait_for(timeout=LIVE_MS)
        await tab_to(phone, "phone-stage [data-action=chat]")
        await phone.keyboard.press("Enter")
        await expect(phone.get_by_role("dialog", name="消息")).to_be_visible()
        await phone.keyboard.press("Escape")
        await expect(phone.get_by_role("dialog", name="消息")).not_to_be_visible()

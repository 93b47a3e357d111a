"""The office's pages in a real browser: what refreshes, copies and submits."""

import asyncio
import re

import pytest
from playwright.async_api import Route, expect

from tests.browser.people import sign_in
from tests.cast import Appointment, Office
from tests.peers.chromium import Chromium
from tests.service import Service

pytestmark = pytest.mark.browser

Cast = tuple[Office, Appointment]


async def test_the_desk_shows_who_has_come_without_a_reload_and_keeps_the_focus(
    service: Service, cast: Cast, browser: Chromium
) -> None:
    seen = asyncio.Event()
    answers = [
        (200, '<p><a href="/a">Somebody</a></p>'),
        (200, '<p><a href="/a">Somebody</a> and <a href="/b">another</a></p>'),
        (503, ""),
    ]

    async def answer(route: Route) -> None:
        status, body = answers.pop(0) if len(answers) > 1 else answers[0]
        await seen.wait()
        await route.fulfill(status=status, body=body, content_type="text/html")

    async with browser.desk(service.address) as context:
        page = await context.new_page()
        await page.route("**/desk/now", answer)
        await sign_in(page)
        fragment = page.locator("fresh-fragment")
        seen.set()
        await expect(fragment.get_by_text("Somebody")).to_be_visible(timeout=20_000)
        await fragment.get_by_role("link", name="Somebody").focus()
        await expect(fragment.get_by_role("link", name="another")).to_be_visible(timeout=20_000)
        await expect(fragment.get_by_role("link", name="Somebody")).to_be_focused()
        await expect(fragment).to_have_attribute("data-state", "stale", timeout=20_000)
        await expect(fragment.get_by_role("link", name="another")).to_be_visible()
        await expect(fragment.get_by_role("status")).to_contain_text("服务暂无响应")


async def test_a_desk_whose_session_has_run_out_says_so_and_leads_back(
    service: Service, cast: Cast, browser: Chromium
) -> None:
    async with browser.desk(service.address) as context:
        page = await context.new_page()
        await sign_in(page)
        fragment = page.locator("fresh-fragment")
        kept = await context.cookies()
        await context.clear_cookies()
        told = fragment.get_by_role("status")
        await expect(told).to_contain_text("您已退出登录", timeout=20_000)
        await expect(fragment.get_by_text("目前没有人等待")).to_be_visible()
        assert (await told.get_by_role("link").get_attribute("href")) == "/sign-in?next=%2F"
        # Signed in again in another window: the desk goes on by itself.
        await context.add_cookies(kept)
        await expect(told).to_have_count(0, timeout=20_000)


async def test_a_link_is_copied_whole_and_the_button_says_so(
    service: Service, cast: Cast, browser: Chromium
) -> None:
    _, appointment = cast
    async with browser.desk(service.address, locale="en") as context:
        await context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = await context.new_page()
        await sign_in(page)
        await page.goto(f"/inspections/{appointment.id}")
        await page.get_by_label("Name").fill("田园")
        await page.get_by_role("button", name="Make a link").click()
        shown = await page.get_by_label("Link", exact=True).input_value()
        assert "/i/yi_" in shown
        await page.get_by_role("button", name="Copy the link").click()
        await expect(page.get_by_role("status")).to_have_text("Copied")
        assert await page.evaluate("navigator.clipboard.readText()") == shown


async def test_a_double_click_makes_one_inspection(service: Service, cast: Cast, browser: Chromium) -> None:
    _, appointment = cast
    async with browser.desk(service.address, locale="en") as context:
        page = await context.new_page()
        await sign_in(page)
        await page.goto(f"/cases/{appointment.case_id}/inspections/new")
        await page.get_by_role("button", name="Create the inspection").dblclick()
        await page.wait_for_url(re.compile(r"/inspections/[0-9A-Z]{26}$"))
        await page.goto(f"/cases/{appointment.case_id}")
        await expect(page.locator("#inspections [data-inspection]")).to_have_count(2)


async def test_the_error_summary_takes_the_focus_and_leads_to_the_field(
    service: Service, cast: Cast, browser: Chromium
) -> None:
    async with browser.desk(service.address, locale="en") as context:
        page = await context.new_page()
        await sign_in(page)
        await page.goto("/cases/new")
        await page.locator("form[action='/cases']").evaluate("form => form.noValidate = true")
        await page.get_by_role("button", name="Create the case").click()
        summary = page.get_by_role("alert")
        await expect(summary).to_be_focused()
        await summary.get_by_role("link", name="A unified social credit code has 18 characters.").click()
        await expect(page.get_by_label("Unified social credit code")).to_be_focused()

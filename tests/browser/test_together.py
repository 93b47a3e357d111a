"""More than one at the console: two reviewers who answer at once, a guest in one window and then in another."""

import asyncio
import json

import pytest
from playwright.async_api import Locator, Page, WebSocketRoute, expect

from tests.browser.house import House, open_console, stage, until
from tests.browser.people import agree, end_inspection, join_as_guest, join_by_phone
from tests.cast import Appointment

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

WAIT_MS = 15_000


class Delay:
    """Between a page and the service's news: what happened is told only while it is open."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._held: list[str | bytes] = []
        self._page: WebSocketRoute | None = None

    async def between(self, page: Page) -> None:
        await page.route_web_socket("**/room?*", self._connect)

    def shut(self) -> None:
        self._open.clear()

    def let_go(self) -> None:
        self._open.set()
        assert self._page is not None
        for message in self._held:
            self._page.send(message)
        self._held = []

    def _connect(self, page: WebSocketRoute) -> None:
        self._page = page
        server = page.connect_to_server()

        def tell(message: str | bytes) -> None:
            if self._open.is_set() or json.loads(message)["type"] not in ("event", "line"):
                page.send(message)
            else:
                self._held.append(message)

        server.on_message(tell)
        page.on_message(server.send)


def row(page: Page, item: str) -> Locator:
    return page.locator(f'.check-item[data-item="{item}"]')


async def answers(house: House, appointment: Appointment, item: str) -> list[str]:
    events = await house.events(appointment.id, "checklist.answered")
    return [body["result"] for body in events if body["item"] == item]


async def test_of_two_reviewers_the_second_is_told_and_may_answer_again(house: House) -> None:
    appointment, delay = await house.appoint(), Delay()
    async with house.desk() as zhou, house.browser.desk(house.service.address) as elsewhere:
        li = await elsewhere.new_page()
        await delay.between(li)
        await open_console(zhou, appointment, "nobody")
        await join_as_guest(li, appointment, "李静")
        await stage(li, "nobody")
        for page in (zhou, li):
            await row(page, "doorplate").locator("[data-open-item]").click()
        delay.shut()
        await row(zhou, "doorplate").locator('[data-value="pass"]').click()
        await expect(row(zhou, "doorplate")).to_have_attribute("data-state", "saved", timeout=WAIT_MS)
        await expect(row(li, "doorplate")).to_have_attribute("data-result", "none")
        await row(li, "doorplate").locator('[data-value="fail"]').click()
        told = row(li, "doorplate").locator("[data-saving]")
        await expect(told).to_contain_text("周敏刚刚已作答：合格", timeout=WAIT_MS)
        await expect(row(li, "doorplate")).to_have_attribute("data-result", "pass")
        assert await answers(house, appointment, "doorplate") == ["pass"]
        delay.let_go()
        await row(li, "doorplate").get_by_role("button", name="重新作答").click()
        for page in (zhou, li):
            await expect(row(page, "doorplate")).to_have_attribute("data-result", "fail", timeout=WAIT_MS)
        await expect(row(zhou, "doorplate").locator("[data-saving]")).to_contain_text("李静")
        assert await answers(house, appointment, "doorplate") == ["pass", "fail"]


async def test_a_double_click_answers_once_and_a_quick_second_thought_follows(house: House) -> None:
    appointment = await house.appoint()
    async with house.desk() as page:
        await open_console(page, appointment, "nobody")
        await row(page, "doorplate").locator("[data-open-item]").click()
        await row(page, "doorplate").locator('[data-value="pass"]').dblclick()
        await expect(row(page, "doorplate")).to_have_attribute("data-state", "saved", timeout=WAIT_MS)
        await expect(row(page, "doorplate")).to_have_attribute("data-result", "pass")
        # A note, and at once another result: neither gets lost on the way.
        await row(page, "doorplate").locator("textarea").fill("字迹不清")
        await row(page, "doorplate").locator('[data-value="minor"]').click()

        async def is_there() -> bool:
            return (await answers(house, appointment, "doorplate"))[-1] == "minor"

        await until(page, is_there)
        assert await answers(house, appointment, "doorplate") in (
            ["pass", "pass", "minor"],
            ["pass", "minor"],
        )
        last = (await house.events(appointment.id, "checklist.answered"))[-1]
        assert last["note"] == "字迹不清"


async def test_a_guest_goes_on_in_the_window_they_were_replaced_in(house: House) -> None:
    appointment = await house.appoint()
    async with house.browser.desk(house.service.address) as context:
        first, second = await context.new_page(), await context.new_page()
        await join_as_guest(first, appointment, "李静")
        await stage(first, "nobody")
        await row(first, "doorplate").locator("[data-open-item]").click()
        await row(first, "doorplate").locator('[data-value="pass"]').click()
        await expect(row(first, "doorplate")).to_have_attribute("data-state", "saved", timeout=WAIT_MS)
        await join_as_guest(second, appointment, "李静")
        await second.locator('[data-action="takeover"]').click()
        await stage(second, "nobody")
        await expect(row(second, "doorplate")).to_have_attribute("data-result", "pass")
        await stage(first, "replaced")
        await first.get_by_role("button", name="在此窗口继续").click()
        await agree(first)
        await first.locator('[data-action="join"]').click()
        await first.locator('[data-action="takeover"]').click()
        await stage(first, "nobody")
        await stage(second, "replaced")
        await row(first, "doorplate").locator("[data-open-item]").click()
        await row(first, "doorplate").locator('[data-value="fail"]').click()
        await expect(row(first, "doorplate")).to_have_attribute("data-state", "saved", timeout=WAIT_MS)
        assert await answers(house, appointment, "doorplate") == ["pass", "fail"]


async def test_a_guest_whose_seat_ran_out_is_shown_the_way_back(house: House) -> None:
    appointment = await house.appoint()
    async with house.browser.desk(house.service.address) as context:
        page = await context.new_page()
        await join_as_guest(page, appointment, "李静")
        await stage(page, "nobody")
        # The token that this window kept is good no more, as after some hours.
        await page.evaluate(
            """() => { for (const [key, kept] of Object.entries(sessionStorage)) if (key.startsWith("yunkan.join."))
               sessionStorage.setItem(key, JSON.stringify({...JSON.parse(kept), token: "yp_run_out"})); }"""
        )
        await page.reload()
        await stage(page, "expired")
        await page.locator('[data-action="rejoin"]').click()
        await page.wait_for_url("**/i/*")
        await expect(page.locator("#join-form")).to_be_visible()


async def test_a_pause_is_told_to_everybody_and_the_recording_goes_on_when_anybody_resumes_it(
    house: House,
) -> None:
    appointment = await house.appoint()
    async with (
        house.phone() as phone,
        house.desk() as zhou,
        house.browser.desk(house.service.address) as elsewhere,
    ):
        li = await elsewhere.new_page()
        await join_by_phone(phone, appointment)
        await open_console(zhou, appointment, "live")
        await join_as_guest(li, appointment, "李静")
        await stage(li, "live")
        await recording_is(zhou, "recording")

        await zhou.locator('[data-command="pause"]').click()
        dialog = zhou.locator("pause-dialog dialog")
        await dialog.get_by_role("button", name="暂停").click()
        await expect(dialog.locator("[data-error]")).to_have_text("请说明暂停的原因。")
        await dialog.get_by_text("短暂休息").click()
        await dialog.get_by_role("button", name="暂停").click()
        card = phone.locator(".phone-card")
        for page in (zhou, li):
            await stage(page, "paused")
            await recording_is(page, "paused")
            await expect(page.locator("[data-cover-title]")).to_have_text("周敏暂停了勘验：短暂休息")
            await expect(page.locator('[data-command="snapshot"]')).to_be_disabled()
        await expect(card).to_contain_text("已暂停，不录制任何内容", timeout=WAIT_MS)
        await expect(card).to_contain_text("周敏暂停了勘验：短暂休息")
        await recording_is(phone, "paused")
        # Long enough to be a gap and not a change of files; what still comes is nobody's.
        await expect(li.locator("[data-cover-lasts]")).to_have_text("0:02", timeout=WAIT_MS)
        assert len(await house.events(appointment.id, "part.opened")) == 1

        await li.locator('[data-action="resume"]').click()
        for page in (zhou, li):
            await stage(page, "live")
        for page in (zhou, phone):
            await recording_is(page, "recording")
        await expect(phone.locator("phone-stage")).to_have_attribute("data-state", "live", timeout=WAIT_MS)
        await zhou.get_by_role("tab", name="连续性").click()
        lines = zhou.locator("continuity-ledger .ledger__line")
        await expect(lines).to_have_count(3, timeout=WAIT_MS)
        await expect(lines.nth(1)).to_contain_text("周敏暂停了勘验（短暂休息）")
        assert await lines.evaluate_all("all => all.map(({dataset}) => dataset.kind)") == [
            "received",
            "gap",
            "received",
        ]
        await end_inspection(zhou)

        await zhou.goto(f"/archive/{appointment.id}")
        await expect(zhou.locator('.timeline__gap[data-cause="paused"]')).to_have_count(1)
        await zhou.get_by_role("tab", name="连续性").click()
        gap = zhou.locator('continuity-ledger [data-cause="paused"]')
        await expect(gap).to_contain_text("周敏暂停了勘验（短暂休息）")
        await zhou.locator("[data-skipping]").uncheck()
        await gap.get_by_role("button").click()
        await expect(zhou.locator('replay-video[data-role="enterprise"]')).to_contain_text("短暂休息")
    assert await house.reports(appointment.id) == []


async def recording_is(page: Page, state: str) -> None:
    await expect(page.locator(f'recording-badge[data-state="{state}"]')).to_be_visible(timeout=WAIT_MS)

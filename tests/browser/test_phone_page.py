"""The phone's page when something is in the way: each trouble has its words, its way out, and is known at the desk."""

import re

import pytest
from playwright.async_api import Page, expect

from server.clock import SystemClock
from server.db import Database
from server.inspections.log import Journal
from server.inspections.service import cancel, cancel_invitation, reschedule
from tests.browser.house import House, open_console, stage, until
from tests.browser.people import LIVE_MS
from tests.cast import Appointment
from tests.peers.faulty_camera import END_CAMERA, NO_API, NO_HTTPS, SHOW_PAGE

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


async def to_the_camera(phone: Page, appointment: Appointment) -> None:
    """From the link to the camera check."""
    await phone.goto(f"/i/{appointment.invitations['enterprise']}")
    await phone.locator("phone-inspection[data-ready]").wait_for()
    await phone.get_by_role("button", name="开始").click()
    for box in await phone.get_by_role("checkbox").all():
        await box.check()
    await phone.get_by_role("button", name="同意并继续").click()


async def open_camera(phone: Page) -> None:
    await phone.get_by_role("button", name="打开摄像头和麦克风").click()
    await phone.get_by_role("button", name="能看到，继续").click()


async def phone_is(phone: Page, state: str) -> None:
    await phone.locator(f'phone-stage[data-state="{state}"]').wait_for(timeout=LIVE_MS)


async def notice_is(phone: Page, state: str) -> None:
    await phone.locator(f'status-screen[data-state="{state}"]').wait_for(timeout=LIVE_MS)


async def meet(house: House, phone: Page, desk: Page) -> Appointment:
    """Phone and console see each other."""
    appointment = await house.appoint()
    await to_the_camera(phone, appointment)
    await open_camera(phone)
    await open_console(desk, appointment, "live")
    await phone_is(phone, "live")
    return appointment


@pytest.mark.parametrize(
    ("error", "problem", "heading", "way_out"),
    [
        ("NotAllowedError", "denied", "摄像头权限没有打开", "我已打开，重试"),
        ("NotReadableError", "busy", "摄像头正被占用", "重试"),
        ("NotFoundError", "none", "没有找到摄像头", "重试"),
    ],
)
async def test_a_camera_that_does_not_open_says_why_and_can_be_tried_again(
    house: House, error: str, problem: str, heading: str, way_out: str
) -> None:
    async with house.phone() as phone:
        await to_the_camera(phone, await house.appoint())
        await phone.evaluate("error => { cameraFault = error; }", error)
        await phone.get_by_role("button", name="打开摄像头和麦克风").click()
        await expect(phone.get_by_role("heading", name=heading)).to_be_visible()
        await expect(phone.locator("camera-check")).to_have_attribute("data-problem", problem)
        await phone.evaluate("cameraFault = ''")
        await phone.get_by_role("button", name=way_out, exact=True).click()
        await phone.get_by_role("button", name="能看到，继续").click()
        await phone_is(phone, "waiting")


async def test_the_desk_sees_that_the_phone_is_being_asked_and_that_it_refused(house: House) -> None:
    async with house.phone() as phone, house.desk() as desk:
        appointment = await house.appoint()
        await open_console(desk, appointment, "nobody")
        await to_the_camera(phone, appointment)
        await stage(desk, "waiting")
        await phone.evaluate("cameraFault = 'pending'")
        await phone.get_by_role("button", name="打开摄像头和麦克风").click()
        await stage(desk, "asking")
        await expect(desk.locator("console-stage")).to_contain_text("等待enterprise 田授权摄像头")
        await phone.evaluate("cameraFault = 'NotAllowedError'; answerCamera()")
        await stage(desk, "denied")
        await expect(desk.locator("console-stage")).to_contain_text("已拒绝授权摄像头")
        await phone.evaluate("cameraFault = ''")
        await phone.get_by_role("button", name="我已打开，重试").click()
        await phone.get_by_role("button", name="能看到，继续").click()
        await stage(desk, "live")


@pytest.mark.parametrize(
    ("lacking", "problem", "heading"),
    [(NO_HTTPS, "insecure", "这个地址不能使用摄像头"), (NO_API, "no_api", "这个浏览器不能传送视频")],
)
async def test_a_browser_that_cannot_film_is_told_so_before_it_reads_the_texts(
    house: House, lacking: str, problem: str, heading: str
) -> None:
    async with house.phone() as phone:
        appointment = await house.appoint()
        await phone.add_init_script(lacking)
        await phone.goto(f"/i/{appointment.invitations['enterprise']}")
        await phone.get_by_role("button", name="开始").click()
        await expect(phone.get_by_role("heading", name=heading)).to_be_visible()
        await expect(phone.locator("camera-check")).to_have_attribute("data-problem", problem)
        await expect(phone.locator(".phone-link")).to_contain_text(appointment.invitations["enterprise"])
        await expect(phone.get_by_role("button", name="复制链接")).to_be_visible()


async def test_a_reload_goes_on_in_the_same_place_without_a_question(house: House) -> None:
    async with house.phone() as phone, house.desk() as desk:
        appointment = await meet(house, phone, desk)
        await phone.reload()
        await phone_is(phone, "live")
        await stage(desk, "live")
        await until(desk, lambda: _opened(house, appointment, 2))
        parts = await house.events(appointment.id, "part.opened")
        assert [part["index"] for part in parts] == [1, 2]
        assert len({part["slot"] for part in parts}) == 1
        assert len(await house.events(appointment.id, "slot.opened")) == 1
        joined = await house.events(appointment.id, "participant.joined")
        assert [body["role"] for body in joined].count("enterprise") == 1


async def test_a_second_phone_is_asked_and_takes_over_and_the_first_is_told(house: House) -> None:
    async with house.phone() as first, house.phone() as second, house.desk() as desk:
        appointment = await meet(house, first, desk)
        await to_the_camera(second, appointment)
        await notice_is(second, "choose")
        await phone_is(first, "live")
        await second.get_by_role("button", name="在本机继续").click()
        await notice_is(first, "replaced")
        await open_camera(second)
        await phone_is(second, "live")
        await stage(desk, "live")
        assert len(await house.events(appointment.id, "slot.opened")) == 1
        await first.get_by_role("button", name="在本机继续").click()
        await notice_is(second, "replaced")


async def test_who_leaves_is_gone_and_can_come_back(house: House) -> None:
    async with house.phone() as phone, house.desk() as desk:
        await meet(house, phone, desk)
        await phone.get_by_role("button", name="更多").click()
        await phone.get_by_role("button", name="离开勘验").click()
        await phone.get_by_role("button", name="离开", exact=True).click()
        await notice_is(phone, "left")
        await stage(desk, "left")
        await phone.get_by_role("button", name="回到勘验").click()
        await phone_is(phone, "live")
        await stage(desk, "live")


async def test_a_reviewer_who_is_away_is_waited_for(house: House) -> None:
    async with house.phone() as phone, house.desk() as desk:
        appointment = await meet(house, phone, desk)
        await desk.goto("/")
        await phone_is(phone, "away")
        await open_console(desk, appointment, "live")
        await phone_is(phone, "live")


async def test_a_muted_microphone_is_shown_at_the_desk(house: House) -> None:
    async with house.phone() as phone, house.desk() as desk:
        await meet(house, phone, desk)
        person = desk.locator("participant-list [role=listitem]", has_text="enterprise 田")
        await expect(person.locator("[data-microphone][data-state=on]")).to_be_attached()
        mute = phone.get_by_role("button", name=re.compile("静音"))
        await mute.click()
        await expect(mute).to_have_attribute("aria-pressed", "true")
        await expect(person).to_contain_text("麦克风未开")
        await mute.click()
        await expect(person.locator("[data-microphone][data-state=on]")).to_be_attached()


async def test_a_camera_that_the_system_took_is_taken_back(house: House) -> None:
    async with house.phone() as phone, house.desk() as desk:
        appointment = await meet(house, phone, desk)
        await phone.evaluate(END_CAMERA)
        await until(desk, lambda: _has(house, appointment, "camera_ended"))
        await until(desk, lambda: _has(house, appointment, "camera_back"))
        await phone_is(phone, "live")
        await stage(desk, "live")


async def test_a_page_in_the_background_is_known_at_the_desk(house: House) -> None:
    async with house.phone() as phone, house.desk() as desk:
        appointment = await meet(house, phone, desk)
        await phone.evaluate(SHOW_PAGE, "hidden")
        await stage(desk, "hidden")
        await phone.evaluate(SHOW_PAGE, "visible")
        await stage(desk, "live")
        told = [state for state in await house.reports(appointment.id) if state in ("hidden", "visible")]
        assert told[:2] == ["hidden", "visible"]


# A page that was left says so on its way out; its word may come after the next page's first one.
LATE_WORD = """
const Socket = window.WebSocket;
window.WebSocket = class extends Socket {
  constructor(url, protocols) {
    super(url, protocols);
    window.sayLate = () => {
      const late = new Socket(url, protocols);
      late.onopen = () => late.send(JSON.stringify({type: "device", state: "hidden"}));
    };
  }
};
"""


async def test_the_last_word_of_a_page_that_was_left_is_corrected_by_the_next_one(house: House) -> None:
    async with house.phone() as phone, house.desk() as desk:
        await phone.add_init_script(LATE_WORD)
        appointment = await meet(house, phone, desk)
        await phone.evaluate("sayLate()")
        await until(desk, lambda: _has(house, appointment, "hidden"))
        await until(desk, lambda: _has(house, appointment, "visible"))
        await stage(desk, "live")


async def test_a_page_that_is_too_early_counts_down_and_opens_by_itself(house: House) -> None:
    async with house.phone() as phone:
        appointment = await house.appoint()
        await _move(house, appointment, minutes=45)
        await phone.clock.install()
        await phone.goto(f"/i/{appointment.invitations['enterprise']}")
        await expect(phone.get_by_role("heading", name="还没到预约时间")).to_be_visible()
        left = phone.locator("[data-left]")
        before = await left.inner_text()
        await phone.clock.run_for(2000)
        assert await left.inner_text() != before
        await _move(house, appointment, minutes=5)
        async with phone.expect_navigation():
            await phone.clock.run_for(20_000)
        await expect(phone.get_by_role("button", name="开始")).to_be_visible()


@pytest.mark.parametrize(
    ("trouble", "heading"),
    [
        ("unknown", "链接无效"),
        ("withdrawn", "链接已停用"),
        ("cancelled", "本次勘验已取消"),
        ("early", "还没到预约时间"),
    ],
)
async def test_a_link_that_cannot_be_used_says_why_without_scripts(
    house: House, trouble: str, heading: str
) -> None:
    appointment = await house.appoint()
    token = appointment.invitations["enterprise"]
    if trouble == "unknown":
        token = "yi_nothing"
    elif trouble == "early":
        await _move(house, appointment, minutes=90)
    else:
        await _spoil(house, appointment, trouble)
    context = await house.browser.browser.new_context(
        base_url=house.service.address, locale="zh-CN", java_script_enabled=False
    )
    page = await context.new_page()
    await page.goto(f"/i/{token}")
    await expect(page.get_by_role("heading", name=heading)).to_be_visible()
    if trouble != "unknown":
        await expect(page.get_by_role("link", name=re.compile("0546-0000000"))).to_be_visible()
    await context.close()


async def test_the_position_is_offered_graded_and_shown_with_reasons(house: House) -> None:
    async with house.phone() as phone, house.desk() as desk:
        appointment = await house.appoint()
        await to_the_camera(phone, appointment)
        await phone.get_by_role("button", name="共享位置").click()
        await expect(phone.locator('location-offer[data-state="on"]')).to_contain_text("精度约 12 米")
        await open_camera(phone)
        await open_console(desk, appointment, "live")
        await desk.get_by_role("tab", name="办件").click()
        position = desk.locator("[data-position]")
        await expect(position).to_have_attribute("data-grade", "near")
        await expect(position).to_contain_text("在现场：距申报地址 0 米")
        await expect(position).to_contain_text("位置由手机自报")
        [fix] = await house.events(appointment.id, "location.fixed")
        assert (fix["permission"], fix["accuracy_m"], fix["distance_m"]) == ("granted", 12, 0)
        await desk.goto(f"/inspections/{appointment.id}")
        await expect(desk.locator(".position")).to_contain_text("在现场")


async def test_a_refused_position_is_known_and_stands_in_nobodys_way(house: House) -> None:
    async with house.phone(permissions=["camera", "microphone"]) as phone:
        appointment = await house.appoint()
        await to_the_camera(phone, appointment)
        await phone.get_by_role("button", name="共享位置").click()
        await expect(phone.locator('location-offer[data-state="denied"]')).to_be_visible()
        await open_camera(phone)
        await phone_is(phone, "waiting")
        await until(phone, lambda: _has(house, appointment, "location_denied"))


async def _has(house: House, appointment: Appointment, state: str) -> bool:
    return state in await house.reports(appointment.id)


async def _opened(house: House, appointment: Appointment, parts: int) -> bool:
    return len(await house.events(appointment.id, "part.opened")) >= parts


async def _move(house: House, appointment: Appointment, *, minutes: int) -> None:
    await _as_zhou(house, appointment, "move", minutes)


async def _spoil(house: House, appointment: Appointment, trouble: str) -> None:
    await _as_zhou(house, appointment, trouble)


async def _as_zhou(house: House, appointment: Appointment, act: str, minutes: int = 0) -> None:
    """What the reviewer does to the appointment meanwhile."""
    from datetime import timedelta

    from server.inspections.invitations import list_invitations

    database, journal = Database(house.service.database_url), Journal(SystemClock(), lambda _: None)
    zhou = house.office.zhou
    async with database.transaction() as session:
        if act == "move":
            at = journal.clock.now() + timedelta(minutes=minutes)
            await reschedule(session, journal, zhou, appointment.id, at)
        elif act == "cancelled":
            await cancel(session, journal, zhou, appointment.id, "改期")
        else:
            for invitation in await list_invitations(session, appointment.id):
                await cancel_invitation(session, journal, zhou, appointment.id, invitation.id)
    await database.close()

"""The phone's page when something is in the way: each trouble has its words, its way out, and is known at the desk."""

import re
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest
from playwright.async_api import Page, Route, expect

from server.clock import SystemClock
from server.db import Database
from server.inspections.log import Journal
from server.inspections.service import cancel, cancel_invitation, end, reschedule, start
from server.inspections.texts import current_texts
from tests.browser.house import House, open_console, stage, until
from tests.browser.people import LIVE_MS, end_inspection, sees_numbers
from tests.cast import Appointment
from tests.peers.chromium import REMEMBER_CONNECTIONS
from tests.peers.chromium import until as holds
from tests.peers.faulty_camera import END_CAMERA, NO_API, NO_HTTPS, SHOW_PAGE, VP9_ONLY

OFFERS = re.compile(r"/whip\?")

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


async def to_the_camera(phone: Page, appointment: Appointment, name: str = "") -> None:
    """From the link to the camera check."""
    await phone.goto(f"/i/{appointment.invitations['enterprise']}")
    await phone.locator("phone-inspection[data-ready]").wait_for()
    if name:
        await phone.locator("#name").fill(name)
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


async def meet(house: House, phone: Page, desk: Page, name: str = "") -> Appointment:
    """Phone and console see each other."""
    appointment = await house.appoint()
    await to_the_camera(phone, appointment, name)
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
        appointment = await meet(house, first, desk, "田继业")
        await to_the_camera(second, appointment, "李梅")
        await notice_is(second, "choose")
        await phone_is(first, "live")
        await second.get_by_role("button", name="在本机继续").click()
        await notice_is(first, "replaced")
        await open_camera(second)
        await phone_is(second, "live")
        await stage(desk, "live")
        assert len(await house.events(appointment.id, "slot.opened")) == 1
        # What it had recorded is where it should be: nobody waits for the first phone any more.
        await expect(first.locator('phone-upload[data-state="done"]')).to_be_visible(timeout=LIVE_MS)
        (settled,) = await house.events(appointment.id, "gaps.done")
        assert settled["replaced"] is True
        # A reload knows who holds this phone and what they agreed to.
        await first.reload()
        await first.get_by_role("button", name="在本机继续").click()
        await notice_is(second, "replaced")
        moves = [body["name"] for body in await house.events(appointment.id, "participant.replaced")]
        assert moves == ["李梅", "田继业"]
        texts = {(text.kind, text.sha256, "digest") for text in current_texts("zh-CN")}
        given = await house.events(appointment.id, "consent.given")
        assert len(given) == 6
        assert {(body["kind"], body["sha256"], body["named"]) for body in given} == texts


async def test_who_leaves_is_gone_and_can_come_back(house: House) -> None:
    async with house.phone() as phone, house.desk() as desk:
        await meet(house, phone, desk)
        await phone.get_by_role("button", name="更多").click()
        await phone.get_by_role("button", name="离开勘验").click()
        await phone.get_by_role("button", name="离开", exact=True).click()
        await notice_is(phone, "left")
        await expect(phone.locator('phone-upload[data-state="done"]')).to_be_visible(timeout=LIVE_MS)
        await stage(desk, "left")
        await phone.get_by_role("button", name="回到勘验").click()
        await phone_is(phone, "live")
        await stage(desk, "live")


async def test_a_camera_that_comes_after_leaving_stays_dark(house: House) -> None:
    async with house.phone() as phone, house.desk() as desk:
        await meet(house, phone, desk)
        await phone.evaluate("cameraFault = 'pending'")
        await phone.get_by_role("button", name="翻转").click()
        await phone_is(phone, "recovering")
        await phone.get_by_role("button", name="更多").click()
        await phone.get_by_role("button", name="离开勘验").click()
        await phone.get_by_role("button", name="离开", exact=True).click()
        await notice_is(phone, "left")
        opened = await phone.evaluate("openedTracks.length")
        await phone.evaluate("cameraFault = ''; answerCamera()")
        await holds(phone, f"openedTracks.length > {opened}")
        await holds(phone, "isDark()")


def refuse(status: int, code: str) -> Callable[[Route], Awaitable[None]]:
    """An answer of the server to every offer."""

    async def answer(route: Route) -> None:
        body = {"error": {"code": code, "message": "服务器的原话", "request_id": "r"}}
        await route.fulfill(status=status, json=body)

    return answer


async def test_an_office_without_room_is_said_with_its_telephone_until_there_is_room(house: House) -> None:
    async with house.phone() as phone, house.desk() as desk:
        await phone.route(OFFERS, refuse(507, "storage_full"))
        appointment = await house.appoint()
        await to_the_camera(phone, appointment)
        await open_camera(phone)
        await open_console(desk, appointment, "waiting")
        await phone_is(phone, "no-room")
        await expect(phone.locator("phone-stage .phone-card")).to_contain_text("存储空间已满")
        await expect(phone.get_by_role("link", name=re.compile("拨打 0546-0000000"))).to_be_visible()
        await phone.unroute(OFFERS)
        await phone.evaluate("dispatchEvent(new Event('online'))")
        await phone_is(phone, "live")
        await expect(phone.locator("[data-call]")).to_be_hidden()


async def cannot_publish(phone: Page, desk: Page, house: House) -> None:
    """The page says so with a way out, films no more, and the desk knows."""
    appointment = await house.appoint()
    await to_the_camera(phone, appointment)
    await open_camera(phone)
    await open_console(desk, appointment, "unsupported")
    await expect(phone.get_by_role("heading", name="这个浏览器不能传送视频")).to_be_visible()
    await expect(phone.get_by_role("button", name="复制链接")).to_be_visible()
    await expect(phone.get_by_role("link", name=re.compile("电话求助"))).to_be_visible()
    await holds(phone, "isDark()")
    await expect(desk.locator("console-stage")).to_contain_text("的浏览器不能传送视频")


async def test_a_browser_whose_offer_is_refused_for_good_is_shown_a_way_out(house: House) -> None:
    async with house.phone() as phone, house.desk() as desk:
        await phone.route(OFFERS, refuse(422, "bad_offer"))
        await cannot_publish(phone, desk, house)


async def test_a_browser_of_which_only_the_voice_could_be_sent_is_shown_a_way_out(house: House) -> None:
    async with house.phone() as phone, house.desk() as desk:
        await phone.add_init_script(VP9_ONLY)
        await cannot_publish(phone, desk, house)


async def test_a_mute_before_the_first_picture_is_in_the_log_and_a_reload_keeps_it_and_the_camera(
    house: House,
) -> None:
    async with house.phone() as phone, house.desk() as desk:
        appointment = await house.appoint()
        await to_the_camera(phone, appointment)
        await open_camera(phone)
        await phone_is(phone, "waiting")
        mute = phone.get_by_role("button", name="静音")
        await mute.click()
        await phone.get_by_role("button", name="翻转").click()
        await open_console(desk, appointment, "live")
        person = desk.locator("participant-list [role=listitem]", has_text="enterprise 田")
        await expect(person).to_contain_text("麦克风未开")
        await phone.reload()
        await phone_is(phone, "live")
        await expect(mute).to_have_attribute("aria-pressed", "true")
        assert await phone.evaluate("cameraWishes[0].video.facingMode.ideal") == "user"
        assert [body["muted"] for body in await house.events(appointment.id, "slot.muted")] == [True]


async def test_a_reviewers_microphone_that_is_not_sent_does_not_look_as_if_it_were(house: House) -> None:
    async with house.phone() as phone, house.desk() as desk:
        await meet(house, phone, desk)
        await desk.route(OFFERS, refuse(507, "storage_full"))
        microphone = desk.locator('[data-command="microphone"]')
        await microphone.click()
        await expect(microphone).to_have_attribute("data-state", "unsent")
        await expect(microphone).to_contain_text("连接中")
        await expect(desk.locator("[data-command-error]")).to_have_text("服务器的原话")
        await desk.unroute(OFFERS)
        await desk.evaluate("dispatchEvent(new Event('online'))")
        await expect(microphone).to_have_attribute("data-state", "on")


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
        ("expired", "链接已过期"),
        ("ended", "本次勘验已结束"),
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
    await expect(page.get_by_role("link", name=re.compile("0546-0000000"))).to_be_visible()
    await context.close()


# A browser without a screen has no lock to give.
LOCKS = """
window.wakeLocks = [];
Object.defineProperty(navigator, "wakeLock", {value: {
  request: async (kind) => {
    const lock = Object.assign(new EventTarget(), {kind, released: false});
    lock.release = async () => { lock.released = true; lock.dispatchEvent(new Event("release")); };
    wakeLocks.push(lock);
    return lock;
  },
}});
"""


async def test_the_screen_stays_awake_until_the_phone_leaves(house: House) -> None:
    async with house.phone() as phone:
        await phone.add_init_script(LOCKS)
        await to_the_camera(phone, await house.appoint())
        await open_camera(phone)
        await phone_is(phone, "waiting")
        await holds(
            phone, "wakeLocks.length === 1 && wakeLocks[0].kind === 'screen' && !wakeLocks[0].released"
        )
        await phone.evaluate("wakeLocks[0].release()")
        await holds(phone, "wakeLocks.length === 2 && !wakeLocks[1].released")
        await phone.get_by_role("button", name="更多").click()
        await phone.get_by_role("button", name="离开勘验").click()
        await phone.get_by_role("button", name="离开", exact=True).click()
        await holds(phone, "wakeLocks.every(({released}) => released)")


ASKED_TO_KEEP = """
window.askedToKeep = 0;
StorageManager.prototype.persist = async () => { window.askedToKeep += 1; return true; };
"""


async def test_the_browser_is_asked_to_keep_what_the_phone_records(house: House) -> None:
    async with house.phone() as phone:
        await phone.add_init_script(ASKED_TO_KEEP)
        await to_the_camera(phone, await house.appoint())
        await holds(phone, "askedToKeep > 0")


TORCH = """
window.torch = null;
const able = MediaStreamTrack.prototype.getCapabilities;
MediaStreamTrack.prototype.getCapabilities = function () {
  const rear = this.kind === "video" && cameraWishes.at(-1)?.video?.facingMode?.ideal === "environment";
  return {...able.call(this), ...(rear ? {torch: true} : {})};
};
const apply = MediaStreamTrack.prototype.applyConstraints;
MediaStreamTrack.prototype.applyConstraints = function (wishes) {
  const [{torch} = {}] = wishes?.advanced ?? [];
  if (torch === undefined) return apply.call(this, wishes);
  window.torch = torch;
  return Promise.resolve();
};
"""


async def test_a_torch_is_offered_only_where_there_is_one_and_goes_on_and_off(house: House) -> None:
    async with house.phone() as phone:
        await phone.add_init_script(TORCH)
        await to_the_camera(phone, await house.appoint())
        await open_camera(phone)
        await phone_is(phone, "waiting")
        torch = phone.get_by_role("button", name="照明")
        await torch.click()
        await expect(torch).to_have_attribute("aria-pressed", "true")
        assert await phone.evaluate("torch") is True
        await torch.click()
        await expect(torch).to_have_attribute("aria-pressed", "false")
        assert await phone.evaluate("torch") is False
        await phone.get_by_role("button", name="翻转").click()
        await expect(torch).to_be_hidden()


async def test_the_other_camera_goes_on_in_the_same_connection(house: House) -> None:
    async with house.phone() as phone, house.desk() as desk:
        await phone.add_init_script(REMEMBER_CONNECTIONS)
        appointment = await meet(house, phone, desk)
        await until(desk, lambda: _opened(house, appointment, 1))
        before = await phone.evaluate("connections.length")
        await phone.get_by_role("button", name="翻转").click()
        await holds(phone, "cameraWishes.at(-1).video.facingMode?.ideal === 'user'")
        await phone_is(phone, "live")
        await sees_numbers(desk)
        assert await phone.evaluate("connections.length") == before
        assert len(await house.events(appointment.id, "part.opened")) == 1


HEARD = """
async () => {
  let most = 0;
  for (const pc of connections) {
    for (const report of (await pc.getStats()).values()) {
      if (report.type === "inbound-rtp" && report.kind === "audio") most = Math.max(most, report.totalAudioEnergy ?? 0);
    }
  }
  return most > 0;
}
"""


async def test_both_hear_each_other_and_the_phone_sees_the_reviewer(house: House) -> None:
    async with house.phone() as phone, house.desk() as desk:
        for page in (phone, desk):
            await page.add_init_script(REMEMBER_CONNECTIONS)
        await meet(house, phone, desk)
        await desk.locator('[data-command="microphone"]').click()
        await until(phone, lambda: phone.evaluate(HEARD))
        await until(desk, lambda: desk.evaluate(HEARD))
        await desk.locator('[data-command="camera"]').click()
        reviewer = phone.locator('.phone-other[data-kind="video"] live-video')
        await expect(reviewer).to_have_attribute("data-state", "live", timeout=LIVE_MS)
        await expect(reviewer.locator("video")).to_be_visible()


async def test_the_desk_is_told_within_two_seconds_that_the_page_was_left(house: House) -> None:
    async with house.phone() as phone, house.desk() as desk:
        appointment = await meet(house, phone, desk)
        left_ms = await phone.evaluate(f"({SHOW_PAGE})('hidden'); Date.now()")
        await stage(desk, "hidden")
        url = f"/api/v1/inspections/{appointment.id}/events"
        events = await (await desk.request.get(url)).json()
        [told] = [event for event in events if event["type"] == "device.reported"]
        assert told["body"]["state"] == "hidden"
        assert datetime.fromisoformat(told["at"]).timestamp() - left_ms / 1000 < 2


async def test_a_page_that_goes_without_being_hidden_first_says_so(house: House) -> None:
    async with house.phone() as phone, house.desk() as desk:
        await meet(house, phone, desk)
        await phone.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
        await stage(desk, "hidden")
        await phone.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
        await stage(desk, "live")


async def test_a_second_tab_goes_on_and_the_first_one_goes_dark(house: House) -> None:
    async with house.phone() as first, house.desk() as desk:
        appointment = await meet(house, first, desk)
        second = await first.context.new_page()
        await second.goto(f"/i/{appointment.invitations['enterprise']}")
        await notice_is(first, "other-tab")
        await holds(first, "isDark()")
        await phone_is(second, "live")
        await first.get_by_role("button", name="在本页继续").click()
        await notice_is(second, "other-tab")
        await phone_is(first, "live")
        await stage(desk, "live")
        assert len(await house.events(appointment.id, "slot.opened")) == 1


async def test_a_double_tap_sends_a_line_once(house: House) -> None:
    async with house.phone() as phone, house.desk() as desk:
        appointment = await meet(house, phone, desk)
        await phone.get_by_role("button", name="消息").click()
        await phone.locator("#chat-text").fill("到门口了")
        await phone.locator(".phone-chat__send").dblclick()
        await expect(phone.locator(".phone-chat__line")).to_have_count(1)
        await expect(phone.locator("#chat-text")).to_have_value("")
        assert len(await house.events(appointment.id, "chat.sent")) == 1


async def test_a_long_line_on_the_card_leads_to_the_whole_of_it(house: House) -> None:
    async with house.phone() as phone, house.desk() as desk:
        await meet(house, phone, desk)
        await _write(desk, "请拍门牌")
        await phone_is(phone, "message")
        more = phone.get_by_role("button", name="查看全文")
        await expect(more).to_be_hidden()
        await _write(
            desk, "请先拍大门和门牌号，再慢慢走到检验室，依次拍摄天平、发芽箱和样品柜的铭牌，每处停三秒钟"
        )
        await more.click()
        await expect(phone.locator("dialog[open] .phone-chat__line").last).to_contain_text("每处停三秒钟")


SMALL_TEXT = """
(least) => {
  const found = new Map();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    const unseen = element.closest(".visually-hidden, script, template, noscript");
    if (!node.data.trim() || !element.checkVisibility() || unseen) continue;
    const size = parseFloat(getComputedStyle(element).fontSize);
    if (size < least) found.set(element.className || element.tagName, size);
  }
  return [...found];
}
"""


# Every word that the bar may have to say, of the recording and of the network.
CUT_IN_THE_BAR = """
() => {
  const bar = document.querySelector(".phone-bar");
  const number = bar.querySelector(".phone-bar__number");
  const badge = bar.querySelector("recording-badge");
  const meter = bar.querySelector("network-meter");
  const found = [];
  for (const state of ["idle", "starting", "recording", "failed", "unknown"]) {
    for (const grade of ["good", "poor", "lost"]) {
      badge.dataset.state = state;
      meter.network = {grade, reasons: []};
      meter.toggleAttribute("data-brief", grade === "good");
      const right = bar.querySelector(".phone-bar__call").getBoundingClientRect().left;
      const isCut = number.scrollWidth > number.clientWidth || bar.scrollWidth > bar.clientWidth ||
        [badge, meter].some((each) => each.getBoundingClientRect().right > right);
      if (isCut) found.push([state, grade]);
    }
  }
  return found;
}
"""


@pytest.mark.parametrize("locale", ["zh-CN", "en"])
async def test_the_bar_says_all_of_it_on_the_narrowest_phone(house: House, locale: str) -> None:
    async with house.phone(viewport={"width": 320, "height": 640}, locale=locale) as phone:
        appointment = await house.appoint()
        await phone.goto(f"/i/{appointment.invitations['enterprise']}")
        await phone.locator("phone-inspection[data-ready]").wait_for()
        await phone.evaluate("document.querySelector('section.phone-stage').hidden = false")
        assert await phone.evaluate(CUT_IN_THE_BAR) == []


async def test_no_text_of_the_phone_is_smaller_than_18_pixels(house: House) -> None:
    async with house.phone(viewport={"width": 320, "height": 640}) as phone, house.desk() as desk:
        appointment = await house.appoint()
        await phone.goto(f"/i/{appointment.invitations['enterprise']}")
        assert await phone.evaluate(SMALL_TEXT, 18) == []
        await to_the_camera(phone, appointment)
        assert await phone.evaluate(SMALL_TEXT, 18) == []
        await open_camera(phone)
        await phone_is(phone, "waiting")
        assert await phone.evaluate(SMALL_TEXT, 18) == []
        await open_console(desk, appointment, "live")
        await desk.locator('[data-command="microphone"]').click()
        await _write(desk, "请拍门牌")
        await phone_is(phone, "message")
        await phone.locator(".phone-other").wait_for()
        await phone.get_by_role("button", name="消息").click()
        assert await phone.evaluate(SMALL_TEXT, 18) == []


async def test_a_service_that_is_away_at_the_tap_is_said_in_a_sentence(house: House) -> None:
    async with house.phone() as phone:
        await phone.route("**/api/v1/join", lambda route: route.fulfill(status=502, body="<html>Bad Gateway"))
        await to_the_camera(phone, await house.appoint())
        await expect(phone.locator("[data-join-error]")).to_have_text(
            "服务暂时没有响应（代码 502）。请一分钟后再试。"
        )
        await phone.unroute("**/api/v1/join")
        await phone.get_by_role("button", name="同意并继续").click()
        await open_camera(phone)
        await phone_is(phone, "waiting")


async def test_the_desk_sees_why_nobody_came_in(house: House) -> None:
    async with house.phone() as phone, house.desk() as desk:
        appointment = await house.appoint()
        await open_console(desk, appointment, "nobody")
        await phone.add_init_script(NO_API)
        await phone.goto(f"/i/{appointment.invitations['enterprise']}")
        await phone.get_by_role("button", name="开始").click()
        await expect(desk.locator("console-stage")).to_contain_text("已打开链接，但所用浏览器不能传送视频")
        await desk.goto("/")
        link = desk.locator(f'[data-trouble="no_api"] a[href="/inspections/{appointment.id}"]')
        await expect(link).to_be_visible()


async def test_the_end_and_the_link_afterwards_give_the_same_numbers(house: House) -> None:
    async with house.phone() as phone, house.desk() as desk:
        await meet(house, phone, desk)
        await end_inspection(desk)
        await notice_is(phone, "ended")
        numbers = await phone.locator(".phone-receipt dd").all_inner_texts()
        assert len(numbers) == 2
        await phone.reload()
        await expect(phone.locator('[data-state="inspection_ended"]')).to_be_visible()
        assert await phone.locator(".phone-receipt dd").all_inner_texts() == numbers


async def _write(desk: Page, text: str) -> None:
    await desk.get_by_role("tab", name="消息").click()
    await desk.locator("chat-log textarea").fill(text)
    await desk.locator("chat-log textarea").press("Enter")


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
    from server.inspections.invitations import list_invitations

    database, journal = Database(house.service.database_url), Journal(SystemClock(), lambda _: None)
    zhou = house.office.zhou
    async with database.transaction() as session:
        if act == "move":
            at = journal.clock.now() + timedelta(minutes=minutes)
            await reschedule(session, journal, zhou, appointment.id, at)
        elif act == "cancelled":
            await cancel(session, journal, zhou, appointment.id, "改期")
        elif act == "expired":
            past = journal.clock.now() - timedelta(minutes=1)
            for invitation in await list_invitations(session, appointment.id):
                invitation.expires_at = past
        elif act == "ended":
            assert await start(session, journal, zhou, appointment.id, 1)
            await end(session, journal, zhou, appointment.id, "completed")
        else:
            for invitation in await list_invitations(session, appointment.id):
                await cancel_invitation(session, journal, zhou, appointment.id, invitation.id, "改派")
    await database.close()

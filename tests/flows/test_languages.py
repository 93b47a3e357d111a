"""Each page speaks one language: English without a Chinese character of ours, Chinese without an English sentence."""

import re
from html.parser import HTMLParser

import pytest
from aiohttp import web

from server.accounts.rules import Actor
from server.accounts.service import create_office, create_staff
from server.accounts.signing_in import staff_actor
from server.cases.new_case import NewCase
from server.cases.service import create_case
from server.inspections.keys import JOURNAL
from server.inspections.service import invite, schedule
from server.web.keys import DATABASE
from server.web.languages import catalogue
from tests.cast import PASSWORD
from tests.flows.browsing import Client, sign_in

HAN = re.compile(r"[\u4e00-\u9fff]")
OTHER_LANGUAGE = "中文"
"""The switch names the other language in itself."""
SHOWN_ATTRIBUTES = ("alt", "aria-label", "placeholder", "title", "data-copied", "data-label")

LATIN = NewCase(
    matter="seed-licence-address",
    enterprise_name="Fenghe Seeds Ltd",
    credit_code="91370503MA3C0FHY70",
    licence_kind="seed-b",
    licence_number="B-2024-0007",
    old_address="18 Fuqian Street",
    new_address="6 Minfeng Road",
    latitude=37.5878,
    longitude=118.5473,
)


class Words(HTMLParser):
    """What a page says: its text and the attributes that people read or hear."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.said: list[str] = []
        self._silent = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in ("script", "style")
        self.said += [value for name, value in attrs if name in SHOWN_ATTRIBUTES and value]

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if data.strip() and not self._silent:
            self.said.append(" ".join(data.split()))


@pytest.fixture
async def paths(app: web.Application, client: Client) -> list[str]:
    """The pages of an office whose data are all in Latin letters; the browser is signed in as its administrator."""
    async with app[DATABASE].transaction() as session:
        now = app[JOURNAL].clock.now()
        office = await create_office(session, name="Hekou Office", phone="0546-0000000", now=now)
        people: list[Actor] = []
        for username, role in (("zhou", "reviewer"), ("admin", "administrator")):
            staff = await create_staff(
                session, office_id=office.id, username=username, name=username.title(), role=role,
                password=PASSWORD, now=now,
            )  # fmt: skip
            people.append(staff_actor(staff))
        reviewer = people[0]
        case = await create_case(session, reviewer, LATIN, now)
        inspection = await schedule(session, app[JOURNAL], reviewer, case.id)
        links = [
            (await invite(session, app[JOURNAL], reviewer, inspection.id, role, "Tian")).token
            for role in ("enterprise", "expert")
        ]
        person = people[1].id
    one, its = f"/cases/{case.id}", f"/inspections/{inspection.id}"
    await sign_in(client, "admin")
    return [
        "/", "/cases", "/cases?q=none", "/cases/new", one, f"{one}/close", f"{one}/materials/new",
        f"{one}/inspections/new", its, f"{its}/reschedule", f"{its}/cancel", f"{its}/console",
        "/archive", "/archive?q=none", "/admin", "/admin/staff/new", f"/admin/staff/{person}",
        "/i/unknown", *(f"/i/{link}" for link in links), "/no-such-page",
    ]  # fmt: skip


async def words_of(client: Client, path: str, language: str) -> list[str]:
    headers = {"Accept": "text/html", "Accept-Language": language}
    async with client.get(path, headers=headers) as response:
        return Words(await response.text()).said


async def test_english_pages_say_nothing_in_chinese(client: Client, paths: list[str]) -> None:
    for path in paths:
        said = await words_of(client, path, "en")
        assert [text for text in said if HAN.search(text) and text != OTHER_LANGUAGE] == [], path


async def test_chinese_pages_say_nothing_in_english(client: Client, paths: list[str]) -> None:
    translated = {text for text, chinese in catalogue("zh-CN").items() if HAN.search(chinese)}
    for path in paths:
        said = await words_of(client, path, "zh-CN")
        assert [text for text in said if text in translated] == [], path
        assert any(HAN.search(text) for text in said), path

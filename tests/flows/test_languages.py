"""Each page speaks one language: English without a Chinese character of ours, Chinese without an English sentence."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser

import pytest
from aiohttp import web

from server.accounts.rules import Actor
from server.accounts.service import create_api_token, create_office, create_staff
from server.accounts.signing_in import staff_actor
from server.cases.new_case import NewCase
from server.cases.service import create_case
from server.evidence.redaction import CannotRedact
from server.inspections.invitations import list_invitations
from server.inspections.keys import JOURNAL
from server.inspections.service import invite, schedule
from server.web.keys import DATABASE
from server.web.languages import catalogue, explain, speaking
from tests.cast import PASSWORD, Appointment, Office
from tests.flows.browsing import Client, csrf_of, sign_in
from tests.flows.held import hold_whole
from tests.flows.test_sealing import until

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""What pages say does not depend on the database."""

HAN = re.compile(r"[\u4e00-\u9fff]")
SENTENCE = re.compile(r"\b[a-z]+ [a-z]+ [a-z]+\b")
"""Three small words in a row: English, wherever they come from."""
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


@dataclass(frozen=True, slots=True)
class Place:
    """Pages by their addresses, and forms that miss something."""

    paths: tuple[str, ...]
    forms: Mapping[str, Mapping[str, str]]


@pytest.fixture
async def place(app: web.Application, client: Client) -> Place:
    """An office whose data are all in Latin letters; the browser is signed in as its administrator."""
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
        _, token = await create_api_token(session, office.id, "program", "auditor", now)
        case = await create_case(session, reviewer, LATIN, now)
        inspection = await schedule(session, app[JOURNAL], reviewer, case.id)
        links = [
            (await invite(session, app[JOURNAL], reviewer, inspection.id, role, "Tian")).token
            for role in ("enterprise", "expert")
        ]
        person = people[1].id
        recorded = await schedule(session, app[JOURNAL], reviewer, case.id)
        invitation = (await list_invitations(session, inspection.id))[0].id
    whole = Office(office.id, reviewer, reviewer, people[1], {"auditor": token})
    held = await hold_whole(app, whole, Appointment(recorded.id, case.id, {}), name="Tian")
    await until(app, whole, client, held.id, state="sealed")
    one, its = f"/cases/{case.id}", f"/inspections/{inspection.id}"
    copy, withdraw = f"/inspections/{held.id}/copies", f"{its}/invitations/{invitation}/cancel"
    await sign_in(client, "admin")
    paths = (
        "/", "/cases", "/cases?q=none", "/cases/new", one, f"{one}/close", f"{one}/materials/new",
        f"{one}/inspections/new", its, f"{its}/reschedule", f"{its}/cancel", f"{its}/console",
        "/archive", "/archive?q=none", "/admin", "/admin/staff/new", f"/admin/staff/{person}",
        "/i/unknown", *(f"/i/{link}" for link in links), f"/i/{links[1]}/console", "/no-such-page", "/account",
        "/verify", "/office-log", f"{copy}/new", withdraw,
    )  # fmt: skip
    # Each lacks what it needs, so nothing comes of it.
    forms: dict[str, dict[str, str]] = {
        "/sign-in": {"username": "nobody", "password": "x"}, "/cases": {"latitude": "north", "credit_code": "1"},
        f"{one}/close": {}, f"{one}/materials": {}, f"{one}/inspections": {"when": "later"},
        f"{its}/reschedule": {}, f"{its}/cancel": {}, f"{its}/invitations": {"role": "enterprise"}, withdraw: {},
        f"{its}/result": {}, "/admin/office": {}, "/admin/staff": {"username": "!"},
        f"/admin/staff/{person}/password": {}, "/admin/tokens": {}, "/account/password": {"current": "x"},
        "/verify": {}, copy: {f"spans-{held.part}": "one minute"},
    }  # fmt: skip
    return Place(paths, forms)


async def words_of(client: Client, place: Place, language: str) -> AsyncIterator[tuple[str, list[str]]]:
    """What each page says, and each form that was sent without what it needs."""
    headers = {"Accept": "text/html", "Accept-Language": language}
    for path in place.paths:
        async with client.get(path, headers=headers) as response:
            yield path, Words(await response.text()).said
    for path, fields in place.forms.items():
        data = {"csrf": await csrf_of(client, "/account"), **fields}
        async with client.post(path, data=data, headers=headers) as response:
            page = await response.text()
            assert response.status in (422, 401), f"{path}: {response.status}"
            assert 'id="error-summary"' in page, path
            yield path, Words(page).said


@on_sqlite
async def test_english_pages_say_nothing_in_chinese(client: Client, place: Place) -> None:
    async for path, said in words_of(client, place, "en"):
        assert [text for text in said if HAN.search(text) and text != OTHER_LANGUAGE] == [], path


@on_sqlite
async def test_chinese_pages_say_nothing_in_english(client: Client, place: Place) -> None:
    translated = {text for text, chinese in catalogue("zh-CN").items() if HAN.search(chinese)}
    async for path, said in words_of(client, place, "zh-CN"):
        assert [text for text in said if text in translated or SENTENCE.search(text)] == [], path
        assert any(HAN.search(text) for text in said), path


def test_a_fixed_reason_inside_an_error_is_told_in_the_same_language() -> None:
    error = CannotRedact(detail="the log itself cannot be left out")
    with speaking("zh-CN"):
        told = explain(error.text, error.params)
        strange = explain(error.text, {"detail": "moov atom"})
    assert not SENTENCE.search(told) and HAN.search(told)
    assert "moov atom" in strange

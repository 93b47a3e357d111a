"""Time stamps by the product's own sender, from authorities that hang, lie, refuse or send nonsense."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import select

from server.archive import stamping
from server.archive.keys import HEADS, SEALER
from server.archive.models import Seal
from server.archive.sealing import Sealer
from server.evidence import timestamps
from server.inspections.keys import JOURNAL
from server.live.keys import LIVE, ROOMS
from server.settings import Settings
from server.web.keys import DATABASE
from tests.cast import Appointment, Office, appoint
from tests.clock import SettableClock
from tests.evidence.authority import Authority, certify, make_authority, serving
from tests.flows.browsing import look, shown, sign_in
from tests.flows.conftest import Client
from tests.flows.test_sealing import PATIENCE_S, hold, until


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    with serving(make_authority(tmp_path / "tsa")) as running:
        yield running
        running.gate.set()


@pytest.fixture
def settings(tmp_path: Path, database_url: str, authority: Authority) -> Settings:
    return Settings(
        data=tmp_path / "data",
        database_url=database_url,
        reserve_bytes=0,
        timestamp_urls=authority.url,
        timestamp_roots=str(authority.folder / "root.pem"),
    )


def other_nonce(authority: Authority) -> Callable[[bytes], tuple[int, bytes]]:
    """A stamp over the same bytes that answers another question."""

    def answer(query: bytes) -> tuple[int, bytes]:
        end = query.rindex(b"\x01\x01\xff")  # the nonce is what stands before "send the certificates"
        return 200, authority.reply(query[: end - 1] + bytes([query[end - 1] ^ 1]) + query[end:])

    return answer


def expired(authority: Authority) -> Callable[[bytes], tuple[int, bytes]]:
    certify(authority.folder, -1)
    return lambda query: (200, authority.reply(query))


HOSTILE: dict[str, tuple[Callable[[Authority], Callable[[bytes], tuple[int, bytes]]], str]] = {
    "hangs up": (lambda _: lambda _query: (0, b""), "did not answer"),
    "has an error": (lambda _: lambda _query: (500, b"<h1>Oops</h1>"), "HTTP 500"),
    "says too much": (lambda _: lambda _query: (200, bytes(timestamps.MAX_REPLY + 1)), "too long"),
    "says nonsense": (lambda _: lambda _query: (200, b"<html>"), "cannot be read"),
    "says nothing": (lambda _: lambda _query: (200, b""), "does not hold"),
    "answers another question": (other_nonce, "Nonce"),
    "has an expired certificate": (expired, "does not hold"),
}


@pytest.mark.parametrize("kind", HOSTILE)
async def test_a_bad_answer_leaves_the_stamp_pending_is_named_and_heals(
    client: Client,
    app: web.Application,
    office: Office,
    appointment: Appointment,
    authority: Authority,
    clock: SettableClock,
    kind: str,
) -> None:
    await sign_in(client)
    make, words = HOSTILE[kind]
    authority.answer = make(authority)
    await hold(app, office, appointment.id)
    told: dict[str, Any] = {"problem": None}
    async with asyncio.timeout(PATIENCE_S):
        while told["problem"] is None:
            told = await until(app, office, client, appointment.id, state="sealed", stamps_pending=1)
    assert words in told["problem"]
    assert words in shown(await look(client, f"/inspections/{appointment.id}"))
    certify(authority.folder, 3650)
    authority.answer = None
    clock.advance(minutes=2)
    told = await until(app, office, client, appointment.id, stamps=1)
    assert (told["stamps_pending"], told["problem"]) == (0, None)


async def test_an_authority_that_hangs_holds_up_no_seal(
    client: Client,
    app: web.Application,
    office: Office,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await app[HEADS].close()  # it has heads stamped by the same authority
    monkeypatch.setattr(stamping, "TIMEOUT_S", PATIENCE_S)
    authority.gate.clear()
    ids = [(await appoint(app[DATABASE], app[JOURNAL], office, roles=())).id for _ in range(3)]
    for number, inspection_id in enumerate(ids):
        await hold(app, office, inspection_id)
        async with asyncio.timeout(25):  # the authority answers after thirty seconds
            while True:
                async with app[DATABASE].reading() as session:
                    seal = await session.get(Seal, inspection_id)
                if seal is not None and seal.sealed_at and (number or authority.asked):
                    break
                await asyncio.sleep(0.02)
    assert authority.asked == 1
    authority.gate.set()


async def test_an_authority_that_is_away_is_asked_once_in_a_round(
    app: web.Application, office: Office, authority: Authority
) -> None:
    await app[SEALER].close()
    await app[HEADS].close()
    authority.answer, authority.asked = lambda _query: (503, b""), 0
    ids = [(await appoint(app[DATABASE], app[JOURNAL], office, roles=())).id for _ in range(3)]
    for inspection_id in ids:
        await hold(app, office, inspection_id)
    assert await Sealer(app[LIVE], app[ROOMS]).run_once() == 3
    assert authority.asked == 1
    async with app[DATABASE].reading() as session:
        problems = [seal.problem for seal in await session.scalars(select(Seal))]
    assert [problem["params"]["detail"] for problem in problems if problem] == ["HTTP 503"] * 3

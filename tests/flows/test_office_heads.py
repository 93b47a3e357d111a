"""Signed heads of the office's log: every hour, stamped, public, deposited, compared."""

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from server.archive.keys import HEADS
from server.archive.office_log import HeadKeeper, fresh_head, prove_inspection
from server.db import Database
from server.evidence import keys, merkle, officelog, timestamps
from server.evidence.canonical import dump
from server.evidence.certificates import from_pem
from server.evidence.officelog import OPEN, Head, OfficeProof
from server.inspections import service as inspections
from server.inspections.keys import JOURNAL
from server.officelog import heads, stamps
from server.officelog.entries import append_entry
from server.officelog.models import HeadStamp, OfficeEntry, OfficeHead
from server.settings import Settings
from server.web.allowance import BURST, REFILL_S
from server.web.keys import DATABASE
from tests.cast import Appointment, Office
from tests.clock import SettableClock
from tests.command import yunkan
from tests.evidence.authority import make_authority, serving
from tests.flows.conftest import Client

OFFICE = "河口新区行政审批服务局"


async def heads_of(database: Database) -> list[OfficeHead]:
    async with database.reading() as session:
        return list(await session.scalars(select(OfficeHead).order_by(OfficeHead.number)))


async def kinds_of(database: Database) -> list[str]:
    async with database.reading() as session:
        return list(await session.scalars(select(OfficeEntry.kind).order_by(OfficeEntry.index)))


async def test_a_head_is_signed_every_hour_even_when_nothing_has_happened(
    settings: Settings, clock: SettableClock
) -> None:
    database = Database(settings.database)
    keeper, other = HeadKeeper(settings, clock, database), HeadKeeper(settings, clock, database)
    assert await keeper.sign_if_due() is None, "there are no keys"
    keys.init(settings.key_folder, OFFICE, clock.now())
    await asyncio.gather(keeper.sign_if_due(), other.sign_if_due())
    clock.advance(minutes=59)
    assert await keeper.sign_if_due() is None
    clock.advance(minutes=2)
    await asyncio.gather(keeper.sign_if_due(), other.sign_if_due())
    first, second = await heads_of(database)
    assert await kinds_of(database) == ["key", "key"]
    assert (first.size, first.root) == (second.size, second.root) == (2, first.root)
    assert second.at - first.at > timedelta(hours=1)
    clock.advance(days=-400)
    assert await keeper.sign_if_due() is not None, "a clock that was set back does not stop it for a year"
    await database.close()


async def test_a_rotation_is_entered_and_a_history_that_was_replaced_stops_the_heads(
    settings: Settings, clock: SettableClock
) -> None:
    database = Database(settings.database)
    keeper = HeadKeeper(settings, clock, database)
    keys.init(settings.key_folder, OFFICE, clock.now())
    await keeper.sign_if_due()
    keys.rotate(settings.key_folder, "head", clock.now())
    clock.advance(hours=2)
    await keeper.sign_if_due()
    assert await kinds_of(database) == ["key", "key", "key"]
    before, after = await heads_of(database)
    assert before.key != after.key
    keys.init(settings.data / "forged", OFFICE, clock.now())
    (settings.data / "forged").rename(settings.data / "other")
    settings.key_folder.rename(settings.data / "away")
    (settings.data / "other").rename(settings.key_folder)
    clock.advance(hours=2)
    assert await keeper.sign_if_due() is None
    assert keeper.problem is not None
    assert keeper.problem.code == "keys_replaced"
    assert len(await heads_of(database)) == 2
    await database.close()


async def test_a_head_is_stamped_and_what_an_authority_does_not_answer_is_pending_and_heals(
    settings: Settings, clock: SettableClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(settings.database)
    keys.init(settings.key_folder, OFFICE, clock.now())
    monkeypatch.setattr(stamps, "TIMEOUT_S", 0.5)
    with serving(make_authority(tmp_path / "tsa")) as authority:
        authority.gate.clear()
        root = authority.folder / "root.pem"
        stamped = Settings(
            data=settings.data,
            database_url=settings.database_url,
            timestamp_urls=authority.url,
            timestamp_roots=str(root),
        )
        keeper = HeadKeeper(stamped, clock, database)
        await keeper.run_once()
        (head,) = await heads_of(database)
        assert head.problem is not None
        assert authority.url in head.problem["params"]["address"]
        authority.gate.set()
        monkeypatch.setattr(stamps, "TIMEOUT_S", 20.0)
        await keeper.run_once()
        assert (await heads_of(database))[0].problem is not None, "not before its time"
        clock.advance(seconds=30)
        await keeper.run_once()
    (head,) = await heads_of(database)
    assert head.problem is None
    async with database.reading() as session:
        stamp = await session.get_one(HeadStamp, (1, 1))
    timestamps.check(stamp.reply, head.document.encode(), from_pem(stamp.root_pem.encode()))
    with pytest.raises(timestamps.BadStamp):
        timestamps.check(stamp.reply, head.document.encode() + b" ", from_pem(stamp.root_pem.encode()))
    await database.close()


async def test_anybody_gets_heads_keys_and_proofs(
    client: Client, app: web.Application, office: Office, clock: SettableClock, settings: Settings
) -> None:
    async with client.get("/api/v1/log/head") as response:
        assert response.status == 404
    if not (settings.key_folder / keys.LOG).exists():
        keys.init(settings.key_folder, OFFICE, clock.now())
    made = []
    for names in ("abc", "defgh"):
        async with app[DATABASE].transaction() as session:
            for name in names:
                entry = await append_entry(session, OPEN, name, clock.now())
            made.append(await fresh_head(session, keys.load(settings.key_folder), clock.now()))

    async def fetch(path: str, status: int = 200) -> bytes:
        async with client.get(f"/api/v1/log/{path}") as response:
            assert response.status == status, (path, await response.text())
            return await response.read()

    older, newer = (Head.parse(head.document.encode()) for head in made)
    assert Head.parse(await fetch("head")) == newer
    assert Head.parse(await fetch(f"heads/{made[0].number}")) == older
    proof = officelog.Consistency.parse(await fetch(f"consistency?from={older.size}&to={newer.size}"))
    assert merkle.verify_consistency(
        older.size, newer.size, bytes.fromhex(older.root), bytes.fromhex(newer.root), proof.hashes()
    )
    told = json.loads(await fetch(f"inclusion?leaf={entry.leaf}"))
    assert merkle.verify_inclusion(
        bytes.fromhex(entry.leaf),
        told["index"],
        told["size"],
        [bytes.fromhex(node) for node in told["path"]],
        bytes.fromhex(newer.root),
    )
    assert await fetch("keys") == (settings.key_folder / keys.LOG).read_bytes()
    await fetch("heads/99", 404)
    await fetch("heads/x", 422)
    await fetch("heads/1/stamps/1", 404)
    await fetch(f"consistency?from=0&to={newer.size + 1}", 422)
    await fetch("inclusion?leaf=00", 404)


async def test_strangers_have_some_proofs_made_and_then_one_every_few_seconds(
    client: Client, app: web.Application, office: Office, clock: SettableClock, settings: Settings
) -> None:
    if not (settings.key_folder / keys.LOG).exists():
        keys.init(settings.key_folder, OFFICE, clock.now())
    async with app[DATABASE].transaction() as session:
        entry = await append_entry(session, OPEN, "a", clock.now())
        await fresh_head(session, keys.load(settings.key_folder), clock.now())
    paths = ("consistency?from=1", f"inclusion?leaf={entry.leaf}")
    for number in range(BURST):
        async with client.get(f"/api/v1/log/{paths[number % 2]}") as response:
            assert response.status == 200, await response.text()
    for path in paths:
        async with client.get(f"/api/v1/log/{path}") as response:
            assert response.status == 429
            assert 0 < int(response.headers["Retry-After"]) <= REFILL_S
    async with client.get("/api/v1/log/head") as response:
        assert response.status == 200, "heads cost nothing"
    clock.advance(seconds=REFILL_S)
    async with client.get(f"/api/v1/log/{paths[0]}") as response:
        assert response.status == 200


async def test_nobody_who_appends_waits_for_a_proof(
    database_url: str, clock: SettableClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, office = Database(database_url), keys.init(tmp_path / "keys", OFFICE, clock.now())
    async with database.transaction() as session:
        await append_entry(session, OPEN, "a", clock.now())
    there, go_on, read = asyncio.Event(), asyncio.Event(), heads.read_roots

    async def slow(session: AsyncSession, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        there.set()
        await go_on.wait()
        return await read(session, spans)

    monkeypatch.setattr(heads, "read_roots", slow)
    proof = asyncio.create_task(prove_inspection(database, office, "a", clock.now()))
    try:
        async with asyncio.timeout(10):
            await there.wait()
            async with database.transaction() as session:
                await append_entry(session, OPEN, "b", clock.now())
    finally:
        go_on.set()
    made = await proof
    made.require_included()
    assert made.head.size == 3, "the opening and two keys"
    await database.close()


class TestDeposited:
    """Heads in files, as somebody outside keeps them."""

    @pytest.fixture
    async def database(
        self, settings: Settings, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
    ) -> Any:
        monkeypatch.setenv("YUNKAN_DATA", str(settings.data))
        monkeypatch.setenv("YUNKAN_DATABASE_URL", settings.database_url)
        keys.init(settings.key_folder, OFFICE, clock.now())
        database = Database(settings.database)
        yield database
        await database.close()

    async def deposit(self, database: Database, clock: SettableClock, names: str, out: Path) -> str:
        async with database.transaction() as session:
            for name in names:
                await append_entry(session, OPEN, name, clock.now())
        assert await asyncio.to_thread(yunkan, "log", "deposit", "--out", str(out)) == 0
        return str(out)

    async def compare(self, *words: str) -> int:
        return await asyncio.to_thread(yunkan, "log", "compare", *words)

    async def test_heads_of_one_history_are_consistent_whichever_comes_first(
        self, database: Database, clock: SettableClock, tmp_path: Path, settings: Settings
    ) -> None:
        older = await self.deposit(database, clock, "ab", tmp_path / "older.json")
        same = await self.deposit(database, clock, "", tmp_path / "same.json")
        newer = await self.deposit(database, clock, "cde", tmp_path / "newer.json")
        assert Path(older).read_bytes() == Path(same).read_bytes(), "nothing has happened"
        for pair in ((older, newer), (newer, older), (older, older)):
            assert await self.compare(*pair) == 0
        heads = [Head.parse(Path(name).read_bytes()) for name in (older, newer)]
        async with database.reading() as session:
            query = select(OfficeEntry.leaf).order_by(OfficeEntry.index).limit(heads[1].size)
            leaves = [bytes.fromhex(leaf) for leaf in await session.scalars(query)]
        path = [node.hex() for node in merkle.consistency_proof(leaves, heads[0].size)]
        proof = tmp_path / "proof.json"
        proof.write_bytes(officelog.Consistency(heads[0].size, heads[1].size, path).to_bytes())
        outside = ("--proof", str(proof), "--keys", str(settings.key_folder / keys.LOG))
        assert await self.compare(older, newer, *outside) == 0
        proof.write_bytes(officelog.Consistency(heads[0].size, heads[1].size, ["00" * 32]).to_bytes())
        assert await self.compare(older, newer, *outside) == 1
        proof.write_bytes(officelog.Consistency(1, heads[1].size, path).to_bytes())
        assert await self.compare(older, newer, *outside) == 1

    async def test_a_split_view_is_told(
        self,
        database: Database,
        clock: SettableClock,
        tmp_path: Path,
        settings: Settings,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        shown = await self.deposit(database, clock, "ab", tmp_path / "shown.json")
        newer = await self.deposit(database, clock, "c", tmp_path / "newer.json")
        head, office = Head.parse(Path(shown).read_bytes()), keys.load(settings.key_folder)
        other = officelog.sign_head(head.office, head.size, b"x" * 32, clock.now(), office.head_key)
        hidden = tmp_path / "hidden.json"
        hidden.write_bytes(other.to_bytes())
        capsys.readouterr()
        assert await self.compare(shown, str(hidden), "--json") == 1
        assert json.loads(capsys.readouterr().out)["result"] == "split"
        assert await self.compare(newer, str(hidden)) == 1
        assert "不一致" in capsys.readouterr().out

    async def test_foreign_forged_and_unreadable_heads_are_refused(
        self, database: Database, clock: SettableClock, tmp_path: Path
    ) -> None:
        own = await self.deposit(database, clock, "ab", tmp_path / "own.json")
        stranger = keys.init(tmp_path / "stranger", "另一机关", clock.now())
        foreign = officelog.sign_head("另一机关", 1, b"x" * 32, clock.now(), stranger.head_key)
        forged = json.loads(Path(own).read_bytes())
        forged["head"]["size"] += 1
        for name, data in {
            "foreign": foreign.to_bytes(),
            "forged": dump(forged),
            "nonsense": b"{",
        }.items():
            path = tmp_path / name
            path.write_bytes(data)
            assert await self.compare(own, str(path)) == 2, name
        assert await self.compare(own, str(tmp_path / "missing")) == 2

    async def test_what_the_log_says_of_an_inspection_is_proved(
        self, database: Database, clock: SettableClock, tmp_path: Path
    ) -> None:
        await self.deposit(database, clock, "ab", tmp_path / "head.json")
        out = tmp_path / "proof.json"
        assert await asyncio.to_thread(yunkan, "log", "prove", "a", "--out", str(out)) == 0
        proof = OfficeProof.parse(out.read_bytes())
        proof.require_included()
        assert [each.data["inspection"] for each in proof.inclusions] == ["a"]
        assert await asyncio.to_thread(yunkan, "log", "prove", "nobody", "--out", str(out)) == 1


async def test_check_log_names_the_first_bad_entry_what_is_open_and_what_is_gone(
    app: web.Application,
    office: Office,
    appointment: Appointment,
    settings: Settings,
    clock: SettableClock,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("YUNKAN_DATA", str(settings.data))
    monkeypatch.setenv("YUNKAN_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("YUNKAN_LANGUAGE", "en")
    database = app[DATABASE]

    async def check() -> tuple[int, str]:
        capsys.readouterr()
        code = await asyncio.to_thread(yunkan, "check-log")
        return code, capsys.readouterr().out

    async with database.transaction() as session:
        await inspections.start(session, app[JOURNAL], office.zhou, appointment.id, 1)
    await app[HEADS].sign_if_due()
    code, said = await check()
    assert code == 0, said
    assert f"inspection {appointment.id} was opened" in said
    async with database.transaction() as session:
        await append_entry(session, OPEN, "VANISHED", clock.now())
    code, said = await check()
    assert code == 1
    assert "Inspection VANISHED was opened" in said
    async with database.transaction() as session:
        if database.is_sqlite:
            await session.execute(text("DROP TRIGGER fence_office_entries_update"))
        else:
            await session.execute(text("DROP TRIGGER fence_office_entries ON office_entries"))
        entry = await session.scalar(
            select(OfficeEntry.index).where(OfficeEntry.inspection_id == appointment.id)
        )
        changed: Any = await session.execute(
            text("UPDATE office_entries SET inspection_id = 'X' WHERE inspection_id = :id"),
            {"id": appointment.id},
        )
        assert changed.rowcount == 1
    code, said = await check()
    assert code == 1
    assert f"Entry {entry}: the columns" in said
    assert f"Inspection {appointment.id} has no entry of the kind open" in said


async def test_commands_without_a_database_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: SettableClock, capsys: pytest.CaptureFixture[str]
) -> None:
    keys.init(tmp_path / "keys", OFFICE, clock.now())
    monkeypatch.setenv("YUNKAN_KEYS", str(tmp_path / "keys"))
    monkeypatch.setenv("YUNKAN_DATA", str(tmp_path / "missing"))
    for words in (["check-log"], ["log", "deposit"], ["log", "prove", "x"]):
        assert await asyncio.to_thread(yunkan, *words) == 2
        assert "没有数据库" in capsys.readouterr().err

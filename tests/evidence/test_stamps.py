"""Time stamps by a real authority: given, late, absent, lying. What is pending heals; what is wrong is named."""

import random
import urllib.error
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from server.evidence import bag, certificates, keys, sealing, timestamps
from server.evidence.timestamps import BadStamp
from server.evidence.verify import verify
from tests.evidence.authority import Authority, ask, make_authority, serving
from tests.evidence.conftest import Parts
from tests.evidence.inspection import Made, make_package, write_inspection
from tests.evidence.verifiers import ask_both, ask_ours, trust_of

DATA = b"a signature"


@pytest.fixture
def unstamped(tmp_path: Path, parts: Parts, office: keys.OfficeKeys) -> Made:
    folder = tmp_path / "inspection"
    return make_package(folder, office, write_inspection(folder, parts=parts, chance=random.Random(2)))


def stamp(made: Made, number: int, authority: Authority) -> timestamps.Stamp:
    asked = timestamps.request((made.folder / "seal.p7s").read_bytes())
    reply = ask(authority, asked.body)
    return sealing.add_stamp(made.folder, number, reply, asked, authority.root, datetime.now(UTC))


def result_of(made: Made) -> str:
    report = ask_ours(made.folder, made.office)
    return next(s.result.value for s in report.steps if s.kind.code == "stamp")


def test_without_a_stamp_the_package_passes_and_says_so(unstamped: Made) -> None:
    assert sealing.pending_stamps(unstamped.folder, 0) == []
    assert sealing.pending_stamps(unstamped.folder, 2) == [1, 2]
    assert result_of(unstamped) == "not_performed"
    assert ask_both(unstamped.folder, unstamped.office).theirs


def test_a_pending_stamp_heals(unstamped: Made, authority: Authority) -> None:
    with serving(Authority(authority.folder)) as gone:
        pass
    with pytest.raises(urllib.error.URLError):
        stamp(unstamped, 1, gone)
    assert sealing.pending_stamps(unstamped.folder, 1) == [1]
    given = stamp(unstamped, 1, authority)
    assert sealing.pending_stamps(unstamped.folder, 1) == []
    assert abs(given.at - datetime.now(UTC)) < timedelta(minutes=1)
    assert "Test authority" in given.authority
    found = ask_both(unstamped.folder, unstamped.office)
    assert (found.our_problems, found.their_problems) == ([], [])


def test_a_kill_before_the_lists_fit_leaves_the_stamp_pending(
    unstamped: Made, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception):
        pass

    def kill(_folder: Path) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(bag, "write_tag_manifest", kill)
        with pytest.raises(Killed):
            stamp(unstamped, 1, authority)
    assert (unstamped.folder / "seal.tsr").exists()
    assert sealing.pending_stamps(unstamped.folder, 1) == [1]
    stamp(unstamped, 1, authority)
    assert sealing.pending_stamps(unstamped.folder, 1) == []
    found = ask_both(unstamped.folder, unstamped.office)
    assert (found.our_problems, found.their_problems) == ([], [])


def test_the_proof_from_the_office_log_counts_once_it_is_listed(unstamped: Made) -> None:
    assert sealing.has_office_proof(unstamped.folder)
    (unstamped.folder / bag.TAG_MANIFEST).write_text("")
    assert not sealing.has_office_proof(unstamped.folder)
    bag.write_tag_manifest(unstamped.folder)
    assert sealing.has_office_proof(unstamped.folder)


def test_a_slow_authority_leaves_the_stamp_pending(unstamped: Made, authority: Authority) -> None:
    authority.gate.clear()
    asked = timestamps.request((unstamped.folder / "seal.p7s").read_bytes())
    try:
        with pytest.raises(TimeoutError):
            ask(authority, asked.body, timeout_s=0.05)
    finally:
        authority.gate.set()
    assert sealing.pending_stamps(unstamped.folder, 1) == [1]
    stamp(unstamped, 1, authority)
    assert ask_both(unstamped.folder, unstamped.office).ours


def test_two_authorities_stamp_independently(unstamped: Made, authority: Authority, tmp_path: Path) -> None:
    with serving(make_authority(tmp_path / "second", name="Second authority")) as second:
        stamp(unstamped, 2, second)
        assert sealing.pending_stamps(unstamped.folder, 2) == [1]
        stamp(unstamped, 1, authority)
    found = ask_both(unstamped.folder, unstamped.office)
    assert (found.our_problems, found.their_problems) == ([], [])
    numbers = next(
        s.numbers for s in ask_ours(unstamped.folder, unstamped.office).steps if s.kind.code == "stamp"
    )
    assert numbers == {"stamps": 2}


def test_with_the_authoritys_root_given_nothing_is_left_to_warn_of(
    original: Made, authority: Authority
) -> None:
    report = verify(original.folder, trust_of(original.office, authority.root))
    assert report.verdict == "passed"


def test_a_stamp_under_another_root_than_the_given_is_named(original: Made, tmp_path: Path) -> None:
    other = make_authority(tmp_path / "other")
    report = verify(original.folder, trust_of(original.office, other.root))
    assert [f.subject for s in report.steps for f in s.findings if f.code == "bad_stamp"] == ["seal.tsr"]


def test_an_authority_that_stamps_something_else_is_refused(authority: Authority) -> None:
    asked, other = timestamps.request(DATA), timestamps.request(b"something else")
    with pytest.raises(BadStamp, match=r"[Nn]once|messages"):
        accept(authority.reply(other.body), authority, asked)


def test_a_reply_that_is_repeated_is_refused(authority: Authority) -> None:
    first, second = timestamps.request(DATA), timestamps.request(DATA)
    reply = authority.reply(first.body)
    assert accept(reply, authority, first).serial > 0
    with pytest.raises(BadStamp, match="Nonce"):
        accept(reply, authority, second)


def test_an_expired_authority_is_named(tmp_path: Path) -> None:
    expired = make_authority(tmp_path / "expired", days=-1)
    asked = timestamps.request(DATA)
    with pytest.raises(BadStamp, match="expired"):
        accept(expired.reply(asked.body), expired, asked)


def test_an_unknown_authority_is_refused(authority: Authority, tmp_path: Path) -> None:
    other = make_authority(tmp_path / "other")
    asked = timestamps.request(DATA)
    with pytest.raises(BadStamp):
        accept(authority.reply(asked.body), other, asked)


def test_a_clock_that_is_far_from_ours_is_refused(authority: Authority) -> None:
    asked = timestamps.request(DATA)
    roots = certificates.from_pem(authority.root)
    with pytest.raises(BadStamp, match="clock"):
        timestamps.accept(
            authority.reply(asked.body), DATA, roots, asked, datetime.now(UTC) + timedelta(minutes=20)
        )


DISTORTIONS: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"",
    "a web page": lambda _: b"<html>502 Bad Gateway</html>",
    "half of it": lambda reply: reply[: len(reply) // 2],
    "too much": lambda _: bytes(timestamps.MAX_REPLY + 1),
    "a refusal": lambda _: bytes.fromhex("30053003020102"),
    "lengths that lie": lambda reply: reply[:1] + b"\x84\xff\xff\xff\xff" + reply[5:],
}


@pytest.mark.parametrize("what", DISTORTIONS)
def test_a_reply_that_is_no_stamp_is_refused_and_leaves_the_package_as_it_was(
    unstamped: Made, authority: Authority, what: str
) -> None:
    asked = timestamps.request((unstamped.folder / "seal.p7s").read_bytes())
    reply = DISTORTIONS[what](authority.reply(asked.body))
    with pytest.raises(BadStamp):
        sealing.add_stamp(unstamped.folder, 1, reply, asked, authority.root, datetime.now(UTC))
    assert sealing.pending_stamps(unstamped.folder, 1) == [1]
    assert ask_both(unstamped.folder, unstamped.office).ours


def test_no_flipped_byte_in_a_reply_gives_another_time(authority: Authority) -> None:
    """A flip may fall on bytes that nobody signs; it must never change what is attested."""
    asked = timestamps.request(DATA)
    reply = authority.reply(asked.body)
    true = accept(reply, authority, asked)
    for position in range(0, len(reply), 7):
        changed = bytearray(reply)
        changed[position] ^= 1
        try:
            given = accept(bytes(changed), authority, asked)
        except BadStamp:
            continue
        assert (given.at, given.serial, given.policy) == (true.at, true.serial, true.policy)


def accept(reply: bytes, authority: Authority, asked: timestamps.StampRequest) -> timestamps.Stamp:
    return timestamps.accept(reply, DATA, certificates.from_pem(authority.root), asked, datetime.now(UTC))

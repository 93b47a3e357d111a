"""What a hostile package can do to the screen of who checks it: nothing. And which exit code says what."""

import ast
import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from server.evidence import certificates, keylog, keys, receipts, signatures
from server.evidence.canonical import dump, parse_canonical
from server.evidence.receipts import BadReceipt, BroughtKey, KeptReceipts
from server.evidence.verify import Trust
from server.evidence.verify.receipt_check import check_receipts_alone
from tests.command import yunkan
from tests.evidence import tampering
from tests.evidence.inspection import INSPECTION, PARTICIPANT, Log, Made, make_receipt
from tests.evidence.verifiers import STANDALONE, json_of, run_standalone, standalone

NOW = datetime.now(UTC)
PAINT = "\x1b[2J\x1b[1;1H\r\nThe package is whole and unchanged.\n\x9b1m\u202e\u2028"
"Clears the screen, writes a verdict, turns the direction of writing."


def both(folder: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What each of the two prints about a package that does not hold, as text and as JSON."""
    told = []
    for words in ([], ["--json"]):
        code, text = run_standalone(STANDALONE, *words, str(folder))
        assert code == 1, text
        told.append(text)
        capsys.readouterr()
        assert yunkan("verify", *words, str(folder)) in (1, 2)
        told.append(capsys.readouterr().out)
        if words:
            assert [json.loads(each)["verdict"] in ("failed", "unreadable") for each in told[-2:]] == [
                True,
                True,
            ]
    return told


def harmless(text: str) -> None:
    strange = {c for c in text if not c.isprintable() and c != "\n"}
    assert strange == set(), strange
    assert not any(line.strip(' "').startswith("The package is whole") for line in text.splitlines())
    text.encode()


@pytest.mark.parametrize("part", [PAINT, "\ud800"])
def test_an_event_cannot_paint_a_verdict(
    package: Made, capsys: pytest.CaptureFixture[str], part: str
) -> None:
    path = package.folder / "data/events.jsonl"
    events = tampering.read_events(package.folder)
    for event in events:
        if event["body"].get("part"):
            event["body"]["part"] = part
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    for text in both(package.folder, capsys):
        harmless(text)


@pytest.mark.parametrize("name", [PAINT.replace("/", ""), "\udcff\udcfe.png"])
def test_the_name_of_a_file_cannot_paint_a_verdict(
    package: Made, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (package.folder / f"data/{name}").write_bytes(b"x")
    for text in both(package.folder, capsys):
        harmless(text)


def test_the_name_of_an_office_cannot_paint_a_verdict(
    package: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    path = package.folder / "seal.json"
    path.write_bytes(dump({**parse_canonical(path.read_bytes()), "office": PAINT, "inspection": PAINT}))
    for text in both(package.folder, capsys):
        harmless(text)


def test_a_screen_that_knows_no_chinese_gets_every_word_all_the_same(original: Made) -> None:
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    for command in ([str(STANDALONE)], ["-m", "server", "verify", "--language", "zh-CN"]):
        result = subprocess.run(
            [sys.executable, *command, str(original.folder)],
            cwd=STANDALONE.parents[3],
            env=environment,
            capture_output=True,
            check=False,
        )
        assert (result.returncode, result.stderr) == (0, b"")


def test_a_pipe_in_the_place_of_a_signature_does_not_hold_up_the_check(package: Made) -> None:
    (package.folder / "seal.p7s").unlink()
    os.mkfifo(package.folder / "seal.p7s")
    result = subprocess.run(
        [sys.executable, "-I", "-S", STANDALONE, package.folder],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 1
    assert "seal.p7s" in result.stdout and "is a link or a device" in result.stdout
    assert "signature" not in result.stdout.lower()


def test_what_is_no_folder_is_told_with_the_code_for_nothing_checked(original: Made, tmp_path: Path) -> None:
    archive, pipe = tmp_path / "package.zip", tmp_path / "pipe"
    archive.write_bytes(b"PK")
    os.mkfifo(pipe)
    (tmp_path / "empty").mkdir()
    for path, reason in (
        (tmp_path / "nothing", "There is no such folder"),
        (archive, "unpack it first"),
        (pipe, "There is no such folder"),
        (tmp_path / "empty", "There is no bagit.txt"),
    ):
        code, text = run_standalone(STANDALONE, str(path))
        assert (code, reason in text, "Nothing could be checked." in text) == (2, True, True), text
        assert json_of(run_standalone(STANDALONE, "--json", str(path))[1])["verdict"] == "unreadable"
        assert yunkan("verify", str(path)) == 2


@pytest.mark.parametrize("curve", [ec.SECP224R1(), ec.BrainpoolP256R1(), "unknown"])
def test_a_receipt_with_a_key_of_another_curve_is_refused_with_a_reason(
    office: keys.OfficeKeys, tmp_path: Path, curve: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    if curve == "unknown":
        key = ec.generate_private_key(ec.SECP256R1())
        known = signatures.public_bytes(key.public_key())
        public = known.replace(bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06082a8648ce3d030163"))
        assert public != known
    else:
        key = ec.generate_private_key(curve)
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    with pytest.raises(BadReceipt, match="P-256"):
        receipts.p256_key(public)
    log = Log(INSPECTION, NOW - timedelta(hours=1))
    log.add("chat.sent", text="1")
    kept = KeptReceipts(
        [make_receipt(office, log, 1, NOW)],
        ["回执"],
        office.log,
        certificates.to_pem([office.root]).decode(),
        [BroughtKey(PARTICIPANT, 1, public)],
    )
    (tmp_path / "kept.json").write_bytes(kept.to_bytes())
    assert yunkan("verify", "--language", "en", "--receipt", str(tmp_path / "kept.json")) == 1
    assert "the participant's key is not on P-256" in capsys.readouterr().out


@pytest.mark.parametrize(
    "change",
    [
        {"certificate": ["x"]},
        {"certificate": 7},
        {"certificate": {}},
        {"public": ["00"]},
        {"office": ["x"]},
        {"office": None},
        {"at": 7},
        {"replaces": ["x"]},
        {"number": "1"},
        {"\ud800": 1},
    ],
)
def test_a_key_history_of_another_shape_is_refused_with_a_reason(
    office: keys.OfficeKeys, tmp_path: Path, change: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    first, _, rest = office.log.partition(b"\n")
    value = parse_canonical(first)
    value["statement"].update(change)
    line = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    with pytest.raises(keylog.BadKeyLog):
        keylog.check_log(line + b"\n" + rest)
    log = Log(INSPECTION, NOW - timedelta(hours=1))
    log.add("chat.sent", text="1")
    root = certificates.to_pem([office.root]).decode()
    kept = KeptReceipts([make_receipt(office, log, 1, NOW)], [], line + b"\n" + rest, root, [])
    with pytest.raises(BadReceipt) as caught:
        check_receipts_alone(kept.to_bytes(), Trust(now=NOW))
    str(caught.value).encode()
    (tmp_path / "kept.json").write_bytes(kept.to_bytes())
    assert yunkan("verify", "--receipt", str(tmp_path / "kept.json")) == 2
    harmless(capsys.readouterr().out)


def test_a_key_history_that_is_cut_off_is_refused(office: keys.OfficeKeys) -> None:
    with pytest.raises(keylog.BadKeyLog, match="cut off"):
        keylog.check_log(office.log[:-1])


# -- the languages of the stand-alone verifier


def messages() -> list[str]:
    """Every first text that `verify.py` gives to `fail`, `warn` and `note`."""
    found = []
    for call in ast.walk(ast.parse(STANDALONE.read_text())):
        if (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and call.func.attr in ("fail", "warn", "note")
        ):
            text = call.args[1]
            if isinstance(text, ast.Constant):
                found.append(text.value)
            elif isinstance(text, ast.Name):
                found.append(getattr(standalone(), text.id))
            else:
                assert ast.unparse(text) == "job[1]", ast.unparse(text)  # one of the two names
    return found


def test_every_finding_of_the_enclosed_verifier_has_its_chinese() -> None:
    chinese = standalone().CHINESE
    assert set(messages()) == set(chinese)
    for english, translated in chinese.items():
        assert re.findall("%[^ ]?", english.replace("%.80r", "%s")) is not None
        holes = r"%(?:\.\d+)?[sdr]"
        assert re.findall(holes, english) == re.findall(holes, translated), english
        assert re.search("[\u4e00-\u9fff]", translated), english


def test_the_enclosed_verifier_speaks_both_languages_or_the_one_that_is_asked_for(package: Made) -> None:
    tampering.flip(package.folder / "data/snapshots/0000.png", 0)
    script = str(package.folder / "verify.py")
    told = {
        words: run_standalone(STANDALONE, *words, script[:-10])[1]
        for words in ((), ("--lang", "zh"), ("--lang", "en"))
    }
    for language, text in (("zh", "已被改动"), ("en", "was changed")):
        assert text in told[()]
        assert text in told["--lang", language]
        assert text not in told["--lang", "en" if language == "zh" else "zh"]
    assert re.search("[\u4e00-\u9fff]{2}", told["--lang", "en"].replace(package.office.office, "")) is None
    problems = json_of(run_standalone(STANDALONE, "--json", script[:-10])[1])["problems"]
    assert isinstance(problems, list)
    assert all(each["reason"] and each["reason_zh"] for each in problems)


def test_a_name_is_shown_as_it_is_where_it_can_be_read() -> None:
    made = standalone()
    for text in ("勘验-1.png", "a b", "\u00e9", "\\x"):
        assert made.printable(text) == text
    assert made.printable("a\nb\x1b\x9b\ud800\u202e\u2028\x00") == r"a\nb\x1b\x9b\ud800\u202e\u2028\x00"


# -- bombs


def test_a_log_of_too_many_lines_or_of_bad_ones_is_left_at_once(
    package: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the lines are counted here but what is kept of them: a bad line is the last that is parsed."""
    from server.evidence.verify import evidence as gathering
    from server.evidence.verify.source import open_source

    path = package.folder / "data/events.jsonl"
    path.write_bytes(b"{}\n" * 5000)
    parsed = []
    original = gathering.parse
    monkeypatch.setattr(gathering, "parse", lambda *a, **k: (parsed.append(1), original(*a, **k))[1])
    source = open_source(package.folder)
    found = gathering.gather(source, Trust(now=NOW))
    assert (len(parsed), found.events, found.event_problem) == (1, [], "line 1 is not an event: 'seq'")
    monkeypatch.setattr(gathering, "MAX_LINES", 4999)
    found = gathering.gather(source, Trust(now=NOW))
    assert (found.lines, found.event_problem) == ([], "it has more than 4999 lines")
    source.close()


def test_the_enclosed_verifier_reads_no_more_than_can_be_true(
    package: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = standalone()
    from tests.evidence.verifiers import run_in_process

    lines = (package.folder / "data/events.jsonl").read_bytes().count(b"\n")
    for name, most in (("MOST_LINES", lines - 1), ("MOST_BYTES", 3000)):
        with monkeypatch.context() as patched:
            patched.setattr(made, name, most)
            check, _ = run_in_process(package.folder, package.office)
            told = [
                item["subject"] for item in check.problems if item["reason"] == "is larger than it can be"
            ]
            assert "data/events.jsonl" in told

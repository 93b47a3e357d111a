"""Both verifiers, asked the same way."""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from server.evidence import certificates, keys
from server.evidence.certificates import from_pem
from server.evidence.verify import Report, Trust, verify

STANDALONE = Path(__file__).parents[2] / "server/evidence/standalone/verify.py"


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What the two say: did it pass, and every problem as one text each."""

    ours: bool
    theirs: bool
    our_problems: list[str]
    their_problems: list[str]


def trust_of(office: keys.OfficeKeys, tsa_root: bytes | None = None) -> Trust:
    roots = from_pem(tsa_root) if tsa_root else []
    return Trust(now=datetime.now(UTC), roots=[office.root], tsa_roots=roots)


def ask_ours(path: Path, office: keys.OfficeKeys) -> Report:
    return verify(path, trust_of(office))


def problems_of(report: Report) -> list[str]:
    if report.unreadable is not None:
        return [report.unreadable.message()]
    return [f.message() for step in report.steps for f in step.findings if f.result == "failed"]


def ask_both(folder: Path, office: keys.OfficeKeys) -> Verdicts:
    """The stand-alone one in this process, which saves starting Python a thousand times."""
    report = ask_ours(folder, office)
    check, stopped = run_in_process(folder, office)
    problems = [f"{item['subject']} {item['reason']}" for item in check.problems] + stopped
    return Verdicts(report.passed, check.verdict(bool(stopped)) == "passed", problems_of(report), problems)


def run_in_process(folder: Path, office: keys.OfficeKeys) -> tuple[Any, list[str]]:
    """The stand-alone verifier's `Check` after its run, and why it stopped."""
    module = standalone()
    fingerprint = certificates.fingerprint(office.root)
    arguments = argparse.Namespace(root=None, fingerprint=fingerprint, tsa_root=None)
    check = module.Check(str(folder), arguments)
    try:
        check.run()
    except module.Stop as error:
        return check, [error.args[1]]
    except OSError as error:
        return check, [str(error)]
    return check, []


def warnings_of(folder: Path, office: keys.OfficeKeys) -> list[str]:
    """The remarks of the stand-alone verifier."""
    check, _ = run_in_process(folder, office)
    return [f"{item['subject']} {item['reason']}" for item in check.warnings]


def run_standalone(script: Path, *arguments: str) -> tuple[int, str]:
    """As a stranger runs it: a bare interpreter, without our environment."""
    result = subprocess.run(
        [sys.executable, "-I", "-S", str(script), *arguments], capture_output=True, text=True, check=False
    )
    assert result.stderr == ""
    return result.returncode, result.stdout


def json_of(text: str) -> dict[str, object]:
    value: dict[str, object] = json.loads(text)
    return value


_module: list[ModuleType] = []


def standalone() -> ModuleType:
    """`verify.py` as a module."""
    if not _module:
        spec = importlib.util.spec_from_file_location("standalone_verify", STANDALONE)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        _module.append(module)
    return _module[0]

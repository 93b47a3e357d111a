"""The four-property report (DA/T 70-2018) of a sealed package: made once after the seal, kept in the package."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from server.clock import rfc3339
from server.errors import N_
from server.evidence import cms, four_properties, keys, sealing
from server.evidence.canonical import dump
from server.evidence.verify import Trust, verify
from server.web.languages import speaking, translate

RESULTS = {
    "passed": N_("passed"),
    "failed": N_("FAILED"),
    "not_performed": N_("not performed"),
}
GROUPS = {"1": N_("Authenticity"), "2": N_("Integrity"), "3": N_("Usability"), "4": N_("Security")}


@dataclass(frozen=True, slots=True)
class Checked:
    """The report as the page shows it. `entries`: code, title (message id), result."""

    at: datetime
    entries: list[dict[str, Any]]

    def count(self, result: str) -> int:
        return sum(item["result"] == result for item in self.entries)


def add_report(folder: Path, office: keys.OfficeKeys, now: datetime, language: str) -> None:
    """Verifies the package as it lies there; writes and signs what follows. Nothing if it is there. Blocks."""
    if sealing.has_report(folder):
        return
    sealing.drop_report(folder)  # what a kill left of it is no part of what is to be verified
    report = verify(folder, Trust(now=now, roots=[office.root]))
    items = four_properties.check_four_properties(folder, report)
    with speaking(language):
        text = _readable(items, now).encode()
    told = four_properties.as_json(items) | {"at": rfc3339(now), "verdict": report.verdict}
    # The signature is over this: it must be about no other package, and vouch for the text too.
    told |= {"seal": _digest((folder / sealing.SEAL).read_bytes()), "text": _digest(text)}
    signature = cms.sign(dump(told), office.seal_key, office.chain)
    sealing.add_report(folder, dump(told), text, signature)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _readable(items: list[four_properties.Item], now: datetime) -> str:
    lines = [translate(N_("Four-property check after DA/T 70-2018, {time}"), time=rfc3339(now))]
    group = ""
    for item in items:
        if item.code[0] != group:
            group = item.code[0]
            lines += ["", translate(GROUPS[group])]
        result = translate(RESULTS[item.result.value])
        lines.append(f"{item.code:<5} {translate(item.title)}: {result}")
    counts = Counter(item.result.value for item in items)
    numbers = {name: counts[name] for name in RESULTS}
    lines += [
        "",
        translate(N_("{passed} passed, {failed} failed, {not_performed} not performed"), **numbers),
        translate(
            N_("What a machine cannot check, or this one does not, is not performed; it is never passed.")
        ),
        "",
    ]
    return "\n".join(lines)


def find_report(folder: Path) -> Checked | None:
    """What was found, if the package has a report. Blocks."""
    path = folder / sealing.FOUR_PROPERTIES
    if not path.exists():
        return None
    value = json.loads(path.read_bytes())
    return Checked(datetime.fromisoformat(value["at"]), value["items"])

"""The end of what was never sealed: all of it goes, and a signed certificate says what there was and who decided.

There is no root that could stay true. What ties the certificate to what was recorded is the end of the log, which the
office's log took down when the log was closed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from server.evidence import cms, durable, keys
from server.evidence.canonical import BadJson, dump, parse_canonical, parse_time, time_text
from server.evidence.disposal import BadDisposal, destroy
from server.evidence.errors import N_

VERSION, KIND = 1, "disposal-unsealed"


@dataclass(frozen=True, slots=True)
class UnsealedDisposal:
    """`lines` and `head` of the log as it was closed; `files` and `size_bytes` of what lay in the folder."""

    inspection: str
    lines: int
    head: str
    files: int
    size_bytes: int
    at: str
    policy: str
    reason: str
    approvers: tuple[str, ...]

    def to_bytes(self) -> bytes:
        return dump({"v": VERSION, "kind": KIND, **asdict(self), "approvers": list(self.approvers)})

    @classmethod
    def parse(cls, data: bytes) -> UnsealedDisposal:
        """BadDisposal unless it is the canonical form of one."""
        try:
            value = dict(parse_canonical(data, limit=1 << 20))
            if value.pop("v") != VERSION or value.pop("kind") != KIND:
                raise BadDisposal(N_("it is not of a known version"))
            made = cls(**{**value, "approvers": tuple(map(str, value["approvers"]))})
            parse_time(made.at)
        except (BadJson, KeyError, TypeError, ValueError) as error:
            raise BadDisposal(f"it cannot be read: {error}") from error
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsealedOrder:
    """`folders`: everything that is destroyed; `certificate`: where it is kept, its signature beside it as `.p7s`."""

    inspection: str
    lines: int
    head: str
    folders: Sequence[Path]
    certificate: Path
    policy: str
    reason: str
    approvers: tuple[str, ...]
    at: datetime


def dispose_unsealed(
    order: UnsealedOrder, office: keys.OfficeKeys, *, reached: Callable[[str], None] = lambda _step: None
) -> UnsealedDisposal:
    """May be repeated after a kill, and after CannotDispose: the certificate comes first, and the first one stays."""
    if order.certificate.exists():
        made = UnsealedDisposal.parse(order.certificate.read_bytes())
    else:
        files = [path for folder in order.folders if folder.is_dir() for path in folder.rglob("*")]
        sizes = [path.stat().st_size for path in files if path.is_file()]
        made = UnsealedDisposal(
            inspection=order.inspection,
            lines=order.lines,
            head=order.head,
            files=len(sizes),
            size_bytes=sum(sizes),
            at=time_text(order.at),
            policy=order.policy,
            reason=order.reason,
            approvers=order.approvers,
        )
        durable.write(order.certificate, made.to_bytes())
    signature = cms.sign(made.to_bytes(), office.seal_key, office.chain)
    durable.write(order.certificate.with_suffix(".p7s"), signature)
    reached("certificate")
    for folder in order.folders:
        destroy(folder)
    reached("content")
    return made

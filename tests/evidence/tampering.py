"""Ways to change a package, from the clumsy to the careful: what an adversary does to files, lists and logs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from server.evidence.canonical import dump
from server.evidence.chain import GENESIS, link_of

Tamper = Callable[[Path], None]


def flip(path: Path, position: int, mask: int = 1) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= mask
    path.write_bytes(data)


def relist(folder: Path) -> None:
    """The careful adversary: all lists fit what is there now."""
    payload = sorted(p for p in (folder / "data").rglob("*") if p.is_file())
    _list(folder, "manifest-sha256.txt", payload)
    info = folder / "bag-info.txt"
    if info.exists():
        kept = [line for line in info.read_text().splitlines() if not line.startswith("Payload-Oxum")]
        oxum = f"Payload-Oxum: {sum(p.stat().st_size for p in payload)}.{len(payload)}"
        info.write_text("\n".join([*kept, oxum]) + "\n")
    relist_tags(folder)


def relist_tags(folder: Path) -> None:
    target = folder / "tagmanifest-sha256.txt"
    target.unlink(missing_ok=True)
    tags = [p for p in folder.rglob("*") if p.is_file() and not p.is_relative_to(folder / "data")]
    _list(folder, target.name, tags)


def _list(folder: Path, name: str, paths: list[Path]) -> None:
    named = sorted(
        (p.relative_to(folder).as_posix(), hashlib.sha256(p.read_bytes()).hexdigest()) for p in paths
    )
    (folder / name).write_text("".join(f"{digest}  {path}\n" for path, digest in named))


def read_events(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "data/events.jsonl").read_bytes().splitlines()]


def write_events(folder: Path, events: list[dict[str, Any]], *, rechain: bool) -> None:
    """`rechain`: numbers and links are made to fit, as by one who knows how the log works."""
    previous, lines = GENESIS, []
    for number, event in enumerate(events, start=1):
        told = {**event, "seq": number, "prev": previous} if rechain else event
        lines.append(dump(told))
        previous = link_of(lines[-1])
    (folder / "data/events.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))


def names_of(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def of_one_file(name: str, names: list[str]) -> Iterator[tuple[str, str, Tamper]]:
    """(what is done, the name that a verifier must mention, how); it is swapped with the next one of `names`."""
    yield "cut by a byte", name, _change(name, lambda data: data[:-1])
    yield "cut in half", name, _change(name, lambda data: data[: len(data) // 2])
    yield "emptied", name, _change(name, lambda _: b"")
    yield "grown", name, _change(name, lambda data: data + b"\n")
    yield "dropped", name, partial(_drop, name)
    yield "renamed", name, partial(_rename, name, name + ".bak")
    yield "doubled", name + ".2", partial(copy, name, name + ".2")
    yield "swapped", name, partial(_swap, name, names[(names.index(name) + 1) % len(names)])


def _change(name: str, how: Callable[[bytes], bytes]) -> Tamper:
    def tamper(folder: Path) -> None:
        path = folder / name
        path.write_bytes(how(path.read_bytes()))

    return tamper


def _drop(name: str, folder: Path) -> None:
    (folder / name).unlink()


def _rename(name: str, other: str, folder: Path) -> None:
    (folder / name).rename(folder / other)


def copy(name: str, other: str, folder: Path) -> None:
    (folder / other).write_bytes((folder / name).read_bytes())


def _swap(first: str, second: str, folder: Path) -> None:
    one, other = (folder / first).read_bytes(), (folder / second).read_bytes()
    (folder / first).write_bytes(other)
    (folder / second).write_bytes(one)

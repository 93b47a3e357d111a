"""Writes `server/demo/assets`: `python -m tests.assets.scenes.build [scene …]`."""

import json
import sys
from collections.abc import Callable, Collection
from pathlib import Path

from tests.assets.scenes import laboratory, office, outside, plant
from tests.assets.scenes.canvas import Canvas
from tests.assets.scenes.overlay import glyphs

TARGET = Path(__file__).resolve().parents[3] / "server" / "demo" / "assets"
QUALITY = 84

SCENES: dict[str, Callable[[], Canvas]] = {
    "street": outside.street,
    "doorplate": outside.doorplate,
    "signboard": outside.signboard,
    "licence": office.licence,
    "laboratory": laboratory.laboratory,
    "purity": laboratory.purity,
    "balance": laboratory.balance,
    "microscope": laboratory.microscope,
    "line": plant.line,
    "store": plant.store,
}


def build(folder: Path = TARGET, only: Collection[str] = ()) -> None:
    """Draw every scene (or `only` some) and the letters into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, draw) in enumerate(SCENES.items()):
        if not only or name in only:
            draw().finish(seed).save(folder / f"{name}.webp", quality=QUALITY, method=6)
    sheet, boxes = glyphs()
    sheet.save(folder / "glyphs.png", optimize=True)
    (folder / "glyphs.json").write_text(json.dumps(boxes, ensure_ascii=False, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    build(only=sys.argv[1:])

"""Things that stand in more than one scene."""

import math
import random

from tests.assets.scenes.canvas import Box, Canvas, Colour, Point, darker, lighter, mix

GREEN: Colour = (86, 132, 74)
STEEL: Colour = (176, 184, 192)
SACK: Colour = (222, 205, 168)


def tree(c: Canvas, at: Point, size: float, seed: int, colour: Colour = GREEN) -> None:
    """A round-headed tree standing at a point."""
    x, y = at
    rng = random.Random(seed)
    c.shadow(
        [(x - size * 0.5, y - 4), (x + size * 0.6, y - 4), (x + size * 0.7, y + 8)], blur=9, strength=0.4
    )
    trunk = [
        (x - size * 0.05, y),
        (x + size * 0.05, y),
        (x + size * 0.03, y - size),
        (x - size * 0.03, y - size),
    ]
    c.poly(trunk, (104, 84, 66))
    for layer, tone in ((0.0, darker(colour, 0.35)), (0.06, colour), (0.12, lighter(colour, 0.18))):
        for _ in range(26):
            angle, far = rng.uniform(0, 2 * math.pi), rng.uniform(0, 0.36) * size
            centre = (
                x + math.cos(angle) * far - layer * size * 0.6,
                y - size * (1.12 + layer) + math.sin(angle) * far * 0.85,
            )
            c.disc(
                centre,
                size * rng.uniform(0.08, 0.16) * (1 - layer * 2),
                mix(tone, colour, rng.random() * 0.3),
            )


def pot(c: Canvas, at: Point, size: float, seed: int) -> None:
    """A potted plant."""
    x, y = at
    rng = random.Random(seed)
    for _ in range(26):
        lean, tall = rng.uniform(-0.6, 0.6), rng.uniform(0.6, 1.25)
        tip = (x + lean * size * 0.8, y - size * (0.4 + tall * 0.75))
        bend = (x + lean * size * 0.25, y - size * (0.5 + tall * 0.4))
        c.line([(x, y - size * 0.35), bend, tip], mix(GREEN, (150, 190, 110), rng.random()), size * 0.06)
    c.shade_box((x - size * 0.3, y - 6, x + size * 0.4, y + 4), blur=6)
    bowl = [
        (x - size * 0.3, y - size * 0.42),
        (x + size * 0.3, y - size * 0.42),
        (x + size * 0.22, y),
        (x - size * 0.22, y),
    ]
    c.poly(bowl, (206, 200, 192))
    c.rect((x - size * 0.33, y - size * 0.48, x + size * 0.33, y - size * 0.38), (222, 216, 208))


def sack(c: Canvas, box: Box, label: str, colour: Colour = SACK) -> None:
    """A filled seed sack lying flat, its long side to us."""
    x0, y0, x1, y1 = box
    high = y1 - y0
    c.fade(box, lighter(colour, 0.25), darker(colour, 0.28), radius=high * 0.42)
    c.frame(box, darker(colour, 0.4), 1, high * 0.42)
    c.rect((x0 + (x1 - x0) * 0.3, y0 + high * 0.18, x1 - (x1 - x0) * 0.3, y1 - high * 0.22), (60, 122, 78))
    if label:
        c.text(((x0 + x1) / 2, (y0 + y1) / 2 - high * 0.02), label, high * 0.42, (250, 248, 238))
    for x in (x0 + high * 0.25, x1 - high * 0.25):
        c.line([(x, y0 + high * 0.2), (x, y1 - high * 0.2)], darker(colour, 0.25), 1)


def sign(
    c: Canvas, box: Box, words: str, colour: Colour = (11, 90, 138), ink: Colour = (255, 255, 255)
) -> None:
    """A small plate on a wall or a machine."""
    x0, y0, x1, y1 = box
    c.shade_box((x0 + 2, y0 + 3, x1 + 2, y1 + 4), blur=4, strength=0.3)
    c.rect(box, colour, radius=4)
    c.frame((x0 + 4, y0 + 4, x1 - 4, y1 - 4), mix(colour, ink, 0.6), 1, 2)
    size = min((y1 - y0) * 0.58, (x1 - x0 - 16) / max(1, sum(1 if ord(w) > 255 else 0.6 for w in words)))
    c.text(((x0 + x1) / 2, (y0 + y1) / 2), words, size, ink)


def room(
    c: Canvas, back: Box, *, wall: Colour, floor: Colour, ceiling: Colour, tiles: int = 14, rows: int = 9
) -> None:
    """A room in one-point perspective; `back` is its far wall."""
    x0, y0, x1, y1 = back
    vx, vy = (x0 + x1) / 2, y0 + (y1 - y0) * 0.42
    c.poly([(0, 0), (1600, 0), (x1, y0), (x0, y0)], ceiling)
    c.poly([(0, 0), (x0, y0), (x0, y1), (0, 900)], darker(wall, 0.10))
    c.poly([(1600, 0), (x1, y0), (x1, y1), (1600, 900)], darker(wall, 0.06))
    c.fade(back, lighter(wall, 0.2), wall)
    c.poly([(0, 900), (x0, y1), (x1, y1), (1600, 900)], floor)
    span = 900 - vy
    for index in range(-tiles, tiles * 2 + 1):
        foot = index * 1600 / tiles
        share = (y1 - vy) / span
        c.line([(vx + (foot - vx) * share, y1), (foot, 900)], darker(floor, 0.10), 1)
    for row in range(1, rows + 1):
        share = ((y1 - vy) / span) ** (1 - row / rows)
        c.line(
            [(vx - vx * share, vy + span * share), (vx + (1600 - vx) * share, vy + span * share)],
            darker(floor, 0.1),
            1,
        )
    c.shadow(
        [(0, 900), (x0, y1), (x1, y1), (1600, 900), (1600, 880), (x1, y1 - 8), (x0, y1 - 8), (0, 880)],
        blur=14,
        strength=0.25,
    )
    for edge in ([(0, 900), (x0, y1)], [(x0, y1), (x1, y1)], [(x1, y1), (1600, 900)]):
        c.line(edge, darker(wall, 0.35), 5)
    c.line([(x0, y0), (x0, y1)], darker(wall, 0.18), 2)
    c.line([(x1, y0), (x1, y1)], darker(wall, 0.18), 2)


def lamp(c: Canvas, left: Point, right: Point, thick: float) -> None:
    """A ceiling light with its glow."""
    (x0, y0), (x1, y1) = left, right
    glow = [
        (x0 - 20, y0 - thick),
        (x1 + 20, y1 - thick),
        (x1 + 20, y1 + thick * 3),
        (x0 - 20, y0 + thick * 3),
    ]
    c.shadow(glow, blur=22, strength=0.7, light=True)
    c.line([left, right], (255, 254, 246), thick)


def extinguisher(c: Canvas, at: Point, size: float) -> None:
    """A fire extinguisher standing at a point."""
    x, y = at
    c.shade_box((x - size * 0.2, y - 5, x + size * 0.3, y + 4), blur=5)
    c.fade(
        (x - size * 0.18, y - size * 0.8, x + size * 0.18, y),
        (232, 60, 48),
        (150, 20, 22),
        across=True,
        radius=size * 0.1,
    )
    c.rect((x - size * 0.06, y - size * 0.95, x + size * 0.06, y - size * 0.78), (50, 52, 56))
    c.line(
        [
            (x + size * 0.05, y - size * 0.9),
            (x + size * 0.26, y - size * 0.7),
            (x + size * 0.22, y - size * 0.3),
        ],
        (40, 40, 44),
        size * 0.05,
    )
    c.rect((x - size * 0.14, y - size * 0.55, x + size * 0.14, y - size * 0.3), (246, 240, 226))

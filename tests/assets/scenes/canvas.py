"""A drawing surface of 1600x900 units, drawn at twice the size and brought down for smooth edges."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

Point = tuple[float, float]
Box = tuple[float, float, float, float]
Colour = tuple[int, int, int]

WIDTH, HEIGHT = 1600, 900
SCALE = 2
FONTS = {
    "sans": (Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"), 2),
    "bold": (Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc"), 2),
    "serif": (Path("/usr/share/fonts/opentype/noto/NotoSerifCJK-Bold.ttc"), 2),
    "mono": (Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc"), 7),
}


@cache
def font(name: str, size: float) -> ImageFont.FreeTypeFont:
    """A face of Noto CJK, simplified Chinese, `size` in pixels."""
    path, index = FONTS[name]
    return ImageFont.truetype(str(path), round(size), index=index)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`one` with a share of `other` in it."""
    r, g, b = (round(a + (c - a) * share) for a, c in zip(one, other, strict=True))
    return r, g, b


def lighter(colour: Colour, share: float = 0.25) -> Colour:
    return mix(colour, (255, 255, 255), share)


def darker(colour: Colour, share: float = 0.25) -> Colour:
    return mix(colour, (12, 18, 28), share)


class Canvas:
    """All coordinates in units; y grows downwards."""

    def __init__(self, colour: Colour = (255, 255, 255)) -> None:
        self.image = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), colour)
        self._pen = ImageDraw.Draw(self.image)

    def finish(self, seed: int, grain: float = 1.6, vignette: float = 0.16) -> Image.Image:
        """The picture in its final size, with a lens's fall-off and a sensor's grain."""
        small = self.image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
        pixels = np.asarray(small, np.float32)
        y, x = np.linspace(-1, 1, HEIGHT)[:, None], np.linspace(-1, 1, WIDTH)[None, :]
        fall = 1 - vignette * np.clip((x**2 + y**2) / 2, 0, 1)
        noise = np.random.default_rng(seed).normal(0, grain, (HEIGHT, WIDTH, 1))
        return Image.fromarray(np.clip(pixels * fall[..., None] + noise, 0, 255).astype(np.uint8))

    def rect(
        self, box: Box, fill: Colour, *, radius: float = 0, outline: Colour | None = None, width: float = 2
    ) -> None:
        self._pen.rounded_rectangle(_s(box), radius * SCALE, fill, outline, round(width * SCALE))

    def frame(self, box: Box, outline: Colour, width: float = 2, radius: float = 0) -> None:
        """A rectangle's outline alone."""
        self._pen.rounded_rectangle(_s(box), radius * SCALE, None, outline, round(width * SCALE))

    def poly(self, points: Sequence[Point], fill: Colour) -> None:
        self._pen.polygon([(x * SCALE, y * SCALE) for x, y in points], fill)

    def line(self, points: Sequence[Point], fill: Colour, width: float = 2) -> None:
        self._pen.line(
            [(x * SCALE, y * SCALE) for x, y in points], fill, max(1, round(width * SCALE)), joint="curve"
        )

    def disc(self, centre: Point, radius: float, fill: Colour, *, flat: float = 1.0) -> None:
        """A disc, or an ellipse `flat` times as high as wide."""
        x, y = centre
        self._pen.ellipse(_s((x - radius, y - radius * flat, x + radius, y + radius * flat)), fill)

    def mound(self, centre: Point, radius: float, fill: Colour, *, flat: float = 1.0) -> None:
        """The upper half of a disc, `centre` being the middle of its base."""
        x, y = centre
        box = _s((x - radius, y - radius * flat, x + radius, y + radius * flat))
        self._pen.pieslice(box, 180, 360, fill)

    def ring(self, centre: Point, radius: float, colour: Colour, width: float, *, flat: float = 1.0) -> None:
        x, y = centre
        box = _s((x - radius, y - radius * flat, x + radius, y + radius * flat))
        self._pen.ellipse(box, None, colour, round(width * SCALE))

    def text(
        self, at: Point, words: str, size: float, fill: Colour, *, face: str = "bold", anchor: str = "mm"
    ) -> None:
        self._pen.text((at[0] * SCALE, at[1] * SCALE), words, fill, font(face, size * SCALE), anchor=anchor)

    def column(self, at: Point, words: str, size: float, fill: Colour, *, face: str = "serif") -> None:
        """Words written downwards, `at` being the middle of the top edge."""
        for index, word in enumerate(words):
            self.text((at[0], at[1] + (index + 0.5) * size * 1.1), word, size, fill, face=face)

    def fade(self, box: Box, top: Colour, bottom: Colour, *, across: bool = False, radius: float = 0) -> None:
        """A rectangle whose colour goes from top to bottom, or from left to right."""
        x0, y0, x1, y1 = (round(v) for v in _s(box))
        ramp = Image.linear_gradient("L")
        ramp = (ramp.rotate(90) if across else ramp).resize((max(1, x1 - x0), max(1, y1 - y0)))
        size = ramp.size
        blend = Image.composite(Image.new("RGB", size, bottom), Image.new("RGB", size, top), ramp)
        mask = Image.new("L", size, 0)
        ImageDraw.Draw(mask).rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), radius * SCALE, 255)
        self.image.paste(blend, (x0, y0), mask)

    def shadow(
        self, points: Sequence[Point], *, blur: float = 12, strength: float = 0.35, light: bool = False
    ) -> None:
        """A soft shadow of a polygon, or a soft light."""
        scaled = [(x * SCALE, y * SCALE) for x, y in points]
        margin = blur * SCALE * 3
        left = int(min(x for x, _ in scaled) - margin)
        top = int(min(y for _, y in scaled) - margin)
        right = int(max(x for x, _ in scaled) + margin)
        bottom = int(max(y for _, y in scaled) + margin)
        mask = Image.new("L", (right - left, bottom - top), 0)
        ImageDraw.Draw(mask).polygon([(x - left, y - top) for x, y in scaled], round(255 * strength))
        mask = mask.filter(ImageFilter.GaussianBlur(blur * SCALE))
        colour = (255, 252, 240) if light else (16, 20, 30)
        self.image.paste(Image.new("RGB", mask.size, colour), (left, top), mask)

    def shade_box(self, box: Box, **how: float) -> None:
        """A soft shadow of a rectangle."""
        x0, y0, x1, y1 = box
        self.shadow(
            [(x0, y0), (x1, y0), (x1, y1), (x0, y1)],
            blur=how.get("blur", 12),
            strength=how.get("strength", 0.35),
        )

    def block(
        self, box: Box, depth: Point, colour: Colour, *, radius: float = 0, ground: bool = True
    ) -> None:
        """A box seen from the front and a little from the side: `depth` is where its back edge is shifted to."""
        x0, y0, x1, y1 = box
        dx, dy = depth
        if ground:
            self.shadow([(x0, y1), (x1, y1), (x1 + dx * 2, y1 + dy * 0.6), (x0 + dx, y1 + dy * 0.4)], blur=10)
        self.poly([(x0, y0), (x0 + dx, y0 + dy), (x1 + dx, y0 + dy), (x1, y0)], lighter(colour, 0.35))
        side = x1 if dx > 0 else x0
        self.poly([(side, y0), (side + dx, y0 + dy), (side + dx, y1 + dy), (side, y1)], darker(colour, 0.3))
        self.fade(box, lighter(colour, 0.12), darker(colour, 0.1), radius=radius)
        self.frame(box, darker(colour, 0.35), 1, radius)

    def soften(self, box: Box, blur: float) -> None:
        """Put a part out of focus."""
        x0, y0, x1, y1 = (round(v) for v in _s(box))
        part = self.image.crop((x0, y0, x1, y1)).filter(ImageFilter.GaussianBlur(blur * SCALE))
        self.image.paste(part, (x0, y0))

    def speckle(self, box: Box, seed: int, strength: float = 0.06, coarse: int = 2) -> None:
        """Uneven surface: plaster, brick, asphalt."""
        x0, y0, x1, y1 = (round(v) for v in _s(box))
        small = ((x1 - x0) // coarse + 1, (y1 - y0) // coarse + 1)
        noise = np.random.default_rng(seed).normal(128, 255 * strength, small[::-1]).clip(0, 255)
        layer = Image.fromarray(noise.astype(np.uint8)).resize((x1 - x0, y1 - y0)).convert("RGB")
        part = self.image.crop((x0, y0, x1, y1))
        self.image.paste(ImageChops.overlay(part, layer), (x0, y0))


def _s(box: Box) -> Box:
    x0, y0, x1, y1 = box
    return x0 * SCALE, y0 * SCALE, x1 * SCALE, y1 * SCALE

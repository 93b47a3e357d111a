"""Where pictures of pages go: one PNG for each page, language, size and theme, and a page that shows them all."""

from __future__ import annotations

import html
import io
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image
from playwright.async_api import BrowserContext, Error, Page

LANGUAGES = ("zh-CN", "en")
THEMES = ("light", "dark")
COOKIE = "yunkan_language"

Size = tuple[str, int, int]
PHONE: Size = ("412x915", 412, 915)
SMALL: Size = ("360x740", 360, 740)
DESK: Size = ("1366x768", 1366, 768)
OFFICE_SIZES = (PHONE, DESK)
PHONE_SIZES = (SMALL, PHONE, DESK)

COLOURS = 256
"""A palette holds a page without visible loss in a third of the bytes."""


@dataclass
class Album:
    """Takes pictures into `folder`. `only` keeps those pages whose names are in it (None: all)."""

    folder: Path
    address: str
    only: frozenset[str] | None = None
    taken: list[tuple[str, str, str, str]] = field(default_factory=list)

    async def in_each_language(
        self,
        page: Page,
        name: str,
        prepare: Callable[[], Awaitable[object]],
        *,
        sizes: Sequence[Size] = OFFICE_SIZES,
        full: bool = True,
    ) -> None:
        """`prepare` brings the page into the state that is wanted, once in each language."""
        if self.only is not None and name not in self.only:
            return
        for language in LANGUAGES:
            await self.speak(page, language)
            await prepare()
            await self.take(page, name, language, sizes=sizes, full=full)

    async def visit(self, page: Page, name: str, path: str, *, sizes: Sequence[Size] = OFFICE_SIZES) -> None:
        """A page that needs no more than its address."""
        await self.in_each_language(page, name, lambda: page.goto(path), sizes=sizes)

    async def speak(self, page: Page, language: str) -> None:
        """The language of what is loaded from now on."""
        await page.context.add_cookies([{"name": COOKIE, "value": language, "url": self.address}])

    async def take(
        self,
        page: Page,
        name: str,
        language: str,
        *,
        sizes: Sequence[Size] = OFFICE_SIZES,
        full: bool = False,
    ) -> None:
        """The page as it stands, in both themes. `full`: down to its end."""
        if self.only is not None and name not in self.only:
            return
        await page.evaluate("document.fonts.ready")
        for theme in THEMES:
            await page.emulate_media(
                color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce"
            )
            for label, width, height in sizes:
                await page.set_viewport_size({"width": width, "height": height})
                path = self.folder / f"{name}.{language}.{label}.{theme}.png"
                await _shoot(page, path, full)
                self.taken.append((name, language, label, theme))
        await page.emulate_media(color_scheme="light")

    async def keep_last_words(self, *contexts: BrowserContext) -> None:
        """What every open page showed when something went wrong: `failed-<n>.png`."""
        pages = [page for context in contexts for page in context.pages]
        for number, page in enumerate(pages, start=1):
            await page.screenshot(path=self.folder / f"failed-{number}.png")

    def write_index(self) -> Path:
        """`index.html`: every page with its pictures side by side."""
        names = list(dict.fromkeys(name for name, *_ in self.taken))
        rows = "\n".join(f"<h2 id={name}>{name}</h2>\n<div>{self._figures(name)}</div>" for name in names)
        path = self.folder / "index.html"
        path.write_text(_INDEX.replace("ROWS", rows), encoding="utf-8")
        return path

    def _figures(self, name: str) -> str:
        return "\n".join(
            f'<a href="{file}"><img loading=lazy src="{file}" alt="{html.escape(file)}"></a>'
            for file in (".".join((*one, "png")) for one in self.taken if one[0] == name)
        )


async def _shoot(page: Page, path: Path, full: bool) -> None:
    """A browser on a busy machine sometimes has no picture to give: it is asked again."""
    for is_last in (False, False, True):
        try:
            await page.screenshot(path=path, full_page=full, animations="disabled")
        except Error:
            if is_last:
                raise
        else:
            return


async def take_small(page: Page, path: Path, size: Size) -> None:
    """One picture for the documentation: light, a palette instead of full colour."""
    _, width, height = size
    await page.emulate_media(color_scheme="light", reduced_motion="reduce")
    await page.set_viewport_size({"width": width, "height": height})
    raw = await page.screenshot(animations="disabled")
    image = Image.open(io.BytesIO(raw)).convert("RGB")
    # An octree keeps the few pixels of a colour that means something; the median would give all to the photograph.
    palette = image.quantize(COLOURS, method=Image.Quantize.FASTOCTREE)
    image.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)


_INDEX = """<!doctype html>
<meta charset="utf-8"><title>Pages</title>
<style>
body { font-family: sans-serif; margin: 24px; background: #888; }
img { height: 380px; margin: 4px; border: 1px solid #444; vertical-align: top; }
</style>
ROWS
"""

"""Letters for what the simulated phone writes over its picture: digits, captions and the badge, as coverage."""

from PIL import Image, ImageDraw

from tests.assets.scenes.canvas import font

Boxes = dict[str, tuple[int, int, int, int]]

CLOCK_PX, SMALL_PX, CAPTION_PX, BADGE_PX = 32, 20, 24, 20
CAPTIONS = {
    "street": "① 街道",
    "doorplate": "② 门牌",
    "signboard": "③ 单位牌匾",
    "licence": "④ 营业执照",
    "laboratory": "⑤ 检验室",
    "purity": "⑥ 净度分析台 铭牌",
    "balance": "⑦ 电子天平 铭牌",
    "microscope": "⑧ 生物显微镜 铭牌",
    "line": "⑨ 加工生产线",
    "store": "⑩ 种子仓库",
}
BADGE = "模拟画面 · SIMULATED"


def glyphs() -> tuple[Image.Image, Boxes]:
    """One grey picture and where in it each item stands (left, top, width, height)."""
    items = {f"clock:{c}": _cell(c, CLOCK_PX) for c in "0123456789:."}
    items |= {f"small:{c}": _cell(c, SMALL_PX) for c in "0123456789-#+ UTC:"}
    items |= {f"caption:{name}": _words(words, CAPTION_PX) for name, words in CAPTIONS.items()}
    items["badge"] = _words(BADGE, BADGE_PX)
    sheet = Image.new("L", (480, 1200), 0)
    boxes: Boxes = {}
    x = y = row = 0
    for name, item in items.items():
        if x + item.width > sheet.width:
            x, y, row = 0, y + row + 2, 0
        sheet.paste(item, (x, y))
        boxes[name] = (x, y, item.width, item.height)
        x, row = x + item.width + 2, max(row, item.height)
    return sheet.crop((0, 0, sheet.width, y + row)), boxes


def _cell(character: str, size: int) -> Image.Image:
    """All characters of one size are equally wide, so that a running clock stands still; points are narrow."""
    wide = round(size * (0.34 if character in ":. " else 0.72 if character in "UTC+#" else 0.6))
    image = Image.new("L", (wide, round(size * 1.1)), 0)
    face = font("bold", size)
    ImageDraw.Draw(image).text((wide / 2, size * 0.92), character, 255, face, anchor="ms")
    return image


def _words(words: str, size: int) -> Image.Image:
    face = font("bold", size)
    wide = round(face.getlength(words)) + 2
    image = Image.new("L", (wide, round(size * 1.3)), 0)
    ImageDraw.Draw(image).text((1, size * 1.02), words, 255, face, anchor="ls")
    return image
